"""What time does to appointments by itself. Each one is dealt with in a transaction of its own."""

import datetime as dt

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from bookings.actions import history, locks
from bookings.actions.endings import complete_appointment
from bookings.models import Appointment
from mentorbook.errors import Refused
from mentorbook.jobs import deal_with_each
from mentorbook.locks import patiently
from mentors.models import MentorProfile
from wallets.actions import release_hold

Status = Appointment.Status

NEXT_FREE_HOLDS = dt.timedelta(minutes=15)
BATCH = 50


def expire_requests(*, now, dry_run=False) -> int:
    """Let requests that nobody answered in time expire, all points back; how many there were."""
    return deal_with_each(
        Appointment.objects.unanswered(now), lambda overdue: expire_request(overdue, now=now), dry_run=dry_run
    )


def complete_past_appointments(*, now, dry_run=False) -> int:
    """Complete sessions that nobody concluded COMPLETES_AFTER_HOURS after their end; how many there were."""
    overdue = Appointment.objects.ended_before(now - dt.timedelta(hours=settings.COMPLETES_AFTER_HOURS))

    def complete(appointment):
        try:
            complete_appointment(appointment, by=None, now=now)
        except Refused:
            if Appointment.objects.get(pk=appointment.pk).status == Status.CONFIRMED:
                raise
            return False  # somebody concluded it in the meantime
        return True

    return deal_with_each(overdue, complete, dry_run=dry_run)


@patiently
@transaction.atomic
def expire_request(appointment, *, now) -> bool:
    """Let one request expire if it is still unanswered and its time is over; whether it did."""
    appointment, profiles = locks.lock_appointment(appointment)
    if not appointment.is_unanswered(now):
        return False
    release_hold(appointment.escrow, by=None, subject=appointment)
    event = history.move(appointment, Status.EXPIRED, by=None, returned=appointment.price_points, now=now)
    history.tell_both_sides(appointment, event=event)
    history.time_is_free_again(profiles, now=now)
    return True


def refresh_next_free_times(*, now, dry_run=False) -> int:
    """Note again when mentors are free next, for all whose note has grown old; how many there were.

    Bookings note it at once. Time itself, and settings that mentors change, make the note stale.
    """
    never_or_long_ago = Q(next_free_checked_at=None) | Q(next_free_checked_at__lte=now - NEXT_FREE_HOLDS)
    stale = MentorProfile.objects.listed().filter(never_or_long_ago)
    ids = list(stale.order_by("pk").values_list("pk", flat=True))
    if not dry_run:
        for first in range(0, len(ids), BATCH):
            with transaction.atomic():
                profiles = MentorProfile.objects.filter(pk__in=ids[first : first + BATCH]).order_by("pk")
                # One that is being booked now is noted by that booking.
                history.refresh_next_free(list(profiles.select_for_update(no_key=True, skip_locked=True)), now=now)
    return len(ids)
