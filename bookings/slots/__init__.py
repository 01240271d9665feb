"""From working hours and busy time to free slots: arithmetic only, no database, no clock, no Django.

A *start* is an instant at which a session begins. A start is free when the whole session lies inside the
mentor's hours, stands on the grid, keeps notice, horizon and limits, and, with its own buffers, meets no busy
time. One search answers the page, the API and the final check inside the booking transaction, so what is offered
can be booked and what is refused was not offered.

How local time becomes instants:

* A local time on a date is the first instant at which the local clock has reached it. In the hour that does not
  exist that is the moment of the change; in the hour that happens twice, its first passing. A local day runs from
  one midnight found so to the next; whatever counts days (horizon, limits, days off) counts these.
* A window belongs to the day on which it opens. One that runs into the next day keeps its tail even if that next
  day is a day off.
* Windows that touch or overlap are one stretch. The grid starts where the stretch starts, and starts again at
  each local midnight that follows a day open from beginning to end. So a mentor who is always open has a grid by
  local midnight, and no grid depends on more than the two days before: asking for another range moves no slot.
  (This cuts the grid only. A session may lie across that midnight.)

Inside, an instant is a whole number of seconds since 1970 and a local day is its `date.toordinal()`. Every
interval includes its start and excludes its end. Fractions of a second are rounded to the safe side. Busy times and
session starts may be given as such numbers too, the start rounded down and the end up: thousands are cheaper so.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from .intervals import Interval, cut
from .local_days import (
    DAY,
    FIRST_DAY,
    LAST_DAY,
    Instant,
    ceil_second,
    floor_second,
    local_day,
    midnight,
    monday,
    utc_datetime,
)
from .search import Search
from .terms import Busy, Closed, Hours, Reason, Rules

__all__ = [
    "Busy",
    "Closed",
    "Hours",
    "Instant",
    "Reason",
    "Rules",
    "closed_stretches",
    "first_free_slot",
    "free_slots",
    "local_day_bounds",
    "needed_range",
    "open_stretches",
    "refusal",
]

# A session that ends exactly where these begin is allowed, so they close what follows that last start, not it.
CLOSE_AFTER_LAST_START = {Reason.too_short, Reason.student_busy, Reason.busy}


def free_slots(
    hours: Hours,
    rules: Rules,
    *,
    duration_minutes: int,
    busy: Iterable[tuple[Instant, Instant]],
    session_starts: Iterable[Instant],
    student_busy: Iterable[tuple[Instant, Instant]] = (),
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[datetime]:
    """The starts that can be booked with since <= start < until, earliest first, in UTC.

    `busy` is the mentor's, with the existing sessions' own buffers included; the new session's are added here.
    `session_starts` are the mentor's sessions that count towards the limits, for all of every local week that
    the range touches; more do no harm (see `needed_range`). `student_busy` is the student's and plain: it is
    compared with the new session without buffers. None of them need be sorted. A naive datetime, a session or a
    step below one minute raise ValueError.
    """
    search = Search(hours, rules, duration_minutes, busy, session_starts, student_busy, now)
    return list(map(utc_datetime, search.free_starts(ceil_second(since), ceil_second(until))))


def first_free_slot(
    hours: Hours,
    rules: Rules,
    *,
    duration_minutes: int,
    busy: Iterable[tuple[Instant, Instant]],
    session_starts: Iterable[Instant],
    student_busy: Iterable[tuple[Instant, Instant]] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
) -> datetime | None:
    """The first of `free_slots` or None. Without `since` and `until`: from now to the end of the horizon.

    Looks at a few days first and at more only while nothing is found.
    """
    if rules.is_away:
        return None
    search = Search(hours, rules, duration_minutes, busy, session_starts, student_busy, now)
    position = search.earliest if since is None else max(ceil_second(since), search.earliest)
    end = search.horizon_end if until is None else min(ceil_second(until), search.horizon_end)
    span = 3 * DAY
    while position < end:
        if starts := search.free_starts(position, min(position + span, end)):
            return utc_datetime(starts[0])
        position += span
        span *= 2
    return None


def refusal(
    hours: Hours,
    rules: Rules,
    *,
    duration_minutes: int,
    start: datetime,
    busy: Iterable[tuple[Instant, Instant]],
    session_starts: Iterable[Instant],
    student_busy: Iterable[tuple[Instant, Instant]] = (),
    now: datetime,
) -> Reason | None:
    """Why a session may not begin at `start`; None exactly where `free_slots` offers it."""
    search = Search(hours, rules, duration_minutes, busy, session_starts, student_busy, now)
    second = floor_second(start)
    if not start.microsecond and search.free_starts(second, second + 1):
        return None
    for reason, intervals in search.closures(second, second + 1):
        if any(begins <= second < ends for begins, ends in intervals):
            return reason
    return Reason.off_grid


def closed_stretches(
    hours: Hours,
    rules: Rules,
    *,
    duration_minutes: int,
    busy: Iterable[tuple[Instant, Instant]],
    session_starts: Iterable[Instant],
    student_busy: Iterable[tuple[Instant, Instant]] = (),
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Closed]:
    """Where between since and until no session may start, and why: sorted, disjoint, arguments of `free_slots`.

    Speaks of starts, not of time taken: a session of 60 minutes before a meeting at 11:00 may start at 10:00 at the
    latest, so the meeting closes what follows 10:00, and its stretch is shown from 10:00 although 10:00 itself is still
    possible. Precisely, every whole second of the range is one of three:

    * later than a stretch's start and earlier than its end: `refusal` gives the stretch's reason;
    * the start of a stretch: the same, or still possible, or with the reason of the stretch that ends there;
    * in no stretch: possible. Of the possible, those on the grid are `free_slots`, and to the others `refusal` says
      `Reason.off_grid`.

    Neighbours with one reason are joined, so outside_hours may run over midnight; ask day by day to have days.
    """
    search = Search(hours, rules, duration_minutes, busy, session_starts, student_busy, now)
    first, last = ceil_second(since), ceil_second(until)
    open_intervals: list[Interval] = [(first, last)] if first < last else []
    closed: list[tuple[int, int, Reason, bool]] = []
    for reason, intervals in search.closures(first, last):
        open_intervals, taken = cut(open_intervals, intervals)
        after_last_start = {start for start, _ in intervals} if reason in CLOSE_AFTER_LAST_START else set()
        closed += [(start, end, reason, start in after_last_start) for start, end in taken]

    joined: list[Closed] = []
    for start, end, reason, is_after_last_start in sorted(closed):
        before = joined[-1] if joined and joined[-1].end == utc_datetime(start) else None
        if before and before.reason == reason:
            joined[-1] = before._replace(end=utc_datetime(end))
            continue
        # The reader wants to see 10:00, not 10:00:01, unless that second is all there is of the stretch before.
        shown_from = utc_datetime(start - 1 if is_after_last_start and start > first else start)
        if before and before.start < shown_from:
            joined[-1] = before._replace(end=shown_from)
        elif before:
            shown_from = before.end
        joined.append(Closed(shown_from, utc_datetime(end), reason))
    return joined


def open_stretches(hours: Hours, *, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The hours themselves between since and until, cut off there, whatever takes time in them; sorted, disjoint."""
    search = Search(hours, Rules(), 1, (), (), (), since)
    first, last = ceil_second(since), ceil_second(until)
    return [(utc_datetime(start), utc_datetime(end)) for start, end in search.open_intervals(first, last)]


def local_day_bounds(timezone: str, day: date) -> tuple[datetime, datetime]:
    """The local day as [start, end) in UTC. Empty for a day that the zone skipped (Apia, 2011-12-30)."""
    number = min(max(day.toordinal(), FIRST_DAY), LAST_DAY)
    return utc_datetime(midnight(timezone, number)), utc_datetime(midnight(timezone, number + 1))


def needed_range(
    since: datetime, until: datetime, timezone: str, *, whole_weeks: bool = True, margin_minutes: int = 1_440
) -> tuple[datetime, datetime]:
    """The range in UTC whose appointments a search from since to until must know: local weeks and a margin.

    Load every appointment that overlaps it. The margin must be at least as long as the longest session with both
    sessions' buffers; a day is plenty. Without a limit of the week, whole local days will do.
    """
    first, last = local_day(timezone, floor_second(since)), local_day(timezone, ceil_second(until) - 1) + 1
    if whole_weeks:
        first, last = monday(first), monday(last - 1) + 7
    margin = timedelta(minutes=margin_minutes)
    return utc_datetime(midnight(timezone, first)) - margin, utc_datetime(midnight(timezone, last)) + margin
