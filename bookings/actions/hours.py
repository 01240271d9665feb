"""When a mentor works."""

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping

from django.db import transaction
from django.utils import timezone as clock
from django.utils.translation import gettext_lazy as _

from bookings import slots
from bookings.actions import history, locks
from bookings.models import DAY_MINUTES, MOST_WINDOWS_A_DAY, Appointment, DateOverride, WeeklyHours
from mentorbook.errors import Refused
from mentorbook.locks import limit_waiting, patiently
from mentors.actions import update_profile

LONGEST_TIME_OFF_DAYS = 366

Window = tuple[int, int]


class HoursRefused(Refused):
    """Something is wrong with the windows of one day. Fact: `day`, a weekday (1 to 7) or a date."""

    status = 422
    field = "weekly"

    def __init__(self, *, day):
        super().__init__(day=day)
        if not isinstance(day, int):
            self.field = "overrides"


class HoursOverlap(HoursRefused):
    """Two windows of one day overlap."""

    code = "hours_overlap"
    message = _("Two times of the same day overlap. Join them, or change one.")


class TooManyHours(HoursRefused):
    code = "too_many_hours"
    message = _("A day has at most 6 times. Join some of them.")


class HoursOutOfRange(HoursRefused):
    """A window is no pair of minutes of a day."""

    code = "hours_out_of_range"
    message = _("Give each time as a start and an end within the day.")


class DaysOffOutOfRange(Refused):
    code = "days_off_out_of_range"
    status = 422
    field = "last"
    message = _("Choose a last day that is not before the first, and at most a year of days off at once.")


@patiently
@transaction.atomic
def replace_availability(
    mentor,
    *,
    timezone: str | None = None,
    weekly: Mapping[int, Iterable[Window]],
    overrides: Mapping[dt.date, Iterable[Window]] | None = None,
    now: dt.datetime | None = None,
):
    """Set `mentor`'s zone, week and, where given, date overrides: what is not named is gone. Returns the profile.

    Windows are (start, end) in minutes of the local day, as in `slots.Hours`; an override without windows is a day
    off. An override that stays keeps its note. Sessions booked already stay, wherever they are.
    """
    limit_waiting()
    profile = locks.lock_mentor(mentor.pk)
    week = {weekday: _checked(windows, weekday) for weekday, windows in weekly.items()}
    if timezone is not None and timezone != profile.timezone:
        profile = update_profile(profile, timezone=timezone)
    profile.weekly_hours.all().delete()
    WeeklyHours.objects.bulk_create(
        WeeklyHours(mentor=profile, weekday=weekday, start_minute=start, end_minute=end)
        for weekday, windows in week.items()
        for start, end in windows
    )
    if overrides is not None:
        dates = {date: [list(window) for window in _checked(windows, date)] for date, windows in overrides.items()}
        profile.date_overrides.exclude(date__in=dates).delete()
        _override(profile, dates)
    history.refresh_next_free([profile], now=now or clock.now())
    return profile


@patiently
@transaction.atomic
def set_day_hours(mentor, date: dt.date, windows: Iterable[Window], note="", now: dt.datetime | None = None):
    """Let `windows` replace the weekly hours on one date."""
    limit_waiting()
    profile = locks.lock_mentor(mentor.pk)
    _override(profile, {date: [list(window) for window in _checked(windows, date)]}, note)
    history.refresh_next_free([profile], now=now or clock.now())


@patiently
@transaction.atomic
def set_days_off(
    mentor, first: dt.date, last: dt.date, note: str = "", now: dt.datetime | None = None
) -> list[Appointment]:
    """Take the days from first to last off, both included, whatever hours they had.

    Returns the live sessions that are booked on them: they stay, and the mentor decides about each.
    """
    if not dt.timedelta() <= last - first < dt.timedelta(days=LONGEST_TIME_OFF_DAYS):
        raise DaysOffOutOfRange
    limit_waiting()
    profile = locks.lock_mentor(mentor.pk)
    _override(profile, {first + dt.timedelta(days=day): [] for day in range((last - first).days + 1)}, note)
    history.refresh_next_free([profile], now=now or clock.now())
    begins, _end = slots.local_day_bounds(profile.timezone, first)
    _start, ends = slots.local_day_bounds(profile.timezone, last)
    return list(
        Appointment.objects.for_mentor(profile)
        .filter(status__in=Appointment.LIVE, starts_at__lt=ends, ends_at__gt=begins)
        .with_people()
        .order_by("starts_at")
    )


@patiently
@transaction.atomic
def remove_overrides(mentor, first: dt.date, last: dt.date, now: dt.datetime | None = None) -> int:
    """Let the weekly hours hold again from first to last, both included; how many dates that changed."""
    limit_waiting()
    profile = locks.lock_mentor(mentor.pk)
    removed, _by_model = profile.date_overrides.filter(date__range=(first, last)).delete()
    history.refresh_next_free([profile], now=now or clock.now())
    return removed


def _override(profile, windows_by_date, note=None):
    """Write the overrides of these dates; without a note, those that are there keep theirs."""
    DateOverride.objects.bulk_create(
        [DateOverride(mentor=profile, date=date, windows=w, note=note or "") for date, w in windows_by_date.items()],
        update_conflicts=True,
        unique_fields=["mentor", "date"],
        update_fields=["windows"] if note is None else ["windows", "note"],
    )


def _checked(windows, day) -> list[Window]:
    """The windows of one day in order, each once."""
    windows = sorted({tuple(window) for window in windows})
    if len(windows) > MOST_WINDOWS_A_DAY:
        raise TooManyHours(day=day)
    if isinstance(day, int) and not 1 <= day <= 7:
        raise HoursOutOfRange(day=day)
    for start, end in windows:
        if not (0 <= start < DAY_MINUTES and 1 <= end <= DAY_MINUTES):
            raise HoursOutOfRange(day=day)
    for (start, end), (next_start, _next_end) in itertools.pairwise(windows):
        if next_start < (end if end > start else end + DAY_MINUTES):
            raise HoursOverlap(day=day)
    return windows
