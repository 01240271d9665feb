import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar

from accounts.models import Membership, ProjectGroup
from bookings import calendar_files
from bookings.actions import remove_feed, replace_feed
from bookings.feeds import address_of, token_of
from bookings.models import Appointment, CalendarSettings
from bookings.tests.factories import AppointmentFactory

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def path(ann):
    return feed_path(ann)


def feed_path(person):
    return reverse("calendar:feed", args=[token_of(replace_feed(person))])


def events(path):
    """What a calendar program, which is nobody, reads there."""
    response = Client().get(path)
    assert response.status_code == 200, path
    return Calendar.from_ical(response.content).events


def session(**fields):
    fields.setdefault("starts_at", timezone.now() + DAY)
    return AppointmentFactory(**fields)


def test_the_feed_is_a_calendar_that_is_read_again(client, path, ann, mentor, settings):
    settings.SITE_NAME = "Helpers; and, more"
    booked = session(mentor=mentor, student=ann, sequence=4, meeting_url="https://meet.example.org/x")
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert "private" in response["Cache-Control"]
    calendar = Calendar.from_ical(response.content)
    assert "method" not in calendar
    assert calendar["x-wr-calname"] == "Sessions at Helpers; and, more"
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in response.content
    [event] = calendar.events
    assert event["uid"] == calendar_files.uid_of(booked)
    assert event["sequence"] == 4
    assert event["dtstart"].dt == booked.starts_at.replace(microsecond=0)
    assert event["location"] == "https://meet.example.org/x"
    assert "attendee" not in event


def test_only_ones_own_sessions_are_in_it(path, ann, sam, mentor, max):
    session(mentor=mentor, student=sam, title="Of Sam")
    session(mentor=mentor, student=ann, title="Of Ann", starts_at=timezone.now() + 2 * DAY)
    assert [event["summary"] for event in events(path)] == ["Of Ann (Max Meyer)"]
    assert len(events(feed_path(max))) == 2


def test_members_of_a_group_see_its_sessions(path, ann, sam, mentor):
    group = ProjectGroup.objects.create(name="Rockets", owner=sam)
    session(mentor=mentor, student=sam, group=group)
    assert events(path) == []
    Membership.objects.create(group=group, user=ann)
    assert len(events(path)) == 1


def test_what_does_not_take_place_and_what_is_long_ago_is_left_out(path, ann, mentor):
    now = timezone.now()
    kept = {"requested", "confirmed", "completed", "no_show", "disputed"}
    for number, status in enumerate(Appointment.Status.values):
        session(mentor=mentor, student=ann, status=status, title=status, starts_at=now + (number + 1) * DAY)
    session(
        mentor=mentor, student=ann, status="requested", answer_by=now - DAY, starts_at=now + 20 * DAY, title="ran out"
    )
    session(mentor=mentor, student=ann, status="completed", starts_at=now - 91 * DAY, title="old")
    session(mentor=mentor, student=ann, status="completed", starts_at=now - 89 * DAY, title="new")
    titles = [event["summary"].removesuffix(" (Max Meyer)") for event in events(path)]
    assert set(titles) == kept | {"new"}


def test_nothing_is_sent_twice_while_nothing_changes(client, path, ann, mentor):
    booked = session(mentor=mentor, student=ann)
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "private" in again["Cache-Control"]
    Appointment.objects.filter(pk=booked.pk).update(title="Another", sequence=1)
    changed = client.get(path, headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_a_replaced_or_removed_address_leads_nowhere_at_once(client, ann):
    first = feed_path(ann)
    second = feed_path(ann)
    assert first != second
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200
    remove_feed(ann)
    assert client.get(second).status_code == 404


def test_who_cannot_sign_in_has_no_feed(client, path, ann):
    ann.is_active = False
    ann.save()
    assert client.get(path).status_code == 404


def test_every_wrong_address_gets_the_same_answer(client, path, ann, mentor):
    session(mentor=mentor, student=ann, title="Secret")
    number = CalendarSettings.objects.get(user=ann).feed_number
    token = token_of(CalendarSettings.objects.get(user=ann))
    remove_feed(ann)
    replaced, _new = path, replace_feed(ann)
    wrong = ["x", number, f"{number}.", f".{token}", token[:-1], token + "A", token.upper(), f"{token}\0", "é", "."]
    wrong = [reverse("calendar:feed", args=[each]) for each in wrong] + [replaced]
    answers = {(answer.status_code, answer.content, answer["Content-Type"]) for answer in map(client.get, wrong)}
    assert answers == {(404, b"There is no calendar at this address.\n", "text/plain")}


def test_the_database_alone_leads_to_nobodys_sessions(client, path, ann, settings):
    chosen = CalendarSettings.objects.get(user=ann)
    assert chosen.feed_number not in ("", token_of(chosen))
    assert path == reverse("calendar:feed", args=[token_of(chosen)])
    settings.SECRET_KEY = "another" * 10
    assert client.get(path).status_code == 404


def test_the_address_is_not_in_the_log(client, path, ann, caplog):
    client.get(path)
    ann.is_active = False
    ann.save()
    client.get(path)
    assert path not in caplog.text


def test_the_number_of_queries_stays(path, ann, mentor, django_assert_num_queries):
    def ask():
        with django_assert_num_queries(3):
            events(path)

    session(mentor=mentor, student=ann)
    ask()
    for number in range(2, 5):
        session(mentor=mentor, student=ann, starts_at=timezone.now() + number * DAY)
    ask()


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client, ann):
    client.force_login(ann)
    return reverse("bookings:calendar_settings")


def test_a_feed_is_created_replaced_and_removed(client, page, ann):
    assert ".ics" not in client.get(page).content.decode()
    addresses = []
    for _time in range(2):
        assert client.post(page, {"change": "replace_feed"}).status_code == 302
        addresses.append(address_of(CalendarSettings.objects.get(user=ann)))
        assert addresses[-1] in client.get(page).content.decode()
    assert addresses[0] != addresses[1]
    client.post(page, {"change": "remove_feed"})
    assert ".ics" not in client.get(page).content.decode()


def boxes(client, page):
    """Which of the reminders are ticked."""
    html = client.get(page).content.decode().partition('id="feed"')[0]
    return ["checked" in tag for tag in re.findall(r'<input[^>]*name="remind_[^>]*>', html)]


def test_reminders_are_chosen(client, page, ann):
    assert CalendarSettings.objects.count() == 0
    assert boxes(client, page) == [True, True]
    client.post(page, {"change": "reminders", "remind_hour_before": "on"})
    chosen = CalendarSettings.objects.get(user=ann)
    assert (chosen.remind_day_before, chosen.remind_hour_before) == (False, True)
    number = replace_feed(ann).feed_number
    client.post(page, {"change": "reminders"})
    chosen.refresh_from_db()
    assert (chosen.remind_day_before, chosen.remind_hour_before, chosen.feed_number) == (False, False, number)
    assert boxes(client, page) == [False, False]


def test_students_have_no_calendars_to_import(client, page):
    assert "add_calendar" not in client.get(page).content.decode()
    answer = client.post(page, {"change": "add_calendar", "url": "https://example.org/a.ics"})
    assert answer.status_code == 403
