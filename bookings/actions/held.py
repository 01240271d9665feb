"""How a held time ends: its student books it, or it is passed on to whoever is next in line."""

from django.db import transaction

from bookings.actions import history, line, locks
from bookings.models import BusyTime, WaitingListEntry
from mentorbook.locks import limit_waiting, patiently
from notifications.actions import notify
from notifications.models import Kind

Status = WaitingListEntry.Status


def note_booked(appointment, *, now):
    """What a booking means for its student's places in this mentor's lines. Call it with the profiles locked.

    Who wanted a time on that day has one now; if another one was held, the next in line gets that.
    """
    mentor = appointment.mentor
    entries = list(WaitingListEntry.objects.active(now).filter(mentor=mentor, student=appointment.student_id))
    booked = [entry for entry in entries if entry.since <= appointment.starts_at < entry.until]
    if booked:
        end_entries(booked, Status.BOOKED)
    # Times held for this student were free in the calendar by which the booking noted when the mentor is free next.
    if booked or any(entry.is_held(now) for entry in entries):
        history.time_is_free_again([mentor], now=now)


def pass_on_if_lapsed(mentor_id, *, now) -> bool:
    """Before somebody else takes a time that was held for too long: it is the next in line's. In a transaction of its
    own, one query where nothing has lapsed. Whether something had."""
    has_lapsed = _has_lapsed(mentor_id, now)
    if has_lapsed:
        pass_on(mentor_id, now=now, only_lapsed=True)
    return has_lapsed


def _has_lapsed(mentor_id, now):
    return WaitingListEntry.objects.filter(mentor=mentor_id).lapsed(now).exists()


@patiently
@transaction.atomic
def pass_on(mentor_id, *, now, only_lapsed=False) -> int:
    """Bring this mentor's line up to date: lapsed holds are passed on, days that are over end, and free times, whatever
    freed them, are held for the first in line. How many entries changed. With `only_lapsed`, nothing is done where
    somebody else has passed on what had lapsed: of a crowd one does the work."""
    limit_waiting()
    mentor = locks.lock_mentor(mentor_id)
    if only_lapsed and not _has_lapsed(mentor_id, now):
        return 0
    entries = WaitingListEntry.objects.filter(mentor=mentor, status__in=WaitingListEntry.ACTIVE)
    over = list(entries.filter(until__lte=now).select_related("student"))
    lapsed = list(entries.filter(until__gt=now).lapsed(now).select_related("student"))
    end_entries(over, Status.OVER)
    end_entries(lapsed, Status.PASSED)
    for entry in lapsed:
        notify(
            entry.student,
            kind=Kind.WAITING_OVER,
            occasion=f"waiting:{entry.pk}",
            url=entry.get_absolute_url(),
            context={"entry": entry, "mentor": mentor.user},
        )
    offered = line.offer_freed_times([mentor], now=now)
    if over or lapsed or offered:
        history.refresh_next_free([mentor], now=now)
    return len(over) + len(lapsed) + offered


def end_entries(entries, status):
    """End these places in a line, and what is held for them, under the mentor's lock."""
    if not entries:
        return
    keys = [entry.pk for entry in entries]
    BusyTime.objects.filter(entry__in=keys).delete()
    WaitingListEntry.objects.filter(pk__in=keys).update(status=status)
    for entry in entries:
        entry.status = status
