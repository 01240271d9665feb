"""Waiting for a full day by program."""

import datetime as dt

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from bookings.actions import cancel_appointment
from bookings.actions.waiting import MOST_ENTRIES
from bookings.models import WaitingListEntry
from bookings.tests.factories import WaitingListEntryFactory, book, rich, works_every_day
from mentors.models import MentorProfile
from tests.programs import ask, token_of, told

pytestmark = pytest.mark.django_db

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - DAY
PLACE = {"date": "2027-01-15", "duration_minutes": 60}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def mentor(mentor):
    """Max works every day from 10 to 12 UTC, with room for two sessions of an hour."""
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="UTC", session_minutes=[30, 60])
    mentor.refresh_from_db()
    return works_every_day(mentor, 10 * 60, 12 * 60)


@pytest.fixture
def full(mentor):
    """Both hours of that Friday are booked."""
    return [book(mentor, rich(UserFactory()), TEN + number * HOUR, now=NOW) for number in range(2)]


def path(mentor):
    return f"/api/mentors/{mentor.pk}/waitlist"


def wait(mentor, by, **changes):
    return ask("POST", path(mentor), {**PLACE, **changes}, by=by)


def test_a_place_in_the_line_says_how_many_come_first(mentor, full, ann, sam, clock):
    assert wait(mentor, sam).status_code == 201
    clock.shift(60)
    response = wait(mentor, ann)
    place = response.json()
    assert response.status_code == 201
    assert WaitingListEntry.objects.get(pk=place.pop("id")).student == ann
    assert place == {
        "mentor_id": mentor.pk,
        "date": "2027-01-15",
        "timezone": "Europe/Madrid",
        "duration_minutes": 60,
        "status": "waiting",
        "before": 1,
        "offered_start_time": None,
        "offered_until": None,
        "created_at": "2027-01-14T10:01:00Z",
    }


def test_who_waits_already_keeps_the_place(mentor, full, ann, clock):
    first = wait(mentor, ann)
    clock.shift(60)
    again = wait(mentor, ann)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_a_time_that_is_held_is_told(mentor, full, ann, clock):
    wait(mentor, ann)
    clock.shift(60)
    cancel_appointment(full[0], by=mentor.user, now=NOW)
    listed = ask("GET", path(mentor), by=ann).json()
    assert listed["count"] == 1
    place = listed["items"][0]
    assert (place["status"], place["offered_start_time"]) == ("offered", "2027-01-15T10:00:00Z")
    assert place["offered_until"] == "2027-01-14T10:15:00Z"
    again = wait(mentor, ann)
    assert (again.status_code, again.json()["status"]) == (200, "offered")


@pytest.mark.parametrize(
    ("fields", "changes", "status", "code", "field"),
    [
        ({"status": "away"}, {}, 409, "mentor_not_bookable", None),
        ({}, {"duration_minutes": 45}, 409, "length_not_offered", "duration_minutes"),
        ({}, {"date": "2027-01-13"}, 409, "day_not_ahead", "date"),
        ({}, {"date": "2027-08-13"}, 409, "day_not_ahead", "date"),
        ({}, {"date": "2027-01-16"}, 409, "not_full", "date"),
        ({}, {"date": "2037-01-16"}, 422, "invalid_input", "date"),
        ({}, {"date": None}, 422, "invalid_input", "date"),
        ({}, {"duration_minutes": 0}, 422, "invalid_input", "duration_minutes"),
        ({}, {"duration_minutes": 2**70}, 422, "invalid_input", "duration_minutes"),
        ({}, {"timezone": "UTC"}, 422, "invalid_input", "timezone"),
    ],
)
def test_what_nobody_can_wait_for_is_refused(mentor, full, ann, fields, changes, status, code, field):
    if fields:
        MentorProfile.objects.filter(pk=mentor.pk).update(**fields)
    response = wait(mentor, ann, **changes)
    assert (*told(response), response.json()["field"]) == (status, code, field)
    assert not WaitingListEntry.objects.exists()


def test_a_day_that_is_not_full_says_what_is_free(mentor, ann):
    answer = wait(mentor, ann).json()
    assert (answer["code"], answer["starts"]) == ("not_full", ["2027-01-15T10:00:00Z", "2027-01-15T11:00:00Z"])


def test_a_day_without_hours_says_why_nothing_will_come(mentor, ann):
    mentor.weekly_hours.all().delete()
    answer = wait(mentor, ann).json()
    assert (answer["code"], answer["reason"]) == ("nothing_to_wait_for", "outside_hours")


def test_nobody_waits_for_themself_or_for_too_many_days(mentor, full, max, ann):
    assert told(wait(mentor, max)) == (409, "own_mentor")
    for number in range(MOST_ENTRIES):
        WaitingListEntryFactory(student=ann, date=TEN.date() + number * DAY)
    assert told(wait(mentor, ann)) == (409, "too_many_places")


def test_who_leaves_the_line_does_not_wait_any_more(mentor, full, ann, sam):
    wait(mentor, ann)
    wait(mentor, sam)
    for _twice in range(2):
        response = ask("DELETE", f"{path(mentor)}?date=2027-01-15", by=ann)
        assert (response.status_code, response.content) == (204, b"")
    assert ask("GET", path(mentor), by=ann).json() == {"items": [], "count": 0}
    assert ask("GET", path(mentor), by=sam).json()["count"] == 1, "nobody gives up the place of another"


def test_one_leaves_one_length_or_all_of_the_day(mentor, full, ann):
    for minutes in (30, 60):
        wait(mentor, ann, duration_minutes=minutes)
    ask("DELETE", f"{path(mentor)}?date=2027-01-15&duration_minutes=30", by=ann)
    assert [place["duration_minutes"] for place in ask("GET", path(mentor), by=ann).json()["items"]] == [60]
    wait(mentor, ann, duration_minutes=30)
    ask("DELETE", f"{path(mentor)}?date=2027-01-15", by=ann)
    assert ask("GET", path(mentor), by=ann).json()["items"] == []


def test_a_held_time_goes_to_whoever_is_next(mentor, full, ann, sam, clock):
    wait(mentor, ann)
    clock.shift(60)
    wait(mentor, sam)
    cancel_appointment(full[0], by=mentor.user, now=NOW)
    ask("DELETE", f"{path(mentor)}?date=2027-01-15", by=ann)
    assert ask("GET", path(mentor), by=sam).json()["items"][0]["status"] == "offered"


def test_one_can_leave_the_line_of_a_mentor_who_is_not_shown_any_more(mentor, full, ann, sam):
    wait(mentor, ann)
    MentorProfile.objects.filter(pk=mentor.pk).update(approval="declined")
    gone = ask("DELETE", f"{path(mentor)}?date=2027-01-15", by=ann)
    assert gone.status_code == 204
    assert told(ask("DELETE", f"{path(mentor)}?date=2027-01-15", by=sam)) == (404, "not_found")


@pytest.mark.parametrize("query", ["", "?date=x", "?date=2027-01-15&duration_minutes=x", "?date=2027-01-15&mentor=1"])
def test_what_to_leave_has_to_be_said(mentor, ann, query):
    assert told(ask("DELETE", path(mentor) + query, by=ann)) == (422, "invalid_input")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_line_of_a_mentor_who_is_not_shown_is_missing(mentor, full, ann, method):
    MentorProfile.objects.filter(pk=mentor.pk).update(approval="waiting")
    body = PLACE if method == "POST" else None
    query = "?date=2027-01-15" if method == "DELETE" else ""
    ids = (mentor.pk, 2**63 - 1, 2**63, 10**400)
    answers = [ask(method, f"/api/mentors/{pk}/waitlist{query}", body, by=ann) for pk in ids]
    assert {told(answer) for answer in answers} == {(404, "not_found")}
    assert len({answer.content for answer in answers}) == 1


def test_one_place_and_three_take_the_same_queries(mentor, ann):
    token = token_of(ann)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            response = ask("GET", path(mentor), token=token)
        return len(captured), response.json()["count"]

    WaitingListEntryFactory(student=ann, mentor=mentor)
    count, found = queries()
    assert found == 1
    for number in (1, 2):
        WaitingListEntryFactory(student=ann, mentor=mentor, date=TEN.date() + number * DAY)
    assert queries() == (count, 3)
