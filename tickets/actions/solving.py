"""How a ticket ends: solved, reopened because it was not, and closed."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed
from mentorbook.locks import patiently
from mentors.actions import prove_skills
from notifications.models import Kind as Told
from tickets.actions import conversation, history, locks, texts
from tickets.actions.figures import refresh_figures
from tickets.actions.files import with_files
from tickets.actions.states import refuse_former_mentor, refuse_unless
from tickets.models import Reply, Ticket, TicketEvent

Status = Ticket.Status
Side = Ticket.Side
Kind = TicketEvent.Kind


class GapMissing(texts.ReasonMissing):
    """A ticket is reopened without a word about why."""

    message = _("Say in a few words what is still missing.")


@patiently
@with_files
@transaction.atomic
def resolve_ticket(ticket, *, by, text: str = "", reply=None, files=(), client_key: str | None = None, now) -> Ticket:
    """Solve the ticket, as its mentor: by `reply`, something of their own in it, or by writing `text`.

    The student is told. The same `client_key` once more changes nothing. Refuses with NotAllowed, NoLongerYours,
    NotAssigned, TicketDeleted, SolutionMissing and TextTooLong.
    """
    ticket = locks.lock_ticket(ticket)
    key = texts.clean_key(client_key)
    if earlier := conversation.written_before(ticket, by, key):
        if earlier.pk == ticket.solution_id:
            return ticket
        key = None  # it was for a reply, or for a solution that did not hold
    refuse_former_mentor(ticket, by)
    refuse_unless(ticket, Status.ASSIGNED, allowed=ticket.is_mentored_by(by))
    if reply is None:
        solution = conversation.write(
            ticket, Reply.Kind.SOLUTION, by=by, text=text, files=files, client_key=key, now=now
        )
    else:
        solution = _make_solution(ticket, reply, by)
    event = history.move(
        ticket,
        Kind.RESOLVED,
        by=by,
        now=now,
        about=ticket.mentor,
        status=Status.RESOLVED,
        solution=solution,
        resolved_at=now,
        first_response_at=ticket.first_response_at or now,
        waiting_on=Side.STUDENT,
        waiting_since=now,
    )
    history.refresh_index(ticket)
    prove_skills(ticket.mentor, ticket.tags.all(), now=now)
    refresh_figures(ticket.mentor)
    history.tell(ticket, ticket.student, kind=Told.TICKET_RESOLVED, event=event, text=history.shortened(solution.text))
    return ticket


@patiently
@transaction.atomic
def reopen_ticket(ticket, *, by, reason: str, now) -> Ticket:
    """Say, as its student, that it is not solved after all, and why: the same mentor has it again and is told."""
    ticket = locks.lock_ticket(ticket)
    refuse_unless(ticket, Status.RESOLVED, allowed=ticket.is_asked_by(by))
    reason = texts.clean_reason(reason, GapMissing)
    prove_skills(ticket.mentor, ticket.tags.all(), since=ticket.resolved_at, now=now, undo=True)
    event = history.move(
        ticket,
        Kind.REOPENED,
        by=by,
        now=now,
        about=ticket.mentor,
        reason=reason,
        status=Status.ASSIGNED,
        solution=None,
        resolved_at=None,
        waiting_on=Side.MENTOR,
        waiting_since=now,
    )
    history.refresh_index(ticket)
    refresh_figures(ticket.mentor)
    history.tell(ticket, ticket.mentor.user, kind=Told.TICKET_REOPENED, event=event)
    return ticket


@patiently
@transaction.atomic
def close_ticket(ticket, *, by, now) -> Ticket:
    """Say, as its student, that the solution holds. The mentor is told."""
    ticket = locks.lock_ticket(ticket)
    refuse_unless(ticket, Status.RESOLVED, allowed=ticket.is_asked_by(by))
    event = close_locked(ticket, Kind.CLOSED, by=by, now=now)
    history.tell(ticket, ticket.mentor.user, kind=Told.TICKET_CLOSED, event=event)
    return ticket


def close_locked(ticket, kind, *, by, now):
    """Close a locked ticket that is resolved; the event that says so."""
    return history.move(
        ticket, kind, by=by, now=now, about=ticket.mentor, status=Status.CLOSED, closed_at=now, waiting_on=""
    )


def _make_solution(ticket, reply, by):
    """Let something that the mentor wrote earlier be the solution."""
    solution = ticket.replies.filter(pk=reply.pk, author=by).exclude(kind=Reply.Kind.NOTE).first()
    if solution is None:
        raise NotAllowed
    solution.kind, solution.is_useful = Reply.Kind.SOLUTION, False
    solution.save(update_fields=["kind", "is_useful"])
    return solution
