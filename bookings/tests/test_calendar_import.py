"""Busy times from calendars elsewhere: what a mentor sees of them, and what they do to free times."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from bookings import calendar_files
from bookings.actions import (
    BadAddress,
    CalendarThere,
    SlotTaken,
    TooManyCalendars,
    add_calendar,
    book_slot,
    read_again,
    refresh_calendar,
    refresh_calendars,
    remove_calendar,
)
from bookings.availability import load_calendar
from bookings.models import BusyTime, CalendarImport
from bookings.tests.factories import book_confirmed, rich, works_every_day
from bookings.tests.test_calendar_fetching import Here, running
from bookings.tests.test_calendar_reading import calendar, event
from mentors.models import MentorProfile
from notifications.models import Notification, OutgoingEmail

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
NINE = dt.datetime(2026, 11, 25, 8, tzinfo=dt.UTC)  # 9:00 in Berlin
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)
SECRET = "private-4711"


def busy_from(start, *, hours=1, uid="meeting@example.org"):
    return event(f"DTSTART:{start:%Y%m%dT%H%M%SZ}", f"DTEND:{start + hours * HOUR:%Y%m%dT%H%M%SZ}", uid=uid)


@pytest.fixture
def server():
    with running() as server:
        server.here = Here(server.port)
        yield server


def serve(server, *events, **headers):
    server.answers[f"/{SECRET}.ics"] = lambda request: request.answer(calendar(*events), **headers)


def fail(server, status=500):
    server.answers[f"/{SECRET}.ics"] = lambda request: request.answer(b"", status)


@pytest.fixture
def imported(mentor, server):
    works_every_day(mentor)
    serve(server, busy_from(NINE))
    return add_calendar(mentor, url=f"{server.address}/{SECRET}.ics", name="At work", now=NOW)


def read(server, now=NOW):
    """What the job does; how many calendars it read."""
    return refresh_calendars(now=now, network=server.here)


def busy(mentor):
    return [(row.starts_at, row.ends_at) for row in BusyTime.objects.filter(mentor=mentor)]


def starts(mentor, now=NOW):
    """The free starts of the day in Berlin's hours."""
    loaded = load_calendar(mentor, now=now, since=NINE, until=NINE + 4 * HOUR)
    return [slot.starts_at for slot in loaded.offer(duration_minutes=60, since=NINE, until=NINE + 4 * HOUR).slots]


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_a_busy_time_is_no_free_time(imported, mentor, server, ann):
    assert NINE in starts(mentor)
    assert read(server) == 1
    assert busy(mentor) == [(NINE, NINE + HOUR)]
    assert NINE not in starts(mentor)
    with pytest.raises(SlotTaken):
        book_slot(mentor, student=rich(ann), starts_at=NINE, duration_minutes=60, title="Forms", now=NOW)
    imported.refresh_from_db()
    assert (imported.fetched_at, imported.failures, imported.error) == (NOW, 0, "")
    assert imported.next_fetch_at == NOW + 30 * MINUTE


def test_it_is_read_every_half_hour_and_only_then(imported, mentor, server):
    assert read(server) == 1
    assert read(server, NOW + 29 * MINUTE) == 0
    serve(server, busy_from(NINE + HOUR, uid="two@example.org"))
    assert refresh_calendars(now=NOW + 30 * MINUTE, dry_run=True) == 1
    assert read(server, NOW + 30 * MINUTE) == 1
    assert busy(mentor) == [(NINE + HOUR, NINE + 2 * HOUR)]
    assert NINE in starts(mentor)


def test_what_is_the_same_is_not_written_again(imported, mentor, server, django_assert_max_num_queries):
    read(server)
    [before] = BusyTime.objects.values_list("pk", flat=True)
    serve(server, busy_from(NINE), busy_from(NINE + 3 * HOUR, uid="two@example.org"))
    read(server, NOW + HOUR)
    assert before in BusyTime.objects.values_list("pk", flat=True)
    assert len(busy(mentor)) == 2


def test_nothing_new_changes_nothing_and_is_asked_for_once_a_day_all_the_same(imported, mentor, server):
    serve(server, busy_from(NINE), ETag='"one"')
    read(server)

    def unchanged(request):
        is_known = request.headers.get("If-None-Match") == '"one"'
        request.answer(b"", 304) if is_known else request.answer(calendar(busy_from(NINE)), ETag='"one"')

    server.answers[f"/{SECRET}.ics"] = unchanged
    read(server, NOW + HOUR)
    assert busy(mentor) == [(NINE, NINE + HOUR)]
    imported.refresh_from_db()
    assert (imported.fetched_at, imported.etag) == (NOW, 'Europe/Berlin "one"')
    read(server, NOW + 25 * HOUR)
    imported.refresh_from_db()
    assert imported.fetched_at == NOW + 25 * HOUR


def test_the_directory_learns_of_it(imported, mentor, server):
    serve(server, busy_from(NOW, hours=24 * 9))
    read(server)
    mentor = MentorProfile.objects.get(pk=mentor.pk)
    assert mentor.next_free_at >= NOW + 24 * 9 * HOUR
    serve(server)
    read(server, NOW + HOUR)
    assert MentorProfile.objects.get(pk=mentor.pk).next_free_at < NOW + 48 * HOUR


def test_our_own_session_that_comes_back_does_not_block_itself(imported, mentor, server, ann):
    session = book_confirmed(mentor, rich(ann), NINE, now=NOW)
    serve(server, busy_from(NINE, uid=calendar_files.uid_of(session)), busy_from(NINE + HOUR))
    read(server, NOW + HOUR)
    assert busy(mentor) == [(NINE + HOUR, NINE + 2 * HOUR)]
    free = load_calendar(mentor, now=NOW + HOUR, since=NINE, until=NINE + HOUR, without=session)
    assert NINE in [slot.starts_at for slot in free.offer(duration_minutes=60, since=NINE, until=NINE + HOUR).slots]


def test_it_does_not_matter_what_is_booked_already(imported, mentor, server, ann):
    session = book_confirmed(mentor, rich(ann), NINE, now=NOW)
    read(server)
    session.refresh_from_db()
    assert session.status == "confirmed"
    assert busy(mentor) == [(NINE, NINE + HOUR)]


def test_a_calendar_that_was_removed_meanwhile_leaves_nothing(imported, mentor, server):
    remove_calendar(imported, now=NOW)
    refresh_calendar(imported, now=NOW, network=server.here)
    assert busy(mentor) == []


def test_a_calendar_that_another_worker_has_is_left_to_it(imported, mentor, server):
    CalendarImport.objects.filter(pk=imported.pk).update(next_fetch_at=NOW + 5 * MINUTE)
    assert read(server) == 0
    assert read(server, NOW + 5 * MINUTE) == 1


def test_calendars_of_whoever_cannot_sign_in_rest(imported, mentor, server):
    mentor.user.is_active = False
    mentor.user.save()
    assert read(server) == 0


def test_many_calendars_are_read_in_one_round(mentor, server):
    for number in range(5):
        server.answers[f"/{number}"] = lambda request, n=number: request.answer(
            calendar(busy_from(NINE + 2 * n * HOUR))
        )
        add_calendar(mentor, url=f"{server.address}/{number}", now=NOW)
    assert read(server) == 5
    assert len(busy(mentor)) == 5


# --- Failing ----------------------------------------------------------------------------------------------------------


def test_a_broken_fetch_keeps_what_was_busy(imported, mentor, server):
    read(server)
    fail(server)
    read(server, NOW + HOUR)
    assert busy(mentor) == [(NINE, NINE + HOUR)]
    imported.refresh_from_db()
    assert (imported.failures, imported.error, imported.fetched_at) == (1, "status_500", NOW)


def test_after_a_failure_it_waits_longer_and_longer(imported, server):
    fail(server)
    now, waits = NOW, []
    for _time in range(7):
        assert read(server, now) == 1
        imported.refresh_from_db()
        waits.append((imported.next_fetch_at - now) / HOUR)
        now = imported.next_fetch_at
    assert waits == [0.5, 1, 2, 4, 6, 6, 6]


def test_the_mentor_is_told_once_after_the_third_failure(imported, mentor, server, max):
    read(server)
    fail(server, 404)
    for times in range(1, 6):
        read(server, NOW + times * 24 * HOUR)
        assert Notification.objects.filter(kind="calendar_broken").count() == (times >= 3)
    told = Notification.objects.get(kind="calendar_broken")
    assert told.recipient == max
    assert told.title == "Your calendar At work cannot be read"
    assert "The server answered with error 404." in told.body
    assert told.url == reverse("bookings:calendar_settings")
    assert SECRET not in told.body + told.title + OutgoingEmail.objects.get(notification=told).body


def test_when_it_breaks_anew_the_mentor_is_told_anew(imported, server):
    for day in range(2):
        serve(server, busy_from(NINE))
        read(server, NOW + day * 240 * HOUR)
        fail(server)
        for times in range(1, 5):
            read(server, NOW + (day * 240 + times * 24) * HOUR)
    assert Notification.objects.filter(kind="calendar_broken").count() == 2


def test_what_is_no_calendar_is_a_failure_too(imported, server):
    server.answers[f"/{SECRET}.ics"] = lambda request: request.answer(b"<html>Sign in</html>")
    read(server)
    imported.refresh_from_db()
    assert imported.error == "no_calendar"


def test_without_leave_the_job_reaches_nothing_inside(imported, server):
    assert refresh_calendars(now=NOW) == 1
    imported.refresh_from_db()
    assert imported.error in ("not_public", "unknown_host", "too_slow")
    assert server.asked == []


def test_reading_again_asks_anew_at_once(imported, server):
    serve(server, ETag='"one"')
    read(server)
    read_again(imported, now=NOW + MINUTE)
    assert read(server, NOW + MINUTE) == 1
    assert "If-None-Match" not in server.asked[-1][1]


# --- Adding and removing ----------------------------------------------------------------------------------------------


def test_at_most_five_and_none_twice(mentor):
    for number in range(5):
        add_calendar(mentor, url=f"https://example.org/{number}.ics", now=NOW)
    with pytest.raises(TooManyCalendars):
        add_calendar(mentor, url="https://example.org/6.ics", now=NOW)
    with pytest.raises(CalendarThere):
        add_calendar(mentor, url="webcal://EXAMPLE.org/1.ics", now=NOW)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense", "https://a:b@example.org/"])
def test_an_address_that_is_none_is_refused_before_anything_is_asked(mentor, url):
    with pytest.raises(BadAddress):
        add_calendar(mentor, url=url, now=NOW)


def test_what_is_removed_is_free_again(imported, mentor, server):
    read(server)
    remove_calendar(imported, now=NOW)
    remove_calendar(imported, now=NOW)
    assert busy(mentor) == []
    assert NINE in starts(mentor)


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client, max):
    client.force_login(max)
    return reverse("bookings:calendar_settings")


def test_a_mentor_adds_a_calendar_and_sees_how_it_is(client, page, mentor, server):
    url = f"{server.address}/{SECRET}.ics"
    assert client.post(page, {"change": "add_calendar", "url": url, "name": "At work"}).status_code == 302
    assert "not read yet" in client.get(page).content.decode()
    serve(server, busy_from(timezone.now() + 24 * HOUR), busy_from(timezone.now() + 48 * HOUR, uid="two@example.org"))
    read(server, timezone.now())
    html = client.get(page).content.decode()
    assert "2 busy times to come" in html
    assert "At work" in html
    assert SECRET not in html
    fail(server, 403)
    read(server, timezone.now() + HOUR)
    html = client.get(page).content.decode()
    assert "The server answered with error 403." in html
    assert "still counts" in html
    calendar_id = mentor.calendar_imports.get().pk
    assert client.post(page, {"change": "read_again", "calendar": calendar_id}).status_code == 302
    assert client.post(page, {"change": "remove_calendar", "calendar": calendar_id}).status_code == 302
    assert not mentor.calendar_imports.exists()


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("", 422, "Paste the address of a calendar."),
        ("nonsense", 422, "That is no address of a calendar"),
        ("nonsense", 422, "http://, https:// or webcal://"),
        ("http://localhost/", 422, "not on the public internet"),
        ("https://a:b@example.org/", 422, "contains a name or a password"),
        ("https://example.org/" + "x" * 1000, 422, "at most 1000 characters"),
        ("https://example.org/there.ics", 409, "You import this calendar already."),
    ],
)
def test_what_is_wrong_with_an_address_is_said_beside_it(client, page, mentor, url, status, said):
    add_calendar(mentor, url="https://example.org/there.ics", now=NOW)
    answer = client.post(page, {"change": "add_calendar", "url": url, "name": "Mine"})
    assert answer.status_code == status
    html = answer.content.decode()
    assert said in html
    assert 'value="Mine"' in html


@pytest.mark.parametrize("change", ["remove_calendar", "read_again"])
def test_the_calendar_of_another_mentor_is_nobodys(client, page, change):
    from mentors.tests.factories import MentorProfileFactory

    other = add_calendar(MentorProfileFactory(), url="https://example.org/1.ics", now=NOW)
    for calendar_id in (other.pk, 2**31 - 1, "x", ""):
        assert client.post(page, {"change": change, "calendar": calendar_id}).status_code == 422
    other.refresh_from_db()
    assert other.next_fetch_at == NOW


def test_the_page_asks_as_much_for_three_as_for_one(client, page, mentor, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    add_calendar(mentor, url="https://example.org/1.ics", now=NOW)
    client.get(page)
    with CaptureQueriesContext(
        connection,
    ) as first:
        client.get(page)
    for number in (2, 3):
        add_calendar(mentor, url=f"https://example.org/{number}.ics", now=NOW)
    with django_assert_num_queries(len(first)):
        client.get(page)


def test_the_admin_shows_the_state_and_not_the_secret(client, ada, imported, server):
    fail(server)
    read(server)
    client.force_login(ada)
    for address in (
        reverse("admin:bookings_calendarimport_changelist"),
        reverse("admin:bookings_calendarimport_change", args=[imported.pk]),
    ):
        html = client.get(address).content.decode()
        assert SECRET not in html
        assert "The server answered with error 500." in html
        assert "calendar.example.test" in html
    assert LogEntry.objects.count() == 0


def test_no_secret_is_in_the_log(imported, server, caplog):
    for answer in (fail, serve):
        answer(server)
        read(server, NOW + HOUR)
    assert SECRET not in caplog.text
    assert SECRET not in str(imported) + repr(imported)


def test_another_time_zone_of_the_mentor_is_read_anew(imported, mentor, server):
    """Days and times without a zone are the mentor's, so "nothing new" would be wrong."""
    day = event("DTSTART;VALUE=DATE:20261130", uid="d@example.org")

    def unchanged(request):
        is_known = request.headers.get("If-None-Match") == '"one"'
        request.answer(b"", 304) if is_known else request.answer(calendar(day), ETag='"one"')

    server.answers[f"/{SECRET}.ics"] = unchanged
    read(server)
    before = busy(mentor)
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="Asia/Tokyo")
    read(server, NOW + HOUR)
    assert [start - HOUR * 8 for start, _end in before] == [start for start, _end in busy(mentor)]
