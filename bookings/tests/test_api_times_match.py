"""The best mentors and times by program."""

import datetime as dt

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import IdempotentAnswer
from bookings.actions import book_slot
from bookings.models import Appointment
from bookings.scheduling import Wanted, best_pairs
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tests.programs import ask, personal_token, token_of, told

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 14, 10, tzinfo=dt.UTC)  # a Thursday
NINE = dt.datetime(2027, 1, 15, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
WISH = {"expertise": ["python"], "duration_minutes": 60, "from": "2027-01-15", "to": "2027-01-21"}


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ann(ann):
    ann.timezone = "UTC"
    ann.save()
    return rich(ann)


def mentor_who_knows(*names, hours=(9 * 60, 17 * 60), **fields):
    return works_every_day(MentorProfileFactory(expertise=names, timezone="UTC", **fields), *hours)


def match(by, **changes):
    response = ask("POST", "/api/appointments/match", {**WISH, **changes}, by=by)
    assert response.status_code == 200, response.content
    return response.json()["items"]


def refused(by, **changes):
    response = ask("POST", "/api/appointments/match", {**WISH, **changes}, by=by)
    return (*told(response), response.json()["field"])


def test_a_match_is_a_mentor_a_time_a_price_and_reasons(ann):
    mentor = mentor_who_knows("python", rating_count=4, rating_sum=19)
    AppointmentFactory(mentor=mentor, student=ann, starts_at=NINE - 240 * HOUR, status=Appointment.Status.COMPLETED)
    (item,) = match(ann)
    score = item.pop("score")
    assert 0 < score < 1
    nothing = {"tags": None, "rating": None, "rating_count": None, "minutes": None, "start_time": None}
    assert item == {
        "mentor_id": mentor.pk,
        "start_time": "2027-01-15T09:00:00Z",
        "end_time": "2027-01-15T10:00:00Z",
        "price_points": 50,
        "reasons": [
            {**nothing, "kind": "tags", "tags": ["python"]},
            {**nothing, "kind": "helped"},
            {**nothing, "kind": "rating", "rating": 4.8, "rating_count": 4},
            {**nothing, "kind": "free", "start_time": "2027-01-15T09:00:00Z"},
        ],
    }


def test_the_items_are_those_of_the_page_in_its_order(ann):
    for hour in (9, 15, 11):
        mentor_who_knows("python", "django", hours=(hour * 60, 20 * 60))
        mentor_who_knows("python", hours=(hour * 60, 20 * 60))
    tags = (TagFactory(name="python"), TagFactory(name="django"))
    days = {"first": dt.date(2027, 1, 15), "last": dt.date(2027, 1, 21), "zone": "UTC"}
    wanted = Wanted(duration_minutes=60, tags=tags, highest_price_points=1_000, **days)
    pairs = best_pairs(wanted, student=ann, now=NOW)
    assert len(pairs) == 6
    items = match(ann, expertise=["Python", "django"])
    assert [item["mentor_id"] for item in items] == [pair.mentor.pk for pair in pairs]
    assert [item["score"] for item in items] == [round(pair.score, 4) for pair in pairs]
    assert [item["mentor_id"] for item in match(ann, expertise=["Python", "django"], mentors=2)] == [
        pair.mentor.pk for pair in pairs[:2]
    ]


def test_what_is_found_can_be_booked(ann):
    mentor_who_knows("python")
    (item,) = match(ann)
    booked = book_slot(
        MentorProfile.objects.get(pk=item["mentor_id"]),
        student=ann,
        starts_at=dt.datetime.fromisoformat(item["start_time"]),
        duration_minutes=60,
        title="?",
        now=NOW,
    )
    assert booked.price_points == item["price_points"]


def test_without_expertise_anybody_fits(ann):
    mentor_who_knows()
    assert len(match(ann, expertise=[])) == 1
    response = ask("POST", "/api/appointments/match", {k: v for k, v in WISH.items() if k != "expertise"}, by=ann)
    assert len(response.json()["items"]) == 1


def test_nothing_dearer_than_wished_or_than_what_one_has(ann, sam):
    mentor_who_knows("python", hourly_rate_points=50)
    assert match(ann, max_price_points=50)
    assert match(ann, max_price_points=49) == []
    assert match(ann, max_price_points=None)
    assert match(sam) == [], "sam has no points"
    assert match(sam, max_price_points=50)


def test_a_session_lies_between_the_two_times(ann):
    mentor_who_knows("python")

    def starts(since, until):
        return [item["start_time"] for item in match(ann, **{"from": since, "to": until})]

    assert starts("2027-01-15T10:30Z", "2027-01-15T12:00Z") == ["2027-01-15T11:00:00Z"]
    assert starts("2027-01-15T10:30Z", "2027-01-15T11:59Z") == []
    assert starts("2027-01-15T16:30Z", "2027-01-16") == ["2027-01-16T09:00:00Z"]
    assert starts("2027-01-15", "2027-01-15") == ["2027-01-15T09:00:00Z"]
    assert starts("2027-01-10", "2027-01-13") == [], "that is over"


def test_days_are_those_of_the_own_zone(ann):
    mentor_who_knows("python", hours=(0, 60))
    ann.timezone = "Pacific/Auckland"  # 13 hours ahead
    ann.save()
    (item,) = match(ann, **{"from": "2027-01-16", "to": "2027-01-16"})
    assert item["start_time"] == "2027-01-16T00:00:00Z"


def test_nobody_finds_themself_or_whom_they_do_not_see(ann):
    own = mentor_who_knows("python")
    rich(own.user)
    mentor_who_knows("python", approval="waiting")
    mentor_who_knows("python", status="away")
    assert match(own.user) == []
    assert [item["mentor_id"] for item in match(ann)] == [own.pk]


def test_a_tag_that_nobody_knows_is_refused(ann):
    mentor_who_knows("python")
    response = ask("POST", "/api/appointments/match", {**WISH, "expertise": ["python", "COBOL 60"]}, by=ann)
    assert (*told(response), response.json()["field"]) == (422, "unknown_tag", "expertise")
    assert response.json()["tags"] == ["cobol-60"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expertise": ["a"] * 6}, "expertise"),
        ({"expertise": "python"}, "expertise"),
        ({"expertise": ["x" * 300]}, None),
        ({"expertise": ["\0"]}, None),
        ({"duration_minutes": 61}, "duration_minutes"),
        ({"duration_minutes": "60"}, "duration_minutes"),
        ({"from": None}, "from"),
        ({"from": "x"}, "from"),
        ({"from": 20270115}, "from"),
        ({"to": "2027-01-14"}, "to"),
        ({"to": "2027-03-18"}, "to"),
        ({"max_price_points": -1}, "max_price_points"),
        ({"max_price_points": 10**12}, "max_price_points"),
        ({"mentors": 0}, "mentors"),
        ({"mentors": 51}, "mentors"),
        ({"student_id": 1}, "student_id"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(ann, changes, field):
    status, code, named = refused(ann, **changes)
    assert (status, code) == (422, "invalid_input")
    if field:
        assert named == field


def test_a_match_needs_somebody():
    assert told(ask("POST", "/api/appointments/match", WISH)) == (401, "not_signed_in")


def test_one_mentor_and_three_take_the_same_queries(ann):
    token = token_of(ann)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            response = ask("POST", "/api/appointments/match", WISH, token=token)
        return len(captured), len(response.json()["items"])

    mentor_who_knows("python")
    queries()
    count, found = queries()
    assert found == 1
    for _ in range(2):
        mentor_who_knows("python")
    assert queries() == (count, 3)


def test_a_token_for_reading_finds_and_keeps_nothing(ann):
    mentor_who_knows("python")
    reading = personal_token(ann, scope="read")
    for _ in range(2):
        found = ask("POST", "/api/appointments/match", WISH, token=reading, **{"Idempotency-Key": "k"})
        assert (found.status_code, len(found.json()["items"])) == (200, 1)
        assert "Idempotency-Replayed" not in found
    assert not IdempotentAnswer.objects.exists()
    booking = ask("POST", "/api/appointments/", {}, token=reading)
    assert told(booking) == (403, "read_only_token")
