"""One's own sessions on the days of a month or a week, as the calendar page shows them.

Days are those of the zone in which the page shows its times; the day on which the clocks change has 23 or 25 hours.
"""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from bookings.forms import FIRST_YEAR, LAST_YEAR
from bookings.models import Appointment, BusyTime, MoveProposal
from bookings.slots.local_days import midnight
from mentorbook.pieces import moment, zone_name

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
VIEWS = ("month", "week")
MOST_IN_A_CELL = 4  # of a month; the week shows all

ROLES = {
    "student": ("graduation-cap", gettext_lazy("you learn")),
    "mentor": ("presentation", gettext_lazy("you mentor")),
    "group": ("users", gettext_lazy("with your group")),
    "busy": ("ban", gettext_lazy("busy")),
    "held": ("lock", gettext_lazy("held")),
}
# Hours of the local clock at which the parts of a day begin.
PARTS = (
    (0, pgettext_lazy("part of the day", "Night")),
    (6, pgettext_lazy("part of the day", "Morning")),
    (12, pgettext_lazy("part of the day", "Afternoon")),
    (18, pgettext_lazy("part of the day", "Evening")),
)


class Wish:
    """Which view of which day somebody asked for; `notes` say what made no sense and what is shown instead."""

    def __init__(self, query, *, today):
        self.today = today
        self.notes = []
        self.view = query.get("view") or "month"
        if self.view not in VIEWS:
            self.notes.append(_("There is a month and a week; this is the month."))
            self.view = "month"
        self.date = self._read(query.get("date"))

    def _read(self, text):
        if not text:
            return self.today
        try:
            date = dt.date.fromisoformat(text)
        except ValueError:
            self.notes.append(_("That is not a date such as 2026-11-24; this is today."))
            return self.today
        if not FIRST_YEAR <= date.year <= LAST_YEAR:
            self.notes.append(_("Nobody has sessions in that year; this is today."))
            return self.today
        return date


@dataclass
class Entry:
    """Something in the calendar. `state` is empty where nothing is open about it."""

    role: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    title: str
    who: str = ""
    url: str = ""
    state: str = ""
    state_icon: str = ""
    tone: str = ""
    is_proposal: bool = False

    @property
    def icon(self):
        return "calendar-clock" if self.is_proposal else ROLES[self.role][0]

    @property
    def role_words(self):
        return ROLES[self.role][1]


@dataclass
class DayEntry:
    """An entry on one of its days."""

    entry: Entry
    day: "Day"

    @property
    def begins_here(self):
        return self.entry.starts_at >= self.day.starts_at

    @property
    def clock(self):
        """The time of day, as much of it as is on this day: "14:00–15:00", "from 23:30", "until 00:30", "all day"."""
        begins, ends = self.begins_here, self.entry.ends_at <= self.day.ends_at
        if begins and ends:
            return f"{self._time(self.entry.starts_at)}–{self._time(self.entry.ends_at)}"
        if begins:
            return _("from %(time)s") % {"time": self._time(self.entry.starts_at)}
        if ends:
            return _("until %(time)s") % {"time": self._time(self.entry.ends_at)}
        return _("all day")

    @property
    def short_clock(self):
        return self._time(self.entry.starts_at) if self.begins_here else self.clock

    @property
    def part(self):
        """Which part of this day it begins in."""
        hour = timezone.localtime(max(self.entry.starts_at, self.day.starts_at)).hour
        return max(number for number, (begins, _name) in enumerate(PARTS) if begins <= hour)

    def _time(self, instant):
        local = timezone.localtime(instant)
        text = date_format(local, "H:i")
        # The hour that happens twice needs the name of the clock beside it.
        return f"{text} {local.tzname()}" if self.day.is_clock_change else text


@dataclass
class Day:
    date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime
    is_today: bool
    is_outside: bool  # of the month that is shown
    entries: list[DayEntry] = field(default_factory=list)

    @property
    def hours(self):
        return round((self.ends_at - self.starts_at).total_seconds() / 3600, 1)

    @property
    def is_clock_change(self):
        return self.ends_at - self.starts_at != DAY

    @property
    def key(self):
        return self.date.isoformat()

    @property
    def words(self):
        return moment(self.date, with_year=True)

    @property
    def shown(self):
        return self.entries if len(self.entries) <= MOST_IN_A_CELL else self.entries[: MOST_IN_A_CELL - 1]

    @property
    def more(self):
        return len(self.entries) - len(self.shown)


class Diary:
    """The days that `wish` asks for with all that `viewer` has on them, in as many queries however much that is."""

    def __init__(self, viewer, wish, *, now):
        self.viewer = viewer
        self.wish = wish
        self.now = now
        self.zone = zone_name()
        self.days = [self._day(self.first + number * DAY) for number in range((self.last - self.first).days + 1)]
        self._fill()

    # --- Which days ----------------------------------------------------------------------------------------------

    @property
    def is_month(self):
        return self.wish.view == "month"

    @cached_property
    def first(self):
        """The Monday with which it begins."""
        date = self.wish.date.replace(day=1) if self.is_month else self.wish.date
        return date - date.weekday() * DAY

    @cached_property
    def last(self):
        date = self._month_after(1) - DAY if self.is_month else self.wish.date
        return date + (6 - date.weekday()) * DAY

    @property
    def title(self):
        if self.is_month:
            return date_format(self.wish.date, "YEAR_MONTH_FORMAT")
        first, last = self.days[0].date, self.days[-1].date
        return f"{moment(first, with_year=first.year != last.year)} – {moment(last, with_year=True)}"

    @property
    def week_number(self):
        return self.first.isocalendar().week

    @property
    def weeks(self):
        return [self.days[number : number + 7] for number in range(0, len(self.days), 7)]

    @property
    def week_days(self):
        return self.days[:7]

    @property
    def days_with_entries(self):
        """Of the month itself, for a narrow page."""
        return [day for day in self.days if day.entries and not day.is_outside]

    @property
    def has_today(self):
        return any(day.is_today for day in self.days)

    @property
    def is_empty(self):
        return not any(day.entries for day in self.days if not day.is_outside)

    @property
    def clock_changes(self):
        return [day for day in self.days if day.is_clock_change and not day.is_outside]

    @property
    def parts(self):
        """The parts of a day as rows of a week: name, and what begins in them by day. Nights only where there is
        something."""
        rows = []
        for number, (_begins, name) in enumerate(PARTS):
            cells = [(day, [entry for entry in day.entries if entry.part == number]) for day in self.days]
            if number or any(entries for _day, entries in cells):
                rows.append((name, cells))
        return rows

    @property
    def before(self):
        return self._address(self._month_after(-1) if self.is_month else self.wish.date - WEEK)

    @property
    def after(self):
        return self._address(self._month_after(1) if self.is_month else self.wish.date + WEEK)

    @property
    def of_today(self):
        return self._address(self.wish.today)

    @property
    def as_month(self):
        return self._address(self.wish.date, "month")

    @property
    def as_week(self):
        return self._address(self.wish.date, "week")

    def _month_after(self, count):
        months = self.wish.date.year * 12 + self.wish.date.month - 1 + count
        return dt.date(months // 12, months % 12 + 1, 1)

    def _address(self, date, view=None):
        """The query of another view; None where it would lead beyond the years that are shown."""
        if not FIRST_YEAR <= date.year <= LAST_YEAR:
            return None
        return f"?view={view or self.wish.view}&date={date.isoformat()}"

    def _day(self, date):
        bounds = [dt.datetime.fromtimestamp(midnight(self.zone, date.toordinal() + n), dt.UTC) for n in (0, 1)]
        outside = self.is_month and (date.year, date.month) != (self.wish.date.year, self.wish.date.month)
        return Day(date, *bounds, is_today=date == self.wish.today, is_outside=outside)

    # --- What is on them -----------------------------------------------------------------------------------------

    def _fill(self):
        entries = sorted(
            [*self._sessions(), *self._proposals(), *self._busy()], key=lambda it: (it.starts_at, it.ends_at, it.title)
        )
        for day in self.days:
            day.entries = [
                DayEntry(it, day) for it in entries if it.starts_at < day.ends_at and it.ends_at > day.starts_at
            ]

    def _between(self, rows):
        return rows.filter(starts_at__lt=self.days[-1].ends_at, ends_at__gt=self.days[0].starts_at)

    def _sessions(self):
        mine = self._between(Appointment.objects.of_person(self.viewer).taking_time(self.now))
        for appointment in mine.with_people().order_by("starts_at", "id"):
            confirmed = appointment.status == Appointment.Status.CONFIRMED
            asked = appointment.status == Appointment.Status.REQUESTED and appointment.is_mentored_by(self.viewer)
            state = _("waits for your answer") if asked else appointment.get_status_display()
            yield Entry(
                role=self._role(appointment),
                starts_at=appointment.starts_at,
                ends_at=appointment.ends_at,
                title=appointment.title,
                who=self._who(appointment),
                url=appointment.get_absolute_url(),
                state="" if confirmed else state,
                state_icon="" if confirmed else appointment.status_icon,
                tone=appointment.status,
            )

    def _proposals(self):
        """Other times that wait for an answer; their sessions stand at the time that still holds."""
        people = ("appointment__mentor__user", "appointment__student", "appointment__group")
        open_now = self._between(MoveProposal.objects.open().filter(answer_by__gt=self.now))
        mine = open_now.filter(appointment__in=Appointment.objects.of_person(self.viewer))
        for proposal in mine.select_related(*people).order_by("starts_at", "id"):
            appointment = proposal.appointment
            yield Entry(
                role=self._role(appointment),
                starts_at=proposal.starts_at,
                ends_at=proposal.ends_at,
                title=appointment.title,
                who=self._who(appointment),
                url=appointment.get_absolute_url(),
                state=_("proposed instead of %(when)s")
                % {"when": date_format(timezone.localtime(appointment.starts_at), "D j M, H:i")},
                tone="proposed",
                is_proposal=True,
            )

    def _busy(self):
        """What takes a mentor's time besides sessions, and what is held for the viewer. Moves are among the
        proposals."""
        mine = Q(student=self.viewer)
        profile = getattr(self.viewer, "mentor_profile", None)
        if profile:
            mine |= Q(mentor=profile)
        times = BusyTime.objects.filter(mine).taking_time(self.now).exclude(kind=BusyTime.Kind.MOVE)
        times = list(self._between(times).select_related("mentor__user").order_by("starts_at", "id"))
        for busy in times:
            if busy.kind == BusyTime.Kind.WAITING:
                own = busy.student_id == self.viewer.pk
                yield Entry(
                    role="held",
                    starts_at=busy.starts_at,
                    ends_at=busy.ends_at,
                    title=_("Held for you") if own else _("Held for the waiting list"),
                    who=str(busy.mentor.user) if own else "",
                    url=reverse("bookings:choose", args=[busy.mentor_id]) if own else "",
                    tone="busy",
                )
        elsewhere = [(b.starts_at, b.ends_at) for b in times if b.kind == BusyTime.Kind.CALENDAR]
        for start, end in joined(elsewhere):
            yield Entry(role="busy", starts_at=start, ends_at=end, title=_("Busy in another calendar"), tone="busy")

    def _role(self, appointment):
        if appointment.is_mentored_by(self.viewer):
            return "mentor"
        return "group" if appointment.group_id else "student"

    def _who(self, appointment):
        if appointment.is_mentored_by(self.viewer):
            return str(appointment.group or appointment.student)
        mentor = appointment.mentor.user
        if appointment.group:
            return _("%(group)s with %(name)s") % {"group": appointment.group, "name": mentor}
        return str(mentor)


def joined(stretches):
    """`stretches`, sorted by start, without overlaps: whose calendar says so makes no difference."""
    joined = []
    for start, end in stretches:
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return joined
