from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tickets.models import Ticket
from tickets.search import dictionary, index


class Command(BaseCommand):
    help = "Make the search index anew from the tickets. Safe to run twice, and while tickets change."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="only say what the index has otherwise")

    def handle(self, *, dry_run, verbosity, **options):
        changed, gone = self.compare_or_write(dry_run=dry_run, shown=verbosity > 0)
        if dry_run:
            self.stdout.write(f"{changed:,} tickets are not in the index as they are; {gone:,} should not be there.")
            return
        index.finish_rebuild()
        words = dictionary.count_words(now=timezone.now())
        if verbosity:
            self.stdout.write(f"{changed:,} tickets indexed anew, {gone:,} removed; {words:,} words in the dictionary.")

    def compare_or_write(self, *, dry_run, shown):
        """How many tickets the index lacked or had otherwise, and how many it had that are gone."""
        changed = gone = 0
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, disable=not shown) as bars, connection.cursor() as cursor:
            task = bars.add_task("tickets", total=Ticket.objects.count())
            for ids in index.batches():
                if dry_run:
                    differing, superfluous = index.differences(cursor, ids)
                    changed, gone = changed + len(differing), gone + len(superfluous)
                    if differing and shown:
                        bars.console.print(f"differs: {', '.join(str(pk) for pk, _, _ in differing)}")
                else:
                    changed += index.index_tickets(ids)
                bars.advance(task, len(ids))
            orphans = index.orphans()
            if not dry_run:
                index.remove_from_index(orphans)
        return changed, gone + len(orphans)
