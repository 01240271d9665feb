"""Choose another time for a session, propose it, and answer what the other side proposes."""

import datetime as dt
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, ProjectGroup
from bookings import actions
from bookings.models import Appointment, MoveProposal
from bookings.tests.factories import AppointmentFactory, book, book_confirmed, rich, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
FRIDAY_11 = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)  # 11:00 in Berlin and Madrid
THURSDAY_10 = "2027-01-14T09:00Z"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
Status = MoveProposal.Status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mentor(mentor):
    mentor.session_minutes, mentor.slot_step_minutes = [30, 60, 90], 30
    mentor.save(update_fields=["session_minutes", "slot_step_minutes"])
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 100)


@pytest.fixture
def session(mentor, ann):
    return book_confirmed(mentor, ann, FRIDAY_11, now=NOW)


def signed_in(person):
    cache.clear()
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def as_ann(ann):
    return signed_in(ann)


@pytest.fixture
def as_max(mentor):
    return signed_in(mentor.user)


def page(appointment, query=""):
    return reverse("bookings:move", args=[appointment.pk]) + query


def wish(start=THURSDAY_10, **changes):
    return {"starts_at": start, "duration_minutes": 60, "reason": "The dentist 🦷", **changes}


def answer(client, name, proposal, **data):
    address = reverse(f"bookings:{name}_move", args=[proposal.appointment_id])
    return client.post(address, {"proposal": proposal.pk, **data})


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html(response)))


def slots_shown(response):
    return re.findall(r'id="at-([^"]+)"', response.content.decode())


def propose(session, by, start=THURSDAY_10, minutes=60):
    starts_at = dt.datetime.fromisoformat(start)
    return actions.propose_move(session, by=by, starts_at=starts_at, duration_minutes=minutes, now=NOW)


# --- Choosing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ann", "mentor"])
def test_either_side_finds_the_way_and_the_times(session, ann, mentor, who):
    client = signed_in(ann if who == "ann" else mentor.user)
    assert page(session) in html(client.get(session.get_absolute_url()))
    response = client.get(page(session))
    assert response.status_code == 200
    shown = slots_shown(response)
    assert THURSDAY_10 in shown
    assert "2027-01-15T10:30Z" in shown  # onto a part of its own time
    assert "2027-01-15T10:00Z" not in shown  # the time that it has


def test_members_of_the_group_who_are_elsewhere_then_are_named(session, as_ann, as_max, ann, sam):
    group = ProjectGroup.objects.create(name="Compilers", owner=ann)
    Membership.objects.bulk_create([Membership(group=group, user=user) for user in (ann, sam)])
    Appointment.objects.filter(pk=session.pk).update(group=group)
    start = dt.datetime.fromisoformat(THURSDAY_10)
    AppointmentFactory(student=sam, starts_at=start, ends_at=start + dt.timedelta(minutes=30))
    assert "Sam Stone has another session then" in text(as_ann.get(page(session, f"?start={THURSDAY_10}")))
    # Not because of the session itself, onto a part of which it moves; and the mentor is told nothing of it.
    assert "another session" not in text(as_ann.get(page(session, "?start=2027-01-15T10:30Z")))
    assert "another session" not in text(as_max.get(page(session, f"?start={THURSDAY_10}")))


def test_the_length_that_it_has_is_shown_first(mentor, ann):
    short = book_confirmed(mentor, ann, FRIDAY_11, now=NOW, duration_minutes=30)
    assert signed_in(ann).get(page(short)).context["query"].duration_minutes == 30


def test_prices_are_those_of_the_agreed_rate(session, as_ann):
    MentorProfile.objects.update(hourly_rate_points=500)
    timetable = as_ann.get(page(session)).context["timetable"]
    assert [length.price_points for length in timetable.lengths] == [25, 50, 75]


def test_a_chosen_time_says_what_it_costs_and_who_agrees_until_when(session, as_ann):
    words = text(as_ann.get(page(session, f"?duration=90&start={THURSDAY_10}")))
    assert "25 more than now" in words
    assert "Max has until Tue 12 Jan, 09:00" in words
    assert "Propose this time: 25 points more" in words
    words = text(as_ann.get(page(session, f"?duration=30&start={THURSDAY_10}")))
    assert "Propose this time: 25 points back" in words


def test_the_mentor_is_not_shown_what_the_student_has(session, as_max):
    words = text(as_max.get(page(session, f"?duration=90&start={THURSDAY_10}")))
    assert "25 more than now" in words
    assert "Then there are" not in words


def test_the_mentor_is_not_told_what_else_the_student_does(session, mentor, ann, as_max):
    other = works_every_day(MentorProfileFactory(hourly_rate_points=0, timezone="Europe/Berlin"))
    book_confirmed(other, ann, dt.datetime.fromisoformat(THURSDAY_10), now=NOW, title="A secret")
    response = as_max.get(page(session, f"?start={THURSDAY_10}"))
    assert "Ann has another session then." in text(response)
    assert "A secret" not in text(response)
    posted = as_max.post(page(session), wish())
    assert posted.status_code == 409
    assert "Ann has another session then." in text(posted)


def test_htmx_gets_the_times_alone(session, as_ann):
    response = as_ann.get(page(session), headers={"HX-Request": "true"})
    assert "<html" not in html(response)
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize(
    "query", ["?start=soon", "?duration=45", "?day=2027-99-01", "?timezone=Mars", "?start=0001-01-01T00:00Z"]
)
def test_addresses_that_make_no_sense_are_answered(session, as_ann, query):
    assert as_ann.get(page(session, query)).status_code == 200


def test_staff_and_strangers_do_not_move(session, sam, ada):
    assert signed_in(sam).get(page(session)).status_code == 404
    assert signed_in(ada).get(page(session)).status_code == 403
    assert signed_in(ada).post(page(session), wish()).status_code == 403


def test_what_has_begun_is_not_moved(session, as_ann, time_machine):
    time_machine.move_to(FRIDAY_11, tick=False)
    response = as_ann.get(page(session))
    assert response.status_code == 409
    assert "has begun" in text(response)
    assert page(session) not in html(as_ann.get(session.get_absolute_url()))


# --- Proposing --------------------------------------------------------------------------------------------------------


def test_a_proposal_is_shown_to_both_beside_the_old_time(session, as_ann, as_max):
    response = as_ann.post(page(session), wish(), follow=True)
    assert "Proposed. Max has been told" in text(response)
    assert "You propose another time" in text(response)
    assert "Withdraw the proposal" in text(response)
    words = text(as_max.get(session.get_absolute_url()))
    assert "Ann Archer proposes another time" in words
    assert "Fri 15 Jan, 11:00–12:00" in words
    assert "Thu 14 Jan, 10:00–11:00" in words
    assert "The dentist 🦷" in words
    assert "You have until Tue 12 Jan, 09:00" in words
    assert "Without an answer the session stays where it is." in words
    assert f'href="{page(session)}"' not in html(as_max.get(session.get_absolute_url()))


def test_a_double_click_proposes_once(session, as_ann):
    as_ann.post(page(session), wish())
    assert as_ann.post(page(session), wish()).status_code == 302
    assert MoveProposal.objects.count() == 1


def test_a_taken_time_is_answered_with_the_nearest_and_what_was_typed(session, mentor, sam, as_ann):
    book_confirmed(mentor, rich(sam), dt.datetime.fromisoformat(THURSDAY_10), now=NOW)
    response = as_ann.post(page(session), wish())
    assert response.status_code == 409
    assert "has just been taken" in text(response)
    assert "The dentist 🦷" in html(response)
    picked = as_ann.post(page(session), {"pick": "2027-01-14T10:00Z", "reason": "The dentist 🦷"})
    assert picked.status_code == 200
    assert picked.context["timetable"].chosen.is_free
    assert "The dentist 🦷" in html(picked)
    assert not MoveProposal.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"starts_at": ""}, 422),
        ({"starts_at": "soon"}, 422),
        ({"starts_at": "2027-01-14T09:00"}, 422),
        ({"duration_minutes": "45"}, 422),
        ({"duration_minutes": "10000000000000"}, 422),
        ({"duration_minutes": ""}, 422),
        ({"reason": "x" * 501}, 422),
        ({"reason": "\0"}, 422),
        ({"starts_at": "2199-01-14T09:00Z"}, 409),
        ({"starts_at": "2027-01-14T09:10Z"}, 409),
        ({"starts_at": "2027-01-15T10:00Z"}, 409),
    ],
)
def test_what_cannot_be_proposed_is_refused_on_the_page(session, as_ann, changes, status):
    response = as_ann.post(page(session), wish(**changes))
    assert response.status_code == status
    assert not MoveProposal.objects.exists()


def test_what_cannot_be_paid_is_said_before_and_refused(session, mentor, as_ann, ann):
    book(mentor, ann, FRIDAY_11 + DAY, now=NOW)  # the other 50 points
    words = text(as_ann.get(page(session, f"?duration=90&start={THURSDAY_10}")))
    assert "25 points are missing." in words
    assert "Propose this time" not in words
    assert as_ann.post(page(session), wish(duration_minutes=90)).status_code == 402


def test_the_student_of_a_mentor_who_confirms_automatically_moves_at_once(session, as_ann):
    MentorProfile.objects.update(confirms_automatically=True)
    assert "Move it to another time" in text(as_ann.get(session.get_absolute_url()))
    words = text(as_ann.get(page(session, f"?start={THURSDAY_10}")))
    assert "it is moved at once" in words
    response = as_ann.post(page(session), wish(), follow=True)
    assert "Moved. Max has been told." in text(response)
    assert "Thu 14 Jan, 10:00–11:00" in text(response)
    assert as_ann.post(page(session), wish()).status_code == 409


# --- Answering --------------------------------------------------------------------------------------------------------


def test_the_other_side_accepts(session, mentor, as_ann):
    response = answer(as_ann, "accept", propose(session, mentor.user))
    assert response.url == session.get_absolute_url()
    words = text(as_ann.get(session.get_absolute_url()))
    assert "Agreed. Max has been told." in words
    assert "moved it: Fri 15 Jan, 11:00 → Thu 14 Jan, 10:00" in words


def test_the_button_says_what_accepting_costs(session, mentor, as_ann):
    proposal = propose(session, mentor.user, minutes=90)
    assert "Move to Thu 14 Jan, 10:00–11:30 for 25 points more" in text(as_ann.get(session.get_absolute_url()))
    answer(as_ann, "accept", proposal)
    assert Appointment.objects.get().price_points == 75


def test_of_a_request_the_page_says_which_button_confirms_which_time(mentor, ann, as_ann, as_max):
    asked = book(mentor, ann, FRIDAY_11, now=NOW)
    propose(asked, ann)
    page_of_max = html(as_max.get(asked.get_absolute_url()))
    words = text(as_max.get(asked.get_absolute_url()))
    assert "Move to Thu 14 Jan, 10:00 and confirm" in words
    assert "Confirm Fri 15 Jan, 11:00" in words
    assert page_of_max.count("btn-primary") == 1
    assert "Without an answer the request expires and the points go back to Ann." in words
    assert "stays where it is" not in words
    assert "Without an answer the request expires with it." in text(as_ann.get(asked.get_absolute_url()))
    [told] = mentor.user.notifications.filter(kind="move_proposed")
    assert "Without an answer the request expires and the points go back." in told.body


def test_a_request_that_outlives_the_proposal_stays_as_it_was(mentor, ann, as_ann):
    asked = book(mentor, ann, FRIDAY_11, now=NOW)
    propose(asked, mentor.user)
    Appointment.objects.update(answer_by=NOW + 40 * HOUR)
    words = text(as_ann.get(asked.get_absolute_url()))
    assert "Without an answer the request stays as it was." in words


def test_the_other_side_declines_with_a_reason(session, mentor, as_ann):
    proposal = propose(session, mentor.user)
    answer(as_ann, "decline", proposal, reason="Lunch\0")
    assert session.events.last().reason == "Lunch"
    assert "declined the other time: Thu 14 Jan, 10:00" in text(as_ann.get(session.get_absolute_url()))


def test_the_own_side_withdraws(session, ann, as_ann):
    proposal = propose(session, ann)
    answer(as_ann, "withdraw", proposal)
    assert "withdrew the other time" in text(as_ann.get(session.get_absolute_url()))


def test_an_older_page_does_not_accept_what_it_did_not_show(session, mentor, as_ann):
    shown = propose(session, mentor.user)
    replaced = propose(session, mentor.user, "2027-01-13T09:00Z")
    for name in ("accept", "decline"):
        response = answer(as_ann, name, shown)
        assert response.status_code == 409
        assert "replaced by another one" in text(response)
        assert "Wed 13 Jan, 10:00–11:00" in text(response)
    replaced.refresh_from_db()
    assert replaced.status == Status.OPEN


@pytest.mark.parametrize("number", ["", "0", "-1", "²", "abc", "9" * 18, "9" * 40, "1 OR 1=1"])
def test_a_number_that_names_no_proposal_is_refused_politely(session, mentor, as_ann, number):
    propose(session, mentor.user)
    response = as_ann.post(reverse("bookings:accept_move", args=[session.pk]), {"proposal": number})
    assert response.status_code == 409
    assert "not there any more" in text(response)


def test_the_proposal_of_another_session_is_not_answered_here(session, mentor, ann, as_ann):
    other = book_confirmed(mentor, ann, FRIDAY_11 + DAY, now=NOW)
    proposal = propose(other, mentor.user)
    response = as_ann.post(reverse("bookings:accept_move", args=[session.pk]), {"proposal": proposal.pk})
    assert response.status_code == 409
    assert MoveProposal.objects.get().status == Status.OPEN


@pytest.mark.parametrize("name", ["accept", "decline", "withdraw"])
def test_who_may_not_answer_is_refused(session, mentor, ann, sam, ada, name):
    proposal = propose(session, ann if name != "withdraw" else mentor.user)
    assert answer(signed_in(ann), name, proposal).status_code == 403
    assert answer(signed_in(sam), name, proposal).status_code == 404
    assert answer(signed_in(ada), name, proposal).status_code == 403
    assert signed_in(ann).get(reverse(f"bookings:{name}_move", args=[session.pk])).status_code == 405


def test_what_ran_out_is_not_offered_any_more(session, mentor, as_ann, time_machine):
    proposal = propose(session, mentor.user)
    time_machine.move_to(proposal.answer_by, tick=False)
    words = text(as_ann.get(session.get_absolute_url()))
    assert "proposes another time" not in words
    assert "not answered in time" in text(answer(as_ann, "accept", proposal))


def test_while_one_waits_the_other_side_does_not_propose(session, mentor, as_ann):
    propose(session, mentor.user)
    for response in (as_ann.get(page(session)), as_ann.post(page(session), wish())):
        assert response.status_code == 409
        assert "Accept or decline it first." in text(response)


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_lists_and_dashboards_say_what_is_proposed(session, mentor, as_ann, as_max):
    propose(session, mentor.user)
    for address in (reverse("bookings:list"), reverse("dashboard")):
        words = text(as_ann.get(address))
        assert "Max proposes Thu 14 Jan, 10:00" in words
        assert "Answer" in words
        assert "You propose Thu 14 Jan, 10:00" in text(as_max.get(address))
    assert "Another time is proposed to you" in text(as_ann.get(reverse("dashboard")))
    assert "Another time is proposed to you" not in text(as_max.get(reverse("dashboard")))


@pytest.mark.parametrize("address", ["bookings:list", "dashboard"])
def test_lists_take_the_same_queries_for_one_and_three_proposals(mentor, ann, as_ann, address):
    counts = []
    for number in range(3):
        appointment = AppointmentFactory(mentor=mentor, student=ann, starts_at=FRIDAY_11 + number * HOUR)
        propose(appointment, mentor.user, f"2027-01-{12 + number}T09:00Z")
        with CaptureQueriesContext(connection) as queries:
            assert as_ann.get(reverse(address)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[2], counts


def test_the_page_takes_the_same_queries_for_few_and_many_sessions(session, mentor, sam, as_ann):
    with CaptureQueriesContext(connection) as few:
        as_ann.get(page(session))
    for number in range(3):
        AppointmentFactory(mentor=mentor, student=sam, starts_at=FRIDAY_11 + (number + 1) * DAY)
    with CaptureQueriesContext(connection) as many:
        as_ann.get(page(session))
    assert len(few) == len(many)
