"""Which tickets a list has, and in which order."""

from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed
from mentors.models import Tag
from tickets.matching import Queue
from tickets.models import Ticket
from tickets.search import search_tickets

ORDERS = {
    "created_at": ("created_at", "id"),
    "-created_at": ("-created_at", "-id"),
    "active_at": ("active_at", "id"),
    "-active_at": ("-active_at", "-id"),
}


class MentorsOnly(NotAllowed):
    """The queue is for those who may take something from it."""

    code = "mentors_only"
    message = _("The queue is for approved mentors.")


def mine(user):
    return Ticket.objects.of_student(user)


def queue(user):
    if not user.is_mentor:
        raise MentorsOnly
    return Ticket.objects.queue_for(user).order_by("opened_at", "id")


def assigned(user):
    return _own(user).assigned().awaited_first()


def resolved(user):
    return _own(user).filter(status__in=Ticket.SOLVED).order_by("-resolved_at", "-id")


def everything(user):
    return Ticket.objects.visible_to(user)


SCOPES = {"mine": mine, "queue": queue, "assigned": assigned, "resolved": resolved, "all": everything}


def tickets_of(user, wish, *, now):
    """The tickets that `wish` (TicketFilters) asks for, as rows in a stable order, and what makes a ticket of a row."""
    scope = wish.scope or ("queue" if user.is_mentor else "mine")
    rows = SCOPES[scope](user)
    found = Tag.objects.by_spelling(wish.tag) if wish.tag else {}
    if len(found) < len(set(wish.tag)):
        return [], _itself
    tags = list(dict.fromkeys(found.values()))
    rows = rows.with_tags(*tags).for_rows()
    if wish.status:
        rows = rows.filter(status=wish.status)
    order = ORDERS.get(wish.ordering)
    results = search_tickets(rows, wish.q)
    if not results.is_empty:
        if order is None:
            return results, _ticket
        rows = rows.filter(pk__in=results.ids)
    elif scope == "queue" and order is None and wish.status in (None, Ticket.Status.OPEN):
        return Queue(user.mentor_profile, now=now, tags=tags), _ticket
    return (rows.order_by(*order) if order else rows), _itself


def _own(user):
    """What somebody works on: mentors in what they have taken, everybody else in what they asked, and in what they
    took before they lost the approval."""
    return Ticket.objects.for_mentor(user.mentor_profile) if user.is_mentor else Ticket.objects.involving(user)


def _itself(ticket):
    return ticket


def _ticket(row):
    return row.ticket
