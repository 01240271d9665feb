"""Appointments, step by step, and chats now."""

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status

from accounts.models import ProjectGroup
from bookings import actions
from bookings.actions import (
    AlreadyDecided,
    ChatAskedAlready,
    ChatIsNow,
    ChatNotWelcome,
    ChatTimeGone,
    GroupDoesNotPay,
    LengthNotOffered,
    MentorBusyNow,
    MentorInGroup,
    MentorNotBookable,
    MoveDecided,
    MoveGone,
    MoveWaitsForYou,
    NotConfirmedYet,
    NotInGroup,
    NotYourPoints,
    NotYourTicket,
    OwnMentor,
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
    TopicMissing,
)
from bookings.actions.booking import may_book_for_others
from bookings.api.shapes import (
    Agreement,
    AppointmentFilters,
    AppointmentOut,
    BookingWish,
    ChatWish,
    MoveWish,
    Reason,
    Refusal,
    SeriesOut,
    told,
)
from bookings.models import Appointment
from bookings.standpoint import Standpoint, seen_by
from mentorbook.errors import NotAllowed
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Listed, part_of
from mentors.models import MentorProfile
from tickets.models import Ticket
from wallets.actions import NotEnoughPoints

appointments = Router(tags=["appointments"])
chat_requests = Router(tags=["appointments"])


# --- Asking for one ---------------------------------------------------------------------------------------------------


@appointments.post("/", response={201: SeriesOut | AppointmentOut}, summary="Book a session")
@refuses(
    SlotTaken,
    SlotNotOffered,
    StudentBusy,
    LengthNotOffered,
    MentorNotBookable,
    OwnMentor,
    PriceRaised,
    SeriesNotPossible,
    NotEnoughPoints,
    MentorInGroup,
    NotInGroup,
    GroupDoesNotPay,
    NotYourTicket,
    NotAllowed,
    TitleMissing,
)
def book_session(request, wish: BookingWish):
    """Asks the mentor, or books at once where the mentor confirms automatically, and holds the price. A time that has
    gone is answered with the `nearest` ones, one that is not offered with the `reason` as well.

    With `repeat_weekly` from 2 on it is a series, all weeks or none (`series_not_possible` names each week that is not
    free). The answer is then the first session with two more fields: `series_id`, and in `appointments` the ids of all.
    """
    mentor = _mentor(request, wish.mentor_id)
    terms = {
        "student": _student(request.user, wish.student_id),
        "starts_at": wish.start_time,
        "duration_minutes": wish.duration_minutes,
        "title": wish.title,
        "description": wish.description,
        "group": _one_of(ProjectGroup, request.user, wish.project_group_id),
        "pay_from": wish.pay_from,
        "ticket": _one_of(Ticket, request.user, wish.ticket_id),
        "most_points": wish.max_price_points,
        "by": request.user,
        "now": timezone.now(),
    }
    if wish.repeat_weekly == 1:
        return Status(201, _told(request, actions.book_slot(mentor, **terms)))
    series = actions.book_series(mentor, weeks=wish.repeat_weekly, **terms)
    booked = list(series.appointments.with_people().select_related("payer").order_by("starts_at"))
    every = {"series_id": series.pk, "appointments": [each.pk for each in booked]}
    return Status(201, _told(request, booked[0]) | every)


@chat_requests.post("/", response={201: AppointmentOut}, summary="Ask for a chat now")
@refuses(
    OwnMentor,
    MentorNotBookable,
    ChatNotWelcome,
    MentorBusyNow,
    StudentBusy,
    ChatAskedAlready,
    PriceRaised,
    NotEnoughPoints,
    NotYourTicket,
    TopicMissing,
)
def ask_for_chat(request, wish: ChatWish):
    """Asks a mentor who is available for a quarter of an hour, and holds its price. The mentor has a few minutes to
    `/confirm`; with the yes it begins. Without an answer it expires and all points come back."""
    chat = actions.request_chat(
        _mentor(request, wish.mentor_id),
        student=request.user,
        topic=wish.topic,
        description=wish.description,
        ticket=_one_of(Ticket, request.user, wish.ticket_id),
        most_points=wish.max_price_points,
        now=timezone.now(),
    )
    return Status(201, _told(request, chat))


# --- Reading ----------------------------------------------------------------------------------------------------------


@appointments.get("/", response=Listed[AppointmentOut], summary="List your appointments")
@refuses()
def list_appointments(request, wish: Query[AppointmentFilters]):
    """Those in which you take part, as student, as mentor or with a group, in the order of time. Staff see all."""
    return _listed(request, Appointment.objects.visible_to(request.user), wish)


@appointments.get("/student/{int:student_id}", response=Listed[AppointmentOut], summary="List a student's appointments")
@refuses()
def list_of_student(request, student_id: int, wish: Query[AppointmentFilters]):
    """Those that this person booked, in the order of time: your own; staff see anyone's."""
    student = get_object_or_404(_people_known_to(request.user), pk=student_id)
    return _listed(request, Appointment.objects.for_student(student), wish)


@appointments.get("/mentor/{int:mentor_id}", response=Listed[AppointmentOut], summary="List a mentor's appointments")
@refuses(NotAllowed)
def list_of_mentor(request, mentor_id: int, wish: Query[AppointmentFilters]):
    """Those with this mentor, in the order of time: for the mentor and for staff."""
    mentor = _mentor(request, mentor_id)
    if not (mentor.user_id == request.user.pk or request.user.is_staff):
        raise NotAllowed
    return _listed(request, Appointment.objects.for_mentor(mentor), wish)


@appointments.get("/{int:appointment_id}", response=AppointmentOut, summary="Read an appointment")
@refuses()
def read_appointment(request, appointment_id: int):
    """One session or chat, for its people and for staff; what it says about points and the link is meant for you."""
    return _told(request, _appointment(request, appointment_id))


# --- Its life ---------------------------------------------------------------------------------------------------------


@appointments.put("/{int:appointment_id}/confirm", response=AppointmentOut, summary="Confirm a request")
@refuses(NotAllowed, AlreadyDecided, RequestExpired, ChatTimeGone)
def confirm(request, appointment_id: int, wish: Reason = None):
    """The mentor promises the session; the points stay held until it is over. A chat begins with it."""
    return _step(request, appointment_id, actions.confirm_appointment, wish)


@appointments.put("/{int:appointment_id}/decline", response=AppointmentOut, summary="Decline a request")
@refuses(NotAllowed, AlreadyDecided)
def decline(request, appointment_id: int, wish: Reason = None):
    """The mentor turns the request down: all points go back and the time is free again."""
    return _step(request, appointment_id, actions.decline_appointment, wish)


@appointments.put("/{int:appointment_id}/cancel", response=AppointmentOut, summary="Cancel an appointment")
@refuses(NotAllowed, AlreadyDecided, TooLateToCancel)
def cancel(request, appointment_id: int, wish: Reason = None):
    """By either side or staff. All points go back, unless the student cancels a confirmed session after
    `cancel_free_until`: then as many as `refund_points_if_cancelled_now` says, and the rest is the mentor's."""
    return _step(request, appointment_id, actions.cancel_appointment, wish)


@appointments.put("/{int:appointment_id}/complete", response=AppointmentOut, summary="Say that it took place")
@refuses(NotAllowed, AlreadyDecided, NotConfirmedYet, TooEarly)
def complete(request, appointment_id: int, wish: Reason = None):
    """The mentor says, from the start on, that the session took place, and is paid. Nobody has to: some
    time after its end it completes by itself."""
    return _step(request, appointment_id, actions.complete_appointment, wish)


@appointments.put(
    "/{int:appointment_id}/no-show", response=AppointmentOut, summary="Report that the student is missing"
)
@refuses(NotAllowed, AlreadyDecided, NotConfirmedYet, TooEarly)
def report_no_show(request, appointment_id: int, wish: Reason = None):
    """The mentor reports, ten minutes after the start at the earliest, that the student did not come, and is paid."""
    return _step(request, appointment_id, actions.report_no_show, wish)


@appointments.put("/{int:appointment_id}/dispute", response=AppointmentOut, summary="Dispute a session")
@refuses(NotAllowed, AlreadyDecided, NotConfirmedYet, TooEarly, TooLateToDispute, ReasonMissing)
def dispute(request, appointment_id: int, wish: Reason = None):
    """The student's side says, with a `reason`, that the session was not as promised: from ten minutes after the start
    to 48 hours after the end. The points wait for what staff decide."""
    return _step(request, appointment_id, actions.dispute_appointment, wish)


# --- Another time -----------------------------------------------------------------------------------------------------


@appointments.put("/{int:appointment_id}/reschedule", response=AppointmentOut, summary="Propose another time")
@refuses(
    NotAllowed,
    AlreadyDecided,
    ChatIsNow,
    RequestExpired,
    TooLateToMove,
    MentorNotBookable,
    MoveWaitsForYou,
    SameTime,
    LengthNotOffered,
    SlotTaken,
    SlotNotOffered,
    StudentBusy,
    GroupDoesNotPay,
    NotYourPoints,
    NotEnoughPoints,
)
def reschedule(request, appointment_id: int, wish: MoveWish):
    """Asks the other side for another time and holds it until the answer; the proposal stands in the `proposed_…`
    fields, and a second one of the same side replaces it. A student's move takes effect at once where the mentor
    confirms automatically and cancelling is still free."""
    proposal = actions.propose_move(
        _appointment(request, appointment_id),
        by=request.user,
        starts_at=wish.start_time,
        duration_minutes=wish.duration_minutes,
        reason=wish.reason,
        now=timezone.now(),
    )
    return _told(request, proposal.appointment)


@appointments.put("/{int:appointment_id}/accept-reschedule", response=AppointmentOut, summary="Accept the other time")
@refuses(
    NotAllowed,
    MoveGone,
    MoveDecided,
    SlotTaken,
    StudentBusy,
    GroupDoesNotPay,
    NotYourPoints,
    NotEnoughPoints,
    StudentCannotPay,
)
def accept_reschedule(request, appointment_id: int, wish: Agreement):
    """The other side agrees: the session moves there, and the difference in price is held or returned. Send the
    `proposed_start_time` and `proposed_end_time` that you were shown: if another time is proposed by then, nothing
    happens (`move_gone`), so that nobody agrees to, or pays for, what they have not seen."""
    proposal = _proposal(request, appointment_id, wish)
    return _told(request, actions.accept_move(proposal, by=request.user, now=timezone.now()).appointment)


@appointments.put(
    "/{int:appointment_id}/decline-reschedule", response=AppointmentOut, summary="Turn the other time down"
)
@refuses(NotAllowed, MoveGone, MoveDecided)
def decline_reschedule(request, appointment_id: int, wish: Refusal = None):
    """The session stays where it is. The side that proposed the time takes it back with this."""
    proposal, now = _proposal(request, appointment_id, wish), timezone.now()
    if proposal.is_made_by_side_of(request.user):
        proposal = actions.withdraw_move(proposal, by=request.user, now=now)
    else:
        proposal = actions.decline_move(proposal, by=request.user, reason=wish.reason if wish else "", now=now)
    return _told(request, proposal.appointment)


# --- Which rows, and how they are told --------------------------------------------------------------------------------


def _mentor(request, pk):
    return get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=pk)


def _one_of(model, user, pk):
    """That row, if `user` may see it; None where none is asked for."""
    return None if pk is None else get_object_or_404(model.objects.visible_to(user), pk=pk)


def _people_known_to(user):
    people = get_user_model().objects.all()
    return people if user.is_staff else people.filter(pk=user.pk)


def _student(user, pk):
    """Who is booked for: somebody else, whose points it costs, only by staff who may add appointments. Nobody else
    learns whether there is another person of that id."""
    if pk is None or pk == user.pk:
        return user
    if not may_book_for_others(user):
        raise NotAllowed
    return get_object_or_404(_people_known_to(user), pk=pk)


def _with_people(rows):
    return rows.with_people().select_related("group__owner", "payer")


def _appointment(request, pk):
    return get_object_or_404(_with_people(Appointment.objects.visible_to(request.user)), pk=pk)


def _proposal(request, pk, wish):
    """The proposal that is answered: the last one, unless another time is meant."""
    times = {"starts_at": wish.start_time, "ends_at": wish.end_time} if wish else {}
    return actions.find_latest_proposal(_appointment(request, pk), by=request.user, **times)


def _step(request, pk, action, wish):
    reason = wish.reason if wish else ""
    return _told(request, action(_appointment(request, pk), by=request.user, reason=reason, now=timezone.now()))


def _told(request, appointment):
    return told(Standpoint(appointment, request.user, timezone.now()))


def _listed(request, rows, wish):
    """A page of `rows` in the order of time, narrowed by what is asked for."""
    narrower = Q()
    if wish.status is not None:
        narrower &= Q(status__in=wish.status)
    if wish.since is not None:
        narrower &= Q(ends_at__gt=wish.since)
    if wish.until is not None:
        narrower &= Q(starts_at__lt=wish.until)
    part = part_of(_with_people(rows.filter(narrower)).order_by("starts_at", "id"), wish)
    return {**part, "items": [told(seen) for seen in seen_by(request.user, part["items"], timezone.now())]}
