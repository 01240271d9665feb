"""The line for a full day, as its page shows it."""

from dataclasses import dataclass

from bookings import slots
from bookings.models import WaitingListEntry

Status = WaitingListEntry.Status


@dataclass(frozen=True)
class Line:
    """Those who wait for a day. `entry` is the viewer's own place, if any; `before` those who come first."""

    entry: WaitingListEntry | None
    before: int


def mark_full_days(days, calendar, *, viewer, zone, minutes, now):
    """Give each of `days` without times that a cancellation could free its `line`. One query, none where no day is
    full."""
    if all(day.parts for day in days):
        return
    bounds = {day.date: slots.local_day_bounds(str(zone), day.date) for day in days}
    since, until = bounds[days[0].date][0], bounds[days[-1].date][1]
    starts = calendar.at_best().free_starts(duration_minutes=minutes, since=since, until=until)
    may_free_up = {start.astimezone(zone).date() for start in starts}
    full = [day for day in days if not day.parts and day.date in may_free_up]
    if not full:
        return
    active = WaitingListEntry.objects.active(now).filter(mentor=calendar.mentor)
    entries = list(active.meeting(since, until).order_by("created_at", "id"))
    for day in full:
        begins, ends = bounds[day.date]
        met = [entry for entry in entries if entry.since < ends and entry.until > begins]
        mine = next((entry for entry in met if _is_for(entry, viewer, day.date, minutes)), None)
        before = met[: met.index(mine)] if mine else met
        waiting = [entry for entry in before if entry.status == Status.WAITING and entry.student_id != viewer.pk]
        day.line = Line(mine, len(waiting))


def _is_for(entry, viewer, date, minutes):
    return entry.student_id == viewer.pk and entry.date == date and entry.duration_minutes == minutes


def places_of(user, now):
    """The days for which this person waits, each with the number of those `before`."""
    mine = WaitingListEntry.objects.visible_to(user).active(now).in_line().with_place()
    return list(mine.select_related("mentor__user").order_by("since", "id"))


def held_for(user, now, mentor=None):
    """The times that are held for this person right now, the one that lapses first in front."""
    held = WaitingListEntry.objects.visible_to(user).held(now).select_related("mentor__user")
    return list(held.filter(mentor=mentor) if mentor else held)
