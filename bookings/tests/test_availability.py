import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser

from bookings import actions, availability
from bookings.models import Appointment, DateOverride
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, WeeklyHoursFactory, book, rich, works_every_day
from mentors.directory import free_times
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)  # a Friday, 11:00 in Berlin
NOW = TEN - DAY
MIDNIGHT = TEN.replace(hour=0)


@pytest.fixture
def mentor(mentor):
    """Works from 9:00 to 17:00 every day, Berlin time: 8:00 to 16:00 UTC."""
    return works_every_day(mentor)


def free_hours(mentor, student=None, now=NOW, day=MIDNIGHT, **wish):
    offer = availability.offer(
        mentor, duration_minutes=60, since=day, until=day + DAY, now=now, student=student, **wish
    )
    return [slot.starts_at.hour for slot in offer.slots]


def test_an_offer_has_slots_with_their_terms_and_the_reasons_for_the_rest(mentor):
    AppointmentFactory(mentor=mentor, starts_at=TEN)
    offer = availability.offer(mentor, duration_minutes=60, since=MIDNIGHT, until=MIDNIGHT + DAY, now=NOW)
    first = offer.slots[0]
    assert (first.starts_at, first.ends_at) == (TEN - 2 * HOUR, TEN - HOUR)
    assert (first.price_points, first.cancel_free_until) == (50, TEN - 26 * HOUR)
    assert [slot.starts_at.hour for slot in offer.slots] == [8, 9, 11, 12, 13, 14, 15]
    assert {closed.reason for closed in offer.closed} >= {Reason.outside_hours, Reason.busy}


@pytest.mark.parametrize("status", Appointment.Status)
def test_only_blocking_sessions_take_time(mentor, status):
    AppointmentFactory(mentor=mentor, starts_at=TEN, status=status, answer_by=TEN)
    assert (10 in free_hours(mentor)) == (status in Appointment.FREEING)


def test_buffers_of_both_sessions_add_up(mentor):
    AppointmentFactory(mentor=mentor, starts_at=TEN, blocked_until=TEN + HOUR + HOUR / 4)
    mentor.buffer_before_minutes = 50
    assert free_hours(mentor) == [8, 9, 13, 14, 15]


def test_a_request_that_ran_out_is_free_again(mentor):
    AppointmentFactory(mentor=mentor, starts_at=TEN, status="requested", answer_by=NOW)
    assert 10 in free_hours(mentor, now=NOW)
    assert 10 not in free_hours(mentor, now=NOW - dt.timedelta(seconds=1))


def test_overrides_replace_the_hours_of_their_date(mentor):
    DateOverride.objects.create(mentor=mentor, date=TEN.date(), windows=[[600, 720]])
    assert free_hours(mentor) == [9, 10]
    DateOverride.objects.update(windows=[])
    assert free_hours(mentor) == []


def test_the_mentors_own_lessons_take_the_mentors_time(mentor, max):
    AppointmentFactory(student=max, starts_at=TEN)
    assert 10 not in free_hours(mentor)


def test_the_students_sessions_are_not_offered_to_that_student(mentor, ann, sam):
    AppointmentFactory(student=ann, starts_at=TEN)
    assert 10 not in free_hours(mentor, student=ann)
    assert 10 in free_hours(mentor, student=sam)
    assert 10 in free_hours(mentor, student=AnonymousUser())


def test_what_the_student_mentors_is_not_offered_to_that_student(mentor, ann):
    other = MentorProfileFactory()
    AppointmentFactory(mentor=other, starts_at=TEN, blocked_until=TEN + HOUR + HOUR / 4)
    assert free_hours(mentor, student=other.user) == [8, 9, 12, 13, 14, 15]


def test_limits_count_only_what_the_mentor_mentors(mentor, max):
    mentor.max_sessions_per_day = 1
    AppointmentFactory(student=max, starts_at=TEN)
    assert len(free_hours(mentor)) == 7
    AppointmentFactory(mentor=mentor, starts_at=TEN + HOUR)
    assert free_hours(mentor) == []


def test_the_week_limit_sees_sessions_outside_the_range(mentor):
    mentor.max_sessions_per_week = 1
    AppointmentFactory(mentor=mentor, starts_at=TEN - 4 * DAY)  # Monday of that week
    assert free_hours(mentor) == []


def test_an_away_mentor_offers_nothing(mentor):
    mentor.status = MentorProfile.Status.AWAY
    assert free_hours(mentor) == []


def test_a_mentor_without_hours_offers_nothing(db):
    assert free_hours(MentorProfileFactory()) == []


@pytest.mark.parametrize("count", [1, 3])
def test_calendars_take_four_queries_for_any_number_of_mentors(ann, count, django_assert_num_queries):
    mentors = [works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin")) for _ in range(count)]
    for mentor in mentors:
        AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + 2 * HOUR * mentors.index(mentor))
    assert not ann.is_mentor
    with django_assert_num_queries(4):
        calendars = availability.load_calendars(mentors, now=NOW, student=ann)
        for calendar in calendars.values():
            calendar.offer(duration_minutes=60, since=NOW, until=NOW + 28 * DAY)
            calendar.nearest(TEN, duration_minutes=60)
            calendar.first_free()
    assert len(calendars) == count


def test_no_mentors_take_no_queries(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert availability.load_calendars([], now=NOW) == {}


def test_first_free_times_are_those_of_the_shortest_session(mentor, ann):
    mentor.session_minutes = [90, 30]
    AppointmentFactory(mentor=mentor, starts_at=TEN - 2 * HOUR + HOUR / 2)
    never = MentorProfileFactory()
    times = availability.first_free_times([mentor, never], NOW + 12 * HOUR, ann)
    assert times == {mentor.pk: TEN - 2 * HOUR, never.pk: None}


def test_the_directory_asks_this_calendar(mentor, ann):
    evening = MentorProfileFactory(user__timezone="UTC")
    WeeklyHoursFactory(mentor=evening, weekday=5, start_minute=22 * 60, end_minute=24 * 60)
    profiles = MentorProfile.objects.order_by("-pk")
    day = TEN.date()
    assert free_times().first_free(profiles, NOW, ann)[evening.pk] == TEN + 12 * HOUR
    assert free_times().free_on(profiles, day, ZoneInfo("UTC"), NOW) == [evening.pk, mentor.pk]
    assert free_times().free_on(profiles, day, dt.UTC, NOW) == [evening.pk, mentor.pk]
    # It is Saturday already in Auckland when the evening hours of Friday begin in UTC.
    assert free_times().free_on(profiles, day + DAY, ZoneInfo("Pacific/Auckland"), NOW) == [evening.pk, mentor.pk]
    assert free_times().free_on(profiles, day + DAY, ZoneInfo("America/Los_Angeles"), NOW) == [mentor.pk]


def test_what_is_offered_can_be_booked_and_nothing_else(mentor, ann, sam, max):
    """Try every quarter of an hour of two days, with everything that can be in the way in the way."""
    mentor.buffer_after_minutes, mentor.slot_step_minutes, mentor.max_sessions_per_day = 15, 30, 4
    mentor.hourly_rate_points = 0
    mentor.save()
    AppointmentFactory(mentor=mentor, starts_at=TEN)
    AppointmentFactory(student=max, starts_at=TEN + 3 * HOUR)
    AppointmentFactory(student=ann, starts_at=TEN + 5 * HOUR)
    AppointmentFactory(mentor=mentor, starts_at=TEN + DAY, status="requested", answer_by=NOW)
    offered = {
        slot.starts_at
        for slot in availability.offer(
            mentor, duration_minutes=60, since=MIDNIGHT, until=MIDNIGHT + 2 * DAY, now=NOW, student=ann
        ).slots
    }
    booked = set()
    for quarter in range(2 * 24 * 4):
        start = MIDNIGHT + quarter * HOUR / 4
        try:
            appointment = book(mentor, ann, start, now=NOW)
        except (actions.SlotTaken, actions.SlotNotOffered, actions.StudentBusy):
            continue
        booked.add(start)
        actions.cancel_appointment(appointment, by=ann, now=NOW)
    assert booked == offered
    assert len(offered) > 10


def test_a_session_takes_the_time_in_a_loaded_calendar(mentor, ann):
    calendar = availability.load_calendar(mentor, now=NOW)
    appointment = book(mentor, rich(ann), TEN)
    assert TEN in calendar.free_starts(duration_minutes=60, since=TEN, until=TEN + HOUR)
    assert not calendar.with_session(appointment).free_starts(duration_minutes=60, since=TEN, until=TEN + HOUR)


# --- Hours ------------------------------------------------------------------------------------------------------------


def hours_of(mentor):
    return sorted(mentor.weekly_hours.values_list("weekday", "start_minute", "end_minute"))


def test_a_week_is_replaced_as_a_whole(mentor):
    DateOverride.objects.create(mentor=mentor, date=TEN.date(), windows=[[600, 720]], note="Dentist")
    DateOverride.objects.create(mentor=mentor, date=TEN.date() + DAY)
    profile = actions.replace_availability(
        mentor,
        timezone="Asia/Kathmandu",
        weekly={1: [(540, 720), (780, 1020)], 5: [(1320, 120)], 6: []},
        overrides={TEN.date(): [(660, 720)]},
        now=NOW,
    )
    assert hours_of(mentor) == [(1, 540, 720), (1, 780, 1020), (5, 1320, 120)]
    assert profile.timezone == "Asia/Kathmandu"
    override = DateOverride.objects.get()
    assert (override.windows, override.note) == ([[660, 720]], "Dentist")
    profile.refresh_from_db()
    assert profile.next_free_at == dt.datetime(2027, 1, 15, 5, 15, tzinfo=dt.UTC)  # 11:00 in Kathmandu


def test_overrides_that_are_not_named_stay(mentor):
    DateOverride.objects.create(mentor=mentor, date=TEN.date())
    actions.replace_availability(mentor, weekly={})
    assert DateOverride.objects.count() == 1
    assert hours_of(mentor) == []
    mentor.refresh_from_db()
    assert mentor.next_free_at is None


@pytest.mark.parametrize(
    ("windows", "refusal"),
    [
        ([(540, 720), (660, 800)], actions.HoursOverlap),
        ([(540, 720), (540, 800)], actions.HoursOverlap),
        ([(1320, 120), (1380, 1440)], actions.HoursOverlap),
        ([(540, 1441)], actions.HoursOutOfRange),
        ([(1440, 60)], actions.HoursOutOfRange),
        ([(-1, 60)], actions.HoursOutOfRange),
        ([(hour * 60, hour * 60 + 30) for hour in range(7)], actions.TooManyHours),
    ],
)
def test_hours_that_make_no_sense_change_nothing(mentor, windows, refusal):
    before = hours_of(mentor)
    with pytest.raises(refusal) as error:
        actions.replace_availability(mentor, weekly={1: [(60, 120)], 2: windows})
    assert (error.value.day, error.value.status, error.value.field) == (2, 422, "weekly")
    with pytest.raises(refusal) as error:
        actions.replace_availability(mentor, weekly={}, overrides={TEN.date(): windows})
    assert (error.value.day, error.value.field) == (TEN.date(), "overrides")
    assert hours_of(mentor) == before


def test_windows_may_touch_and_are_kept_once(mentor):
    actions.replace_availability(mentor, weekly={1: [(720, 780), (540, 720), (540, 720)]})
    assert hours_of(mentor) == [(1, 540, 720), (1, 720, 780)]


def test_days_off_are_a_range_and_name_the_sessions_that_stay(mentor, ann):
    appointment = book(mentor, rich(ann), TEN)
    book(mentor, ann, TEN + 3 * DAY, now=NOW)
    DateOverride.objects.create(mentor=mentor, date=TEN.date(), windows=[[600, 720]])
    assert actions.set_days_off(mentor, TEN.date(), TEN.date() + 2 * DAY, note="Holiday", now=NOW) == [appointment]
    assert set(DateOverride.objects.values_list("note", flat=True)) == {"Holiday"}
    assert [override.windows for override in DateOverride.objects.all()] == [[], [], []]
    assert free_hours(mentor, day=MIDNIGHT + DAY) == []
    assert actions.remove_overrides(mentor, TEN.date(), TEN.date() + DAY, now=NOW) == 2
    assert len(free_hours(mentor, day=MIDNIGHT + DAY)) == 8


def test_one_day_can_have_other_hours(mentor):
    actions.set_day_hours(mentor, TEN.date(), [(600, 720)], note="Short", now=NOW)
    assert free_hours(mentor) == [9, 10]
    with pytest.raises(actions.HoursOverlap):
        actions.set_day_hours(mentor, TEN.date(), [(600, 720), (700, 730)], now=NOW)


@pytest.mark.parametrize("days", [-1, 366])
def test_days_off_in_no_range_are_refused(mentor, days):
    with pytest.raises(actions.DaysOffOutOfRange):
        actions.set_days_off(mentor, TEN.date(), TEN.date() + days * DAY)
