"""The life of an appointment by program: every step, another time, and chats."""

import datetime as dt

import pytest

from accounts.tests.group_factories import make_group
from bookings.actions import confirm_appointment, propose_move
from bookings.models import Appointment, Dispute, MoveProposal
from bookings.tests.factories import book, book_confirmed, rich, works_every_day
from mentors.models import MentorProfile
from tests.programs import ask, token_of, told
from tickets.tests.factories import TicketFactory
from wallets.actions import wallet_of

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
TUESDAY = dt.datetime(2027, 1, 12, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
STEPS = ("confirm", "decline", "cancel", "complete", "no-show", "dispute")
ANSWERS = ("accept-reschedule", "decline-reschedule")
WITH_TIMES = ("reschedule", "accept-reschedule")  # these want a body
WEDNESDAY = {"start_time": "2027-01-13T09:00:00Z", "end_time": "2027-01-13T10:00:00Z"}
THURSDAY = {"start_time": "2027-01-14T09:00:00Z", "end_time": "2027-01-14T10:00:00Z"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mentor(mentor):
    mentor.session_minutes = [30, 60]
    mentor.save(update_fields=["session_minutes"])
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 1_000)


@pytest.fixture
def requested(ann, mentor):
    return book(mentor, ann, TUESDAY, now=NOW)


@pytest.fixture
def confirmed(requested, max):
    return confirm_appointment(requested, by=max, now=NOW)


def step(appointment, name, person, body=None):
    return ask("PUT", f"/api/appointments/{appointment.pk}/{name}", body, by=person)


def last_reason(appointment):
    return appointment.events.last().reason


# --- Steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, "", {}, {"reason": ""}, {"reason": "Gladly."}])
def test_a_reason_is_optional_and_so_is_the_body(requested, max, body):
    response = step(requested, "confirm", max, body)
    assert response.status_code == 200, response.content
    assert response.json()["status"] == "confirmed"
    assert last_reason(requested) == (body or {}).get("reason", "")


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("body", [{"reason": "x" * 501}, {"reason": "\0"}, {"reason": None}, {"status": "x"}, [], "{"])
def test_a_body_that_does_not_fit_is_refused(requested, max, name, body):
    response = step(requested, name, max, body)
    assert told(response) in ((422, "invalid_input"), (422, "malformed"))
    requested.refresh_from_db()
    assert requested.status == "requested"


def test_decline_gives_all_points_back(requested, ann, max):
    response = step(requested, "decline", max, {"reason": "I am ill."})
    assert (response.status_code, response.json()["status"]) == (200, "declined")
    assert last_reason(requested) == "I am ill."
    assert wallet_of(ann).balance_points == 1_000


def test_cancel_gives_back_what_was_told(confirmed, ann, time_machine):
    time_machine.move_to(TUESDAY - HOUR, tick=False)
    before = ask("GET", f"/api/appointments/{confirmed.pk}", by=ann).json()["refund_points_if_cancelled_now"]
    response = step(confirmed, "cancel", ann, {"reason": "An exam."})
    answer = response.json()
    assert (response.status_code, answer["status"], answer["refund_points_if_cancelled_now"]) == (
        200,
        "cancelled",
        None,
    )
    assert wallet_of(ann).balance_points == 950 + before == 975


def test_staff_cancel_what_is_not_theirs(confirmed, ada, ann):
    assert step(confirmed, "cancel", ada).json()["status"] == "cancelled"
    assert wallet_of(ann).balance_points == 1_000


def test_complete_pays_the_mentor(confirmed, max, time_machine):
    early = step(confirmed, "complete", max)
    assert told(early) == (409, "too_early")
    assert early.json()["possible_from"] == "2027-01-12T09:00:00Z"
    time_machine.move_to(TUESDAY + HOUR, tick=False)
    answer = step(confirmed, "complete", max, {"reason": "It went well."}).json()
    assert (answer["status"], answer["sequence"]) == ("completed", confirmed.sequence + 1)
    assert last_reason(confirmed) == "It went well."
    assert wallet_of(max).balance_points == 50


def test_no_show_pays_the_mentor_ten_minutes_after_the_start(confirmed, max, time_machine):
    time_machine.move_to(TUESDAY, tick=False)
    assert told(step(confirmed, "no-show", max)) == (409, "too_early")
    time_machine.move_to(TUESDAY + dt.timedelta(minutes=10), tick=False)
    assert step(confirmed, "no-show", max, {"reason": "I waited."}).json()["status"] == "no_show"


def test_dispute_takes_a_reason(confirmed, ann, time_machine):
    time_machine.move_to(TUESDAY + HOUR, tick=False)
    for body in (None, {}, {"reason": "  "}):
        response = step(confirmed, "dispute", ann, body)
        assert (*told(response), response.json()["field"]) == (422, "reason_missing", "reason")
    assert step(confirmed, "dispute", ann, {"reason": "Nobody came."}).json()["status"] == "disputed"
    assert Dispute.objects.get().reason == "Nobody came."


def test_a_second_time_is_refused_with_the_state_that_it_is_in(requested, ann, max):
    assert told(step(requested, "complete", max)) == (409, "not_confirmed_yet")
    assert step(requested, "decline", max).status_code == 200
    for name, person in (("decline", max), ("confirm", max), ("cancel", ann), ("complete", max), ("dispute", ann)):
        response = step(requested, name, person)
        assert told(response) == (409, "already_declined")
        assert response.json()["state"] == "declined"


def test_a_session_that_has_begun_is_not_cancelled_by_its_student(confirmed, ann, time_machine):
    time_machine.move_to(TUESDAY, tick=False)
    assert told(step(confirmed, "cancel", ann)) == (409, "too_late_to_cancel")


def test_a_request_that_ran_out_is_not_confirmed(requested, max, time_machine):
    time_machine.move_to(requested.answer_by, tick=False)
    assert told(step(requested, "confirm", max)) == (409, "request_expired")


@pytest.mark.parametrize("name", [*STEPS, *ANSWERS, "reschedule"])
def test_a_stranger_acts_on_nothing(requested, sam, name):
    body = WEDNESDAY if name in WITH_TIMES else None
    there = step(requested, name, sam, body)
    missing = ask("PUT", f"/api/appointments/{10**12}/{name}", body, by=sam)
    assert told(there) == told(missing) == (404, "not_found")
    assert there.content == missing.content


@pytest.mark.parametrize(
    ("name", "person"),
    [
        *((name, "ann") for name in ("confirm", "decline", "complete", "no-show")),
        ("dispute", "max"),
        *((name, "ada") for name in (*STEPS, *ANSWERS, "reschedule") if name != "cancel"),
        *((name, "sam") for name in (*STEPS, *ANSWERS, "reschedule")),
    ],
)
def test_whoever_may_only_look_is_told_so(ann, sam, max, ada, mentor, name, person):
    group = make_group(ann, sam)  # Sam takes part, and has no say
    appointment = book_confirmed(mentor, ann, TUESDAY, now=NOW, group=group)
    body = WEDNESDAY if name in WITH_TIMES else {}
    actor = {"ann": ann, "sam": sam, "max": max, "ada": ada}[person]
    assert told(step(appointment, name, actor, body)) == (403, "not_allowed")


@pytest.mark.parametrize("name", [*STEPS, *ANSWERS, "reschedule"])
def test_steps_are_put(requested, ann, name):
    assert told(ask("GET", f"/api/appointments/{requested.pk}/{name}", by=ann)) == (405, "method_not_allowed")


# --- Another time -----------------------------------------------------------------------------------------------------


def test_another_time_waits_for_the_answer_of_the_other_side(confirmed, ann, max):
    response = step(confirmed, "reschedule", ann, {**WEDNESDAY, "reason": "An exam."})
    assert response.status_code == 200, response.content
    answer = response.json()
    assert (answer["start_time"], answer["proposed_start_time"]) == ("2027-01-12T09:00:00Z", "2027-01-13T09:00:00Z")
    assert (answer["proposed_end_time"], answer["proposed_by"]) == ("2027-01-13T10:00:00Z", "student")
    assert told(step(confirmed, "accept-reschedule", ann, WEDNESDAY)) == (403, "not_allowed")
    agreed = step(confirmed, "accept-reschedule", max, WEDNESDAY).json()
    assert (agreed["start_time"], agreed["end_time"]) == ("2027-01-13T09:00:00Z", "2027-01-13T10:00:00Z")
    assert (agreed["status"], agreed["proposed_start_time"]) == ("confirmed", None)
    assert agreed["sequence"] > answer["sequence"]
    assert told(step(confirmed, "accept-reschedule", max, WEDNESDAY)) == (409, "move_accepted")


def test_the_other_side_declines_and_the_same_side_takes_back(confirmed, ann, max):
    step(confirmed, "reschedule", ann, WEDNESDAY)
    declined = step(confirmed, "decline-reschedule", max, {"reason": "I am away."})
    assert (declined.status_code, declined.json()["proposed_start_time"]) == (200, None)
    assert last_reason(confirmed) == "I am away."
    assert told(step(confirmed, "decline-reschedule", max)) == (409, "move_declined")
    step(confirmed, "reschedule", max, THURSDAY)
    assert step(confirmed, "decline-reschedule", max).status_code == 200
    assert MoveProposal.objects.latest("pk").status == MoveProposal.Status.WITHDRAWN
    assert told(step(confirmed, "accept-reschedule", ann, THURSDAY)) == (409, "move_withdrawn")
    confirmed.refresh_from_db()
    assert confirmed.starts_at == TUESDAY


def test_whoever_says_which_time_they_mean_answers_no_other(confirmed, ann, max):
    step(confirmed, "reschedule", ann, WEDNESDAY)
    step(confirmed, "reschedule", ann, THURSDAY)
    for name in ANSWERS:
        assert told(step(confirmed, name, max, WEDNESDAY)) == (409, "move_gone")
    assert step(confirmed, "accept-reschedule", max, THURSDAY).json()["start_time"] == "2027-01-14T09:00:00Z"


def test_whoever_agrees_says_to_which_time(confirmed, ann, max):
    """Otherwise they could agree to, and pay for, what was proposed while they decided."""
    step(confirmed, "reschedule", ann, WEDNESDAY)
    for body in (None, {}, {"start_time": WEDNESDAY["start_time"]}, {"end_time": WEDNESDAY["end_time"]}):
        assert told(step(confirmed, "accept-reschedule", max, body)) == (422, "invalid_input")
    longer = {**WEDNESDAY, "end_time": "2027-01-13T10:30:00Z"}
    assert told(step(confirmed, "accept-reschedule", max, longer)) == (409, "move_gone")
    assert MoveProposal.objects.get().status == MoveProposal.Status.OPEN


def test_where_nothing_is_proposed_nothing_is_answered(confirmed, ann):
    for name in ANSWERS:
        assert told(step(confirmed, name, ann, WEDNESDAY)) == (409, "move_gone")
    assert told(step(confirmed, "decline-reschedule", ann)) == (409, "move_gone")


def test_a_student_moves_at_once_where_the_mentor_confirms_automatically(ann, mentor):
    mentor.confirms_automatically = True
    mentor.save(update_fields=["confirms_automatically"])
    appointment = book(mentor, ann, TUESDAY + DAY, now=NOW)
    answer = step(appointment, "reschedule", ann, {**THURSDAY, "end_time": "2027-01-14T09:30:00Z"}).json()
    assert (answer["start_time"], answer["end_time"]) == ("2027-01-14T09:00:00Z", "2027-01-14T09:30:00Z")
    assert (answer["price_points"], answer["proposed_start_time"]) == (25, None)
    assert wallet_of(ann).balance_points == 975


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"start_time": "2027-01-12T09:00:00Z", "end_time": "2027-01-12T10:00:00Z"}, 409, "same_time", "start_time"),
        ({**WEDNESDAY, "end_time": "2027-01-13T09:45:00Z"}, 409, "length_not_offered", "end_time"),
        ({**WEDNESDAY, "end_time": "2027-01-13T09:00:00Z"}, 422, "invalid_input", "end_time"),
        ({"start_time": "2027-01-13T20:00Z", "end_time": "2027-01-13T21:00Z"}, 409, "slot_not_offered", "start_time"),
        ({"start_time": "2028-12-13T20:00Z", "end_time": "2028-12-13T21:00Z"}, 409, "slot_not_offered", "start_time"),
        ({"start_time": "2027-01-13T09:00:00Z"}, 422, "invalid_input", "end_time"),
        ({**WEDNESDAY, "price_points": 1}, 422, "invalid_input", "price_points"),
        (None, 422, "invalid_input", None),
    ],
)
def test_a_time_that_cannot_be_is_refused(confirmed, ann, body, status, code, field):
    response = step(confirmed, "reschedule", ann, body)
    assert told(response) == (status, code), response.content
    assert response.json()["field"] == field
    assert not MoveProposal.objects.exists()


def test_what_the_other_side_proposed_is_answered_first(confirmed, ann, max):
    propose_move(confirmed, by=max, starts_at=TUESDAY + DAY, duration_minutes=60, now=NOW)
    assert told(step(confirmed, "reschedule", ann, THURSDAY)) == (409, "move_waits_for_you")


# --- Chats ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def welcoming(mentor):
    mentor.status, mentor.takes_chats = MentorProfile.Status.AVAILABLE, True
    mentor.save(update_fields=["status", "takes_chats"])
    return mentor


def ask_for_chat(person, mentor, **changes):
    return ask("POST", "/api/chat-requests/", {"mentor_id": mentor.pk, "topic": "An index?", **changes}, by=person)


def test_a_chat_is_asked_for_and_begins_with_the_yes(ann, max, welcoming, time_machine):
    ticket = TicketFactory(student=ann)
    response = ask_for_chat(ann, welcoming, ticket_id=ticket.pk, description="On two columns.")
    assert response.status_code == 201, response.content
    answer = response.json()
    assert (answer["kind"], answer["status"], answer["title"]) == ("chat", "requested", "An index?")
    assert (answer["ticket_id"], answer["description"]) == (ticket.pk, "On two columns.")
    assert (answer["start_time"], answer["price_points"]) == ("2027-01-11T08:05:00Z", 13)
    assert answer == ask("GET", f"/api/appointments/{answer['id']}", by=ann).json()
    time_machine.move_to(NOW + dt.timedelta(minutes=1), tick=False)
    begun = step(Appointment.objects.get(), "confirm", max).json()
    assert (begun["status"], begun["start_time"], begun["end_time"]) == (
        "confirmed",
        "2027-01-11T08:01:00Z",
        "2027-01-11T08:16:00Z",
    )
    assert wallet_of(ann).balance_points == 987


def test_a_chat_costs_no_more_than_one_was_shown(ann, welcoming):
    refused = ask_for_chat(ann, welcoming, max_price_points=12)
    assert (told(refused), refused.json()["price_points"]) == ((409, "price_raised"), 13)
    assert wallet_of(ann).balance_points == 1_000
    assert ask_for_chat(ann, welcoming, max_price_points=-1).status_code == 422
    assert ask_for_chat(ann, welcoming, max_price_points=13).status_code == 201


def test_a_chat_that_cannot_be_is_refused(ann, sam, max, welcoming):
    assert told(ask_for_chat(sam, welcoming)) == (402, "not_enough_points")
    assert told(ask_for_chat(max, welcoming)) == (409, "own_mentor")
    assert ask_for_chat(ann, welcoming).status_code == 201
    assert told(ask_for_chat(ann, welcoming)) == (409, "chat_asked_already")
    assert told(ask_for_chat(rich(sam), welcoming)) == (409, "mentor_busy_now")
    welcoming.status = MentorProfile.Status.BUSY
    welcoming.save(update_fields=["status"])
    assert told(ask_for_chat(sam, welcoming)) == (409, "chat_not_welcome")


@pytest.mark.parametrize("topic", ["", " ", "x" * 201, "\0", None, 5])
def test_a_topic_that_does_not_fit_is_refused(ann, welcoming, topic):
    response = ask_for_chat(ann, welcoming, topic=topic)
    assert (*told(response), response.json()["field"]) == (422, "invalid_input", "topic")


def test_a_topic_of_characters_that_nobody_sees_is_refused_by_the_action(ann, welcoming):
    assert told(ask_for_chat(ann, welcoming, topic="\x1c")) == (422, "topic_missing")


def test_of_a_chat_too_foreign_rows_answer_like_missing_ones(ann, sam, welcoming):
    foreign = TicketFactory(student=sam, is_public=False)
    refusals = [ask_for_chat(ann, welcoming, ticket_id=pk) for pk in (foreign.pk, 10**12)]
    assert [told(refusal) for refusal in refusals] == [(404, "not_found")] * 2
    assert refusals[0].content == refusals[1].content
    assert told(ask("POST", "/api/chat-requests/", {"mentor_id": 10**12, "topic": "x"}, by=ann)) == (404, "not_found")


def test_a_chat_is_not_moved(ann, welcoming):
    ask_for_chat(ann, welcoming)
    assert told(step(Appointment.objects.get(), "reschedule", ann, WEDNESDAY)) == (409, "chat_is_now")


def test_the_same_key_asks_for_one_chat(ann, welcoming):
    token, wish = token_of(ann), {"mentor_id": welcoming.pk, "topic": "An index?"}
    answers = [ask("POST", "/api/chat-requests/", wish, token=token, **{"idempotency-key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Appointment.objects.count() == 1
