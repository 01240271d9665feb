"""What changes of a ticket leave behind: the new state, a line of history, word to the people, and the search."""

from notifications.actions import notify
from notifications.models import Kind
from tickets.models import REASON_LENGTH, Ticket, TicketEvent
from tickets.search import index_ticket

Side = Ticket.Side
TEXT_TOLD = 2_000


def move(ticket, kind, *, by, now, about=None, reason="", **changes):
    """Change a locked ticket and write that down as `kind`.

    `by` is None for what happens by itself; `about` is the mentor who got, had or solved it.
    """
    from_status = ticket.status
    for name, value in changes.items():
        setattr(ticket, name, value)
    ticket.active_at = now
    ticket.save(update_fields=[*changes, "active_at"])
    return record(ticket, kind, from_status=from_status, by=by, mentor=about, reason=reason, now=now)


def record(ticket, kind, *, from_status="", by, mentor=None, reason="", now) -> TicketEvent:
    """Write one line of history: that the ticket came from `from_status` to the status it has."""
    return TicketEvent.objects.create(
        ticket=ticket,
        kind=kind,
        from_status=from_status,
        to_status=ticket.status,
        actor=by,
        mentor=mentor,
        reason=reason if len(reason) <= REASON_LENGTH else reason[: REASON_LENGTH - 1] + "…",
        created_at=now,
    )


def waiting(ticket, side, *, now) -> dict:
    """The changes that make the ticket wait on `side`: since now, or since it began to."""
    if ticket.waiting_on == side:
        return {}
    return {"waiting_on": side, "waiting_since": now}


def tell(ticket, *recipients, kind, event, **facts):
    """Tell `recipients` what `event` did, once each."""
    facts = {"by": event.actor, "reason": event.reason, **facts}
    _tell(ticket, recipients, kind, f"ticket:{ticket.pk}:event:{event.pk}", ticket.get_absolute_url(), facts)


def tell_reply(reply):
    """Tell the people of the ticket, but not its author, what was written."""
    ticket = reply.ticket
    people = [ticket.student, *([ticket.mentor.user] if ticket.mentor_id else [])]
    others = [person for person in people if person.pk != reply.author_id]
    facts = {"by": reply.author, "text": shortened(reply.text)}
    _tell(ticket, others, Kind.TICKET_REPLY, f"ticket:{ticket.pk}:reply:{reply.pk}", reply.get_absolute_url(), facts)


def tell_at(ticket, recipient, *, kind, occasion, **facts):
    """Tell `recipient` what time has brought; `occasion` makes it once."""
    _tell(ticket, [recipient], kind, occasion, ticket.get_absolute_url(), facts)


def shortened(text):
    """`text` for a notification."""
    return text if len(text) <= TEXT_TOLD else text[: TEXT_TOLD - 1] + "…"


def _tell(ticket, recipients, kind, occasion, url, facts):
    for recipient in recipients:
        notify(
            recipient,
            kind=kind,
            occasion=occasion,
            url=url,
            context={
                "ticket": ticket,
                "student": ticket.student,
                "mentor": ticket.mentor.user if ticket.mentor_id else None,
                "for_student": ticket.is_asked_by(recipient),
                **facts,
            },
        )


def refresh_index(ticket):
    """Let the search find the ticket by what it says now; call it after whatever changes that.

    Whether it may be found depends on its state, which every search asks for itself.
    """
    index_ticket(ticket)
