"""The editor of a mentor's hours."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import actions
from bookings.models import DateOverride, WeeklyHours
from bookings.tests.factories import WeeklyHoursFactory, works_every_day
from mentors.models import MentorProfile
from wallets.actions import grant_points

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin
PAGE = "/bookings/availability/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_max(client, max, time_machine):
    time_machine.move_to(NOW, tick=False)
    client.force_login(max)
    return client


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def week():
    return sorted(WeeklyHours.objects.values_list("weekday", "start_minute", "end_minute"))


def change(client, name, **typed):
    return client.post(PAGE, {"change": name, **typed}, follow=True)


def test_a_new_mentor_is_told_what_to_do(as_max):
    text = html(as_max.get(PAGE))
    assert "No hours yet, so nobody can book you." in text
    assert "No hours." in text


def test_hours_are_added_to_several_days_at_once(as_max):
    response = change(as_max, "add_hours", start_minute="9", end_minute="12:30", weekdays=[1, 3])
    assert "09:00–12:30 added on Monday, Wednesday." in html(response)
    assert week() == [(1, 540, 750), (3, 540, 750)]


def test_a_night_shift_shows_its_tail_on_the_next_day(as_max):
    change(as_max, "add_hours", start_minute="22:00", end_minute="02:00", weekdays=[7])
    text = html(as_max.get(PAGE))
    assert week() == [(7, 1320, 120)]
    assert text.count("hours-tail") == 2  # Monday's two bars


def test_a_mistake_is_said_beside_the_field_and_what_was_typed_stays(as_max):
    WeeklyHoursFactory(mentor=MentorProfile.objects.get(), weekday=1)
    response = change(as_max, "add_hours", start_minute="10:07", end_minute="25:00", weekdays=[1])
    assert response.status_code == 422
    assert "at most 24:00" in html(response)
    assert 'value="10:07"' in html(response)
    overlapping = change(as_max, "add_hours", start_minute="10:00", end_minute="11:00", weekdays=[1])
    assert overlapping.status_code == 422
    assert "Monday has 09:00–17:00 already" in html(overlapping)
    assert week() == [(1, 540, 1020)]


def test_hours_are_removed(as_max, mentor):
    WeeklyHoursFactory(mentor=mentor, weekday=1)
    WeeklyHoursFactory(mentor=mentor, weekday=2)
    change(as_max, "remove_hours", weekday=1, start_minute=540)
    assert week() == [(2, 540, 1020)]


def test_a_day_is_copied_to_others(as_max, mentor):
    WeeklyHoursFactory(mentor=mentor, weekday=1)
    WeeklyHoursFactory(mentor=mentor, weekday=2, start_minute=0, end_minute=60)
    change(as_max, "copy_day", weekday=1, to_weekdays=[2, 5])
    assert week() == [(1, 540, 1020), (2, 540, 1020), (5, 540, 1020)]


def test_a_holiday_is_one_line_and_can_be_taken_back(as_max, mentor):
    works_every_day(mentor)
    change(as_max, "days_off", first="2027-02-01", last="2027-02-05", note="Skiing ⛷")
    text = html(as_max.get(PAGE))
    assert "Mon 1 Feb 2027 – Fri 5 Feb 2027" in text
    assert "Skiing ⛷" in text
    change(as_max, "usual_hours", first="2027-02-01", last="2027-02-05")
    assert not DateOverride.objects.exists()


def test_sessions_on_days_off_are_named(as_max, mentor, ann):
    works_every_day(mentor)
    grant_points(ann, points=100)
    start = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
    actions.book_slot(mentor, student=ann, starts_at=start, duration_minutes=60, title="Help", now=NOW)
    response = change(as_max, "days_off", first="2027-01-13", last="")
    assert "1 session is booked then and stays" in html(response)


def test_one_date_has_hours_of_its_own(as_max):
    change(as_max, "special_hours", date="2027-01-16", start_minute="10", end_minute="12", note="")
    change(as_max, "special_hours", date="2027-01-16", start_minute="14", end_minute="15", note="")
    assert DateOverride.objects.get().windows == [[600, 720], [840, 900]]
    assert change(as_max, "special_hours", date="2027-01-10", start_minute="9", end_minute="10").status_code == 422


def test_the_zone_changes_and_the_clock_times_stay(as_max, mentor):
    WeeklyHoursFactory(mentor=mentor, weekday=1)
    change(as_max, "hours_zone", timezone="Asia/Kathmandu")
    mentor.refresh_from_db()
    assert mentor.timezone == "Asia/Kathmandu"
    assert week() == [(1, 540, 1020)]
    assert change(as_max, "hours_zone", timezone="../../etc").status_code == 422


def test_beside_it_stands_what_students_see(as_max, mentor, ann):
    WeeklyHoursFactory(mentor=mentor, weekday=2)
    mentor.date_overrides.create(date=dt.date(2027, 1, 14), windows=[])
    grant_points(ann, points=100)
    start = dt.datetime(2027, 1, 12, 11, tzinfo=dt.UTC)
    actions.book_slot(mentor, student=ann, starts_at=start, duration_minutes=60, title="Help", now=NOW)
    text = html(as_max.get(PAGE))
    assert "09:00–12:00" in text
    assert "13:00–17:00" in text
    assert "the rest is booked" in text
    assert "Day off." in text


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"change": "nonsense"},
        {"change": "add_hours"},
        {"change": "add_hours", "start_minute": "\x00", "end_minute": "9" * 5000, "weekdays": ["8", "x", "\x00"]},
        {"change": "remove_hours", "weekday": "9", "start_minute": str(2**70)},
        {"change": "remove_hours", "weekday": "1", "start_minute": "-1"},
        {"change": "copy_day", "weekday": "1", "to_weekdays": ["0"]},
        {"change": "days_off", "first": "0001-01-01", "last": "9999-12-31", "note": "\x00"},
        {"change": "days_off", "first": "2027-02-01", "last": "", "note": "x" * 101},
        {"change": "special_hours", "date": "9999-12-31", "start_minute": "9", "end_minute": "10"},
        {"change": "usual_hours", "first": "0001-01-01", "last": "9999-12-31"},
        {"change": "usual_hours", "first": "x"},
        {"change": "hours_zone", "timezone": "\x00"},
    ],
)
def test_hostile_input_is_no_500_and_breaks_nothing(as_max, mentor, typed):
    WeeklyHoursFactory(mentor=mentor, weekday=1)
    assert as_max.post(PAGE, typed).status_code in (302, 422)
    assert as_max.get(PAGE).status_code == 200
    assert week() == [(1, 540, 1020)]


def test_who_is_no_mentor_is_told_how_to_become_one(client, ann):
    client.force_login(ann)
    assert client.get(PAGE).status_code == 403


def test_who_waits_for_approval_can_already_set_hours(as_max):
    MentorProfile.objects.update(approval=MentorProfile.Approval.WAITING)
    assert "Students see these hours once it is approved." in html(as_max.get(PAGE))
    change(as_max, "add_hours", start_minute="9", end_minute="10", weekdays=[1])
    assert week() == [(1, 540, 600)]


def test_the_page_takes_the_same_queries_however_many_hours(as_max, mentor):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            as_max.get(PAGE)
        return len(captured)

    WeeklyHoursFactory(mentor=mentor, weekday=1)
    queries()
    few = queries()
    works_every_day(mentor, 1080, 1200)
    for day in range(1, 20):
        mentor.date_overrides.create(date=dt.date(2027, 3, day), windows=[])
    assert queries() == few
