"""Several workers at once on the same reminders and the same imported calendars, each also without what keeps them
apart."""

import datetime as dt
import time

import pytest

from bookings.actions import add_calendar, book_slot, calendars, refresh_calendars, reminders, send_reminders
from bookings.models import Appointment, BusyTime
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from bookings.tests.test_calendar_fetching import Here, running
from bookings.tests.test_calendar_reading import calendar, event
from notifications.models import Notification, OutgoingEmail
from tests.test_races_bookings import A_MOMENT, at_once, booked

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

START = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
WORKERS = 6


@pytest.fixture
def near(ann, mentor):
    return AppointmentFactory(mentor=mentor, student=ann, starts_at=START, timed_at=START - 72 * HOUR)


def remind_at_once():
    """How often a worker found that the reminder was its to send."""
    answers = at_once([lambda: send_reminders(now=START - 2 * HOUR)] * WORKERS)
    return sum(answer.value for answer in answers if isinstance(answer.value, int))


def test_of_many_workers_one_reminds(near):
    assert remind_at_once() == 1
    assert Notification.objects.filter(kind="appointment_reminder").count() == 2
    assert OutgoingEmail.objects.count() == 2


def test_the_race_notices_reminders_without_a_lock(near, monkeypatch):
    def careless(appointment, reminder, *, now):
        appointment = Appointment.objects.get(pk=appointment.pk)
        if not reminders._is_due(appointment, reminder, now):
            return False
        time.sleep(A_MOMENT)
        Appointment.objects.filter(pk=appointment.pk).update(**{reminder.reminded: appointment.starts_at})
        return True

    monkeypatch.setattr(reminders, "remind", careless)
    assert remind_at_once() > 1


@pytest.fixture
def imported(mentor):
    works_every_day(mentor, 0, 24 * 60)
    with running() as server:
        server.here = Here(server.port)
        busy = event(f"DTSTART:{START:%Y%m%dT%H%M%SZ}", "DURATION:PT1H")
        server.answers["/"] = lambda request: request.answer(calendar(busy))
        add_calendar(mentor, url=f"{server.address}/", now=START - 24 * HOUR)
        yield server


def read_at_once(server):
    at_once([lambda: refresh_calendars(now=START - 24 * HOUR, network=server.here)] * 3)
    return len(server.asked)


def test_of_many_workers_one_reads_a_calendar(imported, mentor):
    assert read_at_once(imported) == 1
    assert BusyTime.objects.filter(mentor=mentor).count() == 1


def test_the_race_notices_calendars_that_nobody_claims(imported, monkeypatch):
    monkeypatch.setattr(calendars, "_claim", lambda calendar, now: True)
    assert read_at_once(imported) > 1


def test_a_time_that_becomes_busy_while_it_is_booked_ends_in_one_order_or_the_other(imported, mentor, ann):
    """Booked first, the session stays; busy first, it is refused. Never an error, and never a deadlock."""
    rich(ann)
    mentor.minimum_notice_minutes = 0
    mentor.save()
    now = START - 24 * HOUR
    answers = at_once(
        [
            lambda: book_slot(mentor, student=ann, starts_at=START, duration_minutes=60, title="Forms", now=now),
            lambda: refresh_calendars(now=now, network=imported.here),
        ]
    )
    assert BusyTime.objects.filter(mentor=mentor).count() == 1
    assert len(booked(answers)) == Appointment.objects.count()
    assert answers[1].value == 1
