"""The refusals that the steps of a ticket's life share."""

from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed, Refused
from tickets.models import Ticket

Status = Ticket.Status


class NotOpen(Refused):
    code = "ticket_not_open"
    message = _("A mentor has this ticket by now, so the question stays as it is. Write a reply instead.")


UNSOLVED = _("This ticket has no solution yet. Nothing has changed.")
SOLVED = _("This ticket is solved already. Nothing has changed.")
CLOSED = _("This ticket is closed. Nothing has changed; what is still open can be asked in a new one.")


class WrongState(Refused):
    """The code says for which state the step is, the message and the fact `ticket_status` which one it is in."""

    def __init__(self, ticket_status):
        super().__init__(IN_THE_WAY[ticket_status], ticket_status=ticket_status)


class NotAssigned(WrongState):
    code = "ticket_not_assigned"
    message = SOLVED


class NotResolved(WrongState):
    code = "ticket_not_resolved"
    message = UNSOLVED


class AlreadyClosed(WrongState):
    code = "ticket_closed"
    message = CLOSED


class TicketDeleted(Refused):
    code = "ticket_deleted"
    message = _("Its student has deleted this ticket. Nothing has changed.")


class NoLongerYours(Refused):
    """Whoever acts had the ticket once, and has it no longer."""

    code = "no_longer_yours"
    message = _("You do not have this ticket any more. Nothing was sent; while it is open, you can take it again.")


IN_THE_WAY = {
    Status.OPEN: UNSOLVED,
    Status.ASSIGNED: UNSOLVED,
    Status.RESOLVED: SOLVED,
    Status.CLOSED: CLOSED,
}


def refuse_unless(ticket, *statuses, allowed):
    """Refuse who has no business with it, then what its state rules out."""
    if not allowed:
        raise NotAllowed
    if ticket.status in statuses:
        return
    if ticket.status == Status.DELETED:
        raise TicketDeleted
    if Status.RESOLVED in statuses:
        raise NotResolved(ticket.status)
    if Status.ASSIGNED in statuses:
        raise NotAssigned(ticket.status)
    raise AlreadyClosed(ticket.status)


def refuse_former_mentor(ticket, user):
    """Tell somebody who has lost the ticket so, rather than that it was never theirs."""
    profile = getattr(user, "mentor_profile", None)
    if profile is None or ticket.status == Status.DELETED or ticket.mentor_id == profile.pk:
        return
    if ticket.events.filter(mentor=profile).exists():
        raise NoLongerYours
