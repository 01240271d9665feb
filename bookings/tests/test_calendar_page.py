"""One's own sessions in a month and a week."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings.diary import Diary, Wish
from bookings.models import Appointment, BusyTime, CalendarImport, MoveProposal, WaitingListEntry
from bookings.tests.factories import AppointmentFactory

pytestmark = pytest.mark.django_db

Status = Appointment.Status
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # a Monday
START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
TODAY = dt.date(2027, 1, 11)


@pytest.fixture
def at_that_time(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def page(client, at_that_time):
    def get(user, **query):
        client.force_login(user)
        response = client.get(reverse("bookings:calendar"), query)
        assert response.status_code == 200
        return response

    return get


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def diary(user, *, now=NOW, **query):
    with timezone.override(ZoneInfo(user.timezone)):
        return Diary(user, Wish(query, today=timezone.localtime(now).date()), now=now)


def entries(diary):
    return {day.key: [it.entry for it in day.entries] for day in diary.days if day.entries}


# --- What it shows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["month", "week"])
def test_sessions_as_student_as_mentor_and_of_groups_are_told_apart(page, mentor, max, ann, sam, view):
    group = ProjectGroup.objects.create(name="Robots", owner=sam)
    Membership.objects.create(group=group, user=max)
    AppointmentFactory(mentor=mentor, student=ann, title="I mentor", starts_at=START)
    AppointmentFactory(student=max, title="I learn", mentor__user__name="Otto", starts_at=START + 2 * HOUR)
    AppointmentFactory(student=sam, group=group, title="We learn", mentor__user__name="Nora", starts_at=START + DAY)
    AppointmentFactory(title="Others", starts_at=START)
    response = page(max, view=view)
    words = text(response)
    assert "you mentor: 10:00" in words
    assert "I mentor you mentor Ann Archer" in words
    assert "you learn: 12:00" in words
    assert "I learn with Otto" in words
    assert "with your group: 10:00" in words
    assert "We learn Robots with Nora" in words
    assert "Others" not in words
    for role in ("role-mentor", "role-student", "role-group"):
        assert role in response.content.decode()
    assert "dashed: not agreed yet" in words
    assert "Max Meyer:" in words  # on paper


def test_requests_and_proposed_moves_are_marked(page, mentor, ann):
    asked = AppointmentFactory(
        mentor=mentor, student=ann, status=Status.REQUESTED, starts_at=START, answer_by=NOW + HOUR, title="Asked"
    )
    MoveProposal.objects.create(
        appointment=asked,
        proposed_by=mentor.user,
        by_mentor=True,
        starts_at=START + DAY,
        ends_at=START + DAY + HOUR,
        price_points=0,
        answer_by=NOW + HOUR,
    )
    AppointmentFactory(
        mentor=mentor, student=ann, status=Status.REQUESTED, starts_at=START + 2 * DAY, answer_by=NOW, title="Too late"
    )
    words = text(page(ann, view="week"))
    assert "Asked with Max Meyer waiting for mentor" in words
    assert "another time is proposed, you learn: 10:00–11:00" in words
    assert "proposed instead of Wed 13 Jan, 10:00" in words
    assert "Too late" not in words
    assert "waits for your answer" in text(page(mentor.user, view="week"))


@pytest.mark.parametrize("status", Appointment.FREEING)
def test_what_came_to_nothing_is_not_there(ann, status):
    AppointmentFactory(student=ann, status=status, starts_at=START)
    assert entries(diary(ann)) == {}


def test_a_mentors_time_that_is_taken_elsewhere_is_grey_and_joined(page, mentor, max, ann):
    calendar = CalendarImport.objects.create(mentor=mentor, url="https://example.org/a.ics")
    for begins, ends in ((0, 2), (1, 3), (5, 6)):
        times = {"starts_at": START + begins * HOUR, "ends_at": START + ends * HOUR}
        BusyTime.objects.create(
            kind="calendar",
            mentor=mentor,
            calendar=calendar,
            blocked_from=times["starts_at"],
            blocked_until=times["ends_at"],
            **times,
        )
    shown = entries(diary(max, view="week"))["2027-01-13"]
    assert [(it.role, it.starts_at, it.ends_at) for it in shown] == [
        ("busy", START, START + 3 * HOUR),
        ("busy", START + 5 * HOUR, START + 6 * HOUR),
    ]
    assert "busy: 10:00–13:00 Busy in another calendar" in text(page(max, view="week"))
    assert "Busy in another" not in text(page(ann, view="week"))


def test_what_is_held_from_a_waiting_list_is_seen_by_both(mentor, max, ann, sam):
    entry = WaitingListEntry.objects.create(
        mentor=mentor,
        student=ann,
        date=START.date(),
        timezone="UTC",
        since=START - HOUR,
        until=START + 10 * HOUR,
        duration_minutes=60,
    )
    BusyTime.objects.create(
        kind="waiting",
        mentor=mentor,
        student=ann,
        entry=entry,
        starts_at=START,
        ends_at=START + HOUR,
        blocked_from=START,
        blocked_until=START + HOUR,
        expires_at=NOW + HOUR / 4,
    )
    assert [it.title for it in entries(diary(ann))["2027-01-13"]] == ["Held for you"]
    assert [it.title for it in entries(diary(max))["2027-01-13"]] == ["Held for the waiting list"]
    assert entries(diary(sam)) == {}
    assert entries(diary(ann, now=NOW + HOUR)) == {}


def test_times_are_those_of_the_viewer(mentor):
    tokyo, honolulu = UserFactory(timezone="Asia/Tokyo"), UserFactory(timezone="Pacific/Honolulu")
    late = dt.datetime(2027, 1, 31, 20, tzinfo=dt.UTC)
    for student in (tokyo, honolulu):
        AppointmentFactory(student=student, starts_at=late)
    assert entries(diary(tokyo, date="2027-02-01")).keys() == {"2027-02-01"}
    assert entries(diary(honolulu, date="2027-02-01")).keys() == set()
    assert entries(diary(honolulu, date="2027-01-15")).keys() == {"2027-01-31"}


def test_a_session_over_midnight_stands_on_both_days(page, ann):
    AppointmentFactory(student=ann, starts_at=dt.datetime(2027, 1, 13, 22, 30, tzinfo=dt.UTC))
    words = text(page(ann, view="week"))
    assert "from 23:30" in words
    assert "until 00:30" in words
    assert "Night" in words


def test_a_month_names_a_few_and_leads_to_the_rest(page, ann):
    for number in range(6):
        AppointmentFactory(student=ann, title=f"Number {number}", starts_at=START + number * HOUR)
    body = page(ann).content.decode()
    table, rest = body.split('<ol class="calendar-list">')
    assert table.count("calendar-entry ") == 3
    assert "3 more" in text(page(ann))
    assert rest.count("calendar-entry ") == 6, "a narrow page lists all"


# --- Days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        ("Europe/Madrid", "2027-03-28", 23),
        ("Europe/Madrid", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/Santiago", "2026-09-06", 23),  # its midnight does not exist
        ("Asia/Tokyo", "2027-03-28", 24),
    ],
)
@pytest.mark.parametrize("view", ["month", "week"])
def test_days_are_as_long_as_the_local_clock_makes_them(zone, date, hours, view):
    user = UserFactory(timezone=zone)
    shown = diary(user, view=view, date=date)
    day = next(day for day in shown.days if day.key == date)
    assert day.hours == hours
    assert [d.key for d in shown.clock_changes] == ([date] if hours != 24 else [])
    assert all(one.ends_at == other.starts_at for one, other in zip(shown.days, shown.days[1:], strict=False))


def test_the_hour_that_happens_twice_names_its_clock(page, ann):
    AppointmentFactory(student=ann, starts_at=dt.datetime(2026, 10, 25, 0, tzinfo=dt.UTC))
    AppointmentFactory(student=ann, starts_at=dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC))
    words = text(page(ann, view="week", date="2026-10-25"))
    assert "02:00 CEST–02:00 CET" in words
    assert "02:00 CET–03:00 CET" in words
    assert "The clocks change on Sun 25 Oct 2026: it has 25 hours." in words


@pytest.mark.parametrize(
    ("view", "date", "first", "last"),
    [
        ("month", "2027-01-11", "2026-12-28", "2027-01-31"),
        ("month", "2027-02-28", "2027-02-01", "2027-02-28"),
        ("month", "2028-02-29", "2028-01-31", "2028-03-05"),
        ("week", "2027-01-01", "2026-12-28", "2027-01-03"),
        ("week", "2027-01-11", "2027-01-11", "2027-01-17"),
    ],
)
def test_whole_weeks_from_monday_are_shown(ann, view, date, first, last):
    shown = diary(ann, view=view, date=date)
    assert (shown.days[0].key, shown.days[-1].key) == (first, last)
    assert all(len(week) == 7 for week in shown.weeks)


@pytest.mark.parametrize(
    ("view", "date", "before", "after"),
    [
        ("month", "2027-01-31", "2026-12-01", "2027-02-01"),
        ("month", "2026-12-24", "2026-11-01", "2027-01-01"),
        ("week", "2027-01-03", "2026-12-27", "2027-01-10"),
    ],
)
def test_links_lead_to_what_is_before_and_after(page, ann, view, date, before, after):
    body = page(ann, view=view, date=date).content.decode()
    for there in (before, after, "2027-01-11"):
        assert f'href="?view={view}&amp;date={there}"' in body
    other = "week" if view == "month" else "month"
    assert f'href="?view={other}&amp;date={date}"' in body


def test_the_first_and_the_last_year_lead_no_further(page, ann):
    assert "data-before" not in page(ann, date="2000-01-15").content.decode()
    assert "data-after" not in page(ann, date="2200-12-15").content.decode()
    assert "data-after" not in page(ann, view="week", date="2200-12-31").content.decode()


@pytest.mark.parametrize(
    "date",
    ["0001-01-01", "9999-12-31", "1999-12-31", "2201-01-01", "tomorrow", "2027-02-30", "²", "\x00", "💥", "1" * 500],
)
@pytest.mark.parametrize("view", ["month", "week", "year", "💥"])
def test_nonsense_falls_back_to_today_with_a_word(page, ann, date, view):
    words = text(page(ann, date=date, view=view))
    assert "this is today" in words
    assert ("There is a month and a week" in words) is (view not in ("month", "week"))
    assert "Jan 2027" in words or "January 2027" in words


def test_nothing_planned_says_so(page, ann, max, mentor):
    assert "Nothing is planned in this month." in text(page(ann))
    assert "Nothing is planned in this week." in text(page(max, view="week"))


# --- How it is made ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["month", "week"])
def test_it_takes_the_same_queries_however_much_there_is(page, mentor, max, ann, sam, view):
    group = ProjectGroup.objects.create(name="Robots", owner=sam)
    Membership.objects.create(group=group, user=max)
    calendar = CalendarImport.objects.create(mentor=mentor, url="https://example.org/a.ics")

    def add(first, count):
        for number in range(first, first + count):
            start = START + number * HOUR
            session = AppointmentFactory(mentor=mentor, starts_at=start)
            AppointmentFactory(student=max, starts_at=start)
            AppointmentFactory(student=UserFactory(), group=group, starts_at=start)
            MoveProposal.objects.create(
                appointment=session,
                proposed_by=max,
                by_mentor=True,
                starts_at=start + HOUR,
                ends_at=start + 2 * HOUR,
                price_points=0,
                answer_by=NOW + HOUR,
            )
            BusyTime.objects.create(
                kind="calendar",
                mentor=mentor,
                calendar=calendar,
                starts_at=start,
                ends_at=start + HOUR,
                blocked_from=start,
                blocked_until=start + HOUR,
            )

    def queries():
        with CaptureQueriesContext(connection) as captured:
            page(max, view=view)
        return len(captured)

    add(0, 1)
    queries()
    one = queries()
    add(1, 2)
    assert queries() == one
    add(3, 30)
    assert queries() == one


def test_it_is_a_table_with_headings_and_a_list(page, ann):
    body = page(ann).content.decode()
    assert body.count('scope="col"') == 8
    assert body.count('scope="row"') == 5
    assert 'aria-describedby="calendar-keys"' in body
    assert 'aria-current="date"' in body
    assert 'data-date="2027-01-11"' in body


def test_my_sessions_lead_to_it(client, ann):
    client.force_login(ann)
    assert reverse("bookings:calendar") in client.get(reverse("bookings:list")).content.decode()
