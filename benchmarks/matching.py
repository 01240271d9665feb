"""How long it takes to say who fits a ticket, and in which order 5,000 open tickets stand for a mentor.

Both by themselves and as pages through the whole stack: middleware, sign-in, queries, templates. The tickets, the work
that mentors have and what they have proven are made in bulk beside those that the data has, in a transaction that is
rolled back.
"""

import datetime as dt
import random
import statistics
import time
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from mentors.models import MentorProfile, ProvenSkill, Tag
from tickets.matching import Queue, mentors_for
from tickets.models import Ticket

OPEN = 5_000
TURNS = 40
BATCH = 1_000
MINUTES_BACK = 8 * 24 * 60
MENTORS_TARGET_MS, QUEUE_TARGET_MS = 50, 100
QUEUE = "/tickets/queue/"
DESCRIPTION = (
    "Since the *last* update it breaks at night:\n\n```python\nraise KeyError('DEBUG')\n```\n\nWhat is wrong? " * 8
)


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target). Raises AssertionError where too little was found to be worth timing."""
    chance = random.Random(20261121)
    if settings.ALLOWED_HOSTS != ["*"] and "testserver" not in settings.ALLOWED_HOSTS:
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    with _filled(chance):
        return [*_mentors(chance), *_queue(chance)]


@contextmanager
def _filled(chance):
    with transaction.atomic():
        fill(chance)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        yield
        transaction.set_rollback(True)


def fill(chance):
    """At least 5,000 open tickets, some work for most mentors, and proven skills."""
    now = timezone.now()
    mentors = list(MentorProfile.objects.listed().prefetch_related("expertise"))
    students = list(User.objects.filter(mentor_profile=None, is_staff=False, is_active=True)[:OPEN])
    assert mentors, "there are no mentors; run `seed_demo` first"

    def ticket(**fields):
        asked = now - dt.timedelta(minutes=chance.randrange(MINUTES_BACK))
        return Ticket(
            student=chance.choice(students),
            title="Why does it break at night?",
            description=DESCRIPTION,
            opened_at=asked,
            waiting_on=Ticket.Side.MENTOR,
            waiting_since=asked,
            **fields,
        )

    missing = max(0, OPEN - Ticket.objects.open().count())
    taken = [mentor for mentor in mentors for _ in range(chance.choice([0, 0, 1, 1, 2, 3]))]
    work = [ticket(status=Ticket.Status.ASSIGNED, mentor=mentor, assigned_at=now) for mentor in taken]
    made = Ticket.objects.bulk_create([*(ticket() for _ in range(missing)), *work], batch_size=BATCH)
    tags = [tag for mentor in mentors for tag in mentor.expertise.all()]  # as often as mentors have them
    rare = Tag.objects.bulk_create([Tag(name=f"bench-{number}") for number in range(20)], ignore_conflicts=True)
    tags += list(Tag.objects.filter(name__in=[tag.name for tag in rare]))
    tagged = Ticket.tags.through
    tagged.objects.bulk_create(
        [
            tagged(ticket_id=one.pk, tag_id=tag)
            for one in made
            for tag in {chance.choice(tags).pk for _ in range(chance.choice([1, 2, 3, 3, 4, 5]))}
        ],
        batch_size=BATCH,
    )
    ProvenSkill.objects.bulk_create(
        [
            ProvenSkill(mentor=mentor, tag=tag, weight=chance.choice([0.4, 1, 3, 12]), weighed_at=now)
            for mentor in mentors
            for tag in mentor.expertise.all()
            if chance.random() < 0.5
        ],
        ignore_conflicts=True,
        batch_size=BATCH,
    )


# --- Mentors for a ticket ---------------------------------------------------------------------------------------------


def _mentors(chance):
    now = timezone.now()
    listed = MentorProfile.objects.listed().count()
    tickets = list(Ticket.objects.open().select_related("student").order_by("pk"))
    found, best = 0, chance.sample(tickets, TURNS + 1)
    target = f"p95 ≤ {MENTORS_TARGET_MS} ms"

    def match():
        nonlocal found
        found += len(mentors_for(best.pop(), now=now))

    row = _measure(match, TURNS)
    assert found >= 3 * TURNS, f"only {found} mentors were found for {TURNS} tickets"
    yield f"who of {listed:,} mentors fits a ticket", f"{row}, {found} found", target

    shown, asked, client = 0, chance.sample(tickets, TURNS + 1), Client()

    def prepare():
        client.force_login(asked[-1].student)

    def answer():
        nonlocal shown
        response = client.get(f"/tickets/{asked.pop().pk}/mentors/", headers={"HX-Request": "true"})
        assert response.status_code == 200, response.status_code
        shown += response.content.count(b'class="match"')

    row = _measure(answer, TURNS, prepare)
    assert shown >= 3 * TURNS, f"only {shown} mentors were shown for {TURNS} tickets"
    yield "the same, answered on the ticket's page", f"{row}, {shown} shown", target


# --- The queue --------------------------------------------------------------------------------------------------------


def _queue(chance):
    now = timezone.now()
    there = Ticket.objects.open().count()
    assert there >= OPEN, f"only {there} tickets are open"
    mentors = list(MentorProfile.objects.listed().select_related("user").order_by("pk"))
    target = f"p95 ≤ {QUEUE_TARGET_MS} ms"
    shown = 0

    def order():
        nonlocal shown
        shown += len(Queue(chance.choice(mentors), now=now, fitting_only=True)[:3])

    row = _measure(order, TURNS)
    assert shown == 3 * (TURNS + 1), f"only {shown} rows"
    yield f"the first three of {there:,} open tickets for a mentor", row, target

    tags = [tag.name for tag in Tag.objects.most_used(12)]
    pages = {
        "for you": lambda: {},
        "all, any page": lambda: {"tab": "all", "page": chance.randrange(1, there // 20)},
        "all with a tag": lambda: {"tab": "all", "tag": chance.choice(tags)},
        "mine": lambda: {"tab": "mine"},
    }
    client = Client()
    for what, query in pages.items():
        shown = 0

        def prepare():
            client.force_login(chance.choice(mentors).user)

        def answer(query=query):
            nonlocal shown
            response = client.get(QUEUE, query())
            assert response.status_code == 200, response.status_code
            shown += response.content.count(b'class="queue-row"')

        row = _measure(answer, TURNS, prepare)
        assert shown >= TURNS / 4, f"{what}: only {shown} rows"
        yield f"queue of {there:,} open tickets, {what}", f"{row}, {shown} rows shown", target


def _measure(work, turns, prepare=lambda: None):
    taken, queries = [], set()
    prepare()
    work()  # fills caches
    for turn in range(turns):
        prepare()
        if turn % 10 == 9:  # some are counted, and those are not timed
            with CaptureQueriesContext(connection) as captured:
                work()
            queries.add(len(captured))
            continue
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1_000)
    p95 = statistics.quantiles(taken, n=20)[-1]
    return f"p50 {statistics.median(taken):.0f} ms, p95 {p95:.0f} ms, {max(queries)} queries"
