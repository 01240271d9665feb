import datetime as dt

import pytest

from accounts.models import Membership, ProjectGroup
from bookings.actions import cancel_appointment, choose_reminders, send_reminders
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, book_confirmed, rich, works_every_day
from notifications.models import Notification, OutgoingEmail

pytestmark = pytest.mark.django_db

START = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)


@pytest.fixture
def session(ann, mentor):
    works_every_day(mentor, 0, 24 * 60)
    return book_confirmed(mentor, rich(ann), START, now=START - dt.timedelta(days=3), title="Forms 😀")


def reminded():
    """(whom, of what) of every reminder so far, in order."""
    told = Notification.objects.filter(kind="appointment_reminder").order_by("id").select_related("recipient")
    return [(row.recipient.get_short_name(), row.occasion.split(":")[2]) for row in told]


def move(appointment, start, *, now):
    """What agreeing on another time does to the row."""
    Appointment.objects.filter(pk=appointment.pk).update(
        starts_at=start, ends_at=start + HOUR, blocked_from=start, blocked_until=start + HOUR, timed_at=now
    )


def test_both_sides_are_reminded_a_day_and_an_hour_before(session):
    assert send_reminders(now=START - 24 * HOUR - MINUTE) == 0
    assert send_reminders(now=START - 24 * HOUR) == 1
    assert reminded() == [("Ann", "day_before"), ("Max", "day_before")]
    assert send_reminders(now=START - HOUR - MINUTE) == 0
    assert send_reminders(now=START - HOUR) == 1
    assert reminded()[2:] == [("Ann", "hour_before"), ("Max", "hour_before")]
    assert send_reminders(now=START - MINUTE) == 0
    assert len(reminded()) == 4


def test_a_reminder_says_when_with_whom_and_where(session, ann):
    Appointment.objects.update(meeting_url="https://meet.example.org/max")
    send_reminders(now=START - HOUR)
    told = Notification.objects.get(kind="appointment_reminder", recipient=ann)
    assert told.title == "Soon, Fri 15 Jan, 11:00: Forms 😀"
    assert "11:00–12:00 (Europe/Madrid)" in told.body
    assert "You meet Max Meyer." in told.body
    assert "https://meet.example.org/max" in told.body
    assert told.url == session.get_absolute_url()
    assert "METHOD:REQUEST" in OutgoingEmail.objects.get(notification=told).attachment_text


def test_it_comes_late_rather_than_never(session):
    assert send_reminders(now=START - 5 * HOUR) == 1
    assert send_reminders(now=START - MINUTE) == 1
    assert reminded() == [(name, when) for when in ("day_before", "hour_before") for name in ("Ann", "Max")]


def test_inside_the_last_hour_there_is_only_the_last(session):
    assert send_reminders(now=START - HOUR) == 1
    assert {when for _name, when in reminded()} == {"hour_before"}


@pytest.mark.parametrize("late", [dt.timedelta(), MINUTE, 2 * HOUR])
def test_not_when_it_has_begun(session, late):
    assert send_reminders(now=START + late) == 0


def test_dry_run_only_counts(session):
    assert send_reminders(now=START - 2 * HOUR, dry_run=True) == 1
    assert reminded() == []


def test_only_who_chose_so_is_told(session, ann, max):
    choose_reminders(ann, day_before=False, hour_before=True)
    choose_reminders(max, day_before=True, hour_before=False)
    send_reminders(now=START - 24 * HOUR)
    send_reminders(now=START - HOUR)
    assert reminded() == [("Max", "day_before"), ("Ann", "hour_before")]


def test_nobody_who_changes_the_mind_gets_an_old_one(session, ann, max):
    for person in (ann, max):
        choose_reminders(person, day_before=False, hour_before=False)
    assert send_reminders(now=START - 24 * HOUR) == 1
    choose_reminders(ann, day_before=True, hour_before=True)
    assert send_reminders(now=START - 23 * HOUR) == 0
    assert reminded() == []


def test_whoever_booked_late_knows_already(ann, mentor):
    works_every_day(mentor, 0, 24 * 60)
    mentor.minimum_notice_minutes = 0
    mentor.save()
    book_confirmed(mentor, rich(ann), START, now=START - 23 * HOUR)
    assert send_reminders(now=START - 22 * HOUR) == 0
    assert send_reminders(now=START - HOUR) == 1
    assert {when for _name, when in reminded()} == {"hour_before"}


def test_a_move_arms_it_again(session):
    send_reminders(now=START - 24 * HOUR)
    later = START + dt.timedelta(days=2)
    move(session, later, now=START - 20 * HOUR)
    assert send_reminders(now=START - HOUR) == 0
    assert send_reminders(now=later - 24 * HOUR) == 1
    assert send_reminders(now=later - 23 * HOUR) == 0
    assert len(reminded()) == 4


def test_a_move_to_a_near_time_reminds_only_of_the_last_hour(session):
    sooner = START - 20 * HOUR
    move(session, sooner, now=sooner - 3 * HOUR)
    assert send_reminders(now=sooner - 2 * HOUR) == 0
    assert send_reminders(now=sooner - HOUR) == 1


@pytest.mark.parametrize("status", [status for status in Appointment.Status.values if status != "confirmed"])
def test_only_confirmed_sessions_count(ann, mentor, status):
    AppointmentFactory(mentor=mentor, student=ann, status=status, starts_at=START, timed_at=START - 72 * HOUR)
    assert send_reminders(now=START - 2 * HOUR) == 0


def test_a_cancelled_one_is_not_reminded_of(session, max):
    cancel_appointment(session, by=max, reason="", now=START - 30 * HOUR)
    assert send_reminders(now=START - 2 * HOUR) == 0


def test_all_members_of_a_group_are_reminded(session, ann, sam):
    group = ProjectGroup.objects.create(name="Rockets", owner=ann)
    for person in (ann, sam):
        Membership.objects.create(group=group, user=person)
    Appointment.objects.update(group=group)
    send_reminders(now=START - 2 * HOUR)
    assert sorted(reminded()) == [(name, "day_before") for name in ("Ann", "Max", "Sam")]
