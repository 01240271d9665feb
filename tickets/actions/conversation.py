"""What people write to each other in a ticket."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import patiently
from tickets.actions import history, locks, texts
from tickets.actions.attachments import store_attachments
from tickets.actions.figures import refresh_figures
from tickets.actions.files import with_files
from tickets.actions.states import refuse_former_mentor, refuse_unless
from tickets.models import Reply, Ticket

THERE = (*Ticket.IN_WORK, *Ticket.SOLVED)
Side = Ticket.Side
Kind = Reply.Kind


class TooLateToEdit(Refused):
    """Fact: `editable_until`."""

    code = "too_late_to_edit"
    message = _("The time for changing this is over, because others rely on it now. Write another reply instead.")


class NotAReply(Refused):
    code = "not_a_reply"
    message = _("Only a reply can be shown beside the solution.")


@patiently
@with_files
@transaction.atomic
def reply_to_ticket(ticket, *, by, text: str, files=(), client_key: str | None = None, now) -> Reply:
    """Write into the ticket, as its student, its mentor or staff; the others are told.

    The ticket then waits for the other side; what staff write changes nothing of that. The same `client_key` of the
    same person is the same reply, however often it comes. Refuses with NotAllowed, NoLongerYours, AlreadyClosed,
    TicketDeleted, TextMissing and TextTooLong.
    """
    ticket = locks.lock_ticket(ticket)
    key = texts.clean_key(client_key)
    if earlier := written_before(ticket, by, key):
        return earlier
    _refuse_unless_writable(ticket, by)
    reply = write(ticket, Kind.REPLY, by=by, text=text, files=files, client_key=key, now=now)
    _pass_the_turn(ticket, by, now)
    history.tell_reply(reply)
    return reply


@patiently
@transaction.atomic
def edit_reply(reply, *, by, text: str, now) -> Reply:
    """Change one's own words, for REPLY_EDITABLE_MINUTES and while the ticket takes replies. Nobody is told."""
    if reply.author_id != by.pk:
        raise NotAllowed
    ticket = locks.lock_ticket_alone(reply.ticket)
    _refuse_unless_writable(ticket, by)
    reply = _as_it_is(reply, ticket)
    if not reply.can_be_edited_by(by, now):
        raise TooLateToEdit(editable_until=reply.editable_until)
    text = texts.clean_text(text)
    if text != reply.text:
        reply.text, reply.edited_at = text, now
        reply.save(update_fields=["text", "edited_at"])
        if reply.is_useful or reply.kind == Kind.SOLUTION:
            history.refresh_index(ticket)
    return reply


@patiently
@transaction.atomic
def add_note(ticket, *, by, text: str, client_key: str | None = None, now) -> Reply:
    """Write down something for staff only. The ticket shows no sign of it to anybody else. The same `client_key` is the
    same note, as with replies."""
    ticket = locks.lock_ticket_alone(ticket)
    key = texts.clean_key(client_key)
    if earlier := written_before(ticket, by, key):
        return earlier
    refuse_unless(ticket, *THERE, allowed=by.is_staff)
    return write(ticket, Kind.NOTE, by=by, text=text, client_key=key, now=now)


@patiently
@transaction.atomic
def mark_useful(reply, *, by, is_useful: bool, now) -> Reply:
    """Show a reply in the article beside the solution, or not: for the ticket's student, its mentor and staff."""
    ticket = locks.lock_ticket_alone(reply.ticket)
    refuse_unless(ticket, *THERE, allowed=_takes_part(ticket, by))
    reply = _as_it_is(reply, ticket)
    if reply.kind != Kind.REPLY:
        raise NotAReply
    if reply.is_useful != is_useful:
        reply.is_useful = is_useful
        reply.save(update_fields=["is_useful"])
        history.refresh_index(ticket)
    return reply


def write(ticket, kind, *, by, text, files=(), client_key=None, now) -> Reply:
    """Add something to a locked ticket."""
    missing = texts.SolutionMissing if kind == Kind.SOLUTION else texts.TextMissing
    text = texts.clean_text(text, missing)
    reply = Reply.objects.create(ticket=ticket, author=by, kind=kind, text=text, client_key=client_key, created_at=now)
    if files:
        store_attachments(files, by=by, reply=reply, now=now)
    return reply


def written_before(ticket, author, key):
    """What the same person's same key has led to in a locked ticket."""
    if key is None or author.pk is None:
        return None
    earlier = ticket.replies.select_related("author").filter(author=author, client_key=key).first()
    if earlier is not None:
        earlier.is_repeated = True
    return earlier


def _pass_the_turn(ticket, by, now):
    changes = {"active_at": now}
    if ticket.is_asked_by(by):
        changes |= history.waiting(ticket, Side.MENTOR, now=now)
    elif ticket.is_mentored_by(by):
        changes |= history.waiting(ticket, Side.STUDENT, now=now)
        if ticket.first_response_at is None:
            changes["first_response_at"] = now
    for name, value in changes.items():
        setattr(ticket, name, value)
    ticket.save(update_fields=[*changes])
    if "first_response_at" in changes:
        refresh_figures(ticket.mentor)


def _takes_part(ticket, user):
    return ticket.is_asked_by(user) or ticket.is_mentored_by(user) or user.is_staff


def _refuse_unless_writable(ticket, by):
    if not ticket.can_be_replied_to_by(by):
        refuse_former_mentor(ticket, by)
        refuse_unless(ticket, allowed=_takes_part(ticket, by))


def _as_it_is(reply, ticket):
    """The reply as it is now, in a locked ticket that is not deleted."""
    reply = Reply.objects.select_related("author").get(pk=reply.pk)
    reply.ticket = ticket
    return reply
