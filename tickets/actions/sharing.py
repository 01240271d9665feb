"""Which project group may read a ticket besides those who write in it."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import ProjectGroup
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from tickets.actions import history, locks
from tickets.actions.states import TicketDeleted
from tickets.models import Ticket, TicketEvent

Kind = TicketEvent.Kind


class NotYourGroup(Refused):
    code = "not_your_group"
    status = 403
    field = "group"
    message = _("You do not belong to that group any more, so nothing is shared with it. Choose another one, or none.")


@patiently
@transaction.atomic
def share_ticket(ticket, *, by, group: ProjectGroup | None, now) -> Ticket:
    """Let the members of `group` read the ticket and its conversation; None for nobody but those who write in it.

    Who joins later may read it too, who leaves may not any more. What is so already stays so, without a line of
    history.
    """
    limit_waiting()
    is_member = group is not None and lock_group(group, by)
    ticket = locks.lock_ticket_alone(ticket)
    if not ticket.is_asked_by(by):
        raise NotAllowed
    if not ticket.can_be_shared_by(by):
        raise TicketDeleted
    set_group(ticket, group, is_member=is_member, by=by, now=now)
    return ticket


def set_group(ticket, group, *, is_member, by, now):
    """The same with both locked. Whoever has left the group may leave the ticket with it, but not share it anew."""
    if ticket.group_id == (group.pk if group is not None else None):
        return
    if group is not None and not is_member:
        raise NotYourGroup
    history.move(ticket, Kind.SHARED if group is not None else Kind.UNSHARED, by=by, now=now, group=group)


def lock_group(group, student) -> bool:
    """Whether `student` belongs to `group`, which is locked so that nobody leaves it meanwhile. Before the ticket."""
    locked = ProjectGroup.objects.active().select_for_update(no_key=True).filter(pk=group.pk).first()
    return locked is not None and locked.memberships.filter(user=student.pk).exists()
