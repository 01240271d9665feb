"""The words in which the slot arithmetic is asked and answers."""

import enum
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple


class Reason(enum.StrEnum):
    """Why a session may not start at an instant. Where several apply, the first in this order is given."""

    away = "away"
    notice = "notice"
    horizon = "horizon"
    day_off = "day_off"  # a date override without windows
    outside_hours = "outside_hours"
    too_short = "too_short"  # the hours end before the session would
    student_busy = "student_busy"
    busy = "busy"
    week_limit = "week_limit"
    day_limit = "day_limit"
    off_grid = "off_grid"  # given by refusal() alone: between two slots


class Hours(NamedTuple):
    """A mentor's hours in minutes of the local day: windows of (0..1439, 1..1440).

    An end that is not after its start lies on the next day, so (600, 600) lasts until 10:00 tomorrow.
    `weekly` has ISO weekdays (Monday 1, Sunday 7). `overrides` replaces a date's windows; none is a day off.
    """

    timezone: str
    weekly: Mapping[int, Sequence[tuple[int, int]]]
    overrides: Mapping[date, Sequence[tuple[int, int]]] = MappingProxyType({})


class Rules(NamedTuple):
    slot_step_minutes: int | None = None  # None: the length of the session
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    minimum_notice_minutes: int = 0
    booking_horizon_days: int = 60  # 0: today only
    max_sessions_per_day: int | None = None
    max_sessions_per_week: int | None = None
    is_away: bool = False


class Busy(NamedTuple):
    """A stretch of time that is taken. A plain (start, end) pair, as a query returns it, serves as well."""

    start: datetime
    end: datetime


class Closed(NamedTuple):
    """A stretch in which no session may start; its first instant alone may be one that still can."""

    start: datetime
    end: datetime
    reason: Reason
