import datetime as dt
import logging

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from notifications.models import Kind as Told
from notifications.models import Notification, OutgoingEmail
from tickets.actions import (
    accept_ticket,
    close_solved_tickets,
    close_ticket,
    nudge_silent_mentors,
    overdue,
    release_silent_tickets,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
    warn_before_closing,
)
from tickets.models import Ticket, TicketEvent
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def ticket(ann, max):
    """Taken by Max at NOW."""
    ticket = TicketFactory(student=ann, title="KeyError", created_at=NOW - DAY)
    accept_ticket(ticket, by=max, now=NOW)
    Notification.objects.all().delete()
    return ticket


@pytest.fixture
def solved(ticket, max):
    """Solved at NOW."""
    resolve_ticket(ticket, by=max, text="Do this", now=NOW)
    Notification.objects.all().delete()
    return ticket


def told():
    return [(told.recipient.name, told.kind, told.title) for told in Notification.objects.order_by("id")]


def status_of(ticket):
    ticket.refresh_from_db()
    return ticket.status


# --- Released after days of silence


def test_a_ticket_goes_back_after_three_days_without_a_word(ticket, mentor):
    assert release_silent_tickets(now=NOW + 3 * DAY - SECOND) == 0
    assert status_of(ticket) == "assigned"

    assert release_silent_tickets(now=NOW + 3 * DAY) == 1
    assert status_of(ticket) == "open"
    assert (ticket.mentor, ticket.assigned_at, ticket.opened_at) == (None, None, NOW + 3 * DAY)
    assert (ticket.waiting_on, ticket.waiting_since) == ("mentor", NOW + 3 * DAY)
    event = ticket.events.latest("id")
    assert (event.kind, event.from_status, event.to_status) == ("released_silent", "assigned", "open")
    assert (event.actor, event.mentor) == (None, mentor)
    assert told() == [
        ("Ann Archer", Told.TICKET_RELEASED, "Your ticket waits for a mentor again: KeyError"),
        ("Max Meyer", Told.TICKET_RELEASED, "You no longer have this ticket: KeyError"),
    ]
    assert "Max Meyer did not answer for days." in Notification.objects.earliest("id").body

    assert release_silent_tickets(now=NOW + 9 * DAY) == 0
    assert (ticket.events.count(), Notification.objects.count()) == (2, 2)


def test_the_days_are_counted_from_when_the_mentors_turn_began(ticket, ann, max):
    reply_to_ticket(ticket, by=ann, text="Are you there?", now=NOW + 2 * DAY)
    assert release_silent_tickets(now=NOW + 3 * DAY - SECOND) == 0
    reply_to_ticket(ticket, by=max, text="Yes", now=NOW + 3 * DAY - SECOND)
    assert release_silent_tickets(now=NOW + 30 * DAY) == 0
    reply_to_ticket(ticket, by=ann, text="Good", now=NOW + 30 * DAY)
    assert release_silent_tickets(now=NOW + 33 * DAY - SECOND) == 0
    assert release_silent_tickets(now=NOW + 33 * DAY) == 1


def test_a_reopened_ticket_gives_its_mentor_three_days_again(solved, ann):
    reopen_ticket(solved, by=ann, reason="No", now=NOW + 5 * DAY)
    assert release_silent_tickets(now=NOW + 8 * DAY - SECOND) == 0
    assert release_silent_tickets(now=NOW + 8 * DAY) == 1


@pytest.mark.parametrize("state", ["open", "resolved", "closed", "deleted"])
def test_only_tickets_in_work_are_released(state):
    ticket = TicketFactory(created_at=NOW - 90 * DAY, **({} if state == "open" else {state: True}))
    Ticket.objects.filter(pk=ticket.pk).update(waiting_on="mentor", waiting_since=NOW - 90 * DAY)
    assert release_silent_tickets(now=NOW) == 0
    assert nudge_silent_mentors(now=NOW) == 0
    assert status_of(ticket) == state


def test_the_installation_says_after_how_many_days(ticket, settings):
    settings.TICKETS_RELEASED_AFTER_DAYS = 10
    assert release_silent_tickets(now=NOW + 10 * DAY - SECOND) == 0
    assert release_silent_tickets(now=NOW + 10 * DAY) == 1


def test_a_job_that_has_read_an_old_row_asks_again_under_the_lock(ticket, max):
    read_earlier = Ticket.objects.get(pk=ticket.pk)
    reply_to_ticket(ticket, by=max, text="Here I am", now=NOW + 3 * DAY)
    assert overdue._release(read_earlier, NOW + 3 * DAY) is False
    assert overdue._remind(read_earlier, NOW + 3 * DAY) is False
    assert status_of(ticket) == "assigned"


# --- Reminded before that


def test_a_mentor_is_reminded_after_one_day_and_after_two(ticket):
    counts = {}
    for label, moment in [
        ("just before a day", NOW + DAY - SECOND),
        ("a day", NOW + DAY),
        ("a day once more", NOW + DAY),
        ("between", NOW + 2 * DAY - SECOND),
        ("two days", NOW + 2 * DAY),
        ("two days once more", NOW + 3 * DAY - SECOND),
        ("when it is released", NOW + 3 * DAY),
    ]:
        counts[label] = nudge_silent_mentors(now=moment)
    assert {label for label, count in counts.items() if count} == {"a day", "two days"}
    assert told() == [("Max Meyer", Told.TICKET_NUDGE, "Ann Archer waits for your answer: KeyError")] * 2
    first, second = Notification.objects.order_by("id")
    assert "for 1 day." in first.body
    assert "for 2 days." in second.body
    assert "on Mon 18 Jan, 13:00 (Europe/Berlin)" in second.body
    assert OutgoingEmail.objects.filter(to="max@example.org").count() == 2
    assert ticket.events.count() == 1


def test_after_a_pause_of_the_jobs_only_the_later_reminder_comes(ticket):
    assert nudge_silent_mentors(now=NOW + 2 * DAY + SECOND) == 1
    assert nudge_silent_mentors(now=NOW + 2 * DAY + 2 * SECOND) == 0
    assert "for 2 days." in Notification.objects.get().body


def test_each_silence_is_reminded_of_anew(ticket, ann, max):
    nudge_silent_mentors(now=NOW + DAY)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW + DAY)
    assert nudge_silent_mentors(now=NOW + 3 * DAY) == 0
    reply_to_ticket(ticket, by=ann, text="I did", now=NOW + 3 * DAY)
    assert nudge_silent_mentors(now=NOW + 4 * DAY - SECOND) == 0
    assert nudge_silent_mentors(now=NOW + 4 * DAY) == 1


# --- Closed by itself


def test_a_student_is_told_a_day_before_a_solved_ticket_closes(solved):
    assert warn_before_closing(now=NOW + 6 * DAY - SECOND) == 0
    assert warn_before_closing(now=NOW + 6 * DAY) == 1
    assert warn_before_closing(now=NOW + 6 * DAY) == 0
    assert told() == [("Ann Archer", Told.TICKET_CLOSES_SOON, "Your solved ticket closes soon: KeyError")]
    assert "on Fri 22 Jan, 13:00 (Europe/Madrid)" in Notification.objects.get().body
    assert status_of(solved) == "resolved"


def test_a_solved_ticket_closes_after_a_week(solved, mentor):
    assert close_solved_tickets(now=NOW + 7 * DAY - SECOND) == 0
    assert close_solved_tickets(now=NOW + 7 * DAY) == 1

    assert status_of(solved) == "closed"
    assert (solved.closed_at, solved.waiting_on) == (NOW + 7 * DAY, "")
    event = solved.events.latest("id")
    assert (event.kind, event.from_status, event.to_status) == ("closed_by_itself", "resolved", "closed")
    assert (event.actor, event.mentor) == (None, mentor)
    assert [(name, kind) for name, kind, _title in told()] == [
        ("Ann Archer", Told.TICKET_CLOSED),
        ("Max Meyer", Told.TICKET_CLOSED),
    ]
    assert "A short review helps" in Notification.objects.earliest("id").body

    assert close_solved_tickets(now=NOW + 70 * DAY) == 0
    assert warn_before_closing(now=NOW + 70 * DAY) == 0
    assert Notification.objects.count() == 2


def test_what_was_solved_anew_has_its_week_and_its_warning_again(solved, ann, max):
    warn_before_closing(now=NOW + 6 * DAY)
    reopen_ticket(solved, by=ann, reason="No", now=NOW + 6 * DAY)
    assert close_solved_tickets(now=NOW + 30 * DAY) == 0
    resolve_ticket(solved, by=max, text="Do that", now=NOW + 30 * DAY)
    assert warn_before_closing(now=NOW + 36 * DAY) == 1
    assert close_solved_tickets(now=NOW + 37 * DAY - SECOND) == 0
    assert close_solved_tickets(now=NOW + 37 * DAY) == 1


def test_nobody_is_warned_of_what_closes_in_the_same_moment(solved):
    assert warn_before_closing(now=NOW + 7 * DAY) == 0


def test_the_installation_says_when_solved_tickets_close(solved, settings):
    settings.TICKETS_CLOSE_AFTER_DAYS = 2
    assert warn_before_closing(now=NOW + DAY) == 1
    assert close_solved_tickets(now=NOW + 2 * DAY) == 1


def test_a_ticket_closed_or_reopened_meanwhile_is_left_alone(solved, ann):
    read_earlier = Ticket.objects.get(pk=solved.pk)
    close_ticket(solved, by=ann, now=NOW)
    assert overdue._close(read_earlier, NOW + 7 * DAY) is False
    assert overdue._warn(read_earlier, NOW + 6 * DAY) is False
    assert solved.events.filter(to_status="closed").count() == 1


# --- All of them

JOBS = [release_silent_tickets, nudge_silent_mentors, warn_before_closing, close_solved_tickets]


def one_of_each(now=NOW):
    """A ticket that is due for each job at `now`."""
    for job, fields in {
        "released": {"assigned": True, "assigned_at": now - 3 * DAY},
        "reminded": {"assigned": True, "assigned_at": now - DAY},
        "warned": {"resolved": True, "resolved_at": now - 6 * DAY},
        "closed": {"resolved": True, "resolved_at": now - 7 * DAY},
    }.items():
        TicketFactory(title=job, created_at=now - 8 * DAY, **fields)


@pytest.mark.parametrize("job", JOBS)
def test_a_dry_run_counts_and_changes_nothing(job):
    one_of_each()
    before = list(Ticket.objects.order_by("id").values())
    assert job(now=NOW, dry_run=True) == 1
    assert list(Ticket.objects.order_by("id").values()) == before
    assert not Notification.objects.exists()
    assert not TicketEvent.objects.exists()
    assert job(now=NOW) == 1
    assert (job(now=NOW), job(now=NOW, dry_run=True)) == (0, 0)


@pytest.mark.parametrize("job", JOBS)
def test_one_ticket_that_fails_does_not_keep_the_others_waiting(job, caplog):
    for _ in range(2):
        one_of_each()
    # Nobody can be told anything in a time zone that does not exist.
    due = {
        release_silent_tickets: "released",
        nudge_silent_mentors: "reminded",
        warn_before_closing: "warned",
        close_solved_tickets: "closed",
    }[job]
    broken = Ticket.objects.filter(title=due).earliest("id")
    User.objects.filter(pk__in=[broken.student_id, broken.mentor.user_id]).update(timezone="Nowhere/Land")
    with caplog.at_level(logging.ERROR, "mentorbook.jobs"):
        assert job(now=NOW) == 1
    assert f"ticket {broken.pk} could not be dealt with" in caplog.text
    assert not broken.events.exists()
    User.objects.update(timezone="UTC")
    assert job(now=NOW) == 1


@pytest.mark.parametrize("job", JOBS)
def test_with_nothing_due_a_job_costs_one_query(job):
    TicketFactory(assigned=True, assigned_at=NOW)
    TicketFactory(resolved=True, resolved_at=NOW)
    with CaptureQueriesContext(connection) as queries:
        assert job(now=NOW) == 0
    assert len(queries) == 1


@pytest.mark.parametrize("job", JOBS)
def test_a_job_takes_as_many_queries_for_each_ticket(job):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            job(now=NOW)
        return len(captured)

    numbers = []
    for count in (1, 2, 3):
        for _ in range(count):
            one_of_each()
        numbers.append(queries())
    assert numbers[2] - numbers[1] == numbers[1] - numbers[0]


def test_the_jobs_run_with_the_others(capsys):
    one_of_each(now=timezone.now())
    names = [job.__name__ for job in JOBS]
    call_command("run_jobs", only=names, dry_run=True)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"{name}: 1" for name in names)
    call_command("run_jobs", only=names)
    assert capsys.readouterr().out.count(": 1") == 4
    call_command("run_jobs", only=names)
    assert capsys.readouterr().out == ""
