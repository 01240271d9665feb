"""Why is nothing free? One day of a mentor, with the reason of everything that is closed."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import UserFactory
from bookings.actions import set_days_off
from bookings.explained import DayQuery, ExplainedDay
from bookings.models import BusyTime, CalendarImport, MoveProposal, WaitingListEntry
from bookings.tests.factories import AppointmentFactory, WeeklyHoursFactory, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
FRIDAY = TEN.date()
NOW = TEN - 2 * DAY


@pytest.fixture
def mentor(mentor):
    """Max works from 10 to 14 UTC every day."""
    MentorProfile.objects.filter(pk=mentor.pk).update(
        timezone="UTC", session_minutes=[30, 60], minimum_notice_minutes=120, booking_horizon_days=14
    )
    mentor.refresh_from_db()
    return works_every_day(mentor, 600, 840)


def explain(mentor, date=FRIDAY, now=NOW, minutes=60):
    mentor = MentorProfile.objects.get(pk=mentor.pk)
    query = DayQuery({"date": date.isoformat(), "duration": minutes}, mentor=mentor, now=now)
    with timezone.override(mentor.timezone):
        day = ExplainedDay(mentor, query, now)
        assert day.stretches
        return day


def told(day):
    """The day as lines: from, until, what."""
    zone = ZoneInfo(day.mentor.timezone)
    lines = []
    for stretch in day.stretches:
        times = [moment.astimezone(zone).strftime("%H:%M") for moment in (stretch.since, stretch.until)]
        what = [start.astimezone(zone).strftime("%H:%M") for start in stretch.starts] if stretch.is_free else ""
        lines.append((*times, what or str(stretch.reason)))
    return lines


def closed_by(day):
    return [cause for stretch in day.stretches for cause in stretch.causes]


def held_for(mentor, kind, **more):
    times = {"starts_at": TEN, "ends_at": TEN + HOUR, "blocked_from": TEN, "blocked_until": TEN + HOUR}
    return BusyTime.objects.create(mentor=mentor, kind=kind, **{**times, **more})


def test_a_free_day_is_its_starts_between_the_hours(mentor):
    assert told(explain(mentor)) == [
        ("00:00", "10:00", "Outside your hours."),
        ("10:00", "14:00", ["10:00", "11:00", "12:00", "13:00"]),
        ("14:00", "00:00", "Outside your hours."),
    ]


def test_a_session_is_named_and_linked(mentor, ann):
    session = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + HOUR, title="Recursion 🐍")
    day = explain(mentor)
    assert told(day)[1:4] == [
        ("10:00", "11:00", ["10:00"]),
        ("11:00", "12:00", "Taken:"),
        ("12:00", "14:00", ["12:00", "13:00"]),
    ]
    (cause,) = closed_by(day)
    assert cause.words == "11:00–12:00 “Recursion 🐍” with Ann Archer"
    assert cause.url == session.get_absolute_url()


def test_sessions_in_a_row_are_one_stretch_that_names_both(mentor, ann):
    for number in range(2):
        AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + number * HOUR, title=f"Number {number}")
    day = explain(mentor)
    assert told(day)[1] == ("10:00", "12:00", "Taken:")
    assert ["Number 0" in cause.words for cause in closed_by(day)] == [True, False]


def test_buffers_are_named_with_what_they_surround(mentor):
    AppointmentFactory(
        mentor=mentor, starts_at=TEN + HOUR, blocked_from=TEN + HOUR / 2, blocked_until=TEN + 2 * HOUR + HOUR / 4
    )
    (cause,) = closed_by(explain(mentor))
    assert "and 30 minutes before, 15 after" in cause.words


def test_what_the_mentor_attends_as_a_student_is_named(mentor, max):
    other = MentorProfileFactory(user__name="Nora North")
    AppointmentFactory(mentor=other, student=max, starts_at=TEN)
    (cause,) = closed_by(explain(mentor))
    assert "with Nora North" in cause.words


def test_a_move_that_is_held_names_its_session(mentor, ann):
    session = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + 5 * DAY, title="Moving on")
    proposal = MoveProposal.objects.create(
        appointment=session,
        proposed_by=ann,
        by_mentor=False,
        starts_at=TEN,
        ends_at=TEN + HOUR,
        price_points=0,
        answer_by=TEN,
    )
    held_for(mentor, "move", student=ann, proposal=proposal)
    (cause,) = closed_by(explain(mentor))
    assert "held for the move of “Moving on”" in cause.words
    assert cause.url == session.get_absolute_url()


def test_a_time_held_for_a_waiting_list_says_for_whom_and_until_when(mentor, ann):
    entry = WaitingListEntry.objects.create(
        mentor=mentor,
        student=ann,
        date=FRIDAY,
        timezone="UTC",
        since=TEN - 10 * HOUR,
        until=TEN + 14 * HOUR,
        duration_minutes=60,
        status="offered",
        offered_starts_at=TEN,
        offered_until=NOW + HOUR,
    )
    held_for(mentor, "waiting", student=ann, entry=entry, expires_at=NOW + HOUR)
    (cause,) = closed_by(explain(mentor))
    assert "held until Wed 13 Jan, 11:00 for Ann Archer" in cause.words
    assert not closed_by(explain(mentor, now=NOW + HOUR)), "a hold that lapsed closes nothing"


def test_another_calendar_is_named_and_leads_to_its_settings(mentor):
    calendar = CalendarImport.objects.create(mentor=mentor, name="Work", url="https://calendar.example.org/a.ics")
    held_for(mentor, "calendar", calendar=calendar)
    (cause,) = closed_by(explain(mentor))
    assert "busy in your calendar “Work”" in cause.words
    assert cause.url == reverse("bookings:calendar_settings")


def test_a_day_off_says_its_note(mentor):
    set_days_off(mentor, FRIDAY, FRIDAY, "Dentist <b>", now=NOW)
    day = explain(mentor)
    assert told(day) == [("00:00", "00:00", "Day off.")]
    assert [cause.words for cause in closed_by(day)] == ["Dentist <b>"]
    assert day.stretches[0].remedy.url.endswith("#deviations")


def test_what_is_over_and_what_is_too_soon(mentor):
    day = explain(mentor, now=TEN + HOUR)
    assert told(day)[0] == ("00:00", "13:00", "Over or too soon: you ask for 2 hours’ notice.")
    assert day.stretches[0].remedy.url == reverse("mentors:edit")
    assert day.previous_address == ""


def test_beyond_the_horizon(mentor):
    (stretch,) = explain(mentor, FRIDAY + 13 * DAY).stretches
    assert "you take bookings up to 14 days ahead" in stretch.reason


def test_the_limit_of_a_day_names_what_counts(mentor, ann):
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_day=1)
    AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN, title="The one")
    day = explain(mentor)
    assert ("11:00", "13:00", "Your limit of 1 session a day is reached.") in [
        (line[0], line[1], line[2]) for line in told(day)
    ]
    limit = next(stretch for stretch in day.stretches if "limit" in str(stretch.reason))
    assert "The one" in limit.causes[0].words
    assert limit.remedy.url == reverse("mentors:edit")


def test_the_limit_of_a_week_names_what_counts(mentor, ann):
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_week=1)
    AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + DAY, title="On Saturday")
    AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + 4 * DAY, title="Next week")
    day = explain(mentor)
    limit = next(stretch for stretch in day.stretches if "limit of 1 session a week" in str(stretch.reason))
    assert [("On Saturday" in cause.words, "Next week" in cause.words) for cause in limit.causes] == [(True, False)]


def test_who_is_away_reads_so(mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(status="away")
    (stretch,) = explain(mentor).stretches
    assert "You are away" in stretch.reason


def test_a_day_without_a_time_leads_to_the_next_that_has_one(mentor):
    set_days_off(mentor, FRIDAY, FRIDAY + DAY, now=NOW)
    day = explain(mentor)
    assert day.next_free_date == FRIDAY + 2 * DAY
    assert f"date={FRIDAY + 2 * DAY}" in day.next_free_address


def test_every_free_start_is_shown_and_nothing_else(mentor):
    """What the page lists is what the arithmetic offers, whatever is in the way."""
    AppointmentFactory(mentor=mentor, starts_at=TEN + HOUR / 2)
    for minutes in (30, 60):
        day = explain(mentor, minutes=minutes)
        shown = [start for stretch in day.stretches for start in stretch.starts]
        assert shown == day.calendar.free_starts(duration_minutes=minutes, since=day.since, until=day.until)


def test_the_rows_of_a_day_meet_and_never_overlap(mentor):
    """Each row begins where the one before it ends, from midnight to midnight."""
    AppointmentFactory(mentor=mentor, starts_at=TEN + HOUR / 2, blocked_until=TEN + 1.75 * HOUR)
    held_for(
        mentor,
        "calendar",
        starts_at=TEN + 3.25 * HOUR,
        blocked_from=TEN + 3.25 * HOUR,
        ends_at=TEN + 3.5 * HOUR,
        blocked_until=TEN + 3.5 * HOUR,
        calendar=CalendarImport.objects.create(mentor=mentor, url="https://x.example"),
    )
    for minutes in (30, 60):
        day = explain(mentor, minutes=minutes)
        rows = day.stretches
        assert (rows[0].since, rows[-1].until) == (day.since, day.until)
        assert [row.until for row in rows[:-1]] == [row.since for row in rows[1:]]
    assert told(day) == [
        ("00:00", "10:00", "Outside your hours."),
        ("10:00", "11:45", "Too short for a session of this length beside what is taken:"),
        ("11:45", "12:00", "Between two start times: no session starts here."),
        ("12:00", "13:00", ["12:00"]),
        ("13:00", "13:30", "Too short for a session of this length beside what is taken:"),
        ("13:30", "14:00", "After 13:30 a session of this length no longer fits before your hours end."),
        ("14:00", "00:00", "Outside your hours."),
    ]


def test_what_is_taken_at_the_end_of_the_hours_is_named(mentor, ann):
    AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + 3 * HOUR, title="The last")
    day = explain(mentor)
    assert told(day)[1:] == [
        ("10:00", "13:00", ["10:00", "11:00", "12:00"]),
        ("13:00", "14:00", "Taken:"),
        ("14:00", "00:00", "Outside your hours."),
    ]
    assert "The last" in closed_by(day)[0].words


def test_the_day_of_a_clock_change_is_whole(mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="Europe/Berlin", booking_horizon_days=90)
    day = explain(mentor, dt.date(2027, 3, 28))
    assert day.until - day.since == 23 * HOUR
    assert day.stretches[0].since == day.since
    assert day.stretches[-1].until == day.until


@pytest.mark.parametrize("asked", ["", "x", "0001-01-01", "9999-12-31", "2026-02-30", "\0"])
def test_a_date_that_makes_no_sense_shows_the_nearest_that_does(client, mentor, asked):
    client.force_login(mentor.user)
    response = client.get(reverse("bookings:day"), {"date": asked, "duration": asked})
    assert response.status_code == 200
    query = response.context["day"].query
    assert query.first <= query.date <= query.last


def test_the_page_shows_it_in_the_mentors_zone(client, mentor, max, ann):
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="Asia/Tokyo")
    tomorrow = timezone.now().astimezone(ZoneInfo("Asia/Tokyo")).date() + DAY
    start = dt.datetime.combine(tomorrow, dt.time(11), tzinfo=ZoneInfo("Asia/Tokyo"))
    session = AppointmentFactory(mentor=mentor, student=ann, starts_at=start, title="<b>Bold</b>")
    client.force_login(max)
    shown = client.get(reverse("bookings:day"), {"date": tomorrow.isoformat()}).content.decode()
    assert "11:00–12:00 “&lt;b&gt;Bold&lt;/b&gt;” with Ann Archer" in shown
    assert session.get_absolute_url() in shown
    assert "Asia/Tokyo" in shown
    assert reverse("bookings:day") in client.get(reverse("bookings:availability")).content.decode()


def test_it_is_for_mentors(client, ann):
    client.force_login(ann)
    assert client.get(reverse("bookings:day")).status_code == 403


def test_one_session_and_three_take_the_same_queries(mentor):
    WeeklyHoursFactory(mentor=MentorProfileFactory())

    def queries():
        with CaptureQueriesContext(connection) as captured:
            explain(mentor)
        return len(captured)

    AppointmentFactory(mentor=mentor, starts_at=TEN)
    for_one = queries()
    for number in (1, 2):
        AppointmentFactory(mentor=mentor, student=UserFactory(), starts_at=TEN + number * HOUR)
    assert queries() == for_one
