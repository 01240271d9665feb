"""Reviews for programs."""

import datetime as dt

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from feedback.actions import hide_review, write_review
from feedback.models import Review
from feedback.tests.factories import ReviewFactory, held
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.programs import ask, personal_token, token_of, told
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

Status = Appointment.Status
GOOD = {"rating": 4, "comment": "Clear."}
PAST = -900  # days after the one of `held`: long ago


@pytest.fixture
def session(ann, mentor):
    return held(mentor, ann, PAST)


@pytest.fixture
def ticket(ann, mentor):
    return TicketFactory(closed=True, student=ann, mentor=mentor)


def of(thing):
    kind = {"Appointment": "appointments", "Ticket": "tickets", "MentorProfile": "mentors"}[type(thing).__name__]
    return f"/api/{kind}/{thing.pk}/feedback"


def items(address, person):
    response = ask("GET", address, by=person)
    assert response.status_code == 200, response.content
    return response.json()["items"]


# --- Of a session -----------------------------------------------------------------------------------------------------


def test_a_student_reviews_the_mentor_and_the_mentor_the_student(session, ann, max):
    response = ask("POST", of(session), GOOD, by=ann)
    assert response.status_code == 201, response.content
    answer = response.json()
    waiting = Review.objects.get()
    times = {name: answer.pop(name) for name in ("created_at", "shown_at", "editable_until")}
    for name, time in times.items():  # milliseconds are told
        assert abs(dt.datetime.fromisoformat(time) - getattr(waiting, name)) < dt.timedelta(milliseconds=1)
    assert all(time.endswith("Z") for time in times.values())
    assert answer == {
        "id": waiting.pk,
        "rating": 4,
        "comment": "Clear.",
        "author_id": ann.pk,
        "author_name": "Ann Archer",
        "recipient_id": max.pk,
        "about": "mentor",
        "appointment_id": session.pk,
        "ticket_id": None,
        "edited_at": None,
        "is_hidden": False,
    }
    assert items(of(session), max) == []
    response = ask("POST", of(session), {"rating": 5}, by=max)
    assert response.status_code == 201, response.content
    assert (response.json()["about"], response.json()["comment"]) == ("student", "")
    for person in (ann, max):
        assert [item["author_id"] for item in items(of(session), person)] == [ann.pk, max.pk]


def test_one_reviews_once_and_after_it_is_over(session, ann, mentor):
    assert ask("POST", of(session), GOOD, by=ann).status_code == 201
    assert told(ask("POST", of(session), GOOD, by=ann)) == (409, "already_reviewed")
    for status, code in [
        (Status.REQUESTED, "not_over"),
        (Status.CONFIRMED, "not_over"),
        (Status.CANCELLED, "not_held"),
        (Status.NO_SHOW, "not_held"),
    ]:
        start = session.starts_at + dt.timedelta(days=3)
        other = AppointmentFactory(mentor=mentor, student=ann, status=status, starts_at=start)
        assert told(ask("POST", of(other), GOOD, by=ann)) == (409, code)
        assert items(of(other), ann) == []
        Appointment.objects.filter(pk=other.pk).update(status=Status.CANCELLED)
    assert Review.objects.count() == 1


def test_nobody_answers_a_rating_that_they_have_read(session, ann, max):
    ReviewFactory(appointment=session)
    assert told(ask("POST", of(session), GOOD, by=max)) == (409, "review_seen")


def test_others_see_and_write_as_much_as_the_rules_say(session, ann, sam, max, ada):
    group = make_group(ann, sam)
    Appointment.objects.filter(pk=session.pk).update(group=group)
    write_review(session, author=ann, rating=4, now=timezone.now())
    assert [len(items(of(session), person)) for person in (ann, max, sam, ada)] == [1, 0, 0, 1]
    write_review(session, author=max, rating=2, now=timezone.now())
    assert [len(items(of(session), person)) for person in (ann, max, sam, ada)] == [2, 2, 1, 2]
    for person in (sam, ada):
        assert told(ask("POST", of(session), GOOD, by=person)) == (403, "not_allowed")
    stranger = UserFactory()
    for method, wish in (("GET", None), ("POST", GOOD)):
        strange = ask(method, of(session), wish, by=stranger)
        missing = ask(method, f"/api/appointments/{session.pk + 1}/feedback", wish, by=stranger)
        assert told(strange) == (404, "not_found")
        assert strange.content == missing.content
        assert told(ask(method, of(session), wish)) == (401, "not_signed_in")


def test_staff_read_no_waiting_review_of_themselves_and_then_answer_it(session, ticket, ann, max, ada):
    """Whoever is staff and mentors, too: a rating would be answered with a rating."""
    type(max).objects.filter(pk=max.pk).update(is_staff=True)
    max.refresh_from_db()
    for thing in (session, ticket):
        assert ask("POST", of(thing), GOOD, by=ann).status_code == 201
        assert [len(items(of(thing), person)) for person in (ann, max, ada)] == [1, 0, 1]
    assert ask("POST", of(session), GOOD, by=max).status_code == 201
    assert [len(items(of(session), person)) for person in (ann, max, ada)] == [2, 2, 2]
    Review.objects.update(shown_at=timezone.now())
    assert len(items(of(ticket), max)) == 1


WRONG = [
    {},
    {"rating": 0},
    {"rating": 6},
    {"rating": 2**70},
    {"rating": "4"},
    {"rating": 4.0},
    {"rating": True},
    {"rating": None},
    {"rating": 4, "comment": None},
    {"rating": 4, "comment": "x" * 2001},
    {"rating": 4, "comment": "\0"},
    {"rating": 4, "about": "student"},
    [],
    "{",
]


@pytest.mark.parametrize("wish", WRONG)
def test_a_review_has_one_to_five_stars_and_words(session, ticket, ann, wish):
    token = token_of(ann)
    review = ReviewFactory(appointment=held(session.mentor, ann, PAST + 1), created_at=timezone.now())
    for method, address in [("POST", of(session)), ("POST", of(ticket)), ("PUT", f"/api/feedback/{review.pk}")]:
        assert ask(method, address, wish, token=token).status_code == 422
    assert Review.objects.count() == 1


def test_a_key_reviews_once(session, ann):
    token = token_of(ann)
    first, again = (ask("POST", of(session), GOOD, token=token, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.status_code == 201


# --- Of a ticket ------------------------------------------------------------------------------------------------------


def test_a_student_reviews_the_mentor_of_a_closed_ticket(ticket, ann, max, sam):
    response = ask("POST", of(ticket), GOOD, by=ann)
    assert response.status_code == 201, response.content
    answer = response.json()
    assert (answer["ticket_id"], answer["appointment_id"], answer["about"]) == (ticket.pk, None, "mentor")
    assert (answer["recipient_id"], answer["rating"]) == (max.pk, 4)
    assert told(ask("POST", of(ticket), GOOD, by=ann)) == (409, "already_reviewed")
    assert items(of(ticket), ann) == [answer]
    assert items(of(ticket), max) == []
    with time_machine.travel(timezone.now() + dt.timedelta(hours=49)):
        assert items(of(ticket), max) == [answer]


def test_a_ticket_is_reviewed_by_its_student_after_it_was_closed(ticket, ann, max, sam):
    assert told(ask("POST", of(ticket), GOOD, by=max)) == (403, "not_allowed")
    for wish in ({"assigned": True}, {"resolved": True}, {}):
        mine = TicketFactory(student=ann, **wish)
        assert told(ask("POST", of(mine), GOOD, by=ann)) == (409, "not_closed")
    strange = ask("POST", of(ticket), GOOD, by=sam)
    missing = ask("POST", "/api/tickets/999999/feedback", GOOD, by=sam)
    assert told(strange) == (404, "not_found")
    assert strange.content == missing.content


# --- Changing one -----------------------------------------------------------------------------------------------------


def test_an_author_changes_a_review_while_nobody_has_read_it(session, ann, max, ada):
    review = write_review(session, author=ann, rating=4, comment="Clear.", now=timezone.now())
    address = f"/api/feedback/{review.pk}"
    answer = ask("PUT", address, {"rating": 2, "comment": " Hm. "}, by=ann).json()
    assert (answer["rating"], answer["comment"]) == (2, "Hm.")
    assert answer["edited_at"].endswith("Z")
    for other in (max, ada):
        assert told(ask("PUT", address, GOOD, by=other)) == (404, "not_found")
    write_review(session, author=max, rating=5, now=timezone.now())
    assert told(ask("PUT", address, GOOD, by=ann)) == (409, "review_final")
    review.refresh_from_db()
    assert review.rating == 2


def test_the_review_of_a_ticket_can_be_changed_as_well(ticket, ann):
    written = ask("POST", of(ticket), GOOD, by=ann).json()
    assert ask("PUT", f"/api/feedback/{written['id']}", {"rating": 5}, by=ann).json()["rating"] == 5


def test_a_token_that_reads_writes_no_review(session, ann):
    reading = personal_token(ann, "read")
    assert ask("GET", of(session), token=reading).status_code == 200
    assert told(ask("POST", of(session), GOOD, token=reading)) == (403, "read_only_token")


# --- Of a mentor ------------------------------------------------------------------------------------------------------


def test_everybody_reads_what_is_shown_of_a_mentor(session, ann, mentor, max, sam, ada):
    shown = ReviewFactory(appointment=session, rating=5, comment="Great")
    newer = ReviewFactory(appointment=held(mentor, sam, PAST + 1))
    ReviewFactory(appointment=held(mentor, UserFactory(), PAST + 2), created_at=timezone.now(), waiting=True)
    ReviewFactory(appointment=session, of_student=True)
    hidden = ReviewFactory(appointment=held(mentor, UserFactory(), PAST + 3))
    hide_review(hidden, by=ada, reason="Rude", now=timezone.now())
    ReviewFactory(appointment=held(MentorProfileFactory(), ann, PAST + 4))
    for person in (ann, sam, max, ada):
        assert [item["id"] for item in items(of(mentor), person)] == [newer.pk, shown.pk]
    item = items(of(mentor), sam)[1]
    assert item.pop("created_at").endswith("Z")
    assert item.pop("shown_at").endswith("Z")
    assert item == {
        "id": shown.pk,
        "rating": 5,
        "comment": "Great",
        "author_id": ann.pk,
        "author_name": "Ann Archer",
    }
    page = ask("GET", f"{of(mentor)}?page=2&page_size=1", by=ann).json()
    assert (page["count"], [item["id"] for item in page["items"]]) == (2, [shown.pk])


def test_the_reviews_of_a_mentor_who_is_not_listed_are_missing(session, mentor, max, sam):
    MentorProfile.objects.filter(pk=mentor.pk).update(approval=MentorProfile.Approval.WAITING)
    strange = ask("GET", of(mentor), by=sam)
    missing = ask("GET", "/api/mentors/999999/feedback", by=sam)
    assert told(strange) == (404, "not_found")
    assert strange.content == missing.content
    assert items(of(mentor), max) == []
    assert told(ask("GET", of(mentor))) == (401, "not_signed_in")


@pytest.mark.parametrize("wish", ["page=0", "page_size=101", "rating=5", "ordering=id"])
def test_the_lists_take_no_other_wishes(session, ticket, mentor, ann, wish):
    token = token_of(ann)
    for thing in (session, ticket, mentor):
        assert told(ask("GET", f"{of(thing)}?{wish}", token=token)) == (422, "invalid_input")


def test_many_reviews_cost_as_many_queries_as_one(session, ticket, mentor, ann, ada):
    # Longer lists than there can be of one session and one ticket are not needed: two of a session are the most.
    token = token_of(ada)
    counts = []
    for wave in (1, 2):
        ReviewFactory(appointment=session, of_student=wave == 2)
        for number in range(wave):
            ReviewFactory(appointment=held(mentor, UserFactory(), PAST + 5 * wave + number))
        for thing in (session, mentor):
            with CaptureQueriesContext(connection) as queries:
                assert ask("GET", of(thing), token=token).status_code == 200
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
