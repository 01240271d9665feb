"""From a ticket to its sessions and back: who is led where, and who sees what of it."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, ProjectGroup
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, rich
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.models import Ticket
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

Status = Appointment.Status
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def clock(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mona(db):
    """Another mentor than the ticket's."""
    return MentorProfileFactory(user__name="Mona Moss", timezone="Europe/Berlin")


@pytest.fixture
def ticket(ann, mentor):
    return TicketFactory(student=ann, assigned=True, mentor=mentor, title="Loop 🐌", is_public=False)


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def page(client, person, thing):
    client.force_login(type(person).objects.get(pk=person.pk))
    response = client.get(thing.get_absolute_url())
    assert response.status_code == 200, response.status_code
    return html(response)


def sessions_of(text):
    found = re.search(r'<section class="[^"]*ticket-sessions.*?</section>', text)
    return found[0] if found else ""


# --- From the ticket --------------------------------------------------------------------------------------------------


def test_its_student_is_led_to_its_mentor_with_the_ticket(client, ticket, ann, mentor):
    text = page(client, ann, ticket)
    query = {"ticket": ticket.pk}
    for name in ("choose", "chat"):
        assert f'href="{reverse(f"bookings:{name}", args=[mentor.pk], query=query)}"' in text
    assert f'href="{reverse("bookings:find", query=query)}"' in text
    assert "Ask for a chat now · 15 min · 13 points" in text


@pytest.mark.parametrize("change", [{"status": "busy"}, {"takes_chats": False}])
def test_no_chat_is_offered_where_the_mentor_takes_none(client, ticket, ann, mentor, change):
    type(mentor).objects.update(**change)
    text = page(client, ann, ticket)
    assert "Talk to Max about this" in text
    assert "Ask for a chat" not in text


def test_others_are_not_led_anywhere(client, ticket, max, ada, mona):
    for person in (max, ada, mona.user):
        text = page(client, person, ticket)
        assert "Talk to Max about this" not in text
        assert "Ask for a chat" not in text
        assert "Find me a time" not in text


def test_matched_mentors_are_one_click_away(client, ann, mentor, mona):
    for one in (mentor, mona):
        one.expertise.set([TagFactory(name="python")])
    AppointmentFactory(mentor=mona, starts_at=NOW)
    open_one = TicketFactory(student=ann, tags=["python"])
    client.force_login(ann)
    text = html(client.get(reverse("tickets:mentors", args=[open_one.pk])))
    assert reverse("bookings:choose", args=[mona.pk], query={"ticket": open_one.pk}) in text
    assert reverse("bookings:chat", args=[mentor.pk], query={"ticket": open_one.pk}) in text
    assert reverse("bookings:chat", args=[mona.pk]) not in text
    assert reverse("bookings:find", query={"ticket": open_one.pk}) in text


# --- On the ticket ----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_mona(ticket, ann, mona):
    """Ann talks to Mona about what she asked Max."""
    return AppointmentFactory(mentor=mona, student=ann, ticket=ticket, starts_at=NOW + DAY)


def test_those_who_take_part_see_when_and_with_whom(client, ticket, with_mona, ann, mona, ada):
    for person, name in ((ann, "Mona Moss"), (mona.user, "Ann Archer"), (ada, "Mona Moss")):
        found = sessions_of(page(client, person, ticket))
        assert "Tue 12 Jan" in found
        assert name in found
        assert with_mona.get_absolute_url() in found


def test_its_mentor_sees_that_there_is_one(client, ticket, with_mona, max):
    found = sessions_of(page(client, max, ticket))
    assert "A session" in found
    assert "confirmed" in found
    assert "Mona" not in found
    assert "12 Jan" not in found
    assert with_mona.get_absolute_url() not in found


def test_other_readers_see_only_what_was_agreed(client, ticket, with_mona, ann, mona):
    reader = MentorProfileFactory().user
    Appointment.objects.update(status=Status.DECLINED)
    assert sessions_of(page(client, reader, ticket)) == ""
    Appointment.objects.update(status=Status.CONFIRMED)
    found = sessions_of(page(client, reader, ticket))
    assert "A session" in found
    assert "Mona" not in found


def test_upcoming_ones_stand_before_past_ones(client, ticket, with_mona, ann, mentor):
    AppointmentFactory(mentor=mentor, student=ann, ticket=ticket, starts_at=NOW - DAY, status=Status.COMPLETED)
    later = AppointmentFactory(mentor=mentor, student=ann, ticket=ticket, starts_at=NOW + 2 * DAY)
    AppointmentFactory(mentor=mentor, student=ann, starts_at=NOW + 3 * DAY, title="Something else")
    found = sessions_of(page(client, ann, ticket))
    places = [found.index(words) for words in ("12 Jan", "13 Jan", "Before", "10 Jan")]
    assert places == sorted(places)
    assert later.get_absolute_url() in found
    assert "14 Jan" not in found


def test_a_ticket_without_sessions_has_no_empty_section(client, ticket, ann):
    assert sessions_of(page(client, ann, ticket)) == ""


def test_the_page_takes_the_same_queries_for_one_session_and_three(client, ticket, with_mona, ann, mona):
    client.force_login(ann)

    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(ticket.get_absolute_url())
        return len(asked)

    queries()
    one = queries()
    for days in (2, 3):
        AppointmentFactory(mentor=mona, student=ann, ticket=ticket, starts_at=NOW + days * DAY)
    assert queries() == one


# --- And back ---------------------------------------------------------------------------------------------------------


def test_the_session_shows_the_ticket_to_both(client, ticket, with_mona, ann, mona):
    for person in (ann, mona.user):
        text = page(client, person, with_mona)
        assert f'href="{ticket.get_absolute_url()}" dir="auto">Loop 🐌</a>' in text
        assert "in work" in text
        assert "waiting for Max" in text


def test_the_mentor_of_the_session_reads_a_private_ticket_of_another_mentor(client, ticket, with_mona, mona):
    assert "Loop 🐌" in page(client, mona.user, ticket)


@pytest.mark.parametrize("status", Status.values)
def test_a_session_that_came_to_nothing_opens_no_ticket(ann, mona, status):
    ticket = TicketFactory(student=ann, closed=True, is_public=False)
    AppointmentFactory(mentor=mona, student=ann, ticket=ticket, status=status)
    may_read = Ticket.objects.visible_to(mona.user).filter(pk=ticket.pk).exists()
    assert may_read is (status not in Appointment.FREEING)


def test_a_group_session_does_not_show_the_ticket_to_those_who_may_not_read_it(client, ticket, ann, sam, mona):
    group = ProjectGroup.objects.create(name="Team", owner=ann)
    for person in (ann, sam):
        Membership.objects.create(group=group, user=person)
    session = AppointmentFactory(mentor=mona, student=ann, group=group, ticket=ticket, starts_at=NOW + DAY)
    text = page(client, sam, session)
    assert "A question of Ann that is not shared with you" in text
    assert "Loop" not in text
    type(ticket).objects.update(group=group)
    assert "Loop" in page(client, sam, session)


def test_a_session_whose_ticket_was_deleted_says_so(client, ann, mona):
    ticket = TicketFactory(student=ann, deleted=True)
    session = AppointmentFactory(mentor=mona, student=ann, ticket=ticket, starts_at=NOW + DAY)
    assert "or was deleted" in page(client, ann, session)


def test_a_session_about_nothing_in_writing_says_nothing(client, ann, mona):
    session = AppointmentFactory(mentor=mona, student=ann, starts_at=NOW + DAY)
    assert "About this question" not in page(client, ann, session)


def test_a_chat_is_asked_for_from_the_ticket_and_found_on_it(client, ticket, ann, mentor):
    rich(ann, 100)
    client.force_login(ann)
    wish = {"topic": "Loop", "description": "", "idempotency_key": "k"}
    response = client.post(reverse("bookings:chat", args=[mentor.pk], query={"ticket": ticket.pk}), wish)
    found = sessions_of(page(client, ann, ticket))
    assert response.url in found
    assert "A chat with Max Meyer</a>" in found
    assert "waiting for the yes of Max" in found
    found = sessions_of(page(client, mentor.user, ticket))
    assert "A chat with Ann Archer</a>" in found
    assert "waiting for your yes" in found
