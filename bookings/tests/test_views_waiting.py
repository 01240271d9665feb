"""Waiting for a full day, on the pages."""

import datetime as dt
from html.parser import HTMLParser

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import UserFactory
from bookings.actions import cancel_appointment, join_waiting_list, set_days_off
from bookings.models import BusyTime, WaitingListEntry
from bookings.tests.factories import book, rich, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
Status = WaitingListEntry.Status


@pytest.fixture
def tomorrow():
    """Tomorrow at ten; ann's clock in these tests is UTC."""
    day = timezone.now().date() + dt.timedelta(days=2)
    return dt.datetime.combine(day, dt.time(10), tzinfo=dt.UTC)


@pytest.fixture
def mentor(mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="UTC", session_minutes=[60], minimum_notice_minutes=0)
    mentor.refresh_from_db()
    return works_every_day(mentor, 10 * 60, 11 * 60)


@pytest.fixture
def ann(ann):
    ann.timezone = "UTC"
    ann.save()
    return rich(ann)


@pytest.fixture
def session(mentor, tomorrow):
    """What makes tomorrow full."""
    return book(mentor, rich(UserFactory()), tomorrow, now=timezone.now())


class Forms(HTMLParser):
    """The forms of a page: address and hidden fields."""

    def __init__(self, response):
        super().__init__()
        self.found = []
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.found.append((attributes.get("action"), {}))
        elif tag == "input" and attributes.get("type") == "hidden" and "form" not in attributes:
            self.found[-1][1][attributes["name"]] = attributes.get("value", "")

    def to(self, address):
        return [fields for action, fields in self.found if action == address]


def page(client, mentor, **asked):
    return client.get(reverse("bookings:choose", args=[mentor.pk]), asked)


def join(mentor, student, day, now=None):
    return join_waiting_list(
        mentor, student=student, date=day.date(), zone="UTC", duration_minutes=60, now=now or timezone.now()
    )


def cancel(session):
    cancel_appointment(session, by=session.mentor.user, now=timezone.now())


def test_a_full_day_offers_to_wait_and_the_form_joins(client, ann, mentor, session):
    client.force_login(ann)
    address = reverse("bookings:wait", args=[mentor.pk])
    (fields,) = Forms(page(client, mentor)).to(address)
    response = client.post(address, fields)
    entry = WaitingListEntry.objects.get()
    assert (entry.student, entry.status, entry.date) == (ann, Status.WAITING, session.starts_at.date())
    assert response.status_code == 302
    assert response.url == entry.get_absolute_url()
    shown = client.get(response.url)
    assert "You are the first in line." in shown.content.decode()
    assert not Forms(shown).to(address), "one does not join twice"


def test_the_place_in_line_is_named(client, ann, sam, mentor, session):
    client.force_login(ann)
    join(mentor, sam, session.starts_at)
    assert "1 before you" in page(client, mentor).content.decode()
    join(mentor, UserFactory(), session.starts_at)
    join(mentor, ann, session.starts_at)
    assert "You are in line: 2 before you." in page(client, mentor).content.decode()


def test_a_week_without_any_time_offers_its_full_days_too(client, ann, mentor, session):
    client.force_login(ann)
    first = session.starts_at.date()
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_week=1, booking_horizon_days=2)
    set_days_off(mentor, timezone.now().date(), first - dt.timedelta(days=1), now=timezone.now())
    response = page(client, mentor, day=first)
    assert "has no free time" in response.content.decode()
    assert "Or wait for one of these days" in response.content.decode()
    assert [fields["date"] for fields in Forms(response).to(reverse("bookings:wait", args=[mentor.pk]))] == [
        first.isoformat()
    ]


def test_a_day_off_is_nothing_to_wait_for(client, ann, mentor, tomorrow):
    set_days_off(mentor, tomorrow.date(), tomorrow.date(), now=timezone.now())
    client.force_login(ann)
    response = page(client, mentor)
    assert "Day off." in response.content.decode()
    assert not Forms(response).to(reverse("bookings:wait", args=[mentor.pk]))


def test_a_held_time_stands_on_top_and_can_be_booked(client, ann, sam, mentor, session):
    entry = join(mentor, ann, session.starts_at)
    cancel(session)
    entry.refresh_from_db()
    client.force_login(ann)
    shown = page(client, mentor).content.decode()
    assert "This time is held for you" in shown
    assert timezone.localtime(entry.offered_until, dt.UTC).strftime("%H:%M") in shown
    chosen = client.get(entry.get_absolute_url())
    assert chosen.context["timetable"].chosen.is_free
    for elsewhere in ("bookings:list", "dashboard"):
        assert "is held for you" in client.get(reverse(elsewhere)).content.decode()
    client.force_login(sam)
    assert "held for you" not in page(client, mentor).content.decode()
    assert not client.get(entry.get_absolute_url()).context["timetable"].chosen.is_free


def test_giving_up_a_held_time_passes_it_on(client, ann, sam, mentor, session):
    first, second = join(mentor, ann, session.starts_at), join(mentor, sam, session.starts_at)
    cancel(session)
    client.force_login(ann)
    address = reverse("bookings:leave_waiting", args=[first.pk])
    asked = client.post(address, {"next": "/bookings/"})
    assert asked.status_code == 200
    assert "It goes to the next in line" in asked.content.decode()
    assert BusyTime.objects.get().entry == first
    (fields,) = Forms(asked).to(None)[-1:]
    response = client.post(address, fields)
    assert response.url == "/bookings/"
    assert BusyTime.objects.get().entry == second
    (told,) = get_messages(response.wsgi_request)
    assert str(told) == f"Passed on. You no longer wait for {first.date:%a} {first.date.day} {first.date:%b}."


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example", "javascript:alert(1)", ""])
def test_keeping_a_held_time_leads_nowhere_else(client, ann, mentor, session, address):
    entry = join(mentor, ann, session.starts_at)
    cancel(session)
    client.force_login(ann)
    asked = client.post(reverse("bookings:leave_waiting", args=[entry.pk]), {"next": address})
    assert asked.context["cancel_url"] == reverse("bookings:list")


def test_nobody_leaves_for_another(client, ann, sam, mentor, session):
    entry = join(mentor, ann, session.starts_at)
    client.force_login(sam)
    assert client.post(reverse("bookings:leave_waiting", args=[entry.pk])).status_code == 404


def test_leaving_twice_is_quiet(client, ann, mentor, session):
    entry = join(mentor, ann, session.starts_at)
    client.force_login(ann)
    for _ in range(2):
        response = client.post(reverse("bookings:leave_waiting", args=[entry.pk]))
        assert response.url == reverse("bookings:list")
    assert WaitingListEntry.objects.get().status == Status.LEFT
    assert list(get_messages(response.wsgi_request))


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"date": "x"}, 422, "Enter a valid date"),
        ({"date": ""}, 422, "This field is required"),
        ({"duration_minutes": "61"}, 422, "does not offer that length"),
        ({"duration_minutes": ""}, 422, "This field is required"),
        ({"zone": "Mars/Base"}, 422, "is not a time zone"),
        ({"date": "0001-01-01"}, 409, "That day is over"),
        ({"date": "9999-12-31"}, 409, "That day is over"),
    ],
)
def test_what_makes_no_sense_is_said_beside_the_form(client, ann, mentor, session, changes, status, words):
    client.force_login(ann)
    typed = {"date": session.starts_at.date().isoformat(), "duration_minutes": "60", "zone": "UTC", **changes}
    response = client.post(reverse("bookings:wait", args=[mentor.pk]), typed)
    assert response.status_code == status
    assert words in response.content.decode()
    assert not WaitingListEntry.objects.exists()


def test_a_stale_page_is_told_of_the_free_time(client, ann, mentor, session):
    client.force_login(ann)
    cancel(session)
    typed = {"date": session.starts_at.date().isoformat(), "duration_minutes": "60", "zone": "UTC"}
    response = client.post(reverse("bookings:wait", args=[mentor.pk]), typed)
    assert response.status_code == 409
    assert "That day has free times by now: 10:00." in response.content.decode()


def test_a_mentor_does_not_wait_for_themself(client, mentor, session):
    client.force_login(mentor.user)
    typed = {"date": session.starts_at.date().isoformat(), "duration_minutes": "60"}
    assert client.post(reverse("bookings:wait", args=[mentor.pk]), typed).status_code == 409


def test_my_sessions_list_where_i_wait(client, ann, sam, mentor, session):
    join(mentor, sam, session.starts_at)
    entry = join(mentor, ann, session.starts_at)
    client.force_login(ann)
    shown = client.get(reverse("bookings:list")).content.decode()
    assert "My waiting lists" in shown
    assert "1 before you" in shown
    assert reverse("bookings:leave_waiting", args=[entry.pk]) in shown


def test_the_lists_take_the_same_queries_for_one_and_for_three(client, ann, mentor, session):
    client.force_login(ann)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("bookings:list"))
            client.get(reverse("bookings:choose", args=[mentor.pk]))
        return len(captured)

    join(mentor, ann, session.starts_at)
    queries()  # what is asked once a process
    for_one = queries()
    for _ in range(2):
        other = works_every_day(MentorProfileFactory(timezone="UTC", session_minutes=[60]), 600, 660)
        book(other, rich(UserFactory()), session.starts_at, now=timezone.now())
        join(other, ann, session.starts_at)
        join(mentor, UserFactory(), session.starts_at)
    assert queries() == for_one
