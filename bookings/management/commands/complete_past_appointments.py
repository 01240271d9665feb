from django.core.management.base import BaseCommand
from django.utils import timezone

from bookings.actions import complete_past_appointments


class Command(BaseCommand):
    help = "Complete confirmed sessions that nobody concluded; the mentors are paid. Safe to run at any time."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *, dry_run, **options):
        count = complete_past_appointments(now=timezone.now(), dry_run=dry_run)
        self.stdout.write(f"{count} would be completed" if dry_run else f"{count} completed")
