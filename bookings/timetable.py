"""From a mentor's calendar to days one can read: free times by part of the day, and in words why a day has none."""

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings import slots, terms
from bookings.availability import load_calendar
from bookings.slots import Reason
from bookings.waiting import Line, held_for, mark_full_days
from wallets.actions import wallet_of

WEEK_DAYS = 7

# Of several reasons on one day, the first of these is what somebody who looks for a time wants to know.
TELLING_ORDER = (
    Reason.away,
    Reason.busy,
    Reason.student_busy,
    Reason.week_limit,
    Reason.day_limit,
    Reason.too_short,
    Reason.notice,
    Reason.day_off,
    Reason.outside_hours,
    Reason.horizon,
)


@dataclass(frozen=True)
class FreeTime:
    """A start that can be booked. `label` is its local time; `value` names it in addresses and forms."""

    label: str
    value: str
    address: str


@dataclass
class PartOfDay:
    name: str
    times: list[FreeTime] = field(default_factory=list)


@dataclass
class Day:
    """A day of the viewer's calendar. Without times it has a `reason`, and `next_day` is the next that has some."""

    date: dt.date
    is_today: bool
    parts: list[PartOfDay]
    reason: str = ""
    next_day: dt.date | None = None
    next_address: str = ""
    next_is_shown: bool = False
    line: Line | None = None  # of those who wait for it, where a cancellation could free a time


@dataclass(frozen=True)
class Length:
    minutes: int
    price_points: int
    is_chosen: bool
    address: str


@dataclass(frozen=True)
class ChosenTime:
    """The time that stands above the button, with the terms under which it would be booked."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    price_points: int
    cancel_free_until: dt.datetime
    can_be_cancelled_free: bool
    answer_by: dt.datetime
    balance_points: int
    refusal: str

    @property
    def value(self):
        return address_of(self.starts_at)

    @property
    def is_free(self):
        return not self.refusal

    @property
    def balance_after(self):
        return self.balance_points - self.price_points

    @property
    def missing_points(self):
        return max(0, self.price_points - self.balance_points)


class Timetable:
    """A week of `mentor`'s free times for one viewer, as the query asks: everything the page shows of them.

    Loads the mentor's calendar once, up to the end of the booking horizon, and asks it everything.
    """

    def __init__(self, mentor, query, *, student, now):
        self.mentor = mentor
        self.query = query
        self.now = now
        self.zone = query.zone
        self.minutes = query.duration_minutes
        self.balance_points = self.payer_of(student).balance_points
        self.calendar = self.load_calendar(student)
        self.today = now.astimezone(self.zone).date()
        self.last_day = last_bookable_day(mentor, self.zone, now)
        self.price_points = self.price_of(self.minutes)
        self.first = query.first_day(self.today, self.last_day) or self._first_day_with_times()
        self.last = self.first + dt.timedelta(days=WEEK_DAYS - 1)

    # Whether one can wait for a full day here.
    has_waiting_lists = False

    # What is another where a session is moved (`bookings.moves`).

    def load_calendar(self, student):
        return load_calendar(self.mentor, now=self.now, student=student)

    def payer_of(self, student):
        return wallet_of(student)

    def price_of(self, minutes):
        return self.mentor.price_points(minutes)

    def reason_in_words(self, reason):
        return reason_in_words(reason, self.mentor)

    def refusal_in_words(self, reason):
        """The reason as a sentence that stands alone, where the grid of days has a word or two."""
        values = {"name": self.mentor.user.get_short_name()}
        match reason:
            case Reason.day_off:
                return _("%(name)s has that day off.") % values
            case Reason.busy:
                return _("%(name)s is taken then.") % values
            case Reason.too_short:
                return _("The hours of %(name)s end too soon for this length.") % values
            case Reason.off_grid:
                return _("Sessions of this length start at other times.")
            case Reason.outside_hours:
                return _("%(name)s has no hours then.") % values
            case _other:
                return self.reason_in_words(reason)

    @cached_property
    def days(self):
        since, until = day_range(self.zone, self.first, self.last)
        offer = self.calendar.offer(duration_minutes=self.minutes, since=since, until=until)
        days = days_of(
            offer,
            self.mentor,
            zone=self.zone,
            first=self.first,
            address=self.query.address,
            in_words=self.reason_in_words,
        )
        next_day = None
        for day in reversed(days):
            day.is_today = day.date == self.today
            if day.parts:
                next_day = day.date
                continue
            day.next_day = next_day or self.later_day
            if next_day:
                day.next_is_shown, day.next_address = True, f"#day-{next_day.isoformat()}"
            elif self.later_day:
                day.next_address = self.later_address
        if self.has_waiting_lists:
            mark_full_days(
                days, self.calendar, viewer=self.query.viewer, zone=self.zone, minutes=self.minutes, now=self.now
            )
        return days

    @property
    def days_to_wait_for(self):
        return [day for day in self.days if day.line]

    @cached_property
    def held(self):
        """The times that are held for the viewer, whatever their length."""
        return held_for(self.query.viewer, self.now, self.mentor) if self.has_waiting_lists else []

    @property
    def has_times(self):
        return any(day.parts for day in self.days)

    @property
    def main_reason(self):
        """Why there is nothing in days without any time: what most of them say."""
        return Counter(day.reason for day in self.days).most_common(1)[0][0]

    @cached_property
    def later_day(self):
        """The first day after those shown that has a time."""
        start = self.calendar.first_free(
            duration_minutes=self.minutes, since=day_range(self.zone, self.last, self.last)[1]
        )
        return start and start.astimezone(self.zone).date()

    @property
    def later_address(self):
        return self._address_of_week(self.later_day)

    @property
    def previous_address(self):
        if self.first <= self.today:
            return ""
        return self._address_of_week(max(self.today, self.first - dt.timedelta(days=WEEK_DAYS)))

    @property
    def next_address(self):
        if self.last >= self.last_day:
            return ""
        return self._address_of_week(self.last + dt.timedelta(days=1))

    @cached_property
    def lengths(self):
        return [
            Length(
                minutes=minutes,
                price_points=self.price_of(minutes),
                is_chosen=minutes == self.minutes,
                address=self._address_of_week(self.first, minutes),
            )
            for minutes in sorted(self.query.lengths)
        ]

    @cached_property
    def chosen(self):
        if self.query.starts_at is None:
            return None
        starts_at = self.query.starts_at
        reason = self.calendar.refusal(starts_at, duration_minutes=self.minutes)
        cancel_free_until = terms.cancel_free_until(starts_at, self.mentor.cancellation_notice_hours)
        return ChosenTime(
            starts_at=starts_at,
            ends_at=starts_at + dt.timedelta(minutes=self.minutes),
            price_points=self.price_points,
            cancel_free_until=cancel_free_until,
            can_be_cancelled_free=cancel_free_until > self.now,
            answer_by=terms.answer_by(self.now, starts_at, settings.REQUEST_EXPIRES_AFTER_HOURS),
            balance_points=self.balance_points,
            refusal=self.refusal_in_words(reason) if reason else "",
        )

    @property
    def form_address(self):
        """Where the booking form posts to: this page with this time chosen."""
        return self.query.address(start=self.chosen.value, day=self.first.isoformat())

    @property
    def button_label(self):
        """The verb and what it costs."""
        price = self.price_points
        if self.mentor.confirms_automatically:
            if not price:
                return _("Book, free of charge")
            return ngettext("Book for %(points)s point", "Book for %(points)s points", price) % {"points": price}
        if not price:
            return _("Request, free of charge")
        return ngettext("Request for %(points)s point", "Request for %(points)s points", price) % {"points": price}

    @property
    def affordable_length(self):
        """The longest length that the viewer can pay, where the chosen one is too dear."""
        affordable = [length for length in self.lengths if length.price_points <= self.balance_points]
        return affordable[-1] if affordable and self.balance_points < self.price_points else None

    @property
    def late_refund_percent(self):
        return settings.LATE_REFUND_PERCENT

    @property
    def cancelling_in_words(self):
        hours = self.mentor.cancellation_notice_hours
        if hours == 0:
            return _("free until the start")
        if hours % 24 == 0:
            days = hours // 24
            return ngettext("free until %(days)s day before", "free until %(days)s days before", days) % {"days": days}
        return ngettext("free until %(hours)s hour before", "free until %(hours)s hours before", hours) % {
            "hours": hours
        }

    @cached_property
    def nearest(self):
        """The free times nearest to the chosen one."""
        return self.as_buttons(
            self.calendar.nearest(self.query.starts_at, duration_minutes=self.minutes) if self.query.starts_at else []
        )

    def _address_of_week(self, first, minutes=None):
        """Another week or length; the chosen time stays chosen where it is free."""
        minutes = minutes or self.minutes
        start = self.query.starts_at
        is_free = start and self.calendar.refusal(start, duration_minutes=minutes) is None
        return self.query.address(duration=minutes, day=first.isoformat(), start=address_of(start) if is_free else None)

    def as_buttons(self, starts):
        """Free starts as buttons; those on another day than the chosen time name it."""
        day = self.query.starts_at.astimezone(self.zone).date()
        return [free_time(start, self.zone, self.query.address, in_day=day) for start in starts]

    def _first_day_with_times(self):
        """Today, or the first day with a time where the next seven have none."""
        start = self.calendar.first_free(duration_minutes=self.minutes)
        first = start.astimezone(self.zone).date() if start else self.today
        return first if (first - self.today).days >= WEEK_DAYS else self.today


def free_times_of_profile(calendar, zone, *, count):
    """The next `count` free times by day of the viewer's calendar, as links to the page where they are booked."""
    mentor = calendar.mentor
    page = reverse("bookings:choose", args=[mentor.pk])

    def address(start):
        return f"{page}?{urlencode({'start': start})}#book"

    minutes = usual_length(mentor)
    first = calendar.first_free(duration_minutes=minutes)
    if first is None:
        return []
    # A week is enough to choose from and to see that there is more.
    until = first + dt.timedelta(days=WEEK_DAYS)
    starts = calendar.free_starts(duration_minutes=minutes, since=first, until=until)[:count]
    by_date = defaultdict(list)
    for start in starts:
        by_date[start.astimezone(zone).date()].append(free_time(start, zone, address))
    return list(by_date.items())


def address_of(moment):
    """An instant as it stands in addresses and hidden fields: 2026-11-24T13:00Z."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def day_range(zone, first, last):
    """The instants from the start of local day `first` to the end of `last`."""
    return slots.local_day_bounds(str(zone), first)[0], slots.local_day_bounds(str(zone), last)[1]


def last_bookable_day(mentor, zone, now):
    """The last day of the viewer's calendar on which the mentor's horizon allows a session to start."""
    today = now.astimezone(ZoneInfo(mentor.timezone)).date()
    horizon_end = slots.local_day_bounds(mentor.timezone, today + dt.timedelta(days=mentor.booking_horizon_days))[1]
    return (horizon_end - dt.timedelta(seconds=1)).astimezone(zone).date()


def days_of(offer, mentor, *, zone, first, address, day_count=WEEK_DAYS, in_words=None):
    """The offer as days of the calendar of `zone`, from `first`. `address` makes the link of a start, `in_words` the
    words for a reason."""
    by_date = defaultdict(list)
    for slot in offer.slots:
        by_date[slot.starts_at.astimezone(zone).date()].append(slot.starts_at)
    days = []
    for offset in range(day_count):
        date = first + dt.timedelta(days=offset)
        parts = _parts(by_date[date], zone, address)
        reason = "" if parts else reason_for_day(offer.closed, mentor, zone, date, in_words)
        days.append(Day(date, is_today=False, parts=parts, reason=reason))
    return days


def reason_in_words(reason, mentor):
    """Why no session can start, for somebody who looks for a time of `mentor`."""
    name = mentor.user.get_short_name()
    match reason:
        case Reason.away:
            return _("%(name)s is away.") % {"name": name}
        case Reason.notice:
            return _("Too soon: %(name)s asks for %(notice)s notice.") % {
                "name": name,
                "notice": notice_in_words(mentor.minimum_notice_minutes),
            }
        case Reason.horizon:
            return ngettext(
                "Not open yet: %(name)s takes bookings %(days)s day ahead.",
                "Not open yet: %(name)s takes bookings up to %(days)s days ahead.",
                mentor.booking_horizon_days,
            ) % {"name": name, "days": mentor.booking_horizon_days}
        case Reason.day_off:
            return _("Day off.")
        case Reason.too_short:
            return _("What is left is too short for this length.")
        case Reason.student_busy:
            return _("You have another session then.")
        case Reason.busy:
            return _("Fully booked.")
        case Reason.week_limit:
            return _("%(name)s has enough sessions this week.") % {"name": name}
        case Reason.day_limit:
            return _("%(name)s has enough sessions this day.") % {"name": name}
        case Reason.off_grid:
            return _("Sessions start at other times.")
        case _other:
            return _("No hours.")


def usual_length(mentor):
    """The length that is shown first: an hour where it is offered."""
    return 60 if 60 in mentor.session_minutes else min(mentor.session_minutes)


def notice_in_words(minutes):
    """“4 hours’”, as it stands before “notice”."""
    if minutes < 1:
        return _("a moment’s")
    if minutes % 1440 == 0:
        days = minutes // 1440
        return ngettext("%(count)s day’s", "%(count)s days’", days) % {"count": days}
    if minutes % 60 == 0:
        hours = minutes // 60
        return ngettext("%(count)s hour’s", "%(count)s hours’", hours) % {"count": hours}
    return ngettext("%(count)s minute’s", "%(count)s minutes’", minutes) % {"count": minutes}


def free_time(start, zone, address, *, with_zone=False, in_day=None):
    """A start as a button. Named with its day where that is another than `in_day`."""
    local = start.astimezone(zone)
    label = date_format(local, "H:i")
    if with_zone:
        label = f"{label} {local.tzname()}"
    if in_day is not None and local.date() != in_day:
        label = f"{date_format(local, 'D j M')}, {label}"
    value = address_of(start)
    return FreeTime(label, value, address(start=value))


def _parts(starts, zone, address):
    """The starts of one day by the part of the day in which they lie."""
    labels = Counter(start.astimezone(zone).strftime("%H:%M") for start in starts)
    parts = [PartOfDay(_("Night")), PartOfDay(_("Morning")), PartOfDay(_("Afternoon")), PartOfDay(_("Evening"))]
    for start in starts:
        local = start.astimezone(zone)
        # In the hour that happens twice two starts look alike; those carry the zone's abbreviation.
        time = free_time(start, zone, address, with_zone=labels[local.strftime("%H:%M")] > 1)
        parts[local.hour // 6].times.append(time)
    return [part for part in parts if part.times]


def reason_for_day(closed, mentor, zone, date, in_words=None):
    """Why nothing can be booked on a day without times, in words."""
    since, until = day_range(zone, date, date)
    reasons = [stretch.reason for stretch in closed if stretch.start < until and stretch.end > since]
    if not reasons:
        return _("Nothing left.")
    # The morning that is over and the hours that ended read as one thing.
    if set(reasons) == {Reason.notice, Reason.outside_hours}:
        return _("Nothing more this day.")
    telling = min(reasons, key=TELLING_ORDER.index)
    return in_words(telling) if in_words else reason_in_words(telling, mentor)
