import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tickets.actions import (
    accept_ticket,
    close_ticket,
    refresh_figures,
    release_ticket,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
)
from tickets.actions import figures as figures_module
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def figures(mentor):
    mentor.refresh_from_db()
    return (mentor.tickets_solved, mentor.tickets_answered, mentor.first_response_minutes, mentor.solution_minutes)


def answered(mentor, *, after, solved_after=None, taken_at=NOW):
    """A ticket that the mentor answered and, where given, solved so many minutes after taking it."""
    return TicketFactory(
        mentor=mentor,
        **({"assigned": True} if solved_after is None else {"resolved": True}),
        assigned_at=taken_at,
        first_response_at=taken_at + after * MINUTE,
        resolved_at=None if solved_after is None else taken_at + solved_after * MINUTE,
    )


def test_a_new_mentor_has_no_figures(mentor):
    refresh_figures(mentor)
    assert figures(mentor) == (0, 0, None, None)


def test_the_steps_of_a_ticket_keep_the_figures_current(ann, mentor, max):
    ticket = TicketFactory(student=ann)
    accept_ticket(ticket, by=max, now=NOW)
    reply_to_ticket(ticket, by=ann, text="Here", now=NOW + 5 * MINUTE)
    assert figures(mentor) == (0, 0, None, None)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW + 20 * MINUTE)
    assert figures(mentor) == (0, 1, 20, None)
    resolve_ticket(ticket, by=max, text="Do this", now=NOW + 90 * MINUTE)
    assert figures(mentor) == (1, 1, 20, 90)
    reopen_ticket(ticket, by=ann, reason="No", now=NOW + 100 * MINUTE)
    assert figures(mentor) == (0, 1, 20, None)
    resolve_ticket(ticket, by=max, text="Do that", now=NOW + 120 * MINUTE)
    assert figures(mentor) == (1, 1, 20, 120)
    close_ticket(ticket, by=ann, now=NOW + 200 * MINUTE)
    assert figures(mentor) == (1, 1, 20, 120)


def test_a_released_ticket_counts_no_more(ann, mentor, max):
    ticket = TicketFactory(student=ann)
    accept_ticket(ticket, by=max, now=NOW)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW + 20 * MINUTE)
    release_ticket(ticket, by=max, now=NOW + 30 * MINUTE)
    assert figures(mentor) == (0, 0, None, None)


def test_a_solution_at_once_is_the_first_response_too(ann, mentor, max):
    ticket = TicketFactory(student=ann)
    accept_ticket(ticket, by=max, now=NOW)
    resolve_ticket(ticket, by=max, text="Do this", now=NOW + 7 * MINUTE)
    assert figures(mentor) == (1, 1, 7, 7)


@pytest.mark.parametrize(
    ("minutes", "median"), [([10], 10), ([10, 30], 20), ([10, 500, 30], 30), ([10, 20, 30, 999], 25), ([0], 0)]
)
def test_the_figures_are_medians(mentor, minutes, median):
    for after in minutes:
        answered(mentor, after=after, solved_after=after + 60)
    answered(mentor, after=median)  # in work: it has no solution yet
    TicketFactory(resolved=True)  # somebody else's
    refresh_figures(mentor)
    assert figures(mentor) == (len(minutes), len(minutes) + 1, median, median + 60)


def test_the_medians_are_over_the_last_ones_only(mentor, monkeypatch):
    assert figures_module.LAST == 100
    monkeypatch.setattr(figures_module, "LAST", 3)
    for number, after in enumerate([1_000, 1_000, 1_000, 10, 20, 30]):
        answered(mentor, after=after, solved_after=2 * after, taken_at=NOW + number * dt.timedelta(days=10))
    refresh_figures(mentor)
    assert figures(mentor) == (6, 6, 20, 40)


def test_counting_takes_a_fixed_number_of_queries(mentor):
    numbers = set()
    for count in (1, 2, 5):
        for _ in range(count):
            answered(mentor, after=10, solved_after=20)
        with CaptureQueriesContext(connection) as queries:
            refresh_figures(mentor)
        numbers.add(len(queries))
    assert numbers == {4}
