"""How many tickets a mentor has solved, and how quickly."""

import datetime as dt
from statistics import median

from django.db.models import Count, Q

from mentors.actions import record_ticket_figures
from tickets.models import Ticket

LAST = 100  # how many of the mentor's latest tickets the medians are over


def refresh_figures(profile):
    """Count the mentor's tickets anew. Call it with the profile locked, after the ticket is saved."""
    tickets = Ticket.objects.for_mentor(profile).order_by()
    counts = tickets.aggregate(
        solved=Count("pk", filter=Q(status__in=Ticket.SOLVED)),
        answered=Count("pk", filter=Q(first_response_at__isnull=False)),
    )
    answered = tickets.filter(first_response_at__isnull=False)
    solved = tickets.filter(status__in=Ticket.SOLVED)
    record_ticket_figures(
        profile,
        **counts,
        first_response_minutes=_median_minutes(answered, "first_response_at"),
        solution_minutes=_median_minutes(solved, "resolved_at"),
    )


def _median_minutes(tickets, moment):
    spans = [
        ends - begins
        for begins, ends in tickets.order_by(f"-{moment}", "-id").values_list("assigned_at", moment)[:LAST]
        if begins is not None
    ]
    if not spans:
        return None
    return max(0, round(median(spans) / dt.timedelta(minutes=1)))
