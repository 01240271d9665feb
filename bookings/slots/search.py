"""One question put to the slot arithmetic, computed in whole seconds."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, datetime

from .intervals import NEVER, Interval, cut, merged
from .local_days import (
    LAST_DAY,
    MINUTE,
    Instant,
    ceil_second,
    floor_second,
    instant,
    local_day,
    local_days,
    midnight,
    monday,
)
from .terms import Hours, Reason, Rules


class Stretch:
    """Merged windows [start, end), and the midnights at which the grid starts again inside them, ascending."""

    __slots__ = ("end", "midnights", "start")

    def __init__(self, start: int, end: int):
        self.start = start
        self.end = end
        self.midnights: list[int] = []


class Search:
    """The arguments of one question in whole seconds. Does per range only what that range needs."""

    def __init__(
        self,
        hours: Hours,
        rules: Rules,
        duration_minutes: int,
        busy: Iterable[tuple[Instant, Instant]],
        session_starts: Iterable[Instant],
        student_busy: Iterable[tuple[Instant, Instant]],
        now: datetime,
    ):
        step_minutes = duration_minutes if rules.slot_step_minutes is None else rules.slot_step_minutes
        if duration_minutes < 1 or step_minutes < 1:
            raise ValueError("The session and the slot step must last at least a minute.")
        self.zone = hours.timezone
        self.hours = hours
        self.rules = rules
        self.duration = duration_minutes * MINUTE
        self.step = step_minutes * MINUTE
        self.earliest = ceil_second(now) + rules.minimum_notice_minutes * MINUTE
        last_day = min(local_day(self.zone, floor_second(now)) + rules.booking_horizon_days, LAST_DAY)
        self.horizon_end = midnight(self.zone, last_day + 1)
        self.busy = _hindered_starts(
            busy, rules.buffer_before_minutes * MINUTE, self.duration + rules.buffer_after_minutes * MINUTE
        )
        self.student_busy = _hindered_starts(student_busy, 0, self.duration)
        self.taken = merged(self.busy + self.student_busy) if self.student_busy else self.busy
        limits = [n for n in (rules.max_sessions_per_day, rules.max_sessions_per_week) if n is not None]
        self.session_starts = sorted(map(floor_second, session_starts)) if limits else []
        # With fewer sessions than that, no day and no week can be full.
        self.may_be_full = bool(limits) and len(self.session_starts) >= min(limits)

    def free_starts(self, since: int, until: int) -> list[int]:
        """The free starts with since <= start < until, ascending."""
        since, until = max(since, self.earliest), min(until, self.horizon_end)
        if since >= until or self.rules.is_away:
            return []
        hindered = self.taken
        if self.may_be_full and (full := self._full_weeks(since, until) + self._full_days(since, until)):
            hindered = merged(hindered + full)
        hindered_count = len(hindered)
        # The last one that begins at or before `since` may reach into the range; none before it can.
        next_hindered = max(bisect_right(hindered, (since, NEVER)) - 1, 0)

        step = self.step
        starts: list[int] = []
        for stretch in self._stretches(since, until):
            last_start = stretch.end - self.duration
            anchor = stretch.start
            for grid_end in (*stretch.midnights, NEVER):
                end = min(until, grid_end, last_start + 1)
                start = anchor if anchor >= since else since + (anchor - since) % step
                while start < end:
                    while next_hindered < hindered_count and hindered[next_hindered][1] <= start:
                        next_hindered += 1
                    if next_hindered == hindered_count:
                        starts.extend(range(start, end, step))
                        break
                    hindered_from, hindered_until = hindered[next_hindered]
                    if start < hindered_from:
                        starts.extend(range(start, min(hindered_from, end), step))
                    start = hindered_until + (anchor - hindered_until) % step
                anchor = grid_end
        return starts

    def open_intervals(self, since: int, until: int) -> list[Interval]:
        """What of [since, until) lies in the hours: sorted, disjoint."""
        if since >= until:
            return []
        stretches = self._stretches(since, until)
        _outside, inside = cut([(since, until)], [(stretch.start, stretch.end) for stretch in stretches])
        return inside

    def closures(self, since: int, until: int) -> Iterator[tuple[Reason, list[Interval]]]:
        """For each reason, in the order of `Reason`, where in the range it forbids to start: sorted, disjoint."""
        if self.rules.is_away:
            yield Reason.away, [(since, until)]
            return
        yield Reason.notice, [(since, min(until, self.earliest))]
        yield Reason.horizon, [(max(since, self.horizon_end), until)]
        # The two have answered for everything outside this range, however far the caller's goes.
        since, until = max(since, self.earliest), min(until, self.horizon_end)
        if since >= until:
            return
        stretches = self._stretches(since, until)
        outside, _ = cut([(since, until)], [(stretch.start, stretch.end) for stretch in stretches])
        outside, day_off = cut(outside, self._days_off(since, until))
        yield Reason.day_off, day_off
        yield Reason.outside_hours, outside
        yield (
            Reason.too_short,
            [(max(stretch.start, stretch.end - self.duration + 1), stretch.end) for stretch in stretches],
        )
        yield Reason.student_busy, self.student_busy
        yield Reason.busy, self.busy
        yield Reason.week_limit, self._full_weeks(since, until)
        yield Reason.day_limit, self._full_days(since, until)

    def _stretches(self, since: int, until: int) -> list[Stretch]:
        """The stretches that hold or touch any of [since, until), right as far as a session from there reaches.

        Two days are read before the first: the windows of the day before tell whether that day is wholly open
        or where in it the stretch began, and the windows of the day before that can run into it.
        """
        first = local_day(self.zone, since)
        last = local_day(self.zone, until + self.duration)
        stretches: list[Stretch] = []
        stretch = Stretch(-NEVER, -NEVER)
        yesterday = NEVER
        weekly, overrides = self.hours.weekly, self.hours.overrides
        for day, weekday, today, has_even_clock in local_days(self.zone, first - 2, last):
            if stretch.start <= yesterday and stretch.end >= today:
                stretch.midnights.append(today)
            yesterday = today
            windows = overrides.get(date.fromordinal(day)) if overrides else None
            if windows is None:
                windows = weekly.get(weekday)
            if not windows:
                continue
            for opens, closes in self._instants(windows, day, today, has_even_clock):
                if opens > stretch.end:
                    stretch = Stretch(opens, closes)
                    stretches.append(stretch)
                elif closes > stretch.end:
                    stretch.end = closes
        return stretches

    def _instants(self, windows, day: int, day_start: int, has_even_clock: bool) -> list[Interval]:
        """The windows that open on a local day as instants, sorted, without those that a clock change swallows."""
        intervals = []
        for opens_at, closes_at in windows:
            if has_even_clock and opens_at < closes_at:
                intervals.append((day_start + opens_at * MINUTE, day_start + closes_at * MINUTE))
                continue
            opens = instant(self.zone, day, opens_at)
            closes = instant(self.zone, day if opens_at < closes_at else day + 1, closes_at)
            if opens < closes:
                intervals.append((opens, closes))
        if len(intervals) > 1:
            intervals.sort()
        return intervals

    def _days_off(self, since: int, until: int) -> list[Interval]:
        first, last = local_day(self.zone, since), local_day(self.zone, until)
        days_off = sorted(day.toordinal() for day, windows in self.hours.overrides.items() if not windows)
        return [(midnight(self.zone, day), midnight(self.zone, day + 1)) for day in days_off if first <= day <= last]

    def _full_days(self, since: int, until: int) -> list[Interval]:
        first = local_day(self.zone, since) if self.rules.max_sessions_per_day is not None else 0
        return self._full_periods(self.rules.max_sessions_per_day, first, 1, until)

    def _full_weeks(self, since: int, until: int) -> list[Interval]:
        first = monday(local_day(self.zone, since)) if self.rules.max_sessions_per_week is not None else 0
        return self._full_periods(self.rules.max_sessions_per_week, first, 7, until)

    def _full_periods(self, limit: int | None, first_day: int, days: int, until: int) -> list[Interval]:
        """The periods of so many local days, from first_day up to `until`, in which the limit has been reached."""
        full: list[Interval] = []
        if limit is None:
            return full
        day, start = first_day, midnight(self.zone, first_day)
        while start < until:
            day += days
            end = midnight(self.zone, day)
            if bisect_left(self.session_starts, end) - bisect_left(self.session_starts, start) >= limit:
                full.append((start, end))
            start = end
        return full


def _hindered_starts(stretches: Iterable[tuple[Instant, Instant]], before: int, after: int) -> list[Interval]:
    """The starts whose span [start - before, start + after) meets one of the stretches: sorted, disjoint.

    It meets [begins, ends) when begins - after < start < ends + before. Empty stretches hinder nothing.
    """
    hindered = []
    for begins, ends in stretches:
        if begins < ends:
            hindered.append((floor_second(begins) - after + 1, ceil_second(ends) + before))
    return merged(hindered)
