"""The same time of the week, week after week: all of them or none."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.group_factories import make_group
from bookings.actions import (
    MentorNotBookable,
    NothingLeft,
    OwnMentor,
    PayFrom,
    SeriesNotPossible,
    WeeksOutOfRange,
    book_series,
    cancel_appointment,
    cancel_series,
    confirm_series,
    decline_appointment,
    set_days_off,
)
from bookings.models import Appointment, AppointmentSeries
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, book, rich, works_every_day
from bookings.weekly import weekly_starts
from mentorbook.errors import NotAllowed
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification, OutgoingEmail
from wallets import ledger
from wallets.actions import (
    IdempotencyMismatch,
    NotEnoughPoints,
    contribute_points,
    grant_points,
    wallet_of,
    wallet_of_group,
)

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)  # a Friday, 11:00 in Berlin
NOW = TEN - 3 * DAY
Status = Appointment.Status


@pytest.fixture
def mentor(mentor):
    mentor.booking_horizon_days = 90
    mentor.save()
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 500)


@pytest.fixture(autouse=True)
def _books_are_right(db):
    yield
    assert list(ledger.problems()) == []


def book_weeks(mentor, student, starts_at=TEN, weeks=3, **wish):
    wish = {"duration_minutes": 60, "title": "Compilers", "now": NOW, **wish}
    return book_series(mentor, student=student, starts_at=starts_at, weeks=weeks, **wish)


def sessions(series):
    return list(series.appointments.order_by("starts_at"))


def points(person):
    return wallet_of(person).balance_points


def told(person):
    return list(Notification.objects.filter(recipient=person).order_by("id").values_list("kind", flat=True))


def words(person):
    last = Notification.objects.filter(recipient=person).latest("id")
    return f"{last.title}\n{last.body}"


# --- The arithmetic ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", "2027-03-15T14:00"),  # clocks go forward on 28 March
        ("Europe/Berlin", "2027-10-18T14:00"),  # and back on 31 October
        ("America/New_York", "2027-03-02T09:30"),  # 14 March
        ("America/New_York", "2027-10-26T09:30"),  # 7 November
        ("Australia/Lord_Howe", "2027-03-22T10:00"),  # back by half an hour on 4 April
        ("Australia/Lord_Howe", "2027-09-20T10:00"),  # forward by half an hour on 3 October
        ("Asia/Kolkata", "2027-03-15T14:00"),
    ],
)
def test_the_local_time_stays_the_same_across_clock_changes(zone, first):
    local = dt.datetime.fromisoformat(first)
    starts = weekly_starts(local.replace(tzinfo=ZoneInfo(zone)), zone, 8)
    shown = [start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for start in starts]
    assert shown == [local + week * WEEK for week in range(8)]
    assert all(start.utcoffset() == dt.timedelta(0) for start in starts)


@pytest.mark.parametrize(
    ("zone", "first", "change", "utc"),
    [
        # 2:30 does not exist on 28 March: the clock reaches it at 3:00, which is 1:00 UTC.
        ("Europe/Berlin", "2027-03-21T02:30", 1, "2027-03-28T01:00"),
        # 2:30 happens twice on 31 October: the first is 0:30 UTC.
        ("Europe/Berlin", "2027-10-24T02:30", 1, "2027-10-31T00:30"),
        ("America/New_York", "2027-03-07T02:30", 1, "2027-03-14T07:00"),
        ("America/New_York", "2027-10-31T01:30", 1, "2027-11-07T05:30"),
        # 2:15 is jumped over on 3 October (2:00 → 2:30), 1:45 happens twice on 4 April.
        ("Australia/Lord_Howe", "2027-09-26T02:15", 1, "2027-10-02T15:30"),
        ("Australia/Lord_Howe", "2027-03-28T01:45", 1, "2027-04-03T14:45"),
    ],
)
def test_a_time_that_is_jumped_over_or_happens_twice_is_the_first_that_reaches_it(zone, first, change, utc):
    starts = weekly_starts(dt.datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone)), zone, 3)
    assert starts[change] == dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC)
    assert starts[2].astimezone(ZoneInfo(zone)).strftime("%H:%M") == first[-5:]


def test_a_series_that_begins_in_the_second_of_two_hours_begins_there():
    second = dt.datetime(2027, 10, 31, 1, 30, tzinfo=dt.UTC)  # 2:30 again
    assert weekly_starts(second, "Europe/Berlin", 2) == [second, second + WEEK]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_series_is_booked_over_a_clock_change_at_the_same_local_time(zone, ann):
    mentor = works_every_day(MentorProfileFactory(user__timezone=zone, timezone=zone, booking_horizon_days=120))
    now = dt.datetime(2027, 2, 25, tzinfo=dt.UTC)
    first = dt.datetime(2027, 3, 1, 10, tzinfo=ZoneInfo(zone))
    series = book_weeks(mentor, ann, first, weeks=8, now=now)
    assert {a.agreed_local_start[-5:] for a in sessions(series)} == {"10:00"}
    offsets = {a.starts_at.astimezone(ZoneInfo(zone)).utcoffset() for a in sessions(series)}
    assert len(offsets) == 2


# --- All or nothing ---------------------------------------------------------------------------------------------------


def test_a_series_books_every_week_and_holds_every_price(ann, mentor, max):
    series = book_weeks(mentor, ann, weeks=4, description="Why?", idempotency_key="k")
    booked = sessions(series)
    assert [a.starts_at for a in booked] == [TEN + n * WEEK for n in range(4)]
    assert {a.status for a in booked} == {Status.REQUESTED}
    assert {a.escrow.balance_points for a in booked} == {50}
    assert len({a.escrow_id for a in booked}) == 4
    assert points(ann) == 300
    assert (told(max), told(ann)) == (["appointment_series"], [])
    assert words(max).startswith("Ann Archer asks for 4 sessions: Compilers")
    assert words(max).count("2027, 11:00–12:00") == 4
    assert [a.events.get().to_status for a in booked] == ["requested"] * 4
    assert OutgoingEmail.objects.get().attachment_text.count("BEGIN:VEVENT") == 4


def test_a_series_booked_at_once_is_told_once_to_everybody(ann, sam, mentor, max):
    mentor.confirms_automatically = True
    mentor.save()
    group = make_group(ann, sam, name="Compilers")
    Notification.objects.all().delete()
    book_weeks(mentor, ann, group=group)
    assert [told(person) for person in (max, ann, sam)] == [["appointment_series"]] * 3
    assert words(sam).startswith("Ann Archer booked 3 sessions with Max Meyer for Compilers")
    assert words(max).startswith("Ann Archer booked 3 sessions for the group Compilers")
    assert words(ann).startswith("Max Meyer has confirmed your 3 sessions")


def test_each_impossible_week_is_named_and_nothing_is_booked(ann, sam, mentor):
    set_days_off(mentor, (TEN + WEEK).date(), (TEN + WEEK).date(), now=NOW)
    book(mentor, rich(sam), TEN + 3 * WEEK, now=NOW)
    with pytest.raises(SeriesNotPossible) as refused:
        book_weeks(mentor, ann, weeks=5)
    assert [(week.starts_at, week.reason) for week in refused.value.weeks] == [
        (TEN + WEEK, Reason.day_off),
        (TEN + 3 * WEEK, Reason.busy),
    ]
    assert "Fri 22 Jan" in str(refused.value.message)
    assert "the mentor has that day off" in str(refused.value.message)
    assert points(ann) == 500
    assert not AppointmentSeries.objects.exists()
    assert not Appointment.objects.filter(student=ann).exists()


def test_a_series_beyond_the_horizon_is_refused(ann, mentor):
    mentor.booking_horizon_days = 20
    mentor.save()
    with pytest.raises(SeriesNotPossible) as refused:
        book_weeks(mentor, ann, weeks=12)
    assert {week.reason for week in refused.value.weeks} == {Reason.horizon}
    assert len(refused.value.weeks) == 9


def test_limits_of_the_week_count_other_sessions(ann, sam, mentor):
    mentor.max_sessions_per_week = 1
    mentor.save()
    book(mentor, rich(sam), TEN + WEEK - DAY, now=NOW)
    with pytest.raises(SeriesNotPossible) as refused:
        book_weeks(mentor, ann)
    assert [week.reason for week in refused.value.weeks] == [Reason.week_limit]


def test_the_students_own_sessions_are_in_the_way(ann, mentor):
    AppointmentFactory(student=ann, starts_at=TEN + WEEK)
    with pytest.raises(SeriesNotPossible) as refused:
        book_weeks(mentor, ann)
    assert [week.reason for week in refused.value.weeks] == [Reason.student_busy]


def test_the_sum_must_be_there(ann, mentor):
    with pytest.raises(NotEnoughPoints) as refused:
        book_weeks(mentor, ann, weeks=11)
    assert (refused.value.needed_points, refused.value.missing_points) == (550, 50)
    assert points(ann) == 500
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("weeks", [-1, 0, 1, 13, 10**9])
def test_a_series_has_two_to_twelve_weeks(weeks, ann, mentor):
    with pytest.raises(WeeksOutOfRange):
        book_weeks(mentor, ann, weeks=weeks)


def test_a_series_refuses_what_a_single_session_does(ann, mentor, max):
    with pytest.raises(OwnMentor):
        book_weeks(mentor, max)
    mentor.user.is_active = False
    mentor.user.save()
    with pytest.raises(MentorNotBookable):
        book_weeks(mentor, ann)


def test_unanswered_requests_in_the_way_expire(ann, sam, mentor):
    old = book(mentor, rich(sam), TEN + WEEK, now=TEN - 10 * DAY)
    book_weeks(mentor, ann)
    old.refresh_from_db()
    assert old.status == Status.EXPIRED


def test_the_same_key_books_one_series(ann, mentor):
    first = book_weeks(mentor, ann, idempotency_key="key")
    assert book_weeks(mentor, ann, idempotency_key="key") == first
    assert points(ann) == 350
    with pytest.raises(IdempotencyMismatch):
        book_weeks(mentor, ann, idempotency_key="key", title="Other")
    with pytest.raises(IdempotencyMismatch):
        book_weeks(mentor, ann, idempotency_key="key", weeks=4)
    with pytest.raises(IdempotencyMismatch):
        book(mentor, ann, TEN, now=NOW, title="Compilers", idempotency_key="key")
    assert Appointment.objects.count() == 3


def test_the_key_of_a_single_session_books_no_series(ann, mentor):
    book(mentor, ann, TEN, now=NOW, title="Compilers", idempotency_key="key")
    with pytest.raises(IdempotencyMismatch):
        book_weeks(mentor, ann, idempotency_key="key")
    with pytest.raises(IdempotencyMismatch):
        book_weeks(mentor, ann, TEN + 2 * HOUR, idempotency_key="key")
    assert Appointment.objects.count() == 1


# --- Answers and endings ----------------------------------------------------------------------------------------------


def test_the_mentor_confirms_all_at_once_and_the_student_is_told_once(ann, mentor, max):
    series = book_weeks(mentor, ann)
    decline_appointment(sessions(series)[1], by=max, now=NOW)
    assert len(confirm_series(series, by=max, now=NOW)) == 2
    assert [a.status for a in sessions(series)] == ["confirmed", "declined", "confirmed"]
    assert told(ann) == ["appointment_declined", "appointment_confirmed"]
    assert words(ann).startswith("Max Meyer has confirmed 2 sessions: Compilers")
    with pytest.raises(NothingLeft):
        confirm_series(series, by=max, now=NOW)


def test_only_the_mentor_confirms_all(ann, ada, mentor):
    series = book_weeks(mentor, ann)
    for person in (ann, ada):
        with pytest.raises(NotAllowed):
            confirm_series(series, by=person, now=NOW)


def test_what_is_left_is_cancelled_each_by_its_own_rule(ann, mentor, max):
    series = book_weeks(mentor, ann, weeks=4)
    confirm_series(series, by=max, now=NOW)
    cancel_appointment(sessions(series)[3], by=ann, now=NOW)
    later = TEN + WEEK - HOUR  # the first is over, the second an hour away, the third a week and more
    cancelled = cancel_series(series, by=ann, reason="Exams", now=later)
    assert [a.starts_at for a in cancelled] == [TEN + WEEK, TEN + 2 * WEEK]
    assert [a.status for a in sessions(series)] == ["confirmed", "cancelled", "cancelled", "cancelled"]
    assert points(ann) == 500 - 50 - 25
    assert points(max) == 25
    assert told(max)[-1] == "series_cancelled"
    assert words(max).startswith("Ann Archer has cancelled the 2 sessions that were left: Compilers")
    assert "Exams" in words(max)
    assert "25 points are yours" in words(max)
    with pytest.raises(NothingLeft):
        cancel_series(series, by=ann, now=later)


def test_the_mentor_cancels_what_is_left_and_everything_goes_back_to_the_group(ann, sam, mentor, max):
    group = make_group(ann, sam, name="Compilers")
    Notification.objects.all().delete()
    contribute_points(group, by=ann, points=200)
    series = book_weeks(mentor, ann, group=group, pay_from=PayFrom.GROUP)
    assert wallet_of_group(group).balance_points == 50
    cancel_series(series, by=max, now=NOW)
    assert wallet_of_group(group).balance_points == 200
    for person in (ann, sam):
        assert "150 points are back in the wallet of Compilers." in words(person)


def test_a_stranger_and_a_mere_member_cancel_no_series(ann, sam, mentor):
    group = make_group(ann, sam)
    series = book_weeks(mentor, ann, group=group)
    for person in (sam, MentorProfileFactory().user):
        with pytest.raises(NotAllowed):
            cancel_series(series, by=person, now=NOW)


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def as_ann(client, ann, time_machine):
    time_machine.move_to(NOW, tick=False)
    client.force_login(ann)
    return client


def text(response):
    return " ".join(response.content.decode().split())


def test_the_page_of_a_session_shows_its_series(as_ann, ann, mentor):
    series = book_weeks(mentor, ann)
    first, second, _third = sessions(series)
    page = text(as_ann.get(second.get_absolute_url()))
    assert "Session 2 of 3" in page
    assert f'href="{first.get_absolute_url()}"' in page
    assert "Withdraw all 3" in page
    assert "Confirm all" not in page
    confirm_series(series, by=mentor.user, now=NOW)
    assert "Cancel all 3 that are left" in text(as_ann.get(second.get_absolute_url()))


def test_the_mentor_confirms_all_on_the_page(as_ann, ann, mentor, max):
    series = book_weeks(mentor, ann)
    as_ann.force_login(max)
    first = sessions(series)[0]
    page = text(as_ann.get(first.get_absolute_url()))
    assert "Confirm all 3" in page
    assert "Decline all 3" in page
    assert "Decline these requests" in text(as_ann.get(reverse("bookings:cancel_series", args=[first.pk])))
    as_ann.post(reverse("bookings:confirm_series", args=[first.pk]))
    assert {a.status for a in sessions(series)} == {Status.CONFIRMED}
    assert as_ann.post(reverse("bookings:confirm_series", args=[first.pk])).status_code == 409


def test_cancelling_what_is_left_names_the_total_first(as_ann, ann, mentor, max, time_machine):
    series = book_weeks(mentor, ann)
    confirm_series(series, by=max, now=NOW)
    time_machine.move_to(TEN - HOUR, tick=False)
    as_ann.force_login(ann)
    address = reverse("bookings:cancel_series", args=[sessions(series)[2].pk])
    page = text(as_ann.get(address))
    assert "25 of 50 points back" in page
    assert "Together 125 points come back to you." in page
    assert "25 points go to Max" in page
    assert as_ann.post(address).status_code == 302
    assert points(ann) == 475
    assert as_ann.post(address).status_code == 409


def test_a_single_session_has_no_series_to_cancel(as_ann, ann, mentor):
    appointment = book(mentor, ann, TEN, now=NOW)
    assert as_ann.get(reverse("bookings:cancel_series", args=[appointment.pk])).status_code == 404
    assert as_ann.post(reverse("bookings:confirm_series", args=[appointment.pk])).status_code == 404


def test_a_series_is_shown_with_as_many_questions_for_two_as_for_six(as_ann, ann, mentor):
    grant_points(ann, points=1000)
    counts = []
    for hour, weeks in ((0, 2), (2, 6)):
        series = book_weeks(mentor, ann, TEN + hour * HOUR, weeks=weeks)
        address = sessions(series)[0].get_absolute_url()
        as_ann.get(address)
        with CaptureQueriesContext(connection) as captured:
            as_ann.get(address)
        counts.append(len(captured))
    assert counts[0] == counts[1]
