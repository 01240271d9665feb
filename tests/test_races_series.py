"""Many threads at once on series and on the wallet of a group. Each race is run a second time against a version that is
broken on purpose, to prove that the check would notice."""

import datetime as dt
import time

import pytest

from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings import availability
from bookings.actions import (
    PayFrom,
    SeriesNotPossible,
    SlotTaken,
    book_series,
    book_slot,
    cancel_series,
    confirm_appointment,
)
from bookings.models import Appointment, AppointmentSeries
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from bookings.weekly import weekly_starts
from mentorbook.errors import Refused
from mentors.tests.factories import MentorProfileFactory
from tests.test_races_bookings import (
    A_MOMENT,
    DAY,
    HOUR,
    NOW,
    TEN,
    at_once,
    careless_hold,
    overlaps,
    problems,
    without_the_database_behind,
)
from wallets.actions import NotEnoughPoints, contribute_points, open_escrow, wallet_of, wallet_of_group
from wallets.models import Wallet

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

WEEK = dt.timedelta(days=7)
TAKERS = 50


def a_mentor():
    return works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=10, booking_horizon_days=100))


# --- Overlapping series and single slots ------------------------------------------------------------------------------


def careless_series(mentor, *, student, starts_at, weeks, duration_minutes, title, now):
    """book_series as it must not be: it looks, thinks, and then writes one week after the other."""
    calendar = availability.load_calendar(mentor, now=now, student=student)
    starts = weekly_starts(starts_at, mentor.timezone, weeks)
    if any(calendar.refusal(start, duration_minutes=duration_minutes) for start in starts):
        raise SeriesNotPossible
    time.sleep(A_MOMENT)
    series = AppointmentSeries.objects.create(mentor=mentor, booked_by=student, weeks=weeks)
    for start in starts:
        AppointmentFactory(mentor=mentor, student=student, starts_at=start, series=series, status="requested")
    return series


def half_series():
    """Series of which not every week is there."""
    return [
        f"{series.appointments.count()} of {series.weeks} weeks of series {series.pk}"
        for series in AppointmentSeries.objects.all()
        if series.appointments.count() != series.weeks
    ]


def race_for_weeks(book_weeks):
    """Half of the crowd wants 2 to 6 weeks from one of three Fridays on, the others one of these hours alone."""
    mentor = a_mentor()
    students = [rich(UserFactory(), 100) for _ in range(TAKERS)]

    def wish(number, student):
        start = TEN + (number % 3) * WEEK
        common = {"student": student, "duration_minutes": 60, "title": "Race", "now": NOW}
        if number % 2:
            return lambda: book_slot(mentor, starts_at=start, **common)
        return lambda: book_weeks(mentor, starts_at=start, weeks=2 + number % 5, **common)

    answers = at_once([wish(number, student) for number, student in enumerate(students)])
    faults = overlaps() + half_series()
    values = [answer.value for answer in answers]
    faults += [
        repr(v) for v in values if not isinstance(v, (Appointment, AppointmentSeries, SlotTaken, SeriesNotPossible))
    ]
    if not any(isinstance(v, (Appointment, AppointmentSeries)) for v in values):
        faults.append("nobody got anything")
    return faults


def test_series_and_single_sessions_never_overlap_and_no_series_is_half():
    assert race_for_weeks(book_series) == []
    assert problems() == []
    wallets = Wallet.objects.filter(user__in=Appointment.objects.values("student"))
    assert sum(100 - wallet.balance_points for wallet in wallets) == 10 * Appointment.objects.count()


def test_the_race_for_weeks_notices_a_missing_lock():
    with without_the_database_behind():
        assert any("at once" in fault for fault in race_for_weeks(careless_series))


def test_the_race_for_weeks_notices_half_a_series():
    def without_a_transaction(mentor, **wish):
        """Books week by week, each for itself."""
        weeks = wish.pop("weeks")
        series = AppointmentSeries.objects.create(mentor=mentor, booked_by=wish["student"], weeks=weeks)
        for start in weekly_starts(wish.pop("starts_at"), mentor.timezone, weeks):
            appointment = book_slot(mentor, starts_at=start, **wish)
            Appointment.objects.filter(pk=appointment.pk).update(series=series)
        return series

    assert any("weeks of series" in fault for fault in race_for_weeks(without_a_transaction))


# --- The wallet of a group --------------------------------------------------------------------------------------------


def race_for_the_groups_wallet(book):
    """15 members of a group with 100 points ask as many mentors at 30 at once, each for an hour of that day."""
    people = [UserFactory() for _ in range(15)]
    owner = rich(people[0], 100)
    group = make_group(owner, *people[1:], members_may_pay=True)
    contribute_points(group, by=owner, points=100)
    calls = []
    for number, student in enumerate(people):
        mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=30))
        start = TEN + (number % 5) * HOUR + (number // 5) * DAY
        calls.append(lambda mentor=mentor, student=student, start=start: book(mentor, student, start, group))
    answers = at_once(calls)
    count = sum(isinstance(answer.value, Appointment) for answer in answers)
    faults = problems()
    if count != 3:
        faults.append(f"{count} sessions at 30 were paid from 100 points")
    if (left := wallet_of_group(group).balance_points) != 10:
        faults.append(f"{left} points are left")
    faults += [repr(a.value) for a in answers if not isinstance(a.value, (Appointment, NotEnoughPoints))]
    return faults


def from_the_group(mentor, student, start, group):
    wish = {"starts_at": start, "duration_minutes": 60, "title": "Race", "now": NOW}
    return book_slot(mentor, student=student, group=group, pay_from=PayFrom.GROUP, **wish)


def carelessly_from_the_group(mentor, student, start, group):
    """The balance is read, then written."""
    appointment = AppointmentFactory(
        mentor=mentor,
        student=student,
        group=group,
        starts_at=start,
        status="requested",
        price_points=30,
        payer=wallet_of_group(group),
        escrow=open_escrow(),
    )
    careless_hold(appointment.payer, appointment.escrow, points=30, by=student, subject=appointment)
    return appointment


def test_a_groups_wallet_of_100_pays_three_of_fifteen_sessions_at_30():
    assert race_for_the_groups_wallet(from_the_group) == []


def test_the_race_for_the_groups_wallet_notices_a_balance_that_is_read_then_written():
    faults = race_for_the_groups_wallet(carelessly_from_the_group)
    assert any("were paid from 100 points" in fault for fault in faults)


# --- One series, many endings -----------------------------------------------------------------------------------------


def race_for_the_end_of_a_series(cancel):
    """The student, the mentor and both again cancel what is left while the mentor confirms week by week."""
    mentor = a_mentor()
    ann = rich(UserFactory(), 100)
    first = TEN + WEEK  # so late that all points come back, also when a session was confirmed before it was cancelled
    series = book_series(
        mentor, student=ann, starts_at=first, weeks=6, duration_minutes=60, title="Race", now=NOW, idempotency_key="k"
    )
    rows = list(series.appointments.select_related("mentor__user"))
    calls = [lambda by=by: cancel(series, by=by, now=NOW) for by in (ann, mentor.user, ann, mentor.user)]
    calls += [lambda row=row: confirm_appointment(row, by=mentor.user, now=NOW) for row in rows]
    answers = at_once(calls)
    faults = problems()
    states = set(Appointment.objects.values_list("status", flat=True))
    if states != {"cancelled"}:
        faults.append(f"the sessions are {states}")
    if wallet_of(ann).balance_points != 100:
        faults.append(f"{wallet_of(ann).balance_points} points are back")
    winners = [answer for answer in answers[:4] if isinstance(answer.value, list)]
    if len(winners) != 1:
        faults.append(f"{len(winners)} cancelled it")
    return faults + [
        repr(a.value) for a in answers if isinstance(a.value, Exception) and not isinstance(a.value, Refused)
    ]


def test_a_series_is_cancelled_once_and_as_a_whole():
    assert race_for_the_end_of_a_series(cancel_series) == []


def test_the_race_for_the_end_of_a_series_notices_states_that_are_read_then_written():
    def careless(series, *, by, now):
        rows = [row for row in series.appointments.all() if row.is_live]
        time.sleep(A_MOMENT)
        for row in rows:
            Appointment.objects.filter(pk=row.pk).update(status="cancelled")
            Wallet.objects.filter(pk=row.payer_id).update(balance_points=100)
        return rows

    assert any("cancelled it" in fault for fault in race_for_the_end_of_a_series(careless))
