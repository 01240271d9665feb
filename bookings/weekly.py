"""The same time of the week, week after week. Arithmetic only."""

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bookings.slots import Reason
from bookings.slots.local_days import instant, utc_datetime

FEWEST_WEEKS, MOST_WEEKS = 2, 12


class Week(NamedTuple):
    """One session of a series as it would be, and why it cannot be, if it cannot."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    blocked_from: dt.datetime
    blocked_until: dt.datetime
    reason: Reason | None


def weekly_starts(starts_at: dt.datetime, timezone: str, weeks: int) -> list[dt.datetime]:
    """`starts_at` and the weeks after it, at the same local time of `timezone` whatever the clocks do meanwhile.

    In a week whose clock jumps over that time, or shows it twice, it is the first instant at which the clock has
    reached it, as for working hours.
    """
    local = starts_at.astimezone(ZoneInfo(timezone))
    day, minute = local.toordinal(), local.hour * 60 + local.minute
    rest = dt.timedelta(seconds=local.second, microseconds=local.microsecond)
    later = [utc_datetime(instant(timezone, day + 7 * week, minute)) + rest for week in range(1, weeks)]
    return [starts_at.astimezone(dt.UTC), *later]


def weeks_in(calendar, starts_at: dt.datetime, *, duration_minutes: int, weeks: int):
    """The sessions of a series, each asked against a calendar with those before it; and the calendar with all that can
    be. Limits of days and weeks so count the series itself."""
    mentor, length = calendar.mentor, dt.timedelta(minutes=duration_minutes)
    before, after = (
        dt.timedelta(minutes=minutes) for minutes in (mentor.buffer_before_minutes, mentor.buffer_after_minutes)
    )
    asked = []
    for start in weekly_starts(starts_at, mentor.timezone, weeks):
        end = start + length
        reason = calendar.refusal(start, duration_minutes=duration_minutes)
        week = Week(start, end, start - before, end + after, reason)
        if reason is None:
            calendar = calendar.with_session(week)
        asked.append(week)
    return asked, calendar
