"""What the database itself refuses, whoever asks: PostgreSQL by exclusion constraints, SQLite by triggers."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction

from bookings.models import Appointment, AppointmentEvent
from bookings.tests.factories import AppointmentFactory
from mentorbook import triggers

TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)
Status = Appointment.Status


@pytest.fixture
def taken(mentor, ann):
    """Max and Ann from 10:00 to 11:00, with 15 minutes of buffer on either side."""
    return AppointmentFactory(
        mentor=mentor,
        student=ann,
        starts_at=TEN,
        blocked_from=TEN - HOUR / 4,
        blocked_until=TEN + HOUR + HOUR / 4,
    )


def refused(name):
    return pytest.raises(IntegrityError, match=name)


@pytest.mark.parametrize("status", Appointment.BLOCKING)
@pytest.mark.parametrize("begins", [-2 * HOUR, -HOUR, -HOUR / 4, HOUR / 2, HOUR + HOUR / 4 - TICK])
def test_a_mentors_blocked_times_never_overlap(taken, mentor, status, begins):
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        AppointmentFactory(
            mentor=mentor, status=status, starts_at=TEN + begins, ends_at=TEN + max(begins, -HOUR / 4) + HOUR
        )


@pytest.mark.parametrize("begins", [-HOUR - HOUR / 4, HOUR + HOUR / 4])
def test_a_mentors_sessions_may_touch(taken, mentor, begins):
    AppointmentFactory(mentor=mentor, starts_at=TEN + begins)


def test_a_microsecond_of_overlap_is_an_overlap(taken, mentor):
    end = taken.blocked_until
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        AppointmentFactory(mentor=mentor, starts_at=end - TICK, ends_at=end + HOUR)
    Appointment.objects.update(blocked_until=end + TICK)
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        AppointmentFactory(mentor=mentor, starts_at=end)
    AppointmentFactory(mentor=mentor, starts_at=end + TICK)


@pytest.mark.parametrize("status", Appointment.FREEING)
def test_what_came_to_nothing_frees_the_time(taken, mentor, ann, status):
    AppointmentFactory(mentor=mentor, student=ann, status=status)
    Appointment.objects.filter(pk=taken.pk).update(status=status)
    AppointmentFactory(mentor=mentor, student=ann)


def test_a_students_sessions_never_overlap(taken, ann):
    with refused("bookings_no_overlap_student"), transaction.atomic():
        AppointmentFactory(student=ann, starts_at=TEN + HOUR / 2)


@pytest.mark.parametrize("begins", [-HOUR, HOUR])
def test_buffers_are_the_mentors_and_do_not_take_the_students_time(taken, ann, begins):
    AppointmentFactory(student=ann, starts_at=TEN + begins)


@pytest.mark.parametrize(
    "change",
    [
        {"starts_at": TEN, "ends_at": TEN + HOUR, "blocked_from": TEN, "blocked_until": TEN + HOUR},
        {"blocked_from": TEN},
        {"status": Status.REQUESTED, "blocked_from": TEN + HOUR},
    ],
)
def test_moving_onto_a_taken_time_is_refused(taken, mentor, change):
    later = AppointmentFactory(mentor=mentor, starts_at=TEN + 2 * HOUR)
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        Appointment.objects.filter(pk=later.pk).update(**change)


def test_coming_back_to_a_taken_time_is_refused(taken, mentor, ann):
    gone = AppointmentFactory(mentor=mentor, status=Status.CANCELLED)
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        Appointment.objects.filter(pk=gone.pk).update(status=Status.CONFIRMED)
    elsewhere = AppointmentFactory(student=ann, status=Status.DECLINED)
    with refused("bookings_no_overlap_student"), transaction.atomic():
        Appointment.objects.filter(pk=elsewhere.pk).update(status=Status.REQUESTED)


def test_changing_hands_onto_a_taken_time_is_refused(taken, mentor, ann):
    other = AppointmentFactory()
    with refused("bookings_no_overlap_mentor"), transaction.atomic():
        Appointment.objects.filter(pk=other.pk).update(mentor=mentor)
    with refused("bookings_no_overlap_student"), transaction.atomic():
        Appointment.objects.filter(pk=other.pk).update(student=ann)


def test_an_appointment_may_be_saved_where_it_is(taken):
    taken.title = "Other words"
    taken.save()
    Appointment.objects.filter(pk=taken.pk).update(status=Status.COMPLETED, blocked_until=taken.ends_at)


def test_an_end_before_the_start_is_refused(db):
    with refused("bookings_ends_after_start"):
        AppointmentFactory(ends_at=TEN, blocked_until=TEN)


def test_buffers_cannot_lie_inside(db):
    with refused("bookings_buffers_outside"):
        AppointmentFactory(blocked_from=TEN + TICK)


def test_a_key_is_used_once_a_person(ann, sam):
    AppointmentFactory(student=ann, idempotency_key="abc")
    AppointmentFactory(student=sam, idempotency_key="abc")
    with pytest.raises(IntegrityError):
        AppointmentFactory(student=ann, idempotency_key="abc", starts_at=TEN + HOUR)


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["starts_at", "ends_at", "blocked_from", "blocked_until"])
@pytest.mark.parametrize("spelling", ["2027-01-15T10:00:00", "2027-01-15 10:00:00+00:00", "2027-01-15 10:00", "10"])
def test_sqlite_refuses_times_that_do_not_sort(taken, column, spelling):
    if connection.vendor != "sqlite":
        pytest.skip("other databases have a type for times")
    with refused("bookings_canonical_times"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE bookings_appointment SET {column} = %s", [spelling])


def test_history_only_grows(taken):
    event = AppointmentEvent.objects.create(appointment=taken, to_status=Status.CONFIRMED)
    for change in (
        lambda: AppointmentEvent.objects.filter(pk=event.pk).update(reason="other"),
        lambda: AppointmentEvent.objects.filter(pk=event.pk)._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
            change()


@pytest.mark.django_db
def test_every_trigger_is_in_place():
    wanted = {trigger.name for trigger in triggers.registered(connection.vendor) if "bookings" in trigger.name}
    assert wanted
    assert wanted <= triggers.installed_names(connection)


@pytest.mark.django_db
def test_the_triggers_search_by_index():
    if connection.vendor != "sqlite":
        pytest.skip("an exclusion constraint is an index")
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN QUERY PLAN SELECT 1 FROM bookings_appointment WHERE mentor_id = 1 AND status IN ('requested')"
            " AND blocked_from < '2027' AND blocked_until > '2026'"
        )
        assert "INDEX bookings_of_mentor (mentor_id=? AND blocked_until>?)" in str(cursor.fetchall())
