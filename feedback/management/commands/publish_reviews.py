from django.core.management.base import BaseCommand
from django.utils import timezone

from feedback.actions import publish_due_reviews


class Command(BaseCommand):
    help = "Count the reviews whose waiting time has passed in their mentors' ratings. Safe to run at any time."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="Only count them.")

    def handle(self, *, dry_run, **options):
        count = publish_due_reviews(now=timezone.now(), dry_run=dry_run)
        self.stdout.write(f"{count} due" if dry_run else f"{count} published")
