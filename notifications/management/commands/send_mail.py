from django.core.management.base import BaseCommand
from django.utils import timezone

from notifications import outbox
from notifications.models import OutgoingEmail


class Command(BaseCommand):
    help = "Send the mails that are due. Safe to run at any time, also several at once."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="Only list what would be sent.")

    def handle(self, *, dry_run, **options):
        if dry_run:
            for email in OutgoingEmail.objects.due(timezone.now()).order_by("next_attempt_at", "id"):
                self.stdout.write(f"{email.to}: {email.subject}")
            return
        outcomes = outbox.drain()
        if not outcomes:
            self.stdout.write("Nothing to send.")
        for status, count in sorted(outcomes.items()):
            self.stdout.write(f"{count} {OutgoingEmail.Status(status).label}")
