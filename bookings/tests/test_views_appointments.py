"""My sessions, one appointment, its buttons; who may open what."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bookings import actions
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, works_every_day
from mentors.tests.factories import MentorProfileFactory
from wallets.actions import grant_points, wallet_of

Status = Appointment.Status
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(time_machine):
    def move(moment):
        time_machine.move_to(moment, tick=False)
        return moment

    move(NOW)
    return move


@pytest.fixture
def requested(clock, mentor, ann):
    """Ann asked Max for Wednesday 10:00, 50 of her 80 points are held."""
    works_every_day(mentor)
    grant_points(ann, points=80)
    return actions.book_slot(
        mentor,
        student=ann,
        starts_at=START,
        duration_minutes=60,
        title="Slow query 🐌",
        description="<b>hm</b>",
        now=NOW,
    )


@pytest.fixture
def confirmed(requested, max):
    return actions.confirm_appointment(requested, by=max, now=NOW)


@pytest.fixture
def other_mentor(db):
    return MentorProfileFactory().user


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def url(verb, appointment):
    return reverse(f"bookings:{verb}", args=[appointment.pk])


def status(appointment):
    return Appointment.objects.get(pk=appointment.pk).status


# --- Who may open what ------------------------------------------------------------------------------------------------

GET, POST = "get", "post"
#        URL        method  anonymous student mentor sam other_mentor staff
POLICY = [
    ("list", GET, 302, 200, 200, 200, 200, 200),
    ("list", POST, 302, 405, 405, 405, 405, 405),
    ("detail", GET, 302, 200, 200, 404, 404, 200),
    ("detail", POST, 302, 405, 405, 405, 405, 405),
    ("confirm", GET, 302, 405, 405, 405, 405, 405),
    ("confirm", POST, 302, 403, 302, 404, 404, 403),
    ("decline", GET, 302, 403, 200, 404, 404, 403),
    ("decline", POST, 302, 403, 302, 404, 404, 403),
    ("cancel", GET, 302, 200, 200, 404, 404, 200),
    ("cancel", POST, 302, 302, 302, 404, 404, 302),
    ("complete", GET, 302, 405, 405, 405, 405, 405),
    ("complete", POST, 302, 403, 409, 404, 404, 403),
    ("no_show", GET, 302, 403, 409, 404, 404, 403),
    ("no_show", POST, 302, 403, 409, 404, 404, 403),
    ("choose", GET, 302, 200, 200, 200, 200, 200),
    ("choose", POST, 302, 422, 409, 422, 422, 422),
    ("availability", GET, 302, 403, 200, 403, 200, 403),
    ("availability", POST, 302, 403, 302, 403, 302, 403),
]
PEOPLE = ["anonymous", "ann", "max", "sam", "other_mentor", "ada"]


@pytest.mark.parametrize(
    ("name", "method", "person", "expected"),
    [
        (name, method, person, code)
        for name, method, *codes in POLICY
        for person, code in zip(PEOPLE, codes, strict=True)
    ],
)
def test_policy(client, request, requested, name, method, person, expected):
    if person != "anonymous":
        client.force_login(request.getfixturevalue(person))
    arguments = {"list": [], "availability": [], "choose": [requested.mentor_id]}.get(name, [requested.pk])
    response = getattr(client, method)(reverse(f"bookings:{name}", args=arguments))
    assert response.status_code == expected
    if person == "anonymous":
        assert "/accounts/login/" in response.url


@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
@pytest.mark.parametrize("verb", ["detail", "cancel"])
def test_what_does_not_exist_is_404(client, ann, pk, verb):
    client.force_login(ann)
    assert client.get(reverse(f"bookings:{verb}", args=[pk])).status_code == 404


# --- One appointment --------------------------------------------------------------------------------------------------


def test_the_headline_says_what_happens_next_and_for_whom(client, requested, ann, max):
    client.force_login(ann)
    text = html(client.get(requested.get_absolute_url()))
    assert re.search("Max has until <time[^>]*>Tue 12 Jan, 09:00</time> to answer", text)
    assert "50 points are set aside" in text
    assert "Withdraw" in text
    assert "&lt;b&gt;hm&lt;/b&gt;" in text
    client.force_login(max)
    text = html(client.get(requested.get_absolute_url()))
    assert re.search("Ann waits for your answer until <time[^>]*>Tue 12 Jan, 09:00<", text)
    assert url("confirm", requested) in text
    assert url("decline", requested) in text


def test_the_meeting_link_is_for_those_who_meet_once_it_is_agreed(client, requested, ann, max, ada):
    Appointment.objects.update(meeting_url="https://meet.example.org/max")
    for person, shown in [(ann, False), (max, False)]:
        client.force_login(person)
        assert ("meet.example.org" in html(client.get(requested.get_absolute_url()))) is shown
    actions.confirm_appointment(requested, by=max, now=NOW)
    for person, shown in [(ann, True), (max, True), (ada, False)]:
        client.force_login(person)
        assert ("meet.example.org" in html(client.get(requested.get_absolute_url()))) is shown


def test_confirming_tells_and_returns_to_the_list_it_was_pressed_in(client, requested, max):
    client.force_login(max)
    response = client.post(url("confirm", requested), {"next": "/bookings/?show=requests"}, follow=True)
    assert response.redirect_chain == [("/bookings/?show=requests", 302)]
    assert "Confirmed. Ann has been told." in html(response)
    assert status(requested) == Status.CONFIRMED


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "javascript:alert(1)", "\x00"])
def test_confirming_never_leads_elsewhere(client, requested, max, address):
    client.force_login(max)
    assert client.post(url("confirm", requested), {"next": address}).url == requested.get_absolute_url()


def test_confirming_twice_says_so_on_the_page_of_the_appointment(client, confirmed, max):
    client.force_login(max)
    response = client.post(url("confirm", confirmed))
    assert response.status_code == 409
    assert "confirmed already" in html(response)
    assert "My sessions" in html(response)


def test_declining_names_the_consequence_and_takes_a_reason(client, requested, ann, max):
    client.force_login(max)
    assert "50 points go back to Ann." in html(client.get(url("decline", requested)))
    client.post(url("decline", requested), {"reason": "At a conference 🎤"})
    assert status(requested) == Status.DECLINED
    assert wallet_of(ann).balance_points == 80
    client.force_login(ann)
    text = html(client.get(requested.get_absolute_url()))
    assert "50 points came back to you." in text
    assert "At a conference 🎤" in text
    assert "Choose another time" in text


def test_cancelling_in_time_names_what_comes_back(client, confirmed, ann):
    client.force_login(ann)
    assert "50 points come back to you." in html(client.get(url("cancel", confirmed)))
    assert client.post(url("cancel", confirmed)).status_code == 302
    assert wallet_of(ann).balance_points == 80


def test_cancelling_late_names_both_shares(client, clock, confirmed, ann, max):
    clock(START - dt.timedelta(hours=2))
    client.force_login(ann)
    assert "25 of 50 points back" in html(client.get(confirmed.get_absolute_url()))
    assert "25 of 50 points come back, 25 go to Max." in html(client.get(url("cancel", confirmed)))
    response = client.post(url("cancel", confirmed), follow=True)
    assert "25 of 50 points went back to Ann, 25 to Max." in html(response)
    assert (wallet_of(ann).balance_points, wallet_of(max).balance_points) == (55, 25)


def test_cancelling_what_is_cancelled_is_409_with_a_way_back(client, confirmed, ann):
    actions.cancel_appointment(confirmed, by=ann, now=NOW)
    client.force_login(ann)
    for response in (client.get(url("cancel", confirmed)), client.post(url("cancel", confirmed))):
        assert response.status_code == 409
        assert "cancelled already" in html(response)
    assert wallet_of(ann).balance_points == 80


def test_a_reason_that_is_too_long_is_kept_and_refused(client, confirmed, ann):
    client.force_login(ann)
    response = client.post(url("cancel", confirmed), {"reason": "x" * 501})
    assert response.status_code == 422
    assert "x" * 501 in html(response)
    assert status(confirmed) == Status.CONFIRMED


def test_completing_pays_and_shows_it(client, clock, confirmed, max):
    clock(START + dt.timedelta(hours=1))
    client.force_login(max)
    assert "It took place: receive 50 points" in html(client.get(confirmed.get_absolute_url()))
    response = client.post(url("complete", confirmed), follow=True)
    assert "50 points are yours." in html(response)
    assert wallet_of(max).balance_points == 50


def test_a_student_who_did_not_come(client, clock, confirmed, max):
    clock(START + dt.timedelta(minutes=11))
    client.force_login(max)
    assert "50 points go to you." in html(client.get(url("no_show", confirmed)))
    client.post(url("no_show", confirmed), {"reason": ""})
    assert status(confirmed) == Status.NO_SHOW


def test_too_early_is_409_and_says_from_when(client, confirmed, max):
    client.force_login(max)
    response = client.post(url("complete", confirmed))
    assert response.status_code == 409
    assert "Wed 13 Jan, 10:00" in html(response)


def test_times_are_in_the_zone_of_the_viewer_across_a_clock_change(client, clock, ann):
    clock(dt.datetime(2027, 3, 20, 8, tzinfo=dt.UTC))
    client.force_login(ann)
    for day, shown in [(26, "Fri 26 Mar, 10:00–11:00"), (29, "Mon 29 Mar, 11:00–12:00")]:
        appointment = AppointmentFactory(student=ann, starts_at=dt.datetime(2027, 3, day, 9, tzinfo=dt.UTC))
        assert shown in html(client.get(appointment.get_absolute_url()))


def test_the_clock_of_the_other_side_is_shown_where_it_differs(client, clock, ann):
    appointment = AppointmentFactory(student=ann, mentor__user__timezone="America/New_York")
    client.force_login(ann)
    assert "05:00–06:00" in html(client.get(appointment.get_absolute_url()))


@pytest.mark.parametrize("state", Status.values)
def test_every_state_has_a_page_for_everybody_in_it(client, clock, ann, ada, state):
    appointment = AppointmentFactory(student=ann, status=state)
    for person in (ann, appointment.mentor.user, ada):
        client.force_login(person)
        assert client.get(appointment.get_absolute_url()).status_code == 200


# --- My sessions ------------------------------------------------------------------------------------------------------


def test_requests_wait_on_top_for_the_mentor_only(client, requested, ann, max):
    client.force_login(max)
    text = html(client.get("/bookings/"))
    assert "Waiting for your answer" in text
    assert "You mentor Ann Archer" in text
    client.force_login(ann)
    text = html(client.get("/bookings/"))
    assert "Waiting for your answer" not in text
    assert "waiting for Max" in text


def test_somebody_on_both_sides_sees_both(client, confirmed, max):
    AppointmentFactory(student=max, title="Max learns")
    client.force_login(max)
    text = html(client.get("/bookings/"))
    assert "Max learns" in text
    assert "Slow query" in text


def test_past_ones_are_elsewhere(client, requested, ann, max):
    actions.decline_appointment(requested, by=max, now=NOW)
    client.force_login(ann)
    assert "Slow query" not in html(client.get("/bookings/"))
    assert "Slow query" in html(client.get("/bookings/?show=past"))


def test_staff_see_their_own_here_not_everybodys(client, confirmed, ada):
    client.force_login(ada)
    assert "Slow query" not in html(client.get("/bookings/"))


@pytest.mark.parametrize("show", ["", "?show=past", "?show=requests", "?show=nonsense", "?page=99999999999&show=past"])
def test_empty_lists_say_what_belongs_here(client, clock, ann, show):
    client.force_login(ann)
    response = client.get(f"/bookings/{show}")
    assert response.status_code == 200
    assert "empty-state" in html(response)


def queries(client, address):
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("address", ["/bookings/", "/bookings/?show=past", "/bookings/?show=requests"])
def test_lists_take_the_same_queries_for_one_row_and_for_three(client, clock, mentor, max, address):
    def add(day):
        for state, month in [(Status.CONFIRMED, 2), (Status.CONFIRMED, 1), (Status.REQUESTED, 3)]:
            AppointmentFactory(mentor=mentor, status=state, starts_at=dt.datetime(2027, month, day, 6, tzinfo=dt.UTC))
            AppointmentFactory(student=max, status=state, starts_at=dt.datetime(2027, month, day, 8, tzinfo=dt.UTC))

    client.force_login(max)
    add(1)
    one = queries(client, address)
    add(2)
    add(3)
    assert queries(client, address) == one


def test_long_lists_have_pages(client, clock, ann):
    for day in range(1, 26):
        AppointmentFactory(student=ann, starts_at=dt.datetime(2026, 5, day, 8, tzinfo=dt.UTC), title=f"No {day}.")
    client.force_login(ann)
    assert "No 1." not in html(client.get("/bookings/?show=past"))
    assert "No 1." in html(client.get("/bookings/?show=past&page=2"))


# --- Sections on other pages ------------------------------------------------------------------------------------------


def section(tag, user, **context):
    request = RequestFactory().get("/")
    request.user = user
    template = Template("{% load bookings %}{% " + tag + " %}")
    return re.sub(r"\s+", " ", template.render(Context({"user": user, "request": request, **context})))


def test_a_profile_offers_the_next_free_times(clock, mentor, ann, max):
    works_every_day(mentor)
    with timezone.override("Europe/Madrid"):
        text = section("next_free_times mentor", ann, mentor=mentor)
        assert text.count('class="slot"') == 6
        assert f"/bookings/new/{mentor.pk}/?start=2027-01-11T08%3A00Z#book" in text
        assert "Mon 11 Jan" in text
        own = section("next_free_times mentor", max, mentor=mentor)
    assert "?start=" not in own
    assert "Change my hours" in own


def test_a_profile_without_times_says_so(clock, mentor, ann):
    assert "Max has no free time in the next 28 days." in section("next_free_times mentor", ann, mentor=mentor)


def test_the_dashboard_shows_what_needs_me_and_what_comes_next(clock, requested, ann, max):
    assert "Waiting for your answer" in section("dashboard_sessions", max)
    asked = section("dashboard_sessions", ann)
    assert "You asked for" in asked
    assert "Nothing is planned." in asked
    actions.confirm_appointment(requested, by=max, now=NOW)
    assert "Slow query" in section("dashboard_sessions", ann)


def test_the_dashboard_shows_at_most_five_requests_in_a_fixed_number_of_queries(clock, mentor, max):
    def add(count):
        for day in range(count):
            AppointmentFactory(
                mentor=mentor,
                status=Status.REQUESTED,
                starts_at=dt.datetime(2027, 2, Appointment.objects.count() + 1, 8 + day % 3, tzinfo=dt.UTC),
            )

    def count_queries():
        with CaptureQueriesContext(connection) as captured:
            text = section("dashboard_sessions", User.objects.get(pk=max.pk))
        return len(captured), text.count('class="session"')

    add(1)
    first, shown = count_queries()
    assert shown == 1
    add(6)
    assert count_queries() == (first, 5)
