"""Who else may read a ticket: apps above this one say for whom they open which tickets (the mentor of a session about
it). Reading only; the knowledge base and its search ask nobody."""

from collections.abc import Callable

from django.db.models import Q, QuerySet

# Called with a person who is signed in; returns the ids of tickets to open, as a query that has not run, or None.
Opener = Callable[[object], QuerySet | None]

_openers: list[Opener] = []


def open_tickets_for(opener: Opener) -> None:
    """Called by such an app from its AppConfig.ready; the same opener twice is one."""
    if opener not in _openers:
        _openers.append(opener)


def opened_for(user) -> Q:
    """The tickets that other apps open for `user`, as a condition on tickets; empty where there are none."""
    condition = Q()
    for opener in _openers:
        if (ids := opener(user)) is not None:
            condition |= Q(pk__in=ids)
    return condition
