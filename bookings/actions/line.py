"""Who is next: a time that frees up is held for the first in line who can use it."""

import datetime as dt
from collections import defaultdict
from dataclasses import replace

from django.conf import settings

from bookings import availability
from bookings.models import BusyTime, WaitingListEntry
from notifications.actions import notify
from notifications.models import Kind

Status = WaitingListEntry.Status

# What could be held for less than that, because the mentor's notice begins, is of no use to anybody who has to read a
# mail first. It stays free for whoever happens to look.
SHORTEST_HOLD = dt.timedelta(minutes=5)
# What somebody does after the last start of a day may be in the way of a session that begins then.
LONGEST_SESSION = dt.timedelta(hours=4)


def offer_freed_times(profiles, *, now) -> int:
    """Hold the free times on days of these mentors that people wait for, first come first, and tell them; how many.

    Each gets the first start within their own day, for their length, at which they are free themselves. Call it inside
    the transaction in which the time frees up and with the profiles locked: nobody can come in between, and every
    entry and hold of a mentor changes under that mentor's lock. One query where nobody waits.
    """
    by_mentor = defaultdict(list)
    active = WaitingListEntry.objects.active(now).filter(mentor__in=[profile.pk for profile in profiles])
    for entry in active.select_related("student__mentor_profile").order_by("created_at", "id"):
        by_mentor[entry.mentor_id].append(entry)
    offered = 0
    for mentor in profiles:
        if mentor.pk in by_mentor and mentor.is_approved and mentor.user.is_active:
            offered += _offer(mentor, by_mentor[mentor.pk], now)
    return offered


def _offer(mentor, line, now):
    begins, ends = max(now, min(entry.since for entry in line)), max(entry.until for entry in line)
    # Seen by nobody: every held time is taken, also for the person for whom it is held.
    calendar = availability.load_calendar(mentor, now=now, since=begins, until=ends)
    holding = [entry for entry in line if entry.is_held(now)]
    offered, busy = 0, None
    for entry in line:
        if entry.status != Status.WAITING or entry.duration_minutes not in mentor.session_minutes:
            continue
        # Nobody has two times of the same day held while others wait.
        if any(other.student_id == entry.student_id and _same_time(other, entry) for other in holding):
            continue
        if not entry.student.is_active or not _starts_worth_holding(calendar, entry, now):
            continue  # most of the time: no need to ask what people do otherwise
        if busy is None:
            people = [waiting.student for waiting in line]
            busy = availability.busy_of_people(people, since=begins, until=ends + LONGEST_SESSION, now=now)
        own = replace(calendar, student_busy=tuple(busy[entry.student_id]))
        starts = _starts_worth_holding(own, entry, now)
        if not starts:
            continue
        start = starts[0]
        calendar = calendar.with_session(_hold(mentor, entry, start, now))
        holding.append(entry)
        offered += 1
    return offered


def _same_time(entry, other):
    return entry.since < other.until and other.since < entry.until


def _starts_worth_holding(calendar, entry, now):
    starts = calendar.free_starts(
        duration_minutes=entry.duration_minutes, since=max(now, entry.since), until=entry.until
    )
    shortest = min(SHORTEST_HOLD, _longest_hold())
    return [start for start in starts if _last_moment(calendar.mentor, start) - now >= shortest]


def _longest_hold():
    return dt.timedelta(minutes=settings.WAITING_HOLD_MINUTES)


def _last_moment(mentor, start):
    """Until when `start` can be booked at all."""
    return start - dt.timedelta(minutes=mentor.minimum_notice_minutes)


def _hold(mentor, entry, start, now):
    end = start + dt.timedelta(minutes=entry.duration_minutes)
    entry.status = Status.OFFERED
    entry.offered_starts_at = start
    entry.offered_until = min(now + _longest_hold(), _last_moment(mentor, start))
    entry.save(update_fields=["status", "offered_starts_at", "offered_until"])
    held = BusyTime.objects.create(
        kind=BusyTime.Kind.WAITING,
        mentor=mentor,
        student=entry.student,
        starts_at=start,
        ends_at=end,
        blocked_from=start - dt.timedelta(minutes=mentor.buffer_before_minutes),
        blocked_until=end + dt.timedelta(minutes=mentor.buffer_after_minutes),
        expires_at=entry.offered_until,
        entry=entry,
    )
    notify(
        entry.student,
        kind=Kind.WAITING_OFFER,
        occasion=f"waiting:{entry.pk}",
        url=entry.get_absolute_url(),
        context={
            "entry": entry,
            "mentor": mentor.user,
            "price_points": mentor.price_points(entry.duration_minutes),
        },
    )
    return held
