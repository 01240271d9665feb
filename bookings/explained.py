"""A mentor's day, stretch by stretch: what is free, and what closes the rest, by name."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import Q
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings import slots, timetable
from bookings.availability import load_calendar
from bookings.models import Appointment, BusyTime, DateOverride
from bookings.slots import Reason

Kind = BusyTime.Kind


class DayQuery(forms.Form):
    """The day and the length that somebody asks about. What makes no sense is left at what is sensible."""

    date = forms.DateField(required=False)
    duration = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)

    def __init__(self, *args, mentor, now, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["duration"].choices = [(minutes, minutes) for minutes in mentor.session_minutes]
        self.is_valid()
        self.first = now.astimezone(ZoneInfo(mentor.timezone)).date()
        # A week beyond the horizon, where that is the reason and changes day by day.
        self.last = self.first + dt.timedelta(days=mentor.booking_horizon_days + timetable.WEEK_DAYS)
        self.date = min(max(self.cleaned_data.get("date") or self.first, self.first), self.last)
        self.minutes = self.cleaned_data.get("duration") or timetable.usual_length(mentor)

    def address(self, **changes):
        values = {"date": self.date.isoformat(), "duration": self.minutes, **changes}
        return f"{reverse('bookings:day')}?{urlencode(values)}"


@dataclass(frozen=True)
class Cause:
    """What closes a stretch, in words. `url` leads to it."""

    words: str
    url: str = ""
    icon: str = ""


@dataclass(frozen=True)
class Remedy:
    """Where a mentor changes what closes a stretch."""

    label: str
    url: str


@dataclass(frozen=True)
class Stretch:
    """A part of the day: with `starts` at which a session can begin and up to where the last of them ends, or closed,
    with the reason in words, the causes and the remedy."""

    since: dt.datetime
    until: dt.datetime
    starts: tuple[dt.datetime, ...] = ()
    reason: str = ""
    causes: tuple[Cause, ...] = ()
    remedy: Remedy | None = None
    icon: str = "calendar-x"

    @property
    def is_free(self):
        return bool(self.starts)


class ExplainedDay:
    """One day of the mentor's calendar. Everything free and closed is what the slot arithmetic says of it; here it only
    gets its words, and each session, hold or other calendar is found by asking the arithmetic about that one alone."""

    def __init__(self, mentor, query, now):
        self.mentor = mentor
        self.query = query
        self.now = now
        self.date = query.date
        self.minutes = query.minutes
        self.since, self.until = slots.local_day_bounds(mentor.timezone, query.date)
        self.calendar = load_calendar(mentor, now=now, since=self.since, until=self.until)

    @cached_property
    def _offer(self):
        return self.calendar.offer(duration_minutes=self.minutes, since=self.since, until=self.until)

    @cached_property
    def stretches(self):
        """The whole day in order, nothing twice. The arithmetic closes starts, and so already what lies less than a
        length before a session; here that is free time, up to the end of the last session that can start in it."""
        pieces = [(each.start, 1, each) for each in self._closed_by_what_is_there]
        pieces += [(slot.starts_at, 0, slot) for slot in self._offer.slots]
        pieces.sort(key=lambda piece: piece[:2])
        stretches, reached = [], self.since
        for begins, is_closed, thing in pieces:
            ends = thing.end if is_closed else thing.ends_at
            joins = not is_closed and stretches and stretches[-1].is_free and begins <= reached
            if is_closed and ends <= reached:
                continue
            if begins > reached:
                stretches.append(_between(reached, begins))
            if joins:
                last = stretches.pop()
                stretches.append(replace(last, until=max(last.until, ends), starts=(*last.starts, begins)))
            elif is_closed:
                stretches.append(self._closed(thing, max(begins, reached)))
            else:
                stretches.append(Stretch(begins, ends, starts=(begins,), icon="circle-check"))
            reached = max(reached, ends)
        return [*stretches, _between(reached, self.until)] if reached < self.until else stretches

    @property
    def _closed_by_what_is_there(self):
        """What is closed; where the hours end too soon for a start, what is taken is named before they are."""
        closed = []
        for each in self._offer.closed:
            taken = []
            if each.reason == Reason.too_short:
                taken = [item.blocked_until for item, _cause in self._items if _overlaps(item, each)]
            if taken:
                cut = min(max(taken), each.end)
                since = closed.pop().start if closed and closed[-1][1:] == (each.start, Reason.busy) else each.start
                closed.append(slots.Closed(since, cut, Reason.busy))
                each = slots.Closed(cut, each.end, each.reason)
            if each.start < each.end:
                closed.append(each)
        return closed

    @property
    def start_count(self):
        return len(self._offer.slots)

    @property
    def is_today(self):
        return self.date == self.query.first

    @property
    def previous_address(self):
        return self._address_of(self.date - dt.timedelta(days=1)) if self.date > self.query.first else ""

    @property
    def next_address(self):
        return self._address_of(self.date + dt.timedelta(days=1)) if self.date < self.query.last else ""

    @property
    def previous_date(self):
        return self.date - dt.timedelta(days=1)

    @property
    def next_date(self):
        return self.date + dt.timedelta(days=1)

    @property
    def lengths(self):
        return [
            (minutes, minutes == self.minutes, self.query.address(duration=minutes))
            for minutes in sorted(self.mentor.session_minutes)
        ]

    @cached_property
    def next_free_date(self):
        """The next day with a free start, where this one has none."""
        if self._offer.slots:
            return None
        start = load_calendar(self.mentor, now=self.now).first_free(duration_minutes=self.minutes, since=self.until)
        return start and start.astimezone(ZoneInfo(self.mentor.timezone)).date()

    @property
    def next_free_address(self):
        return self._address_of(self.next_free_date) if self.next_free_date else ""

    def _address_of(self, date):
        return self.query.address(date=date.isoformat())

    def _closed(self, closed, since):
        words, icon = self._words(closed, since)
        return Stretch(
            since,
            closed.end,
            reason=words,
            causes=tuple(self._causes(closed)),
            remedy=REMEDIES.get(closed.reason) and Remedy(*REMEDIES[closed.reason]()),
            icon=icon,
        )

    def _words(self, closed, since):
        mentor = self.mentor
        match closed.reason:
            case Reason.away:
                return _("You are away: nobody can book you."), "moon"
            case Reason.notice if closed.end <= self.now:
                return _("Over."), "history"
            case Reason.notice:
                words = timetable.notice_in_words(mentor.minimum_notice_minutes)
                return _("Over or too soon: you ask for %(notice)s notice.") % {"notice": words}, "hourglass"
            case Reason.horizon:
                return ngettext(
                    "Not open yet: you take bookings %(days)s day ahead.",
                    "Not open yet: you take bookings up to %(days)s days ahead.",
                    mentor.booking_horizon_days,
                ) % {"days": mentor.booking_horizon_days}, "calendar-x"
            case Reason.day_off:
                return _("Day off."), "sun"
            case Reason.too_short:
                words = _("After %(time)s a session of this length no longer fits before your hours end.")
                return words % {"time": self._clock(closed.start)}, "timer-off"
            case Reason.busy:
                items = [item for item, _cause in self._items if self._closes(item, closed)]
                if any(item.blocked_from <= since for item in items) and any(
                    item.blocked_until >= closed.end for item in items
                ):
                    return _("Taken:"), "calendar-check"
                return _("Too short for a session of this length beside what is taken:"), "calendar-check"
            case Reason.week_limit:
                return ngettext(
                    "Your limit of %(count)s session a week is reached.",
                    "Your limit of %(count)s sessions a week is reached.",
                    mentor.max_sessions_per_week,
                ) % {"count": mentor.max_sessions_per_week}, "calendar-x"
            case Reason.day_limit:
                return ngettext(
                    "Your limit of %(count)s session a day is reached.",
                    "Your limit of %(count)s sessions a day is reached.",
                    mentor.max_sessions_per_day,
                ) % {"count": mentor.max_sessions_per_day}, "calendar-x"
            case _other:
                return _("Outside your hours."), "clock"

    def _causes(self, closed):
        match closed.reason:
            case Reason.busy:
                return [cause for item, cause in self._items if self._closes(item, closed)]
            case Reason.day_off:
                return [Cause(override.note, icon="sun") for override in self._overrides if override.note]
            case Reason.day_limit:
                return self._counted(self.since, self.until)
            case Reason.week_limit:
                monday = self.date - dt.timedelta(days=self.date.weekday())
                zone = self.mentor.timezone
                week = [slots.local_day_bounds(zone, monday + dt.timedelta(days=days))[0] for days in (0, 7)]
                return self._counted(*week)
            case _other:
                return []

    def _closes(self, item, closed):
        """Whether this one thing lies in the stretch, or would close some of it were it the only one."""
        if _overlaps(item, closed):
            return True
        alone = replace(self.calendar, busy=((item.blocked_from, item.blocked_until),), session_starts=())
        offer = alone.offer(duration_minutes=self.minutes, since=closed.start, until=closed.end)
        return any(each.reason == Reason.busy for each in offer.closed)

    def _counted(self, since, until):
        """What counts towards a limit: the mentor's own sessions and what is held for some."""
        return [
            cause
            for item, cause in self._items
            if since <= item.starts_at < until and item.mentor_id == self.mentor.pk and _counts(item)
        ]

    @cached_property
    def _overrides(self):
        """What the mentor set for this date or the one before, whose hours may run into it."""
        return list(DateOverride.objects.filter(mentor=self.mentor, date=self.date))

    @cached_property
    def _items(self):
        """Everything that takes the mentor's time around this day, with its words, in order. Two queries."""
        since, until = slots.needed_range(self.since, self.until, self.mentor.timezone)
        in_range = Q(blocked_from__lt=until, blocked_until__gt=since)
        me = self.mentor
        sessions = Appointment.objects.taking_time(self.now).filter(in_range)
        sessions = sessions.filter(Q(mentor=me) | Q(student=me.user_id)).select_related("student", "mentor__user")
        others = BusyTime.objects.taking_time(self.now).filter(in_range)
        others = others.filter(Q(mentor=me) | Q(kind=Kind.MOVE, student=me.user_id))
        others = others.select_related("student", "calendar", "proposal__appointment__mentor__user")
        items = [(session, self._session_in_words(session)) for session in sessions]
        items += [(other, self._busy_in_words(other)) for other in others]
        return sorted(((_as_attended(item, me), cause) for item, cause in items), key=lambda pair: pair[0].starts_at)

    def _session_in_words(self, session):
        words = _("%(time)s “%(title)s” with %(name)s") % {
            "time": self._span(session),
            "title": session.title,
            "name": session.other_side(self.mentor.user),
        }
        return Cause(words, session.get_absolute_url(), "calendar-check")

    def _busy_in_words(self, busy):
        time = self._span(busy)
        match busy.kind:
            case Kind.MOVE:
                appointment = busy.proposal.appointment
                words = _("%(time)s held for the move of “%(title)s”") % {"time": time, "title": appointment.title}
                return Cause(words, appointment.get_absolute_url(), "calendar-clock")
            case Kind.WAITING:
                words = _("%(time)s held until %(until)s for %(name)s, the first of your waiting list") % {
                    "time": time,
                    "until": self._clock(busy.expires_at),
                    "name": busy.student,
                }
                return Cause(words, "", "hourglass")
            case _calendar:
                words = _("%(time)s busy in your calendar “%(name)s”") % {
                    "time": time,
                    "name": busy.calendar.shown_name,
                }
                return Cause(words, reverse("bookings:calendar_settings"), "calendar")

    def _span(self, item):
        """From when to when, with the day where it is another, and the buffers where there are some."""
        zone = ZoneInfo(self.mentor.timezone)
        begins, ends = item.starts_at.astimezone(zone), item.ends_at.astimezone(zone)
        words = f"{date_format(begins, 'H:i')}–{date_format(ends, 'H:i')}"
        if begins.date() != self.date or ends.date() != self.date:
            words = f"{date_format(begins, 'D j M, H:i')} – {date_format(ends, 'D j M, H:i')}"
        before = (item.starts_at - item.blocked_from) // dt.timedelta(minutes=1)
        after = (item.blocked_until - item.ends_at) // dt.timedelta(minutes=1)
        if item.mentor_id == self.mentor.pk and (before or after):
            words += " " + _buffers_in_words(before, after)
        return words

    def _clock(self, moment):
        """The time of day, with the date where it is another."""
        local = moment.astimezone(ZoneInfo(self.mentor.timezone))
        return date_format(local, "H:i" if local.date() == self.date else "D j M, H:i")


def _between(since, until):
    return Stretch(since, until, reason=_("Between two start times: no session starts here."), icon="clock")


def _buffers_in_words(before, after):
    if not before:
        return ngettext("and %(count)s minute after", "and %(count)s minutes after", after) % {"count": after}
    if not after:
        return ngettext("and %(count)s minute before", "and %(count)s minutes before", before) % {"count": before}
    return _("and %(before)s minutes before, %(after)s after") % {"before": before, "after": after}


def _as_attended(item, mentor):
    """What a mentor attends as somebody's student takes the plain time, without that mentor's buffers."""
    if item.mentor_id != mentor.pk:
        item.blocked_from, item.blocked_until = item.starts_at, item.ends_at
    return item


def _overlaps(item, closed):
    return item.blocked_from < closed.end and item.blocked_until > closed.start


def _counts(item):
    return not (isinstance(item, BusyTime) and item.kind == Kind.CALENDAR)


def _settings():
    return gettext_lazy("Change notice, horizon and limits"), reverse("mentors:edit")


def _hours():
    return gettext_lazy("Change your hours"), reverse("bookings:availability") + "#week"


REMEDIES = {
    Reason.away: lambda: (gettext_lazy("Be available again"), reverse("dashboard")),
    Reason.notice: _settings,
    Reason.horizon: _settings,
    Reason.day_limit: _settings,
    Reason.week_limit: _settings,
    Reason.day_off: lambda: (gettext_lazy("Change days off"), reverse("bookings:availability") + "#deviations"),
    Reason.outside_hours: _hours,
    Reason.too_short: _hours,
}
