"""The slot rules said a second time, slowly: every minute is looked at by itself.

Shares only the words (Hours, Rules, Reason) with bookings.slots. It has no intervals, no merging and no arithmetic with
UTC offsets: it watches the local clock tick. Everything here is a whole minute since 1970.
"""

import zoneinfo
from array import array
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from bookings.slots import Hours, Reason, Rules

# As the settings do: the tzdata package, not the operating system's copy.
zoneinfo.reset_tzpath(())

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minute_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(minutes=1)


def moment_of(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


class Clock:
    """A zone's clock over some days. `latest[i]` is the latest local minute that it has shown up to minute i."""

    def __init__(self, zone: str, first: int, count: int):
        self.first = first
        self.latest = array("q")
        tz = zoneinfo.ZoneInfo(zone)
        shown_so_far = 0
        for minute in range(first, first + count):
            local = moment_of(minute).astimezone(tz)
            shown_so_far = max(shown_so_far, local.toordinal() * 1440 + local.hour * 60 + local.minute)
            self.latest.append(shown_so_far)

    def first_minute(self, day: int, minute_of_day: int) -> int:
        """The first minute at which the clock has reached it, found by looking, not by computing."""
        wanted = day * 1440 + minute_of_day
        low = max(0, min(len(self.latest), wanted - self.latest[0] - 2 * 1440))
        for index in range(low, len(self.latest)):
            if self.latest[index] >= wanted:
                return self.first + index
        raise AssertionError("the clock does not run long enough")

    def day(self, minute: int) -> int:
        return self.latest[minute - self.first] // 1440


@lru_cache(maxsize=64)
def clock_around(zone: str, day: date) -> Clock:
    noon = minute_of(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    return Clock(zone, noon - 14 * 1440, 32 * 1440)


def verdicts(
    hours: Hours,
    rules: Rules,
    *,
    duration_minutes: int,
    busy,
    session_starts,
    student_busy=(),
    since: datetime,
    until: datetime,
    now: datetime,
    around: date,
) -> dict[datetime, Reason | None]:
    """For every whole minute from since to until: why no session may start, or None. `around` names the clock."""
    clock = clock_around(hours.timezone, around)
    first, last = minute_of(since), minute_of(until)
    low = first - 7 * 1440
    high = last + duration_minutes + 3 * 1440

    def marked(stretches):
        marks = bytearray(high - low)
        for start, end in stretches:
            for minute in range(max(start, low), min(end, high)):
                marks[minute - low] = 1
        return marks

    def windows():
        for day in range(clock.day(low) + 1, clock.day(high) - 1):
            on_date = date.fromordinal(day)
            listed = hours.overrides.get(on_date, hours.weekly.get(on_date.isoweekday(), ()))
            for opens, closes in listed:
                end_day = day if closes > opens else day + 1
                yield clock.first_minute(day, opens), clock.first_minute(end_day, closes)

    is_open = marked(windows())
    is_taken = marked((minute_of(start), minute_of(end)) for start, end in busy)
    is_student_taken = marked((minute_of(start), minute_of(end)) for start, end in student_busy)
    grid = _grid(clock, is_open, low)

    sessions_on: dict[int, int] = {}
    sessions_in_week: dict[int, int] = {}
    for moment in session_starts:
        day = clock.day(minute_of(moment))
        week = date.fromordinal(day).isocalendar()[:2]
        sessions_on[day] = sessions_on.get(day, 0) + 1
        sessions_in_week[week] = sessions_in_week.get(week, 0) + 1
    today = clock.day(minute_of(now))
    step = rules.slot_step_minutes or duration_minutes

    def verdict(minute):
        start, day = minute - low, clock.day(minute)
        end = start + duration_minutes
        week = date.fromordinal(day).isocalendar()[:2]
        if rules.is_away:
            return Reason.away
        if moment_of(minute) - now < timedelta(minutes=rules.minimum_notice_minutes):
            return Reason.notice
        if day - today > rules.booking_horizon_days:
            return Reason.horizon
        if not is_open[start]:
            override = hours.overrides.get(date.fromordinal(day))
            return Reason.day_off if override is not None and len(override) == 0 else Reason.outside_hours
        if 0 in is_open[start:end]:
            return Reason.too_short
        if 1 in is_student_taken[start:end]:
            return Reason.student_busy
        if 1 in is_taken[start - rules.buffer_before_minutes : end + rules.buffer_after_minutes]:
            return Reason.busy
        if rules.max_sessions_per_week is not None and sessions_in_week.get(week, 0) >= rules.max_sessions_per_week:
            return Reason.week_limit
        if rules.max_sessions_per_day is not None and sessions_on.get(day, 0) >= rules.max_sessions_per_day:
            return Reason.day_limit
        if (start - grid[start]) % step:
            return Reason.off_grid
        return None

    return {moment_of(minute): verdict(minute) for minute in range(first, last)}


def _grid(clock: Clock, is_open: bytearray, low: int) -> list[int]:
    """For every open minute, the minute at which its grid began."""
    grid = [0] * len(is_open)
    today = clock.day(low)
    # The first day is seen in part only, so it is never known to be wholly open.
    day_began = None
    for index, open_now in enumerate(is_open):
        after_open_day = False
        if (day := clock.day(low + index)) != today:
            # A day that the zone skips leaves nothing closed behind, so it was open too.
            skipped_a_day = day - today > 1
            after_open_day = skipped_a_day or (day_began is not None and 0 not in is_open[day_began:index])
            today, day_began = day, index
        if open_now:
            begins_here = index == 0 or not is_open[index - 1] or after_open_day
            grid[index] = index if begins_here else grid[index - 1]
    return grid
