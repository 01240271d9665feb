"""Both doors refuse the same: each refusal is brought about once, and asked for on the page and by program.

`REFUSALS` is the table. Where the page stops somebody before its action is asked, the row says so (`page_says`); where
the page cannot even ask for it, `no_page` says why.
"""

import datetime as dt
import html
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

import bookings.actions
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.actions import (
    AlreadyDecided,
    ChatAskedAlready,
    ChatIsNow,
    ChatNotWelcome,
    ChatTimeGone,
    DayNotAhead,
    GroupDoesNotPay,
    LengthNotOffered,
    MentorBusyNow,
    MentorInGroup,
    MentorNotBookable,
    MoveDecided,
    MoveGone,
    MoveWaitsForYou,
    NotConfirmedYet,
    NotFull,
    NothingToWaitFor,
    NotInGroup,
    NotYourPoints,
    NotYourTicket,
    OwnMentor,
    PayFrom,
    PriceRaised,
    ReasonMissing,
    RequestExpired,
    SameTime,
    SeriesNotPossible,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    StudentCannotPay,
    TitleMissing,
    TooEarly,
    TooLateToCancel,
    TooLateToDispute,
    TooLateToMove,
    TooManyPlaces,
    TopicMissing,
    accept_move,
    cancel_appointment,
    complete_appointment,
    confirm_appointment,
    decline_appointment,
    decline_move,
    dispute_appointment,
    expire_proposals,
    expire_requests,
    propose_move,
    report_no_show,
    request_chat,
    set_days_off,
    withdraw_move,
)
from bookings.models import Appointment, AppointmentEvent, BusyTime, CalendarImport, WaitingListEntry
from bookings.tests.factories import (
    AppointmentFactory,
    WaitingListEntryFactory,
    book,
    book_confirmed,
    rich,
    works_every_day,
)
from mentorbook.errors import NotAllowed, Refused
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.programs import ask, refusals_in, told
from tickets.tests.factories import TicketFactory
from wallets.actions import IdempotencyMismatch, NotEnoughPoints, contribute_points, wallet_of
from wallets.models import Transaction

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
TUESDAY = dt.datetime(2027, 1, 12, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
WEEK = 7 * DAY
WEDNESDAY, THURSDAY = TUESDAY + DAY, TUESDAY + 2 * DAY
PLENTY = 1_000
ALL_DAY = 24 * 60

pytestmark = pytest.mark.django_db


class Scene:
    """Ann and Sam study and have points, Max mentors every day from nine to five in Berlin, Ada is staff."""

    def __init__(self, ann, sam, ada, mentor, clock):
        self.ann, self.sam, self.ada, self.mentor, self.max = (
            rich(ann, PLENTY),
            rich(sam, PLENTY),
            ada,
            mentor,
            mentor.user,
        )
        self.clock = clock
        self.change(mentor, session_minutes=[30, 60], takes_chats=True, status=MentorProfile.Status.AVAILABLE)
        works_every_day(mentor)

    def at(self, moment):
        self.clock.move_to(moment, tick=False)

    def change(self, row, **fields):
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))

    def spend(self, person, but=0):
        """Leave `person` with so many points."""
        group = make_group(person, name="What was spent")
        contribute_points(group, by=person, points=wallet_of(person).balance_points - but)

    def another_mentor(self, **fields):
        return works_every_day(MentorProfileFactory(timezone="Europe/Berlin", **fields), 0, ALL_DAY)

    def requested(self, start=TUESDAY, person=None, **wish):
        return book(self.mentor, person or self.ann, start, now=NOW, **wish)

    def confirmed(self, start=TUESDAY, person=None, **wish):
        return book_confirmed(self.mentor, person or self.ann, start, now=NOW, **wish)

    def chat(self):
        return request_chat(self.mentor, student=self.ann, topic="An index?", now=NOW)

    def group_session(self, by, **wish):
        """A session of Ann's group with Sam, booked by one of them."""
        group = make_group(self.ann, self.sam)
        contribute_points(group, by=self.ann, points=100)
        return self.confirmed(person=by, group=group, **wish)


@dataclass(frozen=True)
class Asked:
    """The same thing at both doors."""

    person: object
    page: str
    form: dict
    method: str
    path: str
    body: dict


def booking(scene, person=None, *, mentor=None, start=TUESDAY, minutes=60, form=None, query="", body=None):
    mentor = mentor or scene.mentor
    typed = {
        "starts_at": start.strftime("%Y-%m-%dT%H:%MZ"),
        "duration_minutes": minutes,
        "title": "Slow query",
        "description": "",
        "idempotency_key": "a key of this page",
        **(form or {}),
    }
    sent = {
        "mentor_id": mentor.pk,
        "title": "Slow query",
        "start_time": start.isoformat(),
        "end_time": (start + minutes * MINUTE).isoformat(),
        **(body or {}),
    }
    page = reverse("bookings:choose", args=[mentor.pk]) + query
    return Asked(person or scene.ann, page, typed, "POST", "/api/appointments/", sent)


def series(scene, person=None, *, weeks=3, **wish):
    form = {"weeks": weeks, "shown": f"|wallet|{weeks}", **wish.pop("form", {})}
    return booking(scene, person, form=form, body={"repeat_weekly": weeks, **wish.pop("body", {})}, **wish)


def for_group(scene, person, group, payer="wallet", **wish):
    form = {"group": group.pk, "pay_from": payer, "shown": f"{group.pk}|{payer}|1"}
    return booking(scene, person, form=form, body={"project_group_id": group.pk, "pay_from": payer}, **wish)


def step(name, appointment, person, **reason):
    page = {"no-show": "no_show"}.get(name, name)
    return Asked(
        person,
        reverse(f"bookings:{page}", args=[appointment.pk]),
        {"reason": "", **reason},
        "PUT",
        f"/api/appointments/{appointment.pk}/{name}",
        reason,
    )


def moving(appointment, person, start=WEDNESDAY, minutes=60):
    return Asked(
        person,
        reverse("bookings:move", args=[appointment.pk]),
        {"starts_at": start.strftime("%Y-%m-%dT%H:%MZ"), "duration_minutes": minutes},
        "PUT",
        f"/api/appointments/{appointment.pk}/reschedule",
        {"start_time": start.isoformat(), "end_time": (start + minutes * MINUTE).isoformat()},
    )


def answering(verb, appointment, person, proposal=None):
    name = "decline" if verb == "withdraw" else verb
    starts_at, ends_at = (proposal.starts_at, proposal.ends_at) if proposal else (WEDNESDAY, WEDNESDAY + HOUR)
    return Asked(
        person,
        reverse(f"bookings:{verb}_move", args=[appointment.pk]),
        {"proposal": proposal.pk if proposal else "1"},
        "PUT",
        f"/api/appointments/{appointment.pk}/{name}-reschedule",
        {"start_time": starts_at.isoformat(), "end_time": ends_at.isoformat()},
    )


def chatting(scene, person=None, *, mentor=None, topic="An index?", body=None):
    mentor = mentor or scene.mentor
    return Asked(
        person or scene.ann,
        reverse("bookings:chat", args=[mentor.pk]),
        {"topic": topic, "description": "", "idempotency_key": "a key of this page"},
        "POST",
        "/api/chat-requests/",
        {"mentor_id": mentor.pk, "topic": topic, **(body or {})},
    )


def waiting(scene, person=None, *, mentor=None, date=None, minutes=60):
    mentor = mentor or scene.mentor
    wish = {"date": (date or WEDNESDAY.date()).isoformat(), "duration_minutes": minutes}
    page = reverse("bookings:wait", args=[mentor.pk])
    return Asked(person or scene.ann, page, wish, "POST", f"/api/mentors/{mentor.pk}/waitlist", wish)


# --- The table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    action: str
    refusal: type[Refused]
    scene: Callable
    code: str
    status: int
    page_says: str | None = None  # what the page says instead: most often it stops before the action is asked
    page_status: int | None = None
    no_page: str | None = None  # why the page cannot ask for it
    facts: tuple = ()

    def __str__(self):
        return f"{self.action}-{self.code}-{self.scene.__name__}"


REFUSALS = []


def refused(action, refusal, code=None, *, status=None, page_status=None, facts=(), **page):
    """Put the decorated scene into the table."""

    def add(scene):
        own_status = int(status or refusal.status)
        row = Row(
            action,
            refusal,
            scene,
            code or refusal.code,
            own_status,
            page_status=page_status or own_status,
            facts=facts,
            **page,
        )
        REFUSALS.append(row)
        return scene

    return add


NOTHING_BOOKED = "Nothing was booked. Look at what is shown now, then book."
NO_OTHER_LENGTH = "Max does not offer that length."


# book_slot


@refused("book_slot", SlotTaken)
def somebody_was_faster(scene):
    scene.requested(person=scene.sam)
    return booking(scene)


@refused("book_slot", SlotNotOffered, facts=(("reason", "outside_hours"),))
def in_the_evening(scene):
    return booking(scene, start=TUESDAY + 11 * HOUR)


@refused("book_slot", SlotNotOffered, facts=(("reason", "too_short"),))
def the_hours_end_before(scene):
    return booking(scene, start=TUESDAY + 6 * HOUR + 30 * MINUTE)


@refused("book_slot", SlotNotOffered, facts=(("reason", "off_grid"),))
def at_seven_past(scene):
    return booking(scene, start=TUESDAY + 7 * MINUTE)


@refused("book_slot", SlotNotOffered, facts=(("reason", "notice"),))
def too_soon(scene):
    scene.change(scene.mentor, minimum_notice_minutes=2 * ALL_DAY)
    return booking(scene)


@refused("book_slot", SlotNotOffered, facts=(("reason", "notice"),))
def yesterday(scene):
    return booking(scene, start=TUESDAY - 2 * DAY)


@refused("book_slot", SlotNotOffered, facts=(("reason", "horizon"),))
def after_the_horizon(scene):
    return booking(scene, start=TUESDAY + 200 * DAY)


@refused("book_slot", SlotNotOffered, facts=(("reason", "horizon"),))
def in_two_years(scene):
    return booking(scene, start=TUESDAY + 700 * DAY)


@refused("book_slot", SlotNotOffered, facts=(("reason", "day_off"),))
def on_a_day_off(scene):
    set_days_off(scene.mentor, TUESDAY.date(), TUESDAY.date(), now=NOW)
    return booking(scene)


@refused("book_slot", SlotNotOffered, facts=(("reason", "day_limit"),))
def on_a_full_day(scene):
    scene.requested(TUESDAY + 3 * HOUR, scene.sam)
    scene.change(scene.mentor, max_sessions_per_day=1)
    return booking(scene)


@refused("book_slot", SlotNotOffered, facts=(("reason", "week_limit"),))
def in_a_full_week(scene):
    scene.requested(THURSDAY, scene.sam)
    scene.change(scene.mentor, max_sessions_per_week=1)
    return booking(scene)


@refused("book_slot", SlotNotOffered, facts=(("reason", "away"),), page_says="Max is away")
def the_mentor_is_away(scene):
    scene.change(scene.mentor, status=MentorProfile.Status.AWAY)
    return booking(scene)


@refused("book_slot", StudentBusy)
def with_another_mentor_then(scene):
    book(scene.another_mentor(), scene.ann, TUESDAY, now=NOW)
    return booking(scene)


@refused("book_slot", LengthNotOffered, page_says=NO_OTHER_LENGTH, page_status=422)
def for_three_quarters(scene):
    return booking(scene, minutes=45)


@refused("book_slot", MentorNotBookable, page_says="Max cannot be booked")
def by_staff_with_somebody_not_approved(scene):
    scene.change(scene.mentor, approval=MentorProfile.Approval.WAITING)
    return booking(scene, scene.ada)


@refused("book_slot", OwnMentor, page_says="This is your own profile")
def with_oneself(scene):
    return booking(scene, scene.max)


@refused(
    "book_slot", PriceRaised, no_page="The page says the price above its button. Asked for is it on the page of times."
)
def dearer_than_shown(scene):
    return booking(scene, body={"max_price_points": 49})


@refused("book_slot", TitleMissing, page_says="Say in a few words what you want to talk about.")
def about_nothing(scene):
    return booking(scene, form={"title": "\x1c"}, body={"title": "\x1c"})


@refused("book_slot", NotInGroup, page_says=NOTHING_BOOKED, page_status=422)
def staff_for_a_group_of_others(scene):
    return for_group(scene, scene.ada, make_group(scene.ann))


@refused("book_slot", MentorInGroup, page_says=NOTHING_BOOKED, page_status=422)
def the_mentor_belongs_to_the_group(scene):
    return for_group(scene, scene.ann, make_group(scene.ann, scene.max))


@refused("book_slot", GroupDoesNotPay, page_says=NOTHING_BOOKED, page_status=422)
def a_member_from_the_groups_wallet(scene):
    group = make_group(scene.ann, scene.sam)
    contribute_points(group, by=scene.ann, points=100)
    return for_group(scene, scene.sam, group, "group")


@refused("book_slot", NotYourTicket, page_says=NOTHING_BOOKED, page_status=422)
def staff_about_the_question_of_another(scene):
    ticket = TicketFactory(student=scene.ann)
    return booking(scene, scene.ada, query=f"?ticket={ticket.pk}", body={"ticket_id": ticket.pk})


@refused("book_slot", NotEnoughPoints, page_says="40 points are missing.")
def with_ten_points(scene):
    scene.spend(scene.ann, but=10)
    return booking(scene)


@refused("book_slot", NotAllowed, no_page="Whoever is signed in books for themself there.")
def for_somebody_else(scene):
    return booking(scene, body={"student_id": scene.sam.pk})


# book_series


@refused("book_series", SeriesNotPossible)
def a_week_is_taken(scene):
    scene.requested(TUESDAY + WEEK, scene.sam)
    return series(scene)


@refused("book_series", NotEnoughPoints, page_says="50 points are missing.")
def points_for_two_of_three(scene):
    scene.spend(scene.ann, but=100)
    return series(scene)


@refused("book_series", LengthNotOffered, page_says=NO_OTHER_LENGTH, page_status=422)
def three_times_three_quarters(scene):
    return series(scene, minutes=45)


@refused("book_series", PriceRaised, no_page="As of one session.")
def each_dearer_than_shown(scene):
    return series(scene, body={"max_price_points": 49})


# request_chat


@refused("request_chat", TopicMissing, page_says="Say in a few words what you want to talk about.")
def a_chat_about_nothing(scene):
    return chatting(scene, topic="\x1c")


@refused("request_chat", OwnMentor, page_says="This is your own profile")
def a_chat_with_oneself(scene):
    return chatting(scene, scene.max)


@refused("request_chat", MentorNotBookable, page_says="Max cannot be booked")
def a_chat_with_somebody_not_approved(scene):
    scene.change(scene.mentor, approval=MentorProfile.Approval.WAITING)
    return chatting(scene, scene.ada)


@refused("request_chat", NotYourTicket, no_page="A question that is not one's own is left out of the page's address.")
def a_chat_about_the_question_of_another(scene):
    return chatting(scene, rich(scene.ada), body={"ticket_id": TicketFactory(student=scene.ann).pk})


@refused("request_chat", ChatNotWelcome)
def the_mentor_is_busy(scene):
    scene.change(scene.mentor, status=MentorProfile.Status.BUSY)
    return chatting(scene)


@refused("request_chat", MentorBusyNow)
def the_mentor_has_a_session_in_a_minute(scene):
    AppointmentFactory(mentor=scene.mentor, student=scene.sam, starts_at=NOW + MINUTE)
    return chatting(scene)


@refused("request_chat", StudentBusy)
def the_student_has_a_session_in_a_minute(scene):
    AppointmentFactory(student=scene.ann, starts_at=NOW + MINUTE)
    return chatting(scene)


@refused("request_chat", ChatAskedAlready)
def a_chat_waits_for_its_answer(scene):
    scene.chat()
    return chatting(scene, mentor=scene.another_mentor(takes_chats=True, status=MentorProfile.Status.AVAILABLE))


@refused("request_chat", PriceRaised, no_page="The page says the price above its button.")
def a_chat_dearer_than_shown(scene):
    return chatting(scene, body={"max_price_points": 12})


@refused("request_chat", NotEnoughPoints)
def a_chat_with_ten_points(scene):
    scene.spend(scene.ann, but=10)
    return chatting(scene)


# The steps of one appointment: what holds for each of them, then what is its own.

BY = {
    "confirm": "max",
    "decline": "max",
    "cancel": "ann",
    "complete": "max",
    "no-show": "max",
    "dispute": "ann",
}
ACTIONS = {
    "confirm": "confirm_appointment",
    "decline": "decline_appointment",
    "cancel": "cancel_appointment",
    "complete": "complete_appointment",
    "no-show": "report_no_show",
    "dispute": "dispute_appointment",
    "reschedule": "propose_move",
}


def end(scene, status):
    """An appointment of Ann's with Max that has come to `status`."""
    it, over = scene.requested(), TUESDAY + HOUR
    ways = {
        "declined": lambda: decline_appointment(it, by=scene.max, now=NOW),
        "expired": lambda: expire_requests(now=it.answer_by),
        "cancelled": lambda: cancel_appointment(it, by=scene.ann, now=NOW),
        "confirmed": lambda: confirm_appointment(it, by=scene.max, now=NOW),
        "completed": lambda: complete_appointment(scene_confirmed(), by=scene.max, now=over),
        "no_show": lambda: report_no_show(scene_confirmed(), by=scene.max, now=over),
        "disputed": lambda: dispute_appointment(scene_confirmed(), by=scene.ann, reason="Nobody came.", now=over),
    }

    def scene_confirmed():
        return confirm_appointment(it, by=scene.max, now=NOW)

    ways[status]()
    if status in ("completed", "no_show", "disputed"):
        scene.at(over)
    it.refresh_from_db()
    assert it.status == status
    return it


POSSIBLE = {
    "confirm": {"requested"},
    "decline": {"requested"},
    "cancel": {"requested", "confirmed"},
    "complete": {"requested", "confirmed"},
    "no-show": {"requested", "confirmed"},
    "dispute": {"requested", "confirmed", "completed"},
    "reschedule": {"requested", "confirmed"},
}
for _name, _status in itertools.product(POSSIBLE, Appointment.Status.values):
    if _status not in POSSIBLE[_name]:

        def _it_is_over(scene, name=_name, status=_status):
            person = getattr(scene, BY.get(name, "ann"))
            appointment = end(scene, status)
            return (
                moving(appointment, person) if name == "reschedule" else step(name, appointment, person, reason="So.")
            )

        refused(ACTIONS[_name], AlreadyDecided, f"already_{_status}", status=409)(_it_is_over)

for _name in POSSIBLE:

    def _a_companion_has_no_say(scene, name=_name):
        appointment = scene.group_session(scene.ann)
        return (
            moving(appointment, scene.sam) if name == "reschedule" else step(name, appointment, scene.sam, reason="So.")
        )

    refused(ACTIONS[_name], NotAllowed)(_a_companion_has_no_say)


@refused("confirm_appointment", RequestExpired)
def answered_too_late(scene):
    appointment = scene.requested()
    scene.at(appointment.answer_by)
    return step("confirm", appointment, scene.max)


@refused("confirm_appointment", ChatTimeGone)
def another_calendar_took_the_time(scene):
    chat = scene.chat()
    BusyTime.objects.create(
        kind="calendar",
        mentor=scene.mentor,
        calendar=CalendarImport.objects.create(mentor=scene.mentor, url="https://calendar.example.org/max.ics"),
        starts_at=NOW,
        ends_at=NOW + HOUR,
        blocked_from=NOW,
        blocked_until=NOW + HOUR,
    )
    return step("confirm", chat, scene.max)


@refused("cancel_appointment", TooLateToCancel)
def it_has_begun(scene):
    appointment = scene.confirmed()
    scene.at(TUESDAY)
    return step("cancel", appointment, scene.ann)


@refused("complete_appointment", NotConfirmedYet)
def done_before_it_is_promised(scene):
    return step("complete", scene.requested(), scene.max)


@refused("complete_appointment", TooEarly)
def done_before_it_begins(scene):
    return step("complete", scene.confirmed(), scene.max)


@refused("report_no_show", NotConfirmedYet)
def nobody_came_to_a_request(scene):
    return step("no-show", scene.requested(), scene.max)


@refused("report_no_show", TooEarly)
def nobody_came_yet(scene):
    appointment = scene.confirmed()
    scene.at(TUESDAY)
    return step("no-show", appointment, scene.max)


@refused("dispute_appointment", NotConfirmedYet)
def a_request_is_disputed(scene):
    return step("dispute", scene.requested(), scene.ann, reason="So.")


@refused("dispute_appointment", TooEarly)
def disputed_before_it_begins(scene):
    return step("dispute", scene.confirmed(), scene.ann, reason="So.")


@refused("dispute_appointment", TooLateToDispute)
def disputed_days_later(scene):
    appointment = scene.confirmed()
    scene.at(TUESDAY + 4 * DAY)
    return step("dispute", appointment, scene.ann, reason="So.")


@refused("dispute_appointment", ReasonMissing, page_says="Say what was wrong: it is what staff decide by.")
def disputed_without_a_reason(scene):
    appointment = scene.confirmed()
    scene.at(TUESDAY + HOUR)
    return step("dispute", appointment, scene.ann, reason=" ")


# propose_move


@refused("propose_move", ChatIsNow)
def a_chat_later(scene):
    return moving(scene.chat(), scene.ann)


@refused("propose_move", RequestExpired)
def of_a_request_that_ran_out(scene):
    appointment = scene.requested()
    scene.at(appointment.answer_by)
    return moving(appointment, scene.ann)


@refused("propose_move", TooLateToMove)
def of_what_has_begun(scene):
    appointment = scene.confirmed()
    scene.at(TUESDAY)
    return moving(appointment, scene.ann)


@refused("propose_move", MentorNotBookable)
def with_somebody_who_mentors_no_more(scene):
    appointment = scene.confirmed()
    scene.change(scene.mentor, approval=MentorProfile.Approval.WAITING)
    return moving(appointment, scene.ann)


@refused("propose_move", MoveWaitsForYou)
def before_the_other_side_is_answered(scene):
    appointment = scene.confirmed()
    propose(scene, appointment, scene.max)
    return moving(appointment, scene.ann, THURSDAY)


@refused("propose_move", SameTime)
def to_where_it_is(scene):
    return moving(scene.confirmed(), scene.ann, TUESDAY)


@refused("propose_move", LengthNotOffered, page_says=NO_OTHER_LENGTH, page_status=422)
def to_another_length(scene):
    return moving(scene.confirmed(), scene.ann, minutes=45)


@refused("propose_move", SlotTaken)
def to_a_taken_time(scene):
    scene.requested(WEDNESDAY, scene.sam)
    return moving(scene.confirmed(), scene.ann)


@refused("propose_move", SlotNotOffered, facts=(("reason", "outside_hours"),))
def to_the_evening(scene):
    return moving(scene.confirmed(), scene.ann, WEDNESDAY + 11 * HOUR)


@refused("propose_move", SlotNotOffered, facts=(("reason", "horizon"),))
def to_another_year(scene):
    return moving(scene.confirmed(), scene.ann, WEDNESDAY + 700 * DAY)


@refused("propose_move", StudentBusy)
def to_another_session(scene):
    book(scene.another_mentor(), scene.ann, WEDNESDAY, now=NOW)
    return moving(scene.confirmed(), scene.ann)


@refused("propose_move", StudentBusy)
def the_mentor_to_another_session_of_the_student(scene):
    book(scene.another_mentor(), scene.ann, WEDNESDAY, now=NOW)
    return moving(scene.confirmed(), scene.max)


@refused("propose_move", GroupDoesNotPay)
def longer_from_a_wallet_that_only_the_owner_spends(scene):
    return moving(short_of_group(scene), scene.sam)


@refused("propose_move", NotYourPoints)
def longer_with_the_points_of_another(scene):
    return moving(scene.group_session(scene.sam, duration_minutes=30), scene.ann)


@refused("propose_move", NotEnoughPoints)
def longer_without_the_points(scene):
    appointment = scene.confirmed(duration_minutes=30)
    scene.spend(scene.ann, but=10)
    return moving(appointment, scene.ann)


def propose(scene, appointment, by, start=WEDNESDAY, minutes=60):
    return propose_move(appointment, by=by, starts_at=start, duration_minutes=minutes, now=NOW)


def short_of_group(scene):
    """Half an hour that Sam booked with the group's points; by now only Ann may spend them."""
    group = make_group(scene.ann, scene.sam, members_may_pay=True)
    contribute_points(group, by=scene.ann, points=100)
    appointment = scene.confirmed(person=scene.sam, group=group, pay_from=PayFrom.GROUP, duration_minutes=30)
    scene.change(group, members_may_pay=False)
    return appointment


# accept_move, decline_move, withdraw_move: what holds for each of them, then what is its own.


def decide(scene, status):
    """Max proposes to move Ann's session, and that comes to `status`."""
    appointment = scene.confirmed()
    proposal = propose(scene, appointment, scene.max)
    ways = {
        "accepted": lambda: accept_move(proposal, by=scene.ann, now=NOW),
        "declined": lambda: decline_move(proposal, by=scene.ann, now=NOW),
        "withdrawn": lambda: withdraw_move(proposal, by=scene.max, now=NOW),
        "expired": lambda: expire_proposals(now=proposal.answer_by),
        "overtaken": lambda: cancel_appointment(appointment, by=scene.ann, now=NOW),
    }
    ways[status]()
    proposal.refresh_from_db()
    assert proposal.status == status
    return appointment, proposal


ANSWERS = {"accept": "ann", "decline": "ann", "withdraw": "max"}
for _verb, _status in itertools.product(ANSWERS, ["accepted", "declined", "withdrawn", "expired", "overtaken"]):

    def _it_is_decided(scene, verb=_verb, status=_status):
        return answering(verb, *_first(decide(scene, status), getattr(scene, ANSWERS[verb])))

    refused(f"{_verb}_move", MoveDecided, f"move_{_status}", status=409)(_it_is_decided)

for _verb in ANSWERS:

    def _nothing_is_proposed(scene, verb=_verb):
        return answering(verb, scene.confirmed(), scene.ann)

    def _a_companion_does_not_answer(scene, verb=_verb):
        appointment = scene.group_session(scene.ann)
        return answering(verb, appointment, scene.sam, propose(scene, appointment, scene.max))

    refused(f"{_verb}_move", MoveGone)(_nothing_is_proposed)
    refused(f"{_verb}_move", NotAllowed)(_a_companion_does_not_answer)


def _first(pair, person):
    appointment, proposal = pair
    return appointment, person, proposal


@refused("accept_move", NotAllowed)
def what_one_proposed_oneself(scene):
    appointment = scene.confirmed()
    return answering("accept", appointment, scene.ann, propose(scene, appointment, scene.ann))


@refused("accept_move", SlotTaken)
def what_was_taken_past_the_locks(scene):
    appointment = scene.confirmed()
    proposal = propose(scene, appointment, scene.max)
    AppointmentFactory(mentor=scene.mentor, student=scene.sam, starts_at=WEDNESDAY)
    return answering("accept", appointment, scene.ann, proposal)


@refused("accept_move", StudentBusy)
def when_the_student_was_booked_past_the_locks(scene):
    appointment = scene.confirmed()
    proposal = propose(scene, appointment, scene.max)
    AppointmentFactory(student=scene.ann, starts_at=WEDNESDAY)
    return answering("accept", appointment, scene.ann, proposal)


@refused("accept_move", GroupDoesNotPay)
def what_only_the_owner_pays(scene):
    appointment = short_of_group(scene)
    return answering("accept", appointment, scene.sam, propose(scene, appointment, scene.max))


@refused("accept_move", NotYourPoints)
def what_another_pays(scene):
    appointment = scene.group_session(scene.sam, duration_minutes=30)
    return answering("accept", appointment, scene.ann, propose(scene, appointment, scene.max))


@refused("accept_move", NotEnoughPoints)
def what_one_cannot_pay(scene):
    appointment = scene.confirmed(duration_minutes=30)
    proposal = propose(scene, appointment, scene.max)
    scene.spend(scene.ann, but=10)
    return answering("accept", appointment, scene.ann, proposal)


@refused("accept_move", StudentCannotPay)
def what_the_student_can_pay_no_more(scene):
    appointment = scene.confirmed(duration_minutes=30)
    proposal = propose(scene, appointment, scene.ann)
    scene.spend(scene.ann, but=10)
    return answering("accept", appointment, scene.max, proposal)


# join_waiting_list


@refused("join_waiting_list", OwnMentor)
def waiting_for_oneself(scene):
    return waiting(scene, scene.max)


@refused("join_waiting_list", MentorNotBookable)
def waiting_for_somebody_away(scene):
    scene.change(scene.mentor, status=MentorProfile.Status.AWAY)
    return waiting(scene)


@refused("join_waiting_list", LengthNotOffered, page_says=NO_OTHER_LENGTH, page_status=422)
def waiting_for_another_length(scene):
    return waiting(scene, minutes=45)


@refused("join_waiting_list", DayNotAhead)
def waiting_for_yesterday(scene):
    return waiting(scene, date=NOW.date() - DAY)


@refused("join_waiting_list", NotFull)
def waiting_for_what_is_free(scene):
    return waiting(scene)


@refused("join_waiting_list", NothingToWaitFor, facts=(("reason", "day_off"),))
def waiting_for_a_day_off(scene):
    set_days_off(scene.mentor, WEDNESDAY.date(), WEDNESDAY.date(), now=NOW)
    return waiting(scene)


@refused("join_waiting_list", TooManyPlaces)
def waiting_for_too_much(scene):
    for number in range(10):
        WaitingListEntryFactory(mentor=scene.mentor, student=scene.ann, date=NOW.date() + (10 + number) * DAY)
    brief = works_every_day(MentorProfileFactory(timezone="UTC"), 9 * 60, 10 * 60)
    book(brief, rich(UserFactory()), WEDNESDAY, now=NOW)
    return waiting(scene, mentor=brief)


# --- Asking at both doors ---------------------------------------------------------------------------------------------


@pytest.fixture
def scene(ann, sam, ada, mentor, time_machine):
    time_machine.move_to(NOW, tick=False)
    return Scene(ann, sam, ada, mentor, time_machine)


def text_of(page):
    """What somebody reads, without the tags."""
    words = re.sub(r"<[^>]+>", " ", page.content.decode())
    return re.sub(r"\s+", " ", html.unescape(words))


def footprint():
    """Changes with whatever a step writes."""
    return [rows.objects.count() for rows in (Appointment, AppointmentEvent, Transaction, WaitingListEntry, BusyTime)]


@pytest.mark.parametrize("row", REFUSALS, ids=str)
def test_page_and_program_are_refused_alike(scene, row):
    asked = row.scene(scene)
    before = footprint()
    program = ask(asked.method, asked.path, asked.body, by=asked.person)
    assert told(program) == (row.status, row.code), program.content
    answer = program.json()
    assert {name: answer[name] for name, _ in row.facts} == dict(row.facts)
    if row.no_page is None:
        client = Client()
        client.force_login(asked.person)
        page = client.post(asked.page, asked.form)
        assert page.status_code == row.page_status, text_of(page)
        assert re.sub(r"\s+", " ", row.page_says or answer["detail"]) in text_of(page)
    assert footprint() == before


def test_a_key_that_was_used_for_something_else_is_refused_at_both_doors(scene):
    """The page's key stands in its form and the action looks at it; a program's in a header, for whatever it does."""
    wish = booking(scene)
    client = Client()
    client.force_login(scene.ann)
    assert client.post(wish.page, wish.form).status_code == 302
    page = client.post(wish.page, {**wish.form, "title": "Other"})
    assert page.status_code == IdempotencyMismatch.status
    assert str(IdempotencyMismatch.message) in text_of(page)
    later = booking(scene, start=THURSDAY)
    key = {"idempotency-key": "a key of this program"}
    assert ask("POST", later.path, later.body, by=scene.ann, **key).status_code == 201
    program = ask("POST", later.path, {**later.body, "title": "Other"}, by=scene.ann, **key)
    assert told(program) == (IdempotencyMismatch.status, IdempotencyMismatch.code)


# --- Nothing is forgotten ---------------------------------------------------------------------------------------------

NOT_HERE = {
    "AllTaken": "Comes from book_best, which programs do not call: they match, then book, and get what that refuses.",
    "AnswerMissing": "The mentor's word in a dispute is written on its page alone.",
    "BadAddress": "Calendars from elsewhere are added on their page alone.",
    "CalendarThere": "As BadAddress.",
    "DaysOffOutOfRange": "Of a mentor's hours: test_api_times.",
    "DecisionMissing": "Staff decide disputes in the admin alone.",
    "DisputeDecided": "As AnswerMissing.",
    "HoursOutOfRange": "Of a mentor's hours: test_api_times.",
    "HoursOverlap": "Of a mentor's hours: test_api_times.",
    "HoursRefused": "What those of a mentor's hours have in common; nothing raises it by itself.",
    "NotDisputed": "As AnswerMissing.",
    "NotEnoughHeld": "As DecisionMissing.",
    "NothingLeft": "A whole series is confirmed or cancelled on its page alone; programs do so one by one.",
    "ReturnOutOfRange": "As DecisionMissing.",
    "TooManyCalendars": "As BadAddress.",
    "TooManyHours": "Of a mentor's hours: test_api_times.",
    "TopicTooLong": "Both doors hold the length against the model before they ask: 422.",
    "WeeksOutOfRange": "Both doors know the numbers of weeks there are before they ask: 422.",
}


def test_every_refusal_of_bookings_is_in_the_table_or_says_why_not():
    in_table = {row.refusal.__name__ for row in REFUSALS}
    known = {refusal.__name__ for refusal in refusals_in(f"{bookings.actions.__name__}.")}
    assert (in_table & known) | set(NOT_HERE) == known
    assert not in_table & set(NOT_HERE)


OPERATIONS = {
    "book_session": {"book_slot", "book_series"},
    "ask_for_chat": {"request_chat"},
    "confirm": {"confirm_appointment"},
    "decline": {"decline_appointment"},
    "cancel": {"cancel_appointment"},
    "complete": {"complete_appointment"},
    "report_no_show": {"report_no_show"},
    "dispute": {"dispute_appointment"},
    "reschedule": {"propose_move"},
    "accept_reschedule": {"accept_move"},
    "decline_reschedule": {"decline_move", "withdraw_move"},
    "join_waitlist": {"join_waiting_list"},
}
EVERYWHERE = {
    *("busy", "not_signed_in", "bad_token", "second_factor_missing", "read_only_token", "not_found", "invalid_input"),
    *("idempotency_mismatch", "bad_idempotency_key", "in_the_works", "too_many_requests"),
}


def codes_documented(name):
    """The codes of refusals that the documentation of an operation of bookings names."""
    operations = itertools.chain(*(each.values() for each in ask("GET", "/api/openapi.json").json()["paths"].values()))
    answers = next(each for each in operations if each["operationId"] == f"bookings_{name}")["responses"]
    return {
        code
        for status, answer in answers.items()
        if int(status) >= 400
        for code in answer["content"]["application/json"].get("examples", {})
    } - EVERYWHERE


@pytest.mark.parametrize(("name", "names_of_actions"), OPERATIONS.items())
def test_every_code_that_the_documentation_names_is_in_the_table(name, names_of_actions):
    in_table = {row.code for row in REFUSALS if row.action in names_of_actions}
    documented = codes_documented(name)
    assert in_table <= documented
    # A state from which the action leads further is no refusal of it; the others are.
    assert {code for code in documented - in_table if not code.startswith("already_")} == set()
