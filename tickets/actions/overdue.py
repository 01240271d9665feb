"""What time does to tickets by itself. Each one is dealt with in a transaction of its own."""

import datetime as dt

from django.conf import settings
from django.db import transaction

from mentorbook.jobs import deal_with_each
from mentorbook.locks import patiently
from notifications.models import Kind as Told
from notifications.models import Notification
from tickets.actions import history, locks
from tickets.actions.solving import close_locked
from tickets.actions.taking import put_back
from tickets.models import Ticket, TicketEvent

Status = Ticket.Status
Kind = TicketEvent.Kind

NUDGED_AFTER_DAYS = (2, 1)
WARNED_BEFORE = dt.timedelta(days=1)


def release_silent_tickets(*, now, dry_run=False) -> int:
    """Put tickets back into the queue whose mentor has been awaited for TICKETS_RELEASED_AFTER_DAYS; how many."""
    silent = Ticket.objects.silent_since(_silent_from(now))
    return deal_with_each(_without_texts(silent), lambda ticket: _release(ticket, now), dry_run=dry_run)


def nudge_silent_mentors(*, now, dry_run=False) -> int:
    """Remind mentors of tickets that have awaited them for one day and for two, once each; how many reminders."""
    first = now - dt.timedelta(days=min(NUDGED_AFTER_DAYS))
    waiting = Ticket.objects.silent_since(first).filter(waiting_since__gt=_silent_from(now))
    due = _not_told(waiting, Told.TICKET_NUDGE, lambda ticket: _nudge(ticket, now)[1])
    return deal_with_each(due, lambda ticket: _remind(ticket, now), dry_run=dry_run)


def warn_before_closing(*, now, dry_run=False) -> int:
    """Tell students, a day ahead, that their solved ticket closes by itself; how many were told."""
    solved = Ticket.objects.solved_before(_closed_from(now) + WARNED_BEFORE).filter(resolved_at__gt=_closed_from(now))
    return deal_with_each(
        _not_told(solved, Told.TICKET_CLOSES_SOON, _warning), lambda ticket: _warn(ticket, now), dry_run=dry_run
    )


def close_solved_tickets(*, now, dry_run=False) -> int:
    """Close tickets that have been solved for TICKETS_CLOSE_AFTER_DAYS; how many."""
    solved = Ticket.objects.solved_before(_closed_from(now))
    return deal_with_each(_without_texts(solved), lambda ticket: _close(ticket, now), dry_run=dry_run)


# --- One ticket -------------------------------------------------------------------------------------------------------


@patiently
@transaction.atomic
def _release(ticket, now) -> bool:
    ticket = locks.lock_ticket(ticket)
    if not _is_silent(ticket, _silent_from(now)):
        return False
    mentor = ticket.mentor
    event = put_back(ticket, Kind.RELEASED_SILENT, by=None, now=now)
    history.tell(
        ticket, ticket.student, mentor.user, kind=Told.TICKET_RELEASED, event=event, mentor=mentor.user, by_itself=True
    )
    return True


@patiently
@transaction.atomic
def _remind(ticket, now) -> bool:
    ticket = locks.lock_ticket_alone(ticket)
    if not _is_silent(ticket, now - dt.timedelta(days=min(NUDGED_AFTER_DAYS))):
        return False
    days, occasion = _nudge(ticket, now)
    released_at = ticket.waiting_since + dt.timedelta(days=settings.TICKETS_RELEASED_AFTER_DAYS)
    history.tell_at(
        ticket, ticket.mentor.user, kind=Told.TICKET_NUDGE, occasion=occasion, days=days, released_at=released_at
    )
    return True


@patiently
@transaction.atomic
def _warn(ticket, now) -> bool:
    ticket = locks.lock_ticket_alone(ticket)
    if ticket.status != Status.RESOLVED or ticket.resolved_at > _closed_from(now) + WARNED_BEFORE:
        return False
    closes_at = ticket.resolved_at + dt.timedelta(days=settings.TICKETS_CLOSE_AFTER_DAYS)
    history.tell_at(
        ticket, ticket.student, kind=Told.TICKET_CLOSES_SOON, occasion=_warning(ticket), closes_at=closes_at
    )
    return True


@patiently
@transaction.atomic
def _close(ticket, now) -> bool:
    ticket = locks.lock_ticket(ticket)
    if ticket.status != Status.RESOLVED or ticket.resolved_at > _closed_from(now):
        return False
    event = close_locked(ticket, Kind.CLOSED_BY_ITSELF, by=None, now=now)
    history.tell(ticket, ticket.student, ticket.mentor.user, kind=Told.TICKET_CLOSED, event=event)
    return True


def _is_silent(ticket, since):
    return (
        ticket.status == Status.ASSIGNED and ticket.waiting_on == Ticket.Side.MENTOR and ticket.waiting_since <= since
    )


def _silent_from(now):
    return now - dt.timedelta(days=settings.TICKETS_RELEASED_AFTER_DAYS)


def _closed_from(now):
    return now - dt.timedelta(days=settings.TICKETS_CLOSE_AFTER_DAYS)


def _nudge(ticket, now):
    """After how many days this reminder is, and its occasion. After a pause of the jobs only the later one is sent."""
    waited = now - ticket.waiting_since
    days = next(days for days in NUDGED_AFTER_DAYS if waited >= dt.timedelta(days=days))
    return days, f"ticket:{ticket.pk}:nudge:{days}:{ticket.waiting_since.isoformat()}"


def _warning(ticket):
    return f"ticket:{ticket.pk}:closes:{ticket.resolved_at.isoformat()}"


def _not_told(tickets, kind, occasion_of):
    """Those of `tickets` whose people have not been told of their occasion yet."""
    occasions = {occasion_of(ticket): ticket for ticket in _without_texts(tickets)}
    told = Notification.objects.filter(kind=kind, occasion__in=occasions).values_list("occasion", flat=True)
    return [ticket for occasion, ticket in occasions.items() if occasion not in set(told)] if occasions else []


def _without_texts(tickets):
    """What the sweeps read of each; whoever deals with one reads it anew under a lock."""
    return tickets.only("waiting_since", "resolved_at")
