"""A knowledge base of any size to search in: words as frequent as they are in life (Zipf), code among them."""

import datetime as dt
import itertools
import random

from django.db import connection, transaction
from django.utils import timezone
from rich.progress import track

from accounts.models import User
from mentors.models import MentorProfile, Tag
from tickets.models import Reply, Ticket

VOCABULARY = 60_000
BATCH = 2_000
TAGS = 60
COMMON = """the to a is in it and i of my when for with this that not but error how django python after file code get
why from run can on have what test use function does string list class import data value line return object type server
table query using none request install version docker thread async model field loop module index key user path update
exception response cache connection null pointer template database variable celery redis migration""".split()  # noqa: SIM905
CODE = [
    "asyncio.run(main())",
    "django.db.utils.OperationalError:",
    "KeyError:",
    "select_related()",
    "c++",
    "std::vector",
    "node.js",
    "useEffect",
    "NullPointerException",
    "get_object_or_404",
    "pip",
    "`import os`",
    "C#",
    ".NET",
]
SYLLABLES = "ba ko ri ten lu sha mi do per gon ta vel su cri no fle wi dra ex tu".split()  # noqa: SIM905


def vocabulary(chance):
    """Words from the most frequent to the rarest; the frequent ones are real."""
    words = list(dict.fromkeys([*COMMON, *CODE]))
    known = set(words)
    while len(words) < VOCABULARY:
        word = "".join(chance.choices(SYLLABLES, k=chance.choice([2, 3, 3, 4])))
        if word not in known:
            known.add(word)
            words.append(word)
    return words


def fill(number):
    """Bring the empty database to `number` tickets: nine in ten are articles, the others private or in work."""
    chance = random.Random(20261121)
    words = vocabulary(chance)
    weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))

    def text(least, most):
        return " ".join(chance.choices(words, cum_weights=weights, k=chance.randrange(least, most)))

    student = User.objects.create_user(email="student@example.org", password=None, name="Student")
    max = User.objects.create_user(email="max@example.org", password=None, name="Max")
    mentor = MentorProfile.objects.create(user=max, timezone="UTC", approval=MentorProfile.Approval.APPROVED)
    tags = Tag.objects.bulk_create([Tag(name=word) for word in words[20 : 20 + TAGS]])
    now = timezone.now()
    for start in track(range(1, number + 1, BATCH), description="tickets"):
        tickets, replies, tagged = [], [], []
        for pk in range(start, min(start + BATCH, number + 1)):
            at = now - dt.timedelta(minutes=(number - pk) * 1_500_000 // number)
            tickets.append(_ticket(pk, text(4, 10), text(30, 90), student, mentor, at, chance))
            if tickets[-1].solution_id:
                solution = Reply(
                    pk=pk, ticket_id=pk, author=max, kind=Reply.Kind.SOLUTION, text=text(15, 60), created_at=at
                )
                replies.append(solution)
            tagged += [
                Ticket.tags.through(ticket_id=pk, tag=tag) for tag in {chance.choice(tags), tags[pk % 7], tags[pk % 3]}
            ]
        with transaction.atomic():  # a ticket and its solution point at each other
            Ticket.objects.bulk_create(tickets)
            Reply.objects.bulk_create(replies)
            Ticket.tags.through.objects.bulk_create(tagged)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _ticket(pk, title, description, student, mentor, at, chance):
    solved = chance.random() < 0.95
    return Ticket(
        pk=pk,
        title=title[:200],
        description=description,
        student=student,
        status=Ticket.Status.CLOSED if solved else Ticket.Status.OPEN,
        mentor=mentor if solved else None,
        solution_id=pk if solved else None,
        resolved_at=at if solved else None,
        closed_at=at if solved else None,
        waiting_on="" if solved else Ticket.Side.MENTOR,
        is_public=chance.random() < 0.95,
        upvote_count=int(chance.paretovariate(1.2)) - 1,
        created_at=at,
        opened_at=at,
        active_at=at,
        waiting_since=at,
    )
