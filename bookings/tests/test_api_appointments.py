"""Booking by program, and what an appointment looks like to its people. Its steps: test_api_appointments_steps."""

import datetime as dt
from typing import get_args

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.actions import PayFrom, cancel_appointment, confirm_appointment, propose_move
from bookings.api.shapes import State
from bookings.models import Appointment, AppointmentSeries
from bookings.tests.factories import AppointmentFactory, book, book_confirmed, rich, works_every_day
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from tests.programs import ask, token_of, told
from tickets.tests.factories import TicketFactory
from wallets.actions import contribute_points, wallet_of, wallet_of_group

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
TUESDAY = dt.datetime(2027, 1, 12, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
WEEK = dt.timedelta(weeks=1)
MISSING = 10**12

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mentor(mentor):
    mentor.session_minutes = [30, 60]
    mentor.meeting_url = "https://meet.example.org/max"
    mentor.save(update_fields=["session_minutes", "meeting_url"])
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 1_000)


def wish(mentor, **changes):
    return {
        "mentor_id": mentor.pk,
        "title": "Slow query 🐌",
        "description": "It takes a minute.",
        "start_time": "2027-01-12T09:00:00Z",
        "end_time": "2027-01-12T10:00:00Z",
        **changes,
    }


def book_by_program(person, mentor, **changes):
    return ask("POST", "/api/appointments/", wish(mentor, **changes), by=person)


def read(appointment, person):
    return ask("GET", f"/api/appointments/{appointment.pk}", by=person)


def ids(response):
    assert response.status_code == 200, response.content
    return [item["id"] for item in response.json()["items"]]


# --- Booking ----------------------------------------------------------------------------------------------------------


def test_booking_asks_the_mentor_and_holds_the_price(ann, mentor):
    response = book_by_program(ann, mentor)
    assert response.status_code == 201, response.content
    appointment = Appointment.objects.get()
    assert response.json() == {
        "id": appointment.pk,
        "kind": "session",
        "mentor_id": mentor.pk,
        "student_id": ann.pk,
        "project_group_id": None,
        "ticket_id": None,
        "title": "Slow query 🐌",
        "description": "It takes a minute.",
        "start_time": "2027-01-12T09:00:00Z",
        "end_time": "2027-01-12T10:00:00Z",
        "status": "requested",
        "price_points": 50,
        "cancel_free_until": "2027-01-11T09:00:00Z",
        "refund_points_if_cancelled_now": 50,
        "meeting_url": None,
        "sequence": 0,
        "created_at": "2027-01-11T08:00:00Z",
        "proposed_start_time": None,
        "proposed_end_time": None,
        "proposed_price_points": None,
        "proposed_by": None,
    }
    assert wallet_of(ann).balance_points == 950


def test_a_time_without_an_offset_is_read_in_the_zone_of_the_profile(ann, mentor):
    response = book_by_program(ann, mentor, start_time="2027-01-12T10:00", end_time="2027-01-12T10:00:00+00:00")
    assert response.status_code == 201, response.content
    assert response.json()["start_time"] == "2027-01-12T09:00:00Z"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end_time": "2027-01-12T09:00:00Z"}, "end_time"),
        ({"end_time": "2027-01-12T08:00:00Z"}, "end_time"),
        ({"end_time": "2027-01-12T10:00:30Z"}, "end_time"),
        ({"end_time": "2027-01-12T09:59:59.999Z"}, "end_time"),
        ({"start_time": "tomorrow"}, "start_time"),
        ({"start_time": "9999-12-31T23:59:59-23:59"}, "start_time"),
        ({"start_time": 1_800_000_000}, "start_time"),
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "\0"}, "title"),
        ({"title": None}, "title"),
        ({"description": "x" * 4001}, "description"),
        ({"mentor_id": 0}, "mentor_id"),
        ({"mentor_id": 2**63}, "mentor_id"),
        ({"mentor_id": "max"}, "mentor_id"),
        ({"pay_from": "group"}, "pay_from"),
        ({"pay_from": "bank"}, "pay_from"),
        ({"repeat_weekly": 0}, "repeat_weekly"),
        ({"repeat_weekly": 13}, "repeat_weekly"),
        ({"max_price_points": -1}, "max_price_points"),
        ({"price_points": 1}, "price_points"),
        ({"status": "confirmed"}, "status"),
    ],
)
def test_what_does_not_fit_is_refused_beside_its_field(ann, mentor, changes, field):
    response = book_by_program(ann, mentor, **changes)
    assert told(response) == (422, "invalid_input"), response.content
    assert response.json()["field"] == field
    assert not Appointment.objects.exists()


def test_a_title_of_characters_that_nobody_sees_is_refused_by_the_action(ann, mentor):
    assert told(book_by_program(ann, mentor, title="\x1c")) == (422, "title_missing")


def test_a_taken_time_comes_with_the_nearest(ann, sam, mentor):
    book(mentor, rich(sam), TUESDAY, now=NOW)
    response = book_by_program(ann, mentor)
    assert told(response) == (409, "slot_taken")
    answer = response.json()
    assert answer["field"] == "start_time"
    assert answer["nearest"][0] == "2027-01-12T08:00:00Z"
    assert all(start.endswith("Z") for start in answer["nearest"])
    again = book_by_program(ann, mentor, start_time=answer["nearest"][0], end_time="2027-01-12T09:00:00Z")
    assert again.status_code == 201


def test_a_time_that_is_not_offered_comes_with_the_reason_and_the_nearest(ann, mentor):
    response = book_by_program(ann, mentor, start_time="2027-01-12T20:00:00Z", end_time="2027-01-12T21:00:00Z")
    assert told(response) == (409, "slot_not_offered")
    assert response.json()["reason"] == "outside_hours"
    assert response.json()["nearest"]


def test_who_has_too_few_points_is_told_how_many_are_missing(sam, mentor):
    rich(sam, 20)
    response = book_by_program(sam, mentor)
    assert told(response) == (402, "not_enough_points")
    assert (response.json()["balance_points"], response.json()["missing_points"]) == (20, 30)


def test_a_length_that_is_not_offered_names_those_that_are(ann, mentor):
    response = book_by_program(ann, mentor, end_time="2027-01-12T09:45:00Z")
    assert told(response) == (409, "length_not_offered")
    assert response.json()["field"] == "end_time"
    assert response.json()["offered"] == [30, 60]


def test_nothing_dearer_than_what_was_shown_is_booked(ann, mentor):
    response = book_by_program(ann, mentor, max_price_points=49)
    assert told(response) == (409, "price_raised")
    assert response.json()["price_points"] == 50
    assert told(book_by_program(ann, mentor, max_price_points=49, repeat_weekly=2)) == (409, "price_raised")
    assert book_by_program(ann, mentor, max_price_points=50).status_code == 201


def test_foreign_rows_answer_like_missing_ones(ann, sam, mentor):
    hidden = MentorProfileFactory(approval=MentorProfile.Approval.WAITING)
    group = make_group(sam)
    ticket = TicketFactory(student=sam, is_public=False)
    for field, foreign in (("mentor_id", hidden.pk), ("project_group_id", group.pk), ("ticket_id", ticket.pk)):
        refusals = [book_by_program(ann, mentor, **{field: pk}) for pk in (foreign, MISSING)]
        assert [told(refusal) for refusal in refusals] == [(404, "not_found")] * 2, field
        assert refusals[0].content == refusals[1].content


def test_nobody_books_with_themself(ann, max, mentor):
    assert told(book_by_program(rich(max), mentor)) == (409, "own_mentor")


def test_a_session_is_about_ones_own_question(ann, mentor):
    ticket = TicketFactory(student=ann)
    assert book_by_program(ann, mentor, ticket_id=ticket.pk).json()["ticket_id"] == ticket.pk


def test_a_group_books_and_pays(ann, sam, mentor):
    group = make_group(ann, sam)
    contribute_points(group, by=ann, points=100)
    response = book_by_program(ann, mentor, project_group_id=group.pk, pay_from="group")
    assert response.status_code == 201, response.content
    assert response.json()["project_group_id"] == group.pk
    assert (wallet_of_group(group).balance_points, wallet_of(ann).balance_points) == (50, 900)
    appointment = Appointment.objects.get()
    assert told(book_by_program(sam, mentor, project_group_id=group.pk, pay_from="group"))[1] in (
        "group_does_not_pay",
        "slot_taken",
    )
    as_companion = read(appointment, sam).json()
    assert as_companion["refund_points_if_cancelled_now"] is None


# --- For somebody else ------------------------------------------------------------------------------------------------


def test_staff_book_for_a_student_with_the_students_points(ada, ann, mentor):
    response = book_by_program(ada, mentor, student_id=ann.pk)
    assert response.status_code == 201, response.content
    assert response.json()["student_id"] == ann.pk
    appointment = Appointment.objects.get()
    assert (appointment.student, appointment.booked_by, appointment.events.get().actor) == (ann, ada, ada)
    assert wallet_of(ann).balance_points == 950
    notice = Notification.objects.get(recipient=ann)
    assert notice.title == "Ada Admin asked Max Meyer for a session for you: Slow query 🐌"


def test_staff_book_a_series_for_a_student(ada, ann, mentor):
    response = book_by_program(ada, mentor, student_id=ann.pk, repeat_weekly=2)
    assert response.status_code == 201, response.content
    assert wallet_of(ann).balance_points == 900
    assert AppointmentSeries.objects.get().booked_by == ada
    assert "for you" in Notification.objects.get(recipient=ann).title


def test_nobody_else_books_for_others_and_nobody_learns_who_is_there(ann, sam, mentor):
    refusals = [book_by_program(sam, mentor, student_id=pk) for pk in (ann.pk, MISSING)]
    assert [told(refusal) for refusal in refusals] == [(403, "not_allowed")] * 2
    assert refusals[0].content == refusals[1].content
    assert book_by_program(rich(sam), mentor, student_id=sam.pk).status_code == 201


def test_staff_without_the_permission_do_not_book_for_others(ann, sam, mentor):
    sam.is_staff = True
    sam.save(update_fields=["is_staff"])
    for pk in (ann.pk, MISSING):
        assert told(book_by_program(sam, mentor, student_id=pk)) == (403, "not_allowed")
    with pytest.raises(NotAllowed):
        book(mentor, ann, TUESDAY, now=NOW, by=sam)


def test_staff_who_mentor_do_not_spend_a_students_points_on_themselves(ada, ann):
    own = works_every_day(MentorProfileFactory(user=ada, hourly_rate_points=50))
    assert told(book_by_program(ada, own, student_id=ann.pk)) == (409, "own_mentor")
    assert told(book_by_program(ada, own, student_id=MISSING)) == (404, "not_found")


# --- Week after week --------------------------------------------------------------------------------------------------


def test_a_series_is_answered_with_its_first_session_and_the_ids_of_all(ann, mentor):
    response = book_by_program(ann, mentor, repeat_weekly=3)
    assert response.status_code == 201, response.content
    answer = response.json()
    booked = list(Appointment.objects.order_by("starts_at"))
    assert [each.starts_at for each in booked] == [TUESDAY, TUESDAY + WEEK, TUESDAY + 2 * WEEK]
    assert answer.pop("appointments") == [each.pk for each in booked]
    assert answer.pop("series_id") == AppointmentSeries.objects.get().pk
    assert answer == read(booked[0], ann).json()
    assert wallet_of(ann).balance_points == 850


def test_a_series_with_an_impossible_week_books_nothing(ann, sam, mentor):
    book(mentor, rich(sam), TUESDAY + WEEK, now=NOW)
    response = book_by_program(ann, mentor, repeat_weekly=3)
    assert told(response) == (409, "series_not_possible")
    assert response.json()["repeat_weekly"] == [{"start_time": "2027-01-19T09:00:00Z", "reason": "busy"}]
    assert response.json()["field"] == "repeat_weekly"
    assert Appointment.objects.count() == 1
    assert wallet_of(ann).balance_points == 1_000


# --- Asking twice -----------------------------------------------------------------------------------------------------


def test_the_same_key_books_once(ann, mentor):
    token = token_of(ann)
    first, again = (
        ask("POST", "/api/appointments/", wish(mentor), token=token, **{"idempotency-key": "k"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = ask("POST", "/api/appointments/", wish(mentor, title="Other"), token=token, **{"idempotency-key": "k"})
    assert told(other) == (422, "idempotency_mismatch")
    assert Appointment.objects.count() == 1


# --- Reading one ------------------------------------------------------------------------------------------------------


def test_each_side_reads_what_concerns_it(ann, max, ada, mentor):
    appointment = book_confirmed(mentor, ann, TUESDAY, now=NOW - 3 * HOUR)
    late = appointment.cancel_free_until
    assert late == NOW + HOUR
    answers = {person.name: read(appointment, person).json() for person in (ann, max, ada)}
    assert answers["Ann Archer"]["meeting_url"] == "https://meet.example.org/max"
    assert answers["Max Meyer"]["meeting_url"] == "https://meet.example.org/max"
    assert answers["Ada Admin"]["meeting_url"] is None
    assert {answer["refund_points_if_cancelled_now"] for answer in answers.values()} == {50}
    assert {answer["cancel_free_until"] for answer in answers.values()} == {"2027-01-11T09:00:00Z"}


def test_what_comes_back_falls_after_the_free_deadline_for_the_student_alone(ann, max, ada, mentor, time_machine):
    appointment = book_confirmed(mentor, ann, TUESDAY, now=NOW)
    time_machine.move_to(TUESDAY - HOUR, tick=False)
    assert read(appointment, ann).json()["refund_points_if_cancelled_now"] == 25
    assert read(appointment, max).json()["refund_points_if_cancelled_now"] == 50
    assert read(appointment, ada).json()["refund_points_if_cancelled_now"] == 50
    time_machine.move_to(TUESDAY, tick=False)
    assert read(appointment, ann).json()["refund_points_if_cancelled_now"] is None
    cancel_appointment(appointment, by=max, now=TUESDAY)
    assert read(appointment, max).json()["refund_points_if_cancelled_now"] is None
    assert read(appointment, max).json()["meeting_url"] is None


def test_a_stranger_reads_what_is_missing(ann, sam, mentor):
    appointment = book(mentor, ann, TUESDAY, now=NOW)
    stranger, missing = read(appointment, sam), ask("GET", f"/api/appointments/{MISSING}", by=sam)
    assert told(stranger) == told(missing) == (404, "not_found")
    assert stranger.content == missing.content
    assert told(ask("GET", f"/api/appointments/{10**30}", by=sam)) == (404, "not_found")


def test_nothing_is_read_without_a_token(ann, mentor):
    appointment = book(mentor, ann, TUESDAY, now=NOW)
    for path in ("", f"{appointment.pk}", f"student/{ann.pk}", f"mentor/{mentor.pk}"):
        assert told(ask("GET", f"/api/appointments/{path}")) == (401, "not_signed_in")


def test_an_unchanged_appointment_is_not_sent_again(ann, max, mentor):
    appointment = book(mentor, ann, TUESDAY, now=NOW)
    token = token_of(ann)
    path = f"/api/appointments/{appointment.pk}"
    tag = ask("GET", path, token=token)["ETag"]
    unchanged = ask("GET", path, token=token, **{"if-none-match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    confirm_appointment(appointment, by=max, now=NOW)
    changed = ask("GET", path, token=token, **{"if-none-match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "confirmed")
    assert changed["ETag"] != tag


def test_another_time_that_waits_for_an_answer_is_shown(ann, max, mentor):
    appointment = book_confirmed(mentor, ann, TUESDAY, now=NOW)
    propose_move(appointment, by=max, starts_at=TUESDAY + 3 * HOUR, duration_minutes=30, now=NOW)
    answer = read(appointment, ann).json()
    assert {name: value for name, value in answer.items() if name.startswith("proposed")} == {
        "proposed_start_time": "2027-01-12T12:00:00Z",
        "proposed_end_time": "2027-01-12T12:30:00Z",
        "proposed_price_points": 25,
        "proposed_by": "mentor",
    }


def test_the_states_are_those_of_the_model():
    assert set(get_args(State)) == set(Appointment.Status.values)


# --- Lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(ann, sam, mentor):
    """Two of Ann's, one a week later; Sam's in between."""
    return [
        book_confirmed(mentor, ann, TUESDAY, now=NOW),
        book(mentor, rich(sam), TUESDAY + HOUR, now=NOW),
        book(mentor, ann, TUESDAY + WEEK, now=NOW),
    ]


def test_everybody_lists_their_own_and_staff_all(three, ann, sam, max, ada, mentor):
    first, second, third = [each.pk for each in three]
    assert ids(ask("GET", "/api/appointments/", by=ann)) == [first, third]
    assert ids(ask("GET", "/api/appointments/", by=sam)) == [second]
    assert ids(ask("GET", "/api/appointments/", by=max)) == [first, second, third]
    assert ids(ask("GET", "/api/appointments/", by=ada)) == [first, second, third]
    assert ids(ask("GET", "/api/appointments/", by=UserFactory())) == []


def test_a_list_has_the_shape_of_each_appointment(three, ann):
    answer = ask("GET", "/api/appointments/", by=ann).json()
    assert answer["count"] == 2
    assert answer["items"] == [read(each, ann).json() for each in (three[0], three[2])]


def test_what_a_student_booked_is_for_the_student_and_staff(three, ann, sam, max, ada):
    path = f"/api/appointments/student/{ann.pk}"
    assert ids(ask("GET", path, by=ann)) == [three[0].pk, three[2].pk]
    assert ids(ask("GET", path, by=ada)) == [three[0].pk, three[2].pk]
    for person in (sam, max):
        assert told(ask("GET", path, by=person)) == (404, "not_found")
    assert told(ask("GET", f"/api/appointments/student/{MISSING}", by=ada)) == (404, "not_found")


def test_what_a_mentor_has_is_for_the_mentor_and_staff(three, ann, max, ada, mentor):
    path = f"/api/appointments/mentor/{mentor.pk}"
    assert ids(ask("GET", path, by=max)) == [each.pk for each in three]
    assert ids(ask("GET", path, by=ada)) == [each.pk for each in three]
    assert told(ask("GET", path, by=ann)) == (403, "not_allowed")
    assert told(ask("GET", f"/api/appointments/mentor/{MISSING}", by=ann)) == (404, "not_found")
    hidden = MentorProfileFactory(approval=MentorProfile.Approval.WAITING)
    assert told(ask("GET", f"/api/appointments/mentor/{hidden.pk}", by=ann)) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?status=confirmed", [0]),
        ("?status=confirmed&status=requested", [0, 1, 2]),
        ("?status=cancelled", []),
        ("?from=2027-01-12T10:00:00Z", [1, 2]),
        ("?to=2027-01-12T10:00:00Z", [0]),
        ("?to=2027-01-12T10:00:01Z", [0, 1]),
        ("?from=2027-01-13&to=2027-01-20", [2]),
        ("?from=2027-01-12T11:30:00&to=2027-01-12T12:00:00%2B01:00", [1]),  # 11:30 in Berlin
        ("?from=2027-01-20&to=2027-01-13", []),
        ("?page=2&page_size=2", [2]),
        ("?page=3&page_size=2", []),
    ],
)
def test_a_list_is_narrowed(three, max, mentor, query, expected):
    for path in ("/api/appointments/", f"/api/appointments/mentor/{mentor.pk}"):
        assert ids(ask("GET", path + query, by=max)) == [three[number].pk for number in expected]


@pytest.mark.parametrize(
    "query", ["?status=lost", "?from=soon", "?since=2027-01-01", "?page=0", "?page_size=101", "?x=1"]
)
def test_what_makes_no_sense_of_a_list_is_refused(ann, query):
    for path in ("/api/appointments/", f"/api/appointments/student/{ann.pk}"):
        assert told(ask("GET", path + query, by=ann)) == (422, "invalid_input")


def test_a_list_takes_the_same_queries_for_one_and_for_three(ann, sam, max, mentor):
    group = make_group(ann, sam)
    contribute_points(group, by=ann, points=300)

    def add(number):
        appointment = book_confirmed(mentor, ann, TUESDAY + number * HOUR, now=NOW, group=group, pay_from=PayFrom.GROUP)
        propose_move(appointment, by=max, starts_at=TUESDAY + WEEK + number * HOUR, duration_minutes=60, now=NOW)

    def queries(path, token):
        with CaptureQueriesContext(
            connection,
        ) as caught:
            response = ask("GET", path, token=token)
        return len(caught), len(ids(response))

    lists = [
        ("/api/appointments/", token_of(ann)),
        ("/api/appointments/", token_of(max)),
        (f"/api/appointments/mentor/{mentor.pk}", token_of(max)),
        (f"/api/appointments/student/{ann.pk}", token_of(ann)),
    ]
    add(0)
    of_one = [queries(*each) for each in lists]
    add(1)
    add(2)
    of_three = [queries(*each) for each in lists]
    assert [count for count, _ in of_one] == [count for count, _ in of_three]
    assert [rows for _, rows in of_three] == [3] * 4


def test_rows_at_the_same_time_keep_their_order(ada):
    rows = [AppointmentFactory(starts_at=TUESDAY).pk for _ in range(5)]
    pages = [ids(ask("GET", f"/api/appointments/?page={page}&page_size=2", by=ada)) for page in (1, 2, 3)]
    assert [pk for page in pages for pk in page] == rows
