"""Keeping the index current: what ticket actions call, and what makes the tables after every migration.

An article is found by what it shows and by nothing else: title, tags with all their spellings, description, solution
and useful replies. Who may see a ticket is not asked here but in every search.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from mentors.models import TagSynonym
from tickets.models import MAX_IN_ARTICLE, Reply, Ticket
from tickets.search import analyser
from tickets.search.documents import Document, document
from tickets.search.engines import ENGINES, SIDE_TABLES, TABLE, Engine

BATCH = 500
AT_ONCE = 200  # tickets that a merged tag takes along; more wait for the job
REBUILT_BY_ITSELF = 2_000


def engine(using: str = "default") -> Engine:
    return ENGINES[connections[using].vendor]


def index_ticket(ticket: Ticket) -> None:
    """Let the search know what the ticket says now; call it in the transaction that changed it, after the change."""
    index_tickets([ticket.pk])


@transaction.atomic
def index_tickets(ids: Collection[int]) -> int:
    """The same for tickets by id, those that are gone included; how many the index did not have as they are."""
    ids = sorted(set(ids))
    if not ids:
        return 0
    with connection.cursor() as cursor:
        engine().lock(cursor, ids)
        changed, gone = differences(cursor, ids)
        engine().write(cursor, changed)
        engine().remove(cursor, gone)
    return len(changed) + len(gone)


def remove_from_index(ids: Iterable[int]) -> None:
    """Forget these tickets; those that are not there are no mistake."""
    with connection.cursor() as cursor:
        engine().remove(cursor, list(ids))


def differences(cursor, ids) -> tuple[list[tuple[int, Document, str]], list[int]]:
    """What of these tickets the index has not or has otherwise, as it should be; and the ids it should not have."""
    documents = _documents(ids)
    stored = engine().fingerprints(cursor, ids)
    changed = [
        (pk, it, fingerprint) for pk, it in documents.items() if stored.get(pk) != (fingerprint := it.fingerprint)
    ]
    return changed, sorted(set(stored) - set(documents))


def _documents(ids) -> dict[int, Document]:
    """What each ticket that is there says, by id; in four queries."""
    rows = Ticket.objects.there().filter(pk__in=ids).order_by()
    # Ordered here: to save the sorting, SQLite would read whole tables in the order of their ids.
    tagged = Ticket.tags.through.objects.filter(ticket__in=ids).order_by()
    tagged = sorted(tagged.values_list("ticket", "tag", "tag__name"))
    spellings = {tag: [name] for _, tag, name in tagged}
    for tag, name in TagSynonym.objects.filter(tag__in=spellings).order_by("name").values_list("tag", "name"):
        spellings[tag].append(name)
    tags, replies = defaultdict(list), defaultdict(list)
    for ticket, tag, _ in tagged:
        tags[ticket].append((tag, spellings[tag]))
    useful = Reply.objects.public().filter(ticket__in=ids).order_by()
    for ticket, _, text in sorted(useful.values_list("ticket", "pk", "text")):
        replies[ticket].append(text)
    return {
        pk: document(title, tags[pk], [description, solution or "", *replies[pk][:MAX_IN_ARTICLE]])
        for pk, title, description, solution in rows.values_list("pk", "title", "description", "solution__text")
    }


# --- Tags that change under many tickets ------------------------------------------------------------------------------


def follow_tags(tag_ids: Collection[int]) -> Callable[[], None]:
    """See `mentors.retagging`. The tickets of a popular tag are indexed anew by the next run of the job."""
    through = Ticket.tags.through.objects.filter(tag__in=tag_ids)
    ids = list(through.values_list("ticket", flat=True).distinct())

    def index_again():
        index_tickets(ids[:AT_ONCE])
        with connection.cursor() as cursor:
            # An update where it is marked already, so that the job waits for what this transaction changed.
            cursor.executemany(
                "INSERT INTO tickets_search_stale (ticket_id) VALUES (%s)"
                " ON CONFLICT (ticket_id) DO UPDATE SET ticket_id = excluded.ticket_id",
                [(pk,) for pk in ids[AT_ONCE:]],
            )

    return index_again


def index_stale_tickets(*, now=None, dry_run: bool = False) -> int:
    """The job behind it: index what waits, in transactions of a few hundred; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ticket_id FROM tickets_search_stale ORDER BY ticket_id")
        ids = [pk for (pk,) in cursor.fetchall()]
    if not dry_run:
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany("DELETE FROM tickets_search_stale WHERE ticket_id = %s", [(pk,) for pk in some])
                index_tickets(some)
    return len(ids)


# --- The whole --------------------------------------------------------------------------------------------------------


def batches() -> Iterator[list[int]]:
    """The ids of all tickets, deleted ones too, a few hundred at a time."""
    last = 0
    rows = Ticket.objects.order_by("pk").values_list("pk", flat=True)
    while ids := list(rows.filter(pk__gt=last)[:BATCH]):
        yield ids
        last = ids[-1]


def orphans() -> list[int]:
    """The ids in the index of which there is no ticket any more."""
    own = engine()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {own.id_column} FROM {TABLE} WHERE NOT EXISTS"  # noqa: S608
            f" (SELECT 1 FROM tickets_ticket WHERE tickets_ticket.id = {own.of_document})"
        )
        return [pk for (pk,) in cursor.fetchall()]


def finish_rebuild() -> None:
    """Note that the whole index is of the present analyser, and put it in order."""
    set_state("analyser", analyser.VERSION)
    with connection.cursor() as cursor:
        engine().tidy(cursor)


def get_state(name: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM tickets_search_state WHERE name = %s", [name])
        row = cursor.fetchone()
    return row and row[0]


def set_state(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tickets_search_state (name, value) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )


# --- After migrations -------------------------------------------------------------------------------------------------


def prepare_after_migrate(app_config, using, verbosity=1, **kwargs):
    """Make the tables that are missing, and see whether the index fits the tickets; where it does not, build it anew,
    or say so where that takes long. A test's flush comes here too and leaves an empty index."""
    own, database = engine(using), connections[using]
    with database.cursor() as cursor:
        if "tickets_ticket" not in database.introspection.table_names(cursor):
            own.drop(cursor)
            return
        own.create(cursor)
        cursor.execute("SELECT count(*) FROM tickets_ticket WHERE status <> 'deleted'")
        (tickets,) = cursor.fetchone()
        cursor.execute(f"SELECT count(*) FROM {own.counted}")  # noqa: S608
        (indexed,) = cursor.fetchone()
    if not tickets and indexed:
        with database.cursor() as cursor:
            own.drop(cursor)
            own.create(cursor)
    if using != "default" or (tickets == indexed and (not tickets or get_state("analyser") == analyser.VERSION)):
        return
    migrations = MigrationExecutor(database)
    if not tickets or migrations.migration_plan(migrations.loader.graph.leaf_nodes()):
        return  # half-way through the migrations the models do not fit the tables
    if tickets <= REBUILT_BY_ITSELF:
        for ids in batches():
            index_tickets(ids)
        remove_from_index(orphans())
        finish_rebuild()
    elif verbosity:
        print(f"The search index has {indexed:,} of {tickets:,} tickets: run manage.py rebuild_search.")  # noqa: T201


__all__ = [
    "SIDE_TABLES",
    "batches",
    "differences",
    "finish_rebuild",
    "follow_tags",
    "get_state",
    "index_stale_tickets",
    "index_ticket",
    "index_tickets",
    "orphans",
    "prepare_after_migrate",
    "remove_from_index",
    "set_state",
]
