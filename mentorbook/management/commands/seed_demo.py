from contextlib import contextmanager
from dataclasses import replace

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from accounts.models import User
from mentorbook.demo.build import SCALES, DemoBuilder

PASSWORD = "learning together"  # noqa: S105 - published on purpose; never used in production
CAST = [
    ("ann@example.org", "a student"),
    ("max@example.org", "a mentor"),
    ("ada@example.org", "staff, with the admin at /admin/"),
]


class Command(BaseCommand):
    help = "Fill an empty database with believable people, sessions, points, tickets and reviews."

    def add_arguments(self, parser):
        parser.add_argument("--scale", choices=SCALES, default="small", help="small for trying, large for measuring")
        parser.add_argument("--tickets", type=int, help="another number of tickets than the scale's")
        parser.add_argument("--seed", type=int, default=1, help="the same seed on the same day gives the same data")
        parser.add_argument("--password", help="of every demo account; needed in production")

    def handle(self, *, scale, tickets, seed, password, **options):
        if tickets is not None and tickets < 0:
            raise CommandError("--tickets takes 0 or more.")
        if settings.PRODUCTION and not password:
            raise CommandError(
                "Demo accounts with a published password do not belong in production. Name another with --password."
            )
        if User.objects.filter(email=CAST[0][0]).exists():
            self.stdout.write("The demo data is here already.")
        elif User.objects.exists():
            raise CommandError("There are people in this database already; demo data goes into an empty one only.")
        else:
            with self.progress_bars(shown=options["verbosity"] > 0 and scale != "small") as progress:
                DemoBuilder(
                    SCALES[scale] if tickets is None else replace(SCALES[scale], tickets=tickets),
                    seed=seed,
                    now=timezone.now(),
                    password=password or PASSWORD,
                    progress=progress,
                ).build()
            # Its own progress bar belongs below ours, not between.
            call_command("rebuild_search", verbosity=options["verbosity"] if scale != "small" else 0)
        if options["verbosity"] > 0 and not password:
            self.stdout.write(f"Sign in with the password “{PASSWORD}” as")
            for email, role in CAST:
                self.stdout.write(f"  {email:<18} {role}")

    @contextmanager
    def progress_bars(self, *, shown):
        columns = TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, disable=not shown) as bars:

            @contextmanager
            def progress(label, total):
                task = bars.add_task(label, total=total)
                yield lambda done: bars.advance(task, done)
                bars.update(task, completed=total)

            yield progress
