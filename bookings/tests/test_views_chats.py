"""Asking for a chat, waiting for the answer, and the mentor's home that shows who waits."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import UserFactory
from bookings.actions import confirm_appointment, decline_appointment, request_chat
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, rich
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from tickets.tests.factories import TicketFactory
from wallets.actions import wallet_of

pytestmark = pytest.mark.django_db

Status = Appointment.Status
MINUTE = dt.timedelta(minutes=1)
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock(time_machine):
    def move(moment):
        time_machine.move_to(moment, tick=False)
        return moment

    move(NOW)
    return move


@pytest.fixture
def ann(ann):
    return rich(ann, 100)


@pytest.fixture
def as_ann(client, ann):
    client.force_login(ann)
    return client


@pytest.fixture
def chat(mentor, ann):
    return request_chat(mentor, student=ann, topic="Why does it hang? 🐌", now=NOW)


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def ask_url(mentor, **query):
    return reverse("bookings:chat", args=[mentor.pk], query=query)


def news_url(chat):
    return reverse("bookings:chat_news", args=[chat.pk])


def wish(**fields):
    return {"topic": "Why does it hang?", "description": "", "idempotency_key": "k1", **fields}


# --- The way there ----------------------------------------------------------------------------------------------------


def test_the_profile_says_what_a_chat_costs_before_the_click(as_ann, mentor):
    text = html(as_ann.get(mentor.get_absolute_url()))
    assert "Ask for a chat now · 15 min · 13 points" in text
    assert f'href="{ask_url(mentor)}"' in text


@pytest.mark.parametrize("change", [{"status": "busy"}, {"status": "away"}, {"takes_chats": False}])
def test_the_profile_of_who_takes_none_offers_none(as_ann, mentor, change):
    MentorProfile.objects.update(**change)
    assert "chat" not in html(as_ann.get(mentor.get_absolute_url())).split("<main")[1].lower()


def test_the_profile_says_why_a_chat_has_to_wait(as_ann, mentor, ann):
    other = AppointmentFactory(mentor=mentor, starts_at=NOW + 5 * MINUTE)
    assert "Max takes chats, but has something else" in html(as_ann.get(mentor.get_absolute_url()))
    other.delete()
    AppointmentFactory(student=ann, starts_at=NOW + 5 * MINUTE)
    assert "you have a session yourself" in html(as_ann.get(mentor.get_absolute_url()))


def test_the_profile_leads_back_to_the_chat_that_waits(as_ann, mentor, chat):
    text = html(as_ann.get(MentorProfileFactory().get_absolute_url()))
    assert "You have asked Max Meyer for a chat" in text
    assert chat.get_absolute_url() in text


def test_ones_own_profile_offers_no_chat(client, mentor, max):
    client.force_login(max)
    assert "Ask for a chat" not in html(client.get(mentor.get_absolute_url()))


# --- The form ---------------------------------------------------------------------------------------------------------


def test_the_form_says_what_happens(as_ann, mentor):
    text = html(as_ann.get(ask_url(mentor)))
    assert "Max is told at once and has 5 minutes to answer." in text
    assert "Ask for a chat now for 13 points" in text
    assert "all your points come back" in text


def test_asking_leads_to_the_chat(as_ann, mentor, ann):
    response = as_ann.post(ask_url(mentor), wish())
    chat = Appointment.objects.get()
    assert response.url == chat.get_absolute_url()
    assert (chat.kind, chat.title, wallet_of(ann).balance_points) == ("chat", "Why does it hang?", 87)


def test_a_double_click_asks_once(as_ann, mentor, ann):
    first, second = (as_ann.post(ask_url(mentor), wish()) for _ in range(2))
    assert first.url == second.url
    assert wallet_of(ann).balance_points == 87


def test_a_key_for_something_else_is_replaced(as_ann, mentor, chat):
    chat_url = ask_url(mentor)
    Appointment.objects.update(idempotency_key="k1", idempotency_fingerprint="another")
    response = as_ann.post(chat_url, wish())
    assert response.status_code in (409, 422)
    assert 'value="k1"' not in response.content.decode()


def test_what_is_missing_is_said_beside_its_field_and_what_was_typed_stays(as_ann, mentor):
    response = as_ann.post(ask_url(mentor), wish(topic=" ", description="<b>kept</b>"))
    text = html(response)
    assert response.status_code == 422
    assert "Say in a few words what you want to talk about." in text
    assert "&lt;b&gt;kept&lt;/b&gt;" in text


def test_a_stale_page_is_told_why(as_ann, mentor, ann):
    MentorProfile.objects.update(status="busy")
    response = as_ann.post(ask_url(mentor), wish(topic="Still here"))
    text = html(response)
    assert response.status_code == 409
    assert "Max takes no chats at the moment. Your points were not touched." in text
    assert 'value="Still here"' in text
    assert wallet_of(ann).balance_points == 100


def test_who_cannot_be_asked_shows_why_instead_of_a_form(as_ann, mentor):
    MentorProfile.objects.update(takes_chats=False)
    response = as_ann.get(ask_url(mentor))
    assert response.status_code == 200
    assert "Max takes no chats at the moment." in html(response)
    assert 'id="chat-form"' not in html(response)
    assert reverse("bookings:choose", args=[mentor.pk]) in html(response)


def test_too_few_points_are_said_before_the_click_and_after(client, mentor, sam):
    client.force_login(rich(sam, 5))
    text = html(client.get(ask_url(mentor)))
    assert "8 points are missing." in text
    assert "Ask for a chat now for" not in text
    assert client.post(ask_url(mentor), wish()).status_code == 402


def test_the_second_chat_leads_to_the_first(as_ann, chat):
    text = html(as_ann.get(ask_url(MentorProfileFactory())))
    assert "You have asked Max for a chat already." in text
    assert chat.get_absolute_url() in text


def test_a_chat_about_a_ticket_names_it(as_ann, mentor, ann):
    ticket = TicketFactory(student=ann, title="Loop")
    text = html(as_ann.get(ask_url(mentor, ticket=ticket.pk)))
    assert ticket.get_absolute_url() in text
    assert 'value="Loop"' in text
    as_ann.post(ask_url(mentor, ticket=ticket.pk), wish())
    assert Appointment.objects.get().ticket == ticket


@pytest.mark.parametrize("pk", ["foreign", "0", "-1", "²", "1" * 40, "x", ""])
def test_a_ticket_that_is_not_ones_own_is_left_out(as_ann, mentor, pk):
    foreign = TicketFactory(title="Somebody's secret")
    address = ask_url(mentor, ticket=foreign.pk if pk == "foreign" else pk)
    response = as_ann.get(address)
    assert response.status_code == 200
    assert "secret" not in html(response)
    as_ann.post(address, wish())
    assert Appointment.objects.get().ticket is None


# --- Waiting for the answer -------------------------------------------------------------------------------------------


def test_the_page_of_a_chat_that_waits_looks_for_the_answer(as_ann, chat):
    text = html(as_ann.get(chat.get_absolute_url()))
    assert f'hx-get="{news_url(chat)}"' in text
    assert 'hx-trigger="every 5s"' in text
    assert "Chat of 15 minutes, as soon as Max says yes" in text
    assert "Propose another time" not in text


def test_what_looks_is_sent_on_when_there_is_an_answer(as_ann, chat, max, clock):
    assert as_ann.get(news_url(chat), headers=HTMX).status_code == 204
    confirm_appointment(chat, by=max, now=clock(NOW + MINUTE))
    response = as_ann.get(news_url(chat), headers=HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (200, chat.get_absolute_url())
    text = html(as_ann.get(chat.get_absolute_url()))
    assert "The chat is on" in text
    assert "every 5s" not in text


def test_who_waits_has_the_points_back_the_moment_the_time_is_over(as_ann, chat, ann, clock):
    clock(chat.answer_by)
    assert "HX-Redirect" in as_ann.get(news_url(chat), headers=HTMX)
    assert wallet_of(ann).balance_points == 100
    text = html(as_ann.get(chat.get_absolute_url()))
    assert "Max did not answer in time" in text
    assert "13 points came back to you." in text


def test_without_scripts_it_is_a_link_to_the_page(as_ann, chat):
    assert as_ann.get(news_url(chat)).url == chat.get_absolute_url()


def test_strangers_learn_nothing_of_a_chat(client, chat, sam):
    client.force_login(sam)
    assert client.get(news_url(chat), headers=HTMX).status_code == 404


# --- The mentor's home ------------------------------------------------------------------------------------------------


def test_the_mentors_home_shows_chats_first_with_the_minutes_left(client, mentor, max, chat, clock):
    urgent = AppointmentFactory(
        mentor=mentor, status=Status.REQUESTED, starts_at=NOW + 60 * MINUTE, answer_by=NOW + 4 * MINUTE, title="Later"
    )
    clock(NOW + 90 * dt.timedelta(seconds=1))
    client.force_login(max)
    text = html(client.get(reverse("dashboard")))
    assert text.index("Why does it hang?") < text.index(urgent.title)
    assert "4 minutes left to answer" in text
    assert "Yes, now" in text
    requests = html(client.get(reverse("bookings:list"), {"show": "requests"}))
    assert requests.index("Why does it hang?") < requests.index(urgent.title)


def test_the_mentors_home_looks_for_chats_while_they_are_welcome(client, mentor, max):
    AppointmentFactory(mentor=mentor, starts_at=NOW - 3 * 60 * MINUTE, status=Status.COMPLETED)
    client.force_login(max)
    assert 'hx-trigger="every 20s"' in html(client.get(reverse("dashboard")))
    MentorProfile.objects.update(status="busy")
    assert 'hx-trigger="every 20s"' not in html(client.get(reverse("dashboard")))


def test_what_looks_gets_the_new_requests_and_nothing_when_there_are_none(client, mentor, max, ann):
    client.force_login(max)
    address = reverse("bookings:requests")
    empty = html(client.get(address, headers=HTMX))
    token = re.search(r"seen=([0-9a-f]+)", empty)[1]
    assert client.get(address, {"seen": token}, headers=HTMX).status_code == 204
    chat = request_chat(mentor, student=ann, topic="Why does it hang?", now=NOW)
    news = client.get(address, {"seen": token}, headers=HTMX)
    assert chat.get_absolute_url() in html(news)
    assert "Ann Archer asks for a chat now: Why does it hang?" in html(news)
    assert 'name="next" value="/dashboard/"' in html(news)
    assert client.get(address).url == reverse("bookings:list", query={"show": "requests"})


def test_the_list_of_requests_takes_the_same_queries_for_one_and_three(client, mentor, max):
    client.force_login(max)

    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("bookings:requests"), headers=HTMX)
        return len(asked)

    AppointmentFactory(mentor=mentor, kind="chat", status=Status.REQUESTED, starts_at=NOW + 600 * MINUTE)
    one = queries()
    for number in (1, 2):
        start = NOW + (600 + 60 * number) * MINUTE
        AppointmentFactory(mentor=mentor, kind="chat", status=Status.REQUESTED, starts_at=start)
    assert queries() == one


def test_answering_from_the_list(client, mentor, max, chat):
    client.force_login(max)
    client.post(reverse("bookings:confirm", args=[chat.pk]), {"next": "/dashboard/"})
    assert Appointment.objects.get().status == Status.CONFIRMED
    text = html(client.get(chat.get_absolute_url()))
    assert "It took place: receive 13 points" in text


# --- Words ------------------------------------------------------------------------------------------------------------


def test_notifications_speak_of_a_chat(mentor, ann, max, chat):
    title, body = Notification.objects.filter(recipient=max).values_list("title", "body").get()
    assert title == "Ann Archer asks for a chat now: Why does it hang? 🐌"
    assert "A chat of 15 minutes, asked for Mon 11 Jan 2027, 09:00 (Europe/Berlin)" in body
    assert "waits until 09:05. With your yes the 15 minutes begin." in body
    confirm_appointment(chat, by=max, now=NOW + MINUTE)
    title, body = Notification.objects.filter(recipient=ann).values_list("title", "body").get()
    assert title == "Max Meyer says yes, your chat has begun: Why does it hang? 🐌"
    assert "09:01–09:16 (Europe/Madrid)" in body
    assert "ancelling" not in body


def test_a_declined_chat_has_no_time(mentor, ann, max, chat, as_ann):
    decline_appointment(chat, by=max, now=NOW)
    text = html(as_ann.get(chat.get_absolute_url()))
    assert "Chat of 15 minutes, asked for" in text
    assert "Ann Archer asked for a chat now" in text


# --- Who may open what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "page", "news", "form", "post"),
    [
        ("ann", 200, 204, 200, 302),
        ("max", 200, 204, 200, 409),
        ("sam", 404, 404, 200, 302),
        ("otto", 404, 404, 200, 302),
        ("ada", 200, 204, 200, 302),
    ],
)
def test_policy(client, request, mentor, chat, person, page, news, form, post):
    who = MentorProfileFactory().user if person == "otto" else request.getfixturevalue(person)
    client.force_login(rich(who))
    assert client.get(chat.get_absolute_url()).status_code == page
    assert client.get(news_url(chat), headers=HTMX).status_code == news
    target = mentor if person == "max" else MentorProfileFactory()
    if person == "ann":
        decline_appointment(chat, by=mentor.user, now=NOW)
    assert client.get(ask_url(target)).status_code == form
    assert client.post(ask_url(target), wish()).status_code == post


def test_visitors_sign_in_first(client, mentor, chat):
    for address in (ask_url(mentor), news_url(chat), reverse("bookings:requests")):
        assert "/accounts/login/" in client.get(address).url


def test_an_unapproved_mentor_is_not_there(as_ann):
    hidden = MentorProfileFactory(approval=MentorProfile.Approval.WAITING)
    assert as_ann.get(ask_url(hidden)).status_code == 404
    assert as_ann.post(ask_url(hidden), wish()).status_code == 404


def test_everybody_else_sees_a_free_mentor_again_after_a_no(client, mentor, chat, max):
    decline_appointment(chat, by=max, now=NOW)
    client.force_login(rich(UserFactory()))
    assert "Ask for a chat now" in html(client.get(mentor.get_absolute_url()))
