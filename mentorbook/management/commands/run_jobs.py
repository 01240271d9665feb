import signal
import threading

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from django.utils import timezone

from mentorbook import jobs


def give_up_stale_connection():
    """Let the next job open a new connection where the server has closed this one in the meantime."""
    if not connection.in_atomic_block:
        close_old_connections()


class Command(BaseCommand):
    help = "Run every periodic job once, or again and again with --every. Safe to run twice at the same time."

    def add_arguments(self, parser):
        parser.add_argument("--every", type=float, metavar="SECONDS", help="do not end; begin a round this often")
        parser.add_argument("--dry-run", action="store_true", help="only say how much each job would do")
        parser.add_argument("--only", metavar="JOB", choices=[job.name for job in jobs.registered()], action="append")

    def handle(self, *, every, dry_run, only, **options):
        if every is not None and every <= 0:
            raise CommandError("--every wants a number of seconds above 0")
        chosen = [job for job in jobs.registered() if not only or job.name in only]
        if every is None:
            if not self.run_round(chosen, dry_run):
                raise CommandError("a job failed; its error is in the log")
            return
        stop = threading.Event()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: stop.set())
        # A signal ends the wait, not the round: a job is never cut off by a polite stop.
        while not stop.is_set():
            self.run_round(chosen, dry_run)
            stop.wait(every)

    def run_round(self, chosen, dry_run):
        """Whether no job failed."""
        is_fine = True
        for outcome in jobs.run(chosen, now=timezone.now(), dry_run=dry_run, after_each=give_up_stale_connection):
            if outcome.error:
                is_fine = False
                self.stderr.write(f"{outcome.name}: failed, {outcome.error}")
            elif outcome.count or dry_run:
                self.stdout.write(f"{outcome.name}: {outcome.count}")
        return is_fine
