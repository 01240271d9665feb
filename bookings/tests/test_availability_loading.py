"""What is loaded for thousands of mentors at once says the same as their rows, read one by one."""

import datetime as dt
import random

import pytest

from accounts.tests.factories import UserFactory
from bookings import availability, slots
from bookings.availability import FreeTimes, load_calendar, load_calendars, rules_of
from bookings.expressions import SecondAfter, SecondOf, week, windows_of_week
from bookings.models import Appointment, DateOverride, WeeklyHours
from bookings.slots import Hours
from bookings.tests.factories import AppointmentFactory
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2027, 3, 25, 7, 30, tzinfo=dt.UTC)  # clocks change on the 28th in Europe, later in Auckland
ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "UTC"]
DAYS = [NOW.date() + dt.timedelta(days=days) for days in range(8)]


def read_one_by_one(mentor, viewer):
    """The arguments of the slot arithmetic, row by row, as datetimes."""
    weekly, busy, starts, student_busy = {}, [], [], []
    for hours in WeeklyHours.objects.filter(mentor=mentor):
        weekly.setdefault(hours.weekday, []).append((hours.start_minute, hours.end_minute))
    overrides = {override.date: override.windows for override in DateOverride.objects.filter(mentor=mentor)}
    for session in Appointment.objects.select_related("mentor"):
        if session.status in Appointment.FREEING or session.is_unanswered(NOW):
            continue
        if session.mentor_id == mentor.pk:
            busy.append((session.blocked_from, session.blocked_until))
            starts.append(session.starts_at)
        if session.student_id == mentor.user_id:
            busy.append((session.starts_at, session.ends_at))
        if session.mentor.user_id == viewer.pk:
            student_busy.append((session.blocked_from, session.blocked_until))
        if session.student_id == viewer.pk:
            student_busy.append((session.starts_at, session.ends_at))
    return {
        "hours": Hours(mentor.timezone, weekly, overrides),
        "rules": rules_of(mentor),
        "duration_minutes": min(mentor.session_minutes),
        "busy": busy,
        "session_starts": starts,
        "student_busy": student_busy,
        "now": NOW,
    }


def make_mentors(chance):
    mentors = [
        MentorProfileFactory(
            timezone=chance.choice(ZONES),
            session_minutes=chance.choice([[60], [90, 30], [120]]),
            slot_step_minutes=chance.choice([None, None, 15]),
            buffer_before_minutes=chance.choice([0, 0, 20]),
            buffer_after_minutes=chance.choice([0, 0, 35]),
            minimum_notice_minutes=chance.choice([0, 0, 240, 2_000]),
            booking_horizon_days=chance.choice([3, 28, 28, 28]),
            max_sessions_per_day=chance.choice([None, 1, 2]),
            max_sessions_per_week=chance.choice([None, None, 2]),
        )
        for _ in range(12)
    ]
    for mentor in mentors:
        for weekday in chance.sample(range(1, 8), chance.randint(2, 7)):
            opens = chance.choice([0, 9 * 60, 13 * 60, 22 * 60, 1_439])
            closes = chance.choice([opens + 60, opens + 150, 1_440, 120])
            WeeklyHours.objects.create(
                mentor=mentor, weekday=weekday, start_minute=opens, end_minute=min(closes, 1_440) or 1_440
            )
        for day in chance.sample(DAYS, chance.randint(0, 2)):
            windows = chance.choice([[], [[540, 630]], [[0, 1_440]], [[1_320, 60], [600, 700]]])
            DateOverride.objects.create(mentor=mentor, date=day, windows=windows)
    return mentors


def make_sessions(chance, mentors):
    """Sessions at odd moments, of students who may be mentors themselves; those that would overlap are left out."""
    students = [UserFactory() for _ in range(4)] + [mentor.user for mentor in mentors[:5]]
    taken = []
    for _ in range(120):
        mentor, student = chance.choice(mentors), chance.choice(students)
        starts_at = NOW + dt.timedelta(minutes=15 * chance.randint(-300, 700), microseconds=chance.choice([0, 0, 1]))
        ends_at = starts_at + dt.timedelta(minutes=chance.choice([30, 60, 60, 120]))
        blocked_from, blocked_until = starts_at - dt.timedelta(minutes=10), ends_at + dt.timedelta(minutes=20)
        if mentor.user == student or any(
            blocked_from < until and blocked_until > begins and ({mentor.user_id, student.pk} & people)
            for begins, until, people in taken
        ):
            continue
        taken.append((blocked_from, blocked_until, {mentor.user_id, student.pk}))
        AppointmentFactory(
            mentor=mentor,
            student=student,
            starts_at=starts_at,
            ends_at=ends_at,
            blocked_from=blocked_from,
            blocked_until=blocked_until,
            status=chance.choice(["requested", "confirmed", "confirmed", "cancelled", "completed"]),
            answer_by=NOW + chance.choice([-1, 0, 1]) * dt.timedelta(hours=1),
        )
    return students


@pytest.mark.parametrize("many", [1, 1_000], ids=["everybody's rows", "the mentors' rows"])
@pytest.mark.parametrize("seed", range(3))
def test_free_on_a_day_is_what_each_mentors_rows_say(seed, many, monkeypatch):
    chance = random.Random(seed)
    mentors = make_mentors(chance)
    students = make_sessions(chance, mentors)
    monkeypatch.setattr(availability, "MANY", many)
    free, asked = 0, 0
    for viewer in (students[0], students[-1]):
        questions = [(mentor, read_one_by_one(mentor, viewer)) for mentor in mentors]
        for day in DAYS:
            zone = chance.choice(ZONES)
            since, until = slots.local_day_bounds(zone, day)
            expected = [
                mentor.pk for mentor, question in questions if slots.free_slots(**question, since=since, until=until)
            ]
            found = FreeTimes().free_on(MentorProfile.objects.order_by("pk"), day, zone, NOW, viewer)
            assert found == expected, (day, zone)
            free, asked = free + len(expected), asked + len(mentors)
    assert asked / 10 < free < asked * 9 / 10  # otherwise little was put to the test


@pytest.mark.parametrize("many", [1, 1_000], ids=["everybody's rows", "the mentors' rows"])
def test_calendars_offer_what_the_rows_offer(many, monkeypatch):
    chance = random.Random(7)
    mentors = make_mentors(chance)
    viewer = make_sessions(chance, mentors)[-1]
    monkeypatch.setattr(availability, "MANY", many)
    since, until = NOW, NOW + dt.timedelta(days=28)
    calendars = load_calendars(mentors, now=NOW, student=viewer)
    found = 0
    for mentor in mentors:
        question = read_one_by_one(mentor, viewer)
        expected = slots.free_slots(**question, since=since, until=until)
        offered = calendars[mentor.pk].free_starts(
            duration_minutes=question["duration_minutes"], since=since, until=until
        )
        assert offered == expected
        assert calendars[mentor.pk].first_free() == next(iter(expected), None)
        alone = load_calendar(mentor, now=NOW, student=viewer)
        assert alone.free_starts(duration_minutes=question["duration_minutes"], since=since, until=until) == expected
        found += len(expected)
    assert found > 200


@pytest.mark.parametrize(
    ("moment", "floor", "ceiling"),
    [
        (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 0, 0),
        (dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC), 1_800_007_200, 1_800_007_200),
        (dt.datetime(2027, 1, 15, 10, 0, 0, 1, tzinfo=dt.UTC), 1_800_007_200, 1_800_007_201),
        (dt.datetime(2027, 1, 15, 9, 59, 59, 999_999, tzinfo=dt.UTC), 1_800_007_199, 1_800_007_200),
    ],
)
def test_the_database_rounds_to_whole_seconds(moment, floor, ceiling):
    AppointmentFactory(created_at=moment)
    seconds = Appointment.objects.values_list(SecondOf("created_at"), SecondAfter("created_at"))
    assert seconds.get() == (floor, ceiling)


def test_a_week_survives_its_way_through_one_text():
    hours = [(1, 0, 1_440), (1, 1_439, 1), (5, 540, 720), (7, 1_320, 120)]
    mentor = MentorProfileFactory()
    WeeklyHours.objects.bulk_create(
        WeeklyHours(mentor=mentor, weekday=weekday, start_minute=start, end_minute=end) for weekday, start, end in hours
    )
    text = WeeklyHours.objects.order_by().values_list("mentor").annotate(week=week()).get()[1]
    windows = windows_of_week(text)
    assert sorted((weekday, *window) for weekday, of_day in windows.items() for window in of_day) == hours
