"""Hours, free slots and schedules by program: what stands in them, for whom, and across clock changes."""

import datetime as dt
import itertools
from collections import Counter

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from bookings.actions import book_slot
from bookings.api import times
from bookings.availability import load_calendar
from bookings.models import BusyTime, CalendarImport, DateOverride, WaitingListEntry, WeeklyHours
from bookings.tests.factories import AppointmentFactory, BusyTimeFactory, WeeklyHoursFactory, works_every_day
from bookings.tests.test_offered_is_bookable import GONE, World, undone
from bookings.tests.test_slots_properties import examples
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.programs import ask, token_of, told
from tests.thoroughness import amount

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # a Monday, 9:00 in Berlin
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
FRIDAY = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)
TEN = FRIDAY + 10 * HOUR


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def mentor(mentor):
    """Max works every day from 10:00 to 14:00 in Berlin, which is 9:00 to 13:00 UTC in winter."""
    return works_every_day(mentor, 10 * 60, 14 * 60)


def change(mentor, **fields):
    MentorProfile.objects.filter(pk=mentor.pk).update(**fields)


def slots_of(mentor, query, *, by):
    response = ask("GET", f"/api/appointments/mentor/{mentor.pk}/available-slots?{query}", by=by)
    assert response.status_code == 200, response.content
    return response.json()


def starts(answer):
    return [slot["start_time"] for slot in answer["slots"]]


def schedule_of(mentor, query, *, by):
    response = ask("GET", f"/api/mentors/{mentor.pk}/schedule?{query}", by=by)
    assert response.status_code == 200, response.content
    return response.json()


# --- Hours ------------------------------------------------------------------------------------------------------------

HOURS = {
    "timezone": "America/New_York",
    "weekly": [
        {"weekday": 1, "start": "00:00", "end": "24:00"},
        {"weekday": 5, "start": "09:00", "end": "12:30"},
        {"weekday": 5, "start": "22:00", "end": "02:00"},
        {"weekday": 7, "start": "10:00", "end": "10:00"},
    ],
    "overrides": [
        {"date": "2027-01-15", "windows": []},
        {"date": "2027-03-14", "windows": [{"start": "01:30", "end": "03:30"}, {"start": "23:00", "end": "01:00"}]},
    ],
}


def test_hours_come_back_exactly_as_they_were_put(mentor, max):
    path = f"/api/mentors/{mentor.pk}/availability"
    put = ask("PUT", path, HOURS, by=max)
    assert put.status_code == 200, put.content
    assert put.json() == HOURS
    assert ask("GET", path, by=max).json() == put.json()
    stored = WeeklyHours.objects.filter(mentor=mentor).values_list("weekday", "start_minute", "end_minute")
    assert list(stored) == [(1, 0, 1440), (5, 540, 750), (5, 1320, 120), (7, 600, 600)]
    assert DateOverride.objects.get(mentor=mentor, date="2027-01-15").windows == []
    assert ask("PUT", path, put.json(), by=max).json() == put.json(), "what is got can be put again"


def test_hours_that_are_not_named_are_gone_and_notes_stay(mentor, max):
    path = f"/api/mentors/{mentor.pk}/availability"
    DateOverride.objects.create(mentor=mentor, date="2027-01-15", note="Dentist")
    DateOverride.objects.create(mentor=mentor, date="2027-01-16", note="Moving")
    ask("PUT", path, HOURS, by=max)
    assert set(DateOverride.objects.values_list("date", "note")) == {
        (dt.date(2027, 1, 15), "Dentist"),
        (dt.date(2027, 3, 14), ""),
    }
    empty = {"timezone": "UTC", "weekly": [], "overrides": []}
    assert ask("PUT", path, empty, by=max).json() == empty
    assert not WeeklyHours.objects.filter(mentor=mentor).exists()


def test_until_midnight_may_be_written_in_two_ways(mentor, max):
    window = {"weekday": 1, "start": "20:00", "end": "00:00"}
    put = ask("PUT", f"/api/mentors/{mentor.pk}/availability", {**HOURS, "weekly": [window]}, by=max)
    assert put.json()["weekly"] == [{**window, "end": "24:00"}]


def test_the_editor_of_the_site_shows_what_a_program_put(client, mentor, max):
    ask("PUT", f"/api/mentors/{mentor.pk}/availability", HOURS, by=max)
    client.force_login(max)
    shown = client.get("/bookings/availability/").content.decode()
    assert "22:00–02:00" in shown


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"weekly": [{"weekday": 1, "start": "09:00", "end": "12:00"}] * 2}, None, None),  # each once
        (
            {"weekly": [{"weekday": 1, "start": s, "end": e} for s, e in [("09:00", "12:00"), ("11:00", "13:00")]]},
            "hours_overlap",
            "weekly",
        ),
        (
            {"weekly": [{"weekday": 1, "start": s, "end": e} for s, e in [("22:00", "02:00"), ("23:00", "23:30")]]},
            "hours_overlap",
            "weekly",
        ),
        (
            {
                "overrides": [
                    {
                        "date": "2027-01-15",
                        "windows": [{"start": "09:00", "end": "12:00"}, {"start": "09:00", "end": "13:00"}],
                    }
                ]
            },
            "hours_overlap",
            "overrides",
        ),
        (
            {"weekly": [{"weekday": 2, "start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(7)]},
            "too_many_hours",
            "weekly",
        ),
        ({"weekly": [{"weekday": 0, "start": "09:00", "end": "12:00"}]}, "invalid_input", "weekday"),
        ({"weekly": [{"weekday": 8, "start": "09:00", "end": "12:00"}]}, "invalid_input", "weekday"),
        ({"weekly": [{"weekday": 1, "start": "24:00", "end": "12:00"}]}, "invalid_input", "start"),
        ({"weekly": [{"weekday": 1, "start": "9:00", "end": "12:00"}]}, "invalid_input", "start"),
        ({"weekly": [{"weekday": 1, "start": "٠٩:00", "end": "12:00"}]}, "invalid_input", "start"),
        ({"weekly": [{"weekday": 1, "start": "09:00", "end": "24:01"}]}, "invalid_input", "end"),
        ({"weekly": [{"weekday": 1, "start": "09:00", "end": "12:00\n"}]}, "invalid_input", "end"),
        ({"weekly": [{"weekday": 1, "start": "09:00"}]}, "invalid_input", "end"),
        ({"weekly": None}, "invalid_input", "weekly"),
        ({"overrides": [{"date": "2027-01-15", "windows": []}] * 2}, "invalid_input", "overrides"),
        ({"overrides": [{"date": "2027-02-30", "windows": []}]}, "invalid_input", "date"),
        ({"overrides": [{"date": "2037-01-15", "windows": []}]}, "invalid_input", "date"),
        ({"timezone": "Mars/Olympus"}, "invalid_input", "timezone"),
        ({"timezone": "localtime"}, "invalid_input", "timezone"),
        ({"note": "?"}, "invalid_input", "note"),
    ],
)
def test_hours_that_cannot_be_are_refused_and_nothing_changes(mentor, max, changes, code, field):
    path = f"/api/mentors/{mentor.pk}/availability"
    before = ask("GET", path, by=max).json()
    response = ask("PUT", path, {**HOURS, **changes}, by=max)
    if code is None:
        assert response.status_code == 200
        return
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (422, code, field)
    assert ask("GET", path, by=max).json() == before


def test_all_three_parts_of_the_hours_have_to_be_sent(mentor, max):
    for name in HOURS:
        rest = {key: value for key, value in HOURS.items() if key != name}
        response = ask("PUT", f"/api/mentors/{mentor.pk}/availability", rest, by=max)
        assert (response.status_code, response.json()["field"]) == (422, name)


def test_hours_are_for_their_mentor_and_staff(mentor, max, ann, ada):
    path = f"/api/mentors/{mentor.pk}/availability"
    assert ask("GET", path, by=ada).status_code == 200
    assert ask("PUT", path, HOURS, by=ada).status_code == 200
    assert told(ask("GET", path, by=ann)) == (403, "not_allowed")
    assert told(ask("PUT", path, HOURS, by=ann)) == (403, "not_allowed")
    assert told(ask("GET", path)) == (401, "not_signed_in")


# --- Who is there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/mentors/{}/availability"),
        ("PUT", "/api/mentors/{}/availability"),
        ("GET", "/api/mentors/{}/schedule"),
        ("GET", "/api/appointments/mentor/{}/available-slots"),
    ],
)
def test_a_mentor_who_is_not_shown_to_students_is_missing_for_them(mentor, ann, max, ada, method, path):
    body = HOURS if method == "PUT" else None
    change(mentor, approval="waiting")
    answers = [ask(method, path.format(pk), body, by=ann) for pk in (mentor.pk, 2**63 - 1, 2**63, 10**400)]
    assert {told(answer) for answer in answers} == {(404, "not_found")}
    assert len({answer.content for answer in answers}) == 1
    for person in (max, ada):
        assert ask(method, path.format(mentor.pk), body, by=person).status_code == 200


# --- Free slots -------------------------------------------------------------------------------------------------------


def test_free_slots_have_their_terms_and_the_reasons_for_the_rest(mentor, ann):
    AppointmentFactory(mentor=mentor, starts_at=TEN)
    assert slots_of(mentor, "date=2027-01-15", by=ann) == {
        "mentor_id": mentor.pk,
        "timezone": "Europe/Madrid",
        "duration_minutes": 60,
        "slots": [
            {
                "start_time": f"2027-01-15T{hour:02}:00:00Z",
                "end_time": f"2027-01-15T{hour + 1:02}:00:00Z",
                "price_points": 50,
            }
            for hour in (9, 11, 12)
        ],
        "closed": [
            {"start_time": "2027-01-14T23:00:00Z", "end_time": "2027-01-15T09:00:00Z", "reason": "outside_hours"},
            {"start_time": "2027-01-15T09:00:00Z", "end_time": "2027-01-15T11:00:00Z", "reason": "busy"},
            {"start_time": "2027-01-15T12:00:00Z", "end_time": "2027-01-15T13:00:00Z", "reason": "too_short"},
            {"start_time": "2027-01-15T13:00:00Z", "end_time": "2027-01-15T23:00:00Z", "reason": "outside_hours"},
        ],
    }


def test_a_day_is_one_of_the_zone_that_is_asked_for(mentor, ann):
    works_every_day(mentor_of_the_world := MentorProfileFactory(timezone="UTC"), 0, 1440)
    answer = slots_of(mentor_of_the_world, "date=2027-01-15&timezone=Pacific/Auckland", by=ann)
    assert (answer["timezone"], starts(answer)[0], starts(answer)[-1]) == (
        "Pacific/Auckland",
        "2027-01-14T11:00:00Z",
        "2027-01-15T10:00:00Z",
    )


def test_a_range_has_its_last_day_and_ends_at_a_time_before_it(mentor, ann):
    days = slots_of(mentor, "from=2027-01-15&to=2027-01-16", by=ann)
    assert len(days["slots"]) == 8
    times = slots_of(mentor, "from=2027-01-15T10:00Z&to=2027-01-15T12:00Z", by=ann)
    assert starts(times) == ["2027-01-15T10:00:00Z", "2027-01-15T11:00:00Z"]
    own_clock = slots_of(mentor, "from=2027-01-15T11:00&to=2027-01-15T13:00", by=ann)  # of Madrid
    assert own_clock["slots"] == times["slots"]


def test_without_a_range_it_is_a_week_from_today(mentor, ann):
    change(mentor, minimum_notice_minutes=0)
    found = starts(slots_of(mentor, "", by=ann))
    assert (found[0], found[-1]) == ("2027-01-11T09:00:00Z", "2027-01-17T12:00:00Z")
    assert starts(slots_of(mentor, "from=2027-01-14", by=ann))[-1] == "2027-01-20T12:00:00Z"
    assert starts(slots_of(mentor, "to=2027-01-12", by=ann))[-1] == "2027-01-12T12:00:00Z"


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("", 60),
        ("duration_hours=1.0", 60),
        ("duration_hours=1.5", 90),
        ("duration_hours=0.75", 45),
        ("duration_minutes=45", 45),
    ],
)
def test_the_length_is_said_in_hours_or_minutes(mentor, ann, query, minutes):
    change(mentor, session_minutes=[45, 60, 90])
    answer = slots_of(mentor, f"date=2027-01-15&{query}", by=ann)
    first = answer["slots"][0]
    assert answer["duration_minutes"] == minutes
    assert dt.datetime.fromisoformat(first["end_time"]) - dt.datetime.fromisoformat(
        first["start_time"]
    ) == dt.timedelta(minutes=minutes)
    assert first["price_points"] == {45: 38, 60: 50, 90: 75}[minutes]


def test_without_an_hour_on_offer_the_shortest_length_is_shown(mentor, ann):
    change(mentor, session_minutes=[30, 90])
    assert slots_of(mentor, "date=2027-01-15", by=ann)["duration_minutes"] == 30


def test_a_length_that_is_not_offered_is_refused(mentor, ann):
    response = ask("GET", f"/api/appointments/mentor/{mentor.pk}/available-slots?duration_minutes=45", by=ann)
    assert told(response) == (409, "length_not_offered")
    assert (response.json()["field"], response.json()["offered"]) == ("duration_minutes", [60])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("date=2027-01-15&from=2027-01-15", "date"),
        ("date=2027-01-15&to=2027-01-15", "date"),
        ("duration_minutes=60&duration_hours=1", "duration_minutes"),
        ("duration_minutes=0", "duration_minutes"),
        ("duration_minutes=99999999999999999999", "duration_minutes"),
        ("duration_hours=0", "duration_hours"),
        ("duration_hours=nan", "duration_hours"),
        ("duration_hours=inf", "duration_hours"),
        ("duration_hours=1.01", "duration_hours"),
        ("timezone=Mars", "timezone"),
        ("timezone=", "timezone"),
        ("timezone=../../etc/passwd", "timezone"),
        ("date=2027-02-30", "date"),
        ("date=9999-12-31", "date"),
        ("date=", "date"),
        ("from=2027-01-15&to=2027-01-14", "to"),
        ("from=2027-01-15T10:00Z&to=2027-01-15T10:00Z", "to"),
        ("from=2027-01-15&to=2027-02-15", "to"),
        ("to=2027-01-10", "to"),
        ("from=0001-01-01", "from"),
        ("from=2027-03-28T02:30", "from"),  # not in Madrid
        ("from=nonsense", "from"),
        ("from_=2027-01-15", None),
        ("day=2027-01-15", None),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(mentor, ann, query, field):
    response = ask("GET", f"/api/appointments/mentor/{mentor.pk}/available-slots?{query}", by=ann)
    assert told(response) == (422, "invalid_input")
    if field:
        assert response.json()["field"] == field


def test_a_month_can_be_asked_for_whatever_the_clocks_do(mentor, ann):
    for query in ("from=2027-10-15&to=2027-11-14", "from=2027-10-15T00:00&to=2027-11-15T00:00"):
        assert slots_of(mentor, query, by=ann)["closed"][-1]["reason"] == "horizon"


def test_free_slots_are_those_of_the_one_who_asks(mentor, ann, sam):
    AppointmentFactory(student=ann, starts_at=TEN)  # with somebody else
    held = WaitingListEntry.objects.create(
        mentor=mentor,
        student=sam,
        date=FRIDAY.date(),
        timezone="UTC",
        since=FRIDAY,
        until=FRIDAY + DAY,
        duration_minutes=60,
        status="offered",
        offered_starts_at=TEN + 2 * HOUR,
        offered_until=NOW + HOUR,
    )
    BusyTimeFactory(entry=held, starts_at=TEN + 2 * HOUR, expires_at=NOW + HOUR)
    of_ann, of_sam = (slots_of(mentor, "date=2027-01-15&timezone=UTC", by=person) for person in (ann, sam))
    assert starts(of_ann) == ["2027-01-15T09:00:00Z", "2027-01-15T11:00:00Z"]
    assert starts(of_sam)[-1] == "2027-01-15T12:00:00Z"
    assert "student_busy" in {each["reason"] for each in of_ann["closed"]}
    assert "student_busy" not in {each["reason"] for each in of_sam["closed"]}


@pytest.mark.parametrize(
    ("fields", "who", "reason"),
    [({"status": "away"}, "ann", "away"), ({}, "max", "own_mentor"), ({"approval": "waiting"}, "ada", "not_bookable")],
)
def test_who_can_book_nothing_of_a_mentor_is_told_why(mentor, ann, max, ada, fields, who, reason):
    change(mentor, **fields)
    answer = slots_of(mentor, "date=2027-01-15&timezone=UTC", by={"ann": ann, "max": max, "ada": ada}[who])
    assert answer["slots"] == []
    assert answer["closed"] == [
        {"start_time": "2027-01-15T00:00:00Z", "end_time": "2027-01-16T00:00:00Z", "reason": reason}
    ]


# Where a night has 23 hours and one that has 25.
CHANGES = [
    ("Europe/Berlin", dt.date(2027, 3, 28), 23),
    ("Europe/Berlin", dt.date(2027, 10, 31), 25),
    ("America/New_York", dt.date(2027, 3, 14), 23),
    ("America/New_York", dt.date(2027, 11, 7), 25),
]


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_a_day_on_which_the_clocks_change_has_all_its_hours(mentor, ann, zone, day, hours):
    WeeklyHours.objects.filter(mentor=mentor).delete()
    works_every_day(mentor, 0, 1440)
    change(mentor, timezone=zone, minimum_notice_minutes=0)
    with time_machine.travel(dt.datetime.combine(day - 3 * DAY, dt.time(12), dt.UTC), tick=False):
        found = starts(slots_of(mentor, f"date={day}&timezone={zone}", by=ann))
        schedule = schedule_of(mentor, f"from={day}&to={day}&timezone={zone}", by=ann)
    assert len(found) == hours
    moments = [dt.datetime.fromisoformat(start) for start in found]
    assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {HOUR}
    (window,) = schedule["windows"]
    opens, closes = (dt.datetime.fromisoformat(window[name]) for name in ("start_time", "end_time"))
    assert closes - opens == hours * HOUR
    assert opens.utcoffset() != closes.utcoffset()
    assert opens.hour == closes.hour == 0


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("Europe/Berlin", "2027-03-28", "2027-03-28T07:00:00Z"),
        ("Europe/Berlin", "2027-03-27", "2027-03-27T08:00:00Z"),
        ("America/New_York", "2027-11-07", "2027-11-07T14:00:00Z"),
        ("America/New_York", "2027-11-06", "2027-11-06T13:00:00Z"),
    ],
)
def test_hours_keep_their_local_time_when_the_clocks_change(ann, zone, day, first):
    mentor = works_every_day(MentorProfileFactory(timezone=zone))
    with time_machine.travel(dt.datetime.fromisoformat(day + "T00:00Z") - 5 * DAY, tick=False):
        assert starts(slots_of(mentor, f"date={day}&timezone={zone}", by=ann))[0] == first


def test_every_slot_can_be_booked_and_every_start_that_is_refused_was_no_slot():
    seen = Counter()

    def can_be_booked(world, mentor, start):
        with undone():
            try:
                book_slot(
                    mentor,
                    student=world.student,
                    starts_at=start,
                    duration_minutes=world.minutes,
                    title="?",
                    now=world.now,
                )
            except GONE as refusal:
                seen[type(refusal).__name__] += 1
                return False
        seen["booked"] += 1
        return True

    @examples(amount(8, 80))
    @given(st.integers(0, 2**32))
    def look(seed):
        with undone():
            world = World(seed)
            with time_machine.travel(world.now, tick=False):
                token = token_of(world.student)
                for mentor in world.mentors:
                    path = f"/api/appointments/mentor/{mentor.pk}/available-slots"
                    times = f"from={world.now:%Y-%m-%dT%H:%MZ}&to={world.until:%Y-%m-%dT%H:%MZ}"
                    response = ask("GET", f"{path}?{times}&duration_minutes={world.minutes}", token=token)
                    assert response.status_code == 200, response.content
                    offered = {dt.datetime.fromisoformat(start) for start in starts(response.json())}
                    quarters = dt.timedelta(minutes=5)
                    begins = world.now.replace(minute=0)
                    closed = {begins + number * quarters for number in range(12, 4 * 24 * 12)} - offered
                    for start in world.chance.sample(sorted(offered), min(3, len(offered))):
                        assert can_be_booked(world, mentor, start), start
                    for start in world.chance.sample(sorted(closed), 3):
                        assert not can_be_booked(world, mentor, start), start

    look()
    assert seen["booked"] >= 10
    assert seen["SlotNotOffered"] >= 10


def test_the_slots_of_a_month_take_as_many_queries_for_one_session_as_for_many(mentor, ann):
    change(mentor, booking_horizon_days=60)
    token = token_of(ann)
    path = f"/api/appointments/mentor/{mentor.pk}/available-slots?from=2027-01-15&to=2027-02-14"

    def queries():
        with CaptureQueriesContext(connection) as captured:
            response = ask("GET", path, token=token)
        assert response.status_code == 200
        return len(captured), len(response.json()["slots"])

    AppointmentFactory(mentor=mentor, starts_at=TEN)
    count, free = queries()
    # Who asks, the mentor, whether who asks is a mentor too, and the four of every calendar.
    assert (count, free) == (7, 31 * 4 - 1)
    for day in range(1, 4):
        AppointmentFactory(mentor=mentor, starts_at=TEN + day * DAY)
        DateOverride.objects.create(mentor=mentor, date=FRIDAY.date() + (20 + day) * DAY)
    assert queries() == (count, 31 * 4 - 4 - 3 * 4)


# --- Schedules --------------------------------------------------------------------------------------------------------


def test_a_schedule_has_the_hours_what_is_taken_and_what_is_free(mentor, ann):
    own = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN)
    AppointmentFactory(mentor=mentor, starts_at=TEN + HOUR, title="A secret")
    response = ask("GET", f"/api/mentors/{mentor.pk}/schedule?from=2027-01-15&to=2027-01-15", by=ann)
    assert response.json() == {
        "mentor_id": mentor.pk,
        "timezone": "Europe/Madrid",
        "duration_minutes": 60,
        "windows": [{"start_time": "2027-01-15T10:00:00+01:00", "end_time": "2027-01-15T14:00:00+01:00"}],
        "booked": [
            {"start_time": "2027-01-15T10:00:00Z", "end_time": "2027-01-15T11:00:00Z", "appointment_id": own.pk},
            {"start_time": "2027-01-15T11:00:00Z", "end_time": "2027-01-15T12:00:00Z", "appointment_id": None},
        ],
        "free": [
            {
                "start_time": f"2027-01-15T{hour:02}:00:00Z",
                "end_time": f"2027-01-15T{hour + 1}:00:00Z",
                "price_points": 50,
            }
            for hour in (9, 12)
        ],
    }
    assert "secret" not in response.content.decode()


def test_strangers_see_of_a_schedule_only_that_it_is_taken(mentor, sam, max, ada):
    one = AppointmentFactory(mentor=mentor, starts_at=TEN)
    two = AppointmentFactory(mentor=mentor, starts_at=TEN + HOUR)
    query = "from=2027-01-15&to=2027-01-15&timezone=UTC"
    assert schedule_of(mentor, query, by=sam)["booked"] == [
        {"start_time": "2027-01-15T10:00:00Z", "end_time": "2027-01-15T12:00:00Z", "appointment_id": None}
    ]
    for person in (max, ada):
        booked = schedule_of(mentor, query, by=person)["booked"]
        assert [taken["appointment_id"] for taken in booked] == [one.pk, two.pk]


def test_a_schedule_has_what_takes_time_besides_sessions(mentor, ann, max):
    calendar = CalendarImport.objects.create(mentor=mentor, name="Work", url="https://calendar.example.org/a.ics")
    BusyTime.objects.create(
        kind="calendar",
        mentor=mentor,
        calendar=calendar,
        **{"starts_at": TEN, "ends_at": TEN + HOUR, "blocked_from": TEN, "blocked_until": TEN + HOUR},
    )
    attended = AppointmentFactory(student=max, starts_at=TEN + 2 * HOUR)
    query = "from=2027-01-15&to=2027-01-15"
    assert [taken["appointment_id"] for taken in schedule_of(mentor, query, by=ann)["booked"]] == [None, None]
    of_max = schedule_of(mentor, query, by=max)
    assert [taken["appointment_id"] for taken in of_max["booked"]] == [None, attended.pk]
    assert [slot["start_time"][11:13] for slot in of_max["free"]] == ["09", "11"], "what students can book"


def test_what_came_to_nothing_is_not_in_a_schedule(mentor, ann):
    AppointmentFactory(mentor=mentor, starts_at=TEN, status="cancelled")
    AppointmentFactory(mentor=mentor, starts_at=TEN, status="requested", answer_by=NOW)
    assert schedule_of(mentor, "from=2027-01-15&to=2027-01-15", by=ann)["booked"] == []


def test_a_mentor_who_waits_for_approval_sees_hours_and_nothing_free(mentor, max):
    change(mentor, approval="waiting")
    own = schedule_of(mentor, "from=2027-01-15&to=2027-01-15", by=max)
    assert (len(own["windows"]), own["free"]) == (1, [])


def test_days_off_and_hours_over_midnight_stand_in_a_schedule(mentor, max):
    WeeklyHours.objects.filter(mentor=mentor).delete()
    WeeklyHoursFactory(mentor=mentor, weekday=5, start_minute=22 * 60, end_minute=2 * 60)
    DateOverride.objects.create(mentor=mentor, date="2027-01-22")
    windows = schedule_of(mentor, "from=2027-01-15&to=2027-01-24&timezone=Europe/Berlin", by=max)["windows"]
    assert windows == [{"start_time": "2027-01-15T22:00:00+01:00", "end_time": "2027-01-16T02:00:00+01:00"}]
    cut = schedule_of(mentor, "from=2027-01-15&to=2027-01-15&timezone=Europe/Berlin", by=max)["windows"]
    assert cut[0]["end_time"] == "2027-01-16T00:00:00+01:00"


@pytest.mark.parametrize(
    "query", ["from=2027-01-15&to=2027-02-15", "timezone=Mars", "date=2027-01-15", "to=2027-01-01", "from=x"]
)
def test_a_schedule_of_what_makes_no_sense_is_refused(mentor, ann, query):
    assert told(ask("GET", f"/api/mentors/{mentor.pk}/schedule?{query}", by=ann)) == (422, "invalid_input")


def test_a_schedule_takes_as_many_queries_for_one_session_as_for_three(mentor, sam):
    token = token_of(sam)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            response = ask("GET", f"/api/mentors/{mentor.pk}/schedule?from=2027-01-15&to=2027-01-21", token=token)
        assert response.status_code == 200
        return len(captured)

    AppointmentFactory(mentor=mentor, starts_at=TEN)
    count = queries()
    for day in (1, 2):
        AppointmentFactory(mentor=mentor, starts_at=TEN + day * DAY)
    assert queries() == count


def test_what_the_schedule_shows_as_free_is_what_the_calendar_offers(mentor, ann):
    AppointmentFactory(mentor=mentor, starts_at=TEN)
    calendar = load_calendar(mentor, now=NOW, student=ann)
    offered = calendar.free_starts(duration_minutes=60, since=FRIDAY, until=FRIDAY + DAY)
    free = schedule_of(mentor, "from=2027-01-15&to=2027-01-15&timezone=UTC", by=ann)["free"]
    assert [dt.datetime.fromisoformat(slot["start_time"]) for slot in free] == offered


def test_the_description_calls_the_parameters_as_they_are_sent():
    described = ask("GET", "/api/openapi.json").json()
    paths = described["paths"]
    for path in ("/api/mentors/{mentor_id}/schedule", "/api/appointments/mentor/{mentor_id}/available-slots"):
        names = {parameter["name"] for parameter in paths[path]["get"]["parameters"]}
        assert names >= {"from", "to", "timezone", "mentor_id"}
        assert "from_" not in names
    body = described["components"]["schemas"]["WantedMatch"]
    assert set(body["required"]) == {"duration_minutes", "from", "to"}
    assert body["examples"][0]["from"] == "2026-12-01"


def test_everything_about_time_is_answered_in_a_zone_that_has_only_an_offset(mentor, max, ann):
    for person in (max, ann):
        person.timezone = "Etc/GMT+5"  # which Python itself calls "-05"
        person.save()
    here, appointments, week = f"/api/mentors/{mentor.pk}", "/api/appointments", "from=2027-01-15&to=2027-01-21"
    mentor_sends = {
        "get_availability": ("GET", f"{here}/availability", None),
        "put_availability": ("PUT", f"{here}/availability", {"timezone": "Etc/GMT+5", "weekly": [], "overrides": []}),
    }
    student_sends = {
        "get_schedule": ("GET", f"{here}/schedule?{week}", None),
        "list_available_slots": ("GET", f"{appointments}/mentor/{mentor.pk}/available-slots", None),
        "match": ("POST", f"{appointments}/match", {"duration_minutes": 60, "from": "2027-01-15", "to": "2027-01-21"}),
        "join_waitlist": ("POST", f"{here}/waitlist", {"date": "2027-01-15", "duration_minutes": 60}),
        "list_places": ("GET", f"{here}/waitlist", None),
        "leave_waitlist": ("DELETE", f"{here}/waitlist?date=2027-01-15", None),
    }
    views = {
        operation.view_func.__name__
        for router in (times.mentors, times.appointments)
        for view in router.path_operations.values()
        for operation in view.operations
    }
    assert {*mentor_sends, *student_sends} == views

    assert slots_of(mentor, "from=2027-01-15&to=2027-01-15", by=ann)["timezone"] == "Etc/GMT+5"
    for hour in range(-1, 3):  # all of that day, so that one can wait for it
        AppointmentFactory(mentor=mentor, starts_at=TEN + hour * HOUR, status="confirmed")
    for name, (method, path, body) in student_sends.items():
        response = ask(method, path, body, by=ann)
        expected = {"join_waitlist": 201, "leave_waitlist": 204}.get(name, 200)
        assert response.status_code == expected, (name, response.content)
    for name, (method, path, body) in mentor_sends.items():
        assert ask(method, path, body, by=max).status_code == 200, name


def test_a_page_names_a_zone_that_has_only_an_offset(client, mentor, ann):
    ann.timezone = "Etc/GMT+5"
    ann.save()
    client.force_login(ann)
    page = client.get(mentor.get_absolute_url()).text
    assert '<span class="zone">Etc/GMT+5</span>' in page
