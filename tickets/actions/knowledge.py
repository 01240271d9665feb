"""What readers do with an article, and what staff do about one."""

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from tickets.actions import history, locks, texts
from tickets.actions.states import TicketDeleted
from tickets.models import Bookmark, Ticket, TicketEvent, Upvote

Kind = TicketEvent.Kind


class NotAnArticle(Refused):
    code = "not_an_article"
    message = _("This is not in the knowledge base, or not any more.")


class OwnWork(Refused):
    code = "own_work"
    status = 403
    message = _("That is for other people's work: this one is yours.")


@patiently
@transaction.atomic
def upvote_article(ticket, *, by, now) -> Ticket:
    """Say that the article helped. Once a person: the second time changes nothing."""
    ticket = _lock_others_article(ticket, by)
    _upvote, is_new = Upvote.objects.get_or_create(ticket=ticket, user=by, defaults={"created_at": now})
    return _count(ticket, 1) if is_new else ticket


@patiently
@transaction.atomic
def remove_upvote(ticket, *, by) -> Ticket:
    """Take it back; without one, nothing happens."""
    ticket = _lock(ticket, by)
    gone, _by_model = Upvote.objects.filter(ticket=ticket, user=by).delete()
    return _count(ticket, -1) if gone else ticket


@patiently
@transaction.atomic
def bookmark_article(ticket, *, by, now) -> Ticket:
    """Keep the article for later. The second time changes nothing."""
    ticket = _lock_others_article(ticket, by)
    Bookmark.objects.get_or_create(ticket=ticket, user=by, defaults={"created_at": now})
    return ticket


@patiently
@transaction.atomic
def remove_bookmark(ticket, *, by) -> Ticket:
    """Forget it; without one, nothing happens."""
    ticket = _lock(ticket, by)
    Bookmark.objects.filter(ticket=ticket, user=by).delete()
    return ticket


@patiently
@transaction.atomic
def hide_article(ticket, *, by, reason: str, now) -> Ticket:
    """Take the article out of the knowledge base, as staff. Its own people keep it as a ticket."""
    if not by.is_staff:
        raise NotAllowed
    ticket = _lock(ticket, by)
    if ticket.status in Ticket.SOLVED and ticket.hidden_at is not None:
        return ticket
    if not ticket.is_article:
        raise NotAnArticle
    reason = texts.clean_reason(reason, at_most=Ticket._meta.get_field("hidden_reason").max_length)
    history.move(ticket, Kind.HIDDEN, by=by, now=now, reason=reason, hidden_at=now, hidden_by=by, hidden_reason=reason)
    return ticket


@patiently
@transaction.atomic
def show_article(ticket, *, by, reason: str = "", now) -> Ticket:
    """Let a hidden article be found again, as staff; one that is not hidden stays as it is."""
    if not by.is_staff:
        raise NotAllowed
    ticket = _lock(ticket, by)
    if ticket.status == Ticket.Status.DELETED:
        raise TicketDeleted
    if ticket.hidden_at is None:
        return ticket
    reason = texts.clean_reason(reason, required=False)
    history.move(ticket, Kind.SHOWN, by=by, now=now, reason=reason, hidden_at=None, hidden_by=None, hidden_reason="")
    return ticket


def _lock(ticket, by):
    if not by.is_authenticated:
        raise NotAllowed
    limit_waiting()
    return locks.lock_ticket_alone(ticket)


def _lock_others_article(ticket, by):
    ticket = _lock(ticket, by)
    if not ticket.is_article:
        raise NotAnArticle
    if not ticket.can_be_voted_by(by):
        raise OwnWork
    return ticket


def _count(ticket, change):
    Ticket.objects.filter(pk=ticket.pk).update(upvote_count=F("upvote_count") + change)
    ticket.refresh_from_db(fields=["upvote_count"])
    return ticket
