"""The editor of a mentor's hours: what it shows, and what each of its small forms does."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings import actions, forms, timetable
from bookings.availability import load_calendar
from bookings.models import DAY_MINUTES, Weekday
from bookings.slots import Reason

PREVIEW_DAYS = 7
# What closes part of a day and is worth a word; that there are no hours before the hours is not.
SAID = {
    Reason.busy: gettext_lazy("the rest is booked"),
    Reason.day_limit: gettext_lazy("the day is full"),
    Reason.week_limit: gettext_lazy("the week is full"),
}


@dataclass(frozen=True)
class Window:
    start_minute: int
    end_minute: int

    @property
    def label(self):
        return f"{forms.clock(self.start_minute)}–{forms.clock(self.end_minute)}"

    @property
    def runs_over_midnight(self):
        return self.end_minute <= self.start_minute

    @property
    def block_minutes(self):
        """How much of the window's own day it fills."""
        return (DAY_MINUTES if self.runs_over_midnight else self.end_minute) - self.start_minute


@dataclass(frozen=True)
class EditorDay:
    """A weekday with its windows, and the ends of those that ran over from the day before."""

    weekday: int
    name: str
    short_name: str
    windows: list[Window]
    tails: list[int]


@dataclass
class Deviation:
    """Days in a row that are off for the same reason, or one date with hours of its own."""

    first: dt.date
    last: dt.date
    windows: list[Window]
    note: str


@dataclass(frozen=True)
class PreviewDay:
    date: dt.date
    stretches: list[str]
    start_count: int
    reason: str
    also: list[str]


class Editor:
    """Everything the page shows of `mentor`'s hours."""

    def __init__(self, mentor, now):
        self.mentor = mentor
        self.now = now
        self.zone = ZoneInfo(mentor.timezone)
        self.today = now.astimezone(self.zone).date()

    @property
    def zone_label(self):
        return self.mentor.timezone.replace("_", " ")

    @cached_property
    def weekly(self):
        """The windows of each weekday, in order."""
        weekly = defaultdict(list)
        for hours in self.mentor.weekly_hours.all():
            weekly[hours.weekday].append((hours.start_minute, hours.end_minute))
        return {weekday: sorted(weekly[weekday]) for weekday in Weekday.values}

    @property
    def has_hours(self):
        return any(self.weekly.values())

    @property
    def days(self):
        days = []
        monday = dt.date(2024, 1, 1)
        for weekday, name in Weekday.choices:
            windows = [Window(*window) for window in self.weekly[weekday]]
            before = [Window(*window) for window in self.weekly[(weekday - 2) % 7 + 1]]
            tails = [window.end_minute for window in before if window.runs_over_midnight]
            short_name = date_format(monday + dt.timedelta(days=weekday - 1), "D")
            days.append(EditorDay(weekday, name, short_name, windows, tails))
        return days

    @cached_property
    def deviations(self):
        """Dates from today on that do not follow the week; days off in a row as one."""
        deviations = []
        for override in self.mentor.date_overrides.filter(date__gte=self.today):
            windows = [Window(*window) for window in override.windows]
            previous = deviations[-1] if deviations else None
            if (
                previous
                and not windows
                and not previous.windows
                and previous.note == override.note
                and previous.last + dt.timedelta(days=1) == override.date
            ):
                previous.last = override.date
            else:
                deviations.append(Deviation(override.date, override.date, windows, override.note))
        return deviations

    def windows_on(self, date):
        """The special hours that a date has already."""
        override = self.mentor.date_overrides.filter(date=date).first()
        return [tuple(window) for window in override.windows] if override else []

    @cached_property
    def preview(self):
        """What students see of the next seven days, in the mentor's zone."""
        minutes = timetable.usual_length(self.mentor)
        first, last = self.today, self.today + dt.timedelta(days=PREVIEW_DAYS - 1)
        since, until = timetable.day_range(self.zone, first, last)
        calendar = load_calendar(self.mentor, now=self.now, since=since, until=until)
        offer = calendar.offer(duration_minutes=minutes, since=since, until=until)
        return [self._preview_day(offer, first + dt.timedelta(days=day)) for day in range(PREVIEW_DAYS)]

    @property
    def preview_minutes(self):
        return timetable.usual_length(self.mentor)

    def _preview_day(self, offer, date):
        since, until = timetable.day_range(self.zone, date, date)
        day_slots = [slot for slot in offer.slots if since <= slot.starts_at < until]
        reasons = {closed.reason for closed in offer.closed if closed.start < until and closed.end > since}
        also = [SAID[reason] for reason in SAID if reason in reasons]
        return PreviewDay(
            date,
            self._stretches(day_slots),
            len(day_slots),
            "" if day_slots else timetable.reason_for_day(offer.closed, self.mentor, self.zone, date),
            also if day_slots else [],
        )

    def _stretches(self, day_slots):
        """The time that the slots cover, those that touch or overlap as one stretch."""
        stretches = []
        for slot in day_slots:
            if stretches and slot.starts_at <= stretches[-1][1]:
                stretches[-1][1] = slot.ends_at
            else:
                stretches.append([slot.starts_at, slot.ends_at])
        return ["–".join(date_format(moment.astimezone(self.zone), "H:i") for moment in pair) for pair in stretches]

    def form(self, name, typed=None):
        return CHANGES[name].form_class(typed, editor=self, auto_id=f"{name}-%s")

    def forms(self):
        return {name: self.form(name) for name in CHANGES}


# --- What each small form does; each returns the sentence that says so ------------------------------------------------


def _add_hours(editor, typed):
    window = (typed["start_minute"], typed["end_minute"])
    weekly = {
        weekday: [*windows, window] if weekday in typed["weekdays"] else windows
        for weekday, windows in editor.weekly.items()
    }
    actions.replace_availability(editor.mentor, weekly=weekly, now=editor.now)
    return _("%(hours)s added on %(days)s.") % {"hours": Window(*window).label, "days": _names(typed["weekdays"])}


def _remove_hours(editor, typed):
    weekly = {
        weekday: [window for window in windows if (weekday, window[0]) != (typed["weekday"], typed["start_minute"])]
        for weekday, windows in editor.weekly.items()
    }
    actions.replace_availability(editor.mentor, weekly=weekly, now=editor.now)
    return _("Removed from %(day)s. Sessions that are booked stay.") % {"day": _names([typed["weekday"]])}


def _copy_day(editor, typed):
    copied = editor.weekly[typed["weekday"]]
    weekly = editor.weekly | dict.fromkeys(typed["to_weekdays"], copied)
    actions.replace_availability(editor.mentor, weekly=weekly, now=editor.now)
    return _("%(days)s now as %(day)s.") % {
        "day": _names([typed["weekday"]]),
        "days": _names(typed["to_weekdays"]),
    }


def _days_off(editor, typed):
    stay = actions.set_days_off(editor.mentor, typed["first"], typed["last"], typed["note"], now=editor.now)
    outcome = _("%(days)s off.") % {"days": days_in_words(typed["first"], typed["last"])}
    if not stay:
        return outcome
    kept = ngettext(
        "%(count)s session is booked then and stays: cancel it if you cannot come.",
        "%(count)s sessions are booked then and stay: cancel them if you cannot come.",
        len(stay),
    ) % {"count": len(stay)}
    return f"{outcome} {kept}"


def _special_hours(editor, typed):
    window = (typed["start_minute"], typed["end_minute"])
    windows = [*editor.windows_on(typed["date"]), window]
    actions.set_day_hours(editor.mentor, typed["date"], windows, typed["note"], now=editor.now)
    return _("%(day)s: %(hours)s.") % {
        "day": days_in_words(typed["date"], typed["date"]),
        "hours": ", ".join(Window(*each).label for each in sorted(windows)),
    }


def _usual_hours(editor, typed):
    actions.remove_overrides(editor.mentor, typed["first"], typed["last"], now=editor.now)
    return _("%(days)s as every week again.") % {"days": days_in_words(typed["first"], typed["last"])}


def _hours_zone(editor, typed):
    actions.replace_availability(editor.mentor, timezone=typed["timezone"], weekly=editor.weekly, now=editor.now)
    return _("Your hours are now in the time of %(zone)s.") % {"zone": typed["timezone"].replace("_", " ")}


@dataclass(frozen=True)
class Change:
    form_class: type
    apply: Callable
    section: str


CHANGES = {
    "add_hours": Change(forms.AddHoursForm, _add_hours, "week"),
    "remove_hours": Change(forms.RemoveHoursForm, _remove_hours, "week"),
    "copy_day": Change(forms.CopyDayForm, _copy_day, "week"),
    "days_off": Change(forms.DaysOffForm, _days_off, "deviations"),
    "special_hours": Change(forms.SpecialHoursForm, _special_hours, "deviations"),
    "usual_hours": Change(forms.UsualHoursForm, _usual_hours, "deviations"),
    "hours_zone": Change(forms.HoursZoneForm, _hours_zone, "zone"),
}


def days_in_words(first, last):
    words = date_format(first, "D j M Y")
    return words if first == last else f"{words} – {date_format(last, 'D j M Y')}"


def _names(weekdays):
    return ", ".join(str(Weekday(weekday).label) for weekday in sorted(weekdays))
