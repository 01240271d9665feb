"""Who has the ticket: taken, given back, handed over."""

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import patiently
from notifications.models import Kind as Told
from tickets.actions import history, locks, texts
from tickets.actions.figures import refresh_figures
from tickets.actions.states import NotOpen, TicketDeleted, refuse_former_mentor, refuse_unless
from tickets.models import Ticket, TicketEvent

Status = Ticket.Status
Side = Ticket.Side
Kind = TicketEvent.Kind


class AlreadyTaken(NotOpen):
    """Somebody was faster. Facts: `mentor`, the profile of who has it, with `mentor_id` and `mentor_name`."""

    message = gettext_lazy("Another mentor has this ticket already. Nothing has changed; the queue has others.")

    def __init__(self, mentor):
        message = _("%(mentor)s has this ticket already. Nothing has changed; the queue has others.")
        facts = {"mentor": mentor, "mentor_id": mentor.pk, "mentor_name": str(mentor)}
        super().__init__(message % {"mentor": mentor}, **facts)


class AtCapacity(Refused):
    """Fact: `limit`, how many tickets the mentor takes at once."""

    code = "at_capacity"

    def __init__(self, limit):
        message = ngettext(
            "You work on one ticket at a time, and you have one. Solve or release it first, or take more at once "
            "(in your mentor profile).",
            "You work on %(limit)d tickets at a time, and you have as many. Solve or release one first, or take more "
            "at once (in your mentor profile).",
            limit,
        )
        if not limit:
            message = _("Your mentor profile says that you take no tickets at the moment. Change it there.")
        super().__init__(message % {"limit": limit}, limit=limit)


class OwnTicket(Refused):
    code = "own_ticket"
    status = 403
    message = gettext_lazy("Nobody mentors themself: a question is taken by somebody else than who asks it.")


class NotAMentor(Refused):
    code = "not_a_mentor"
    status = 422
    field = "to"
    message = gettext_lazy("Choose an approved mentor with an active account.")


class SameMentor(Refused):
    code = "same_mentor"
    status = 422
    field = "to"
    message = gettext_lazy("That mentor has the ticket already. Choose another one.")


@patiently
@transaction.atomic
def accept_ticket(ticket, *, by, now) -> Ticket:
    """Take an open ticket. Of many at once exactly one gets it; taking it again changes nothing.

    Refuses with NotAllowed, OwnTicket, AlreadyTaken, TicketDeleted and AtCapacity.
    """
    profile = locks.lock_profile_of(by)
    if profile is None or not profile.is_listed:
        raise NotAllowed
    ticket = Ticket.objects.with_people().get(pk=ticket.pk)
    if ticket.is_asked_by(by):
        raise OwnTicket
    if ticket.status == Status.ASSIGNED and ticket.mentor_id == profile.pk:
        return ticket
    _refuse_unless_open(ticket)
    # Counted under the lock on the profile, which whoever takes a ticket holds.
    if Ticket.objects.for_mentor(profile).assigned().count() >= profile.tickets_at_once:
        raise AtCapacity(profile.tickets_at_once)
    changes = _handed_to(profile, now)
    if not Ticket.objects.open().filter(pk=ticket.pk, mentor=None).update(**changes):
        ticket = Ticket.objects.with_people().get(pk=ticket.pk)
        _refuse_unless_open(ticket)
    ticket = locks.lock_ticket_alone(ticket)
    event = history.record(ticket, Kind.ACCEPTED, from_status=Status.OPEN, by=by, mentor=profile, now=now)
    history.tell(ticket, ticket.student, kind=Told.TICKET_ACCEPTED, event=event)
    return ticket


@patiently
@transaction.atomic
def release_ticket(ticket, *, by, reason="", now) -> Ticket:
    """Give the ticket back to the queue, where it waits from now on. The student is told, with the reason if any."""
    reason = texts.clean_reason(reason, required=False)
    ticket = locks.lock_ticket(ticket)
    refuse_former_mentor(ticket, by)
    refuse_unless(ticket, Status.ASSIGNED, allowed=ticket.is_mentored_by(by))
    mentor = ticket.mentor
    event = put_back(ticket, Kind.RELEASED, by=by, reason=reason, now=now)
    history.tell(ticket, ticket.student, kind=Told.TICKET_RELEASED, event=event, mentor=mentor.user)
    return ticket


@patiently
@transaction.atomic
def reassign_ticket(ticket, *, to, by, reason, now) -> Ticket:
    """Hand an open or assigned ticket to the mentor profile `to`, as staff. Everybody concerned is told.

    Staff may hand over more than a mentor takes at once. Refuses with NotAllowed, ReasonMissing, NotAMentor,
    SameMentor, OwnTicket and what the state rules out.
    """
    if not by.is_staff:
        raise NotAllowed
    reason = texts.clean_reason(reason)
    ticket, profiles = locks.lock_ticket_and_profiles(ticket, to.pk)
    refuse_unless(ticket, *Ticket.IN_WORK, allowed=by.is_staff)
    to, before = profiles[to.pk], ticket.mentor
    if not to.is_listed:
        raise NotAMentor
    if ticket.is_asked_by(to.user):
        raise OwnTicket
    if before and before.pk == to.pk:
        raise SameMentor
    event = history.move(ticket, Kind.REASSIGNED, by=by, now=now, about=to, reason=reason, **_handed_to(to, now))
    if before:
        refresh_figures(before)
        history.tell(ticket, before.user, kind=Told.TICKET_RELEASED, event=event, mentor=before.user)
    history.tell(ticket, to.user, ticket.student, kind=Told.TICKET_ASSIGNED, event=event)
    return ticket


def put_back(ticket, kind, *, by, reason="", now):
    """Let a locked ticket wait in the queue again; the event that says so."""
    mentor = ticket.mentor
    event = history.move(
        ticket,
        kind,
        by=by,
        now=now,
        about=mentor,
        reason=reason,
        status=Status.OPEN,
        mentor=None,
        opened_at=now,
        assigned_at=None,
        first_response_at=None,
        waiting_on=Side.MENTOR,
        waiting_since=now,
    )
    refresh_figures(mentor)
    return event


def _handed_to(profile, now):
    return {
        "status": Status.ASSIGNED,
        "mentor": profile,
        "assigned_at": now,
        "first_response_at": None,
        "waiting_on": Side.MENTOR,
        "waiting_since": now,
        "active_at": now,
    }


def _refuse_unless_open(ticket):
    if ticket.status in Ticket.HELD:
        raise AlreadyTaken(ticket.mentor)
    if ticket.status == Status.DELETED:
        raise TicketDeleted
