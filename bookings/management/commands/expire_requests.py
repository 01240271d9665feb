from django.core.management.base import BaseCommand
from django.utils import timezone

from bookings.actions import expire_requests


class Command(BaseCommand):
    help = "Let requests that nobody answered in time expire; the points go back. Safe to run at any time."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *, dry_run, **options):
        count = expire_requests(now=timezone.now(), dry_run=dry_run)
        self.stdout.write(f"{count} would expire" if dry_run else f"{count} expired")
