"""The week of free times on the page that books them: with whose points, for whom, and week after week."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings.clashes import clash_in_words, clashes
from bookings.timetable import ChosenTime, Timetable
from bookings.weekly import FEWEST_WEEKS, MOST_WEEKS, weekly_starts, weeks_in
from wallets.actions import wallet_of, wallet_of_group


@dataclass(frozen=True)
class ChosenWeek:
    """One session of a series. `refusal` says why it cannot be, if it cannot."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    refusal: str


@dataclass(frozen=True)
class ChosenSeries(ChosenTime):
    """A chosen time and the weeks after it; only itself where it is for once. The price is that of one session, the
    answer and the free cancelling are those of the first."""

    weeks: tuple[ChosenWeek, ...]

    @property
    def is_series(self):
        return len(self.weeks) > 1

    @property
    def can_be_booked(self):
        return not any(week.refusal for week in self.weeks)

    @property
    def weeks_in_a_row(self):
        """How many weeks from the first on can be booked."""
        return next((count for count, week in enumerate(self.weeks) if week.refusal), len(self.weeks))

    @property
    def total_points(self):
        return self.price_points * len(self.weeks)

    @property
    def balance_after(self):
        return self.balance_points - self.total_points

    @property
    def missing_points(self):
        return max(0, self.total_points - self.balance_points)


class BookingTimetable(Timetable):
    """A Timetable of a BookingQuery."""

    has_waiting_lists = True

    def __init__(self, mentor, query, *, student, now):
        self.student = student
        super().__init__(mentor, query, student=student, now=now)

    def payer_of(self, student):
        own = wallet_of(student)
        self.own_points = own.balance_points
        return wallet_of_group(self.query.for_group) if self.query.group_pays else own

    @cached_property
    def chosen(self):
        first = super().chosen
        if first is None:
            return None
        weeks, _calendar = weeks_in(
            self.calendar, first.starts_at, duration_minutes=self.minutes, weeks=self.query.week_count
        )
        in_words = {week.reason: self.reason_in_words(week.reason) for week in weeks if week.reason}
        return ChosenSeries(
            **vars(first),
            weeks=tuple(ChosenWeek(week.starts_at, week.ends_at, in_words.get(week.reason, "")) for week in weeks),
        )

    @cached_property
    def clashes(self):
        """The other sessions that members of the group have at the chosen times, in words. They forbid nothing."""
        if self.query.for_group is None or self.chosen is None:
            return []
        spans = [(week.starts_at, week.ends_at) for week in self.chosen.weeks]
        found = clashes(self.query.for_group, spans, booked_by=self.student, now=self.now)
        return [clash_in_words(clash, self.chosen.starts_at, self.student) for clash in found]

    @cached_property
    def open_weeks(self):
        """How many weeks from the chosen time on lie within the mentor's horizon, of those that a series can have."""
        zone = ZoneInfo(self.mentor.timezone)
        last = self.now.astimezone(zone).date() + dt.timedelta(days=self.mentor.booking_horizon_days)
        if self.chosen.starts_at.astimezone(zone).date() > last:
            return 1
        starts = weekly_starts(self.chosen.starts_at, self.mentor.timezone, MOST_WEEKS)
        return sum(start.astimezone(zone).date() <= last for start in starts)

    @property
    def possible_weeks(self):
        """The numbers of weeks to choose from, and the one that was asked for, whatever it is."""
        return sorted({1, *range(FEWEST_WEEKS, self.open_weeks + 1), self.query.week_count})

    @property
    def weeks_end_early(self):
        """Whether the horizon leaves fewer weeks than a series can have."""
        return self.open_weeks < MOST_WEEKS

    @property
    def fewer_weeks_address(self):
        """The same with as many weeks as are free in a row, where that is still a series."""
        weeks = self.chosen.weeks_in_a_row
        return self.query.address(start=self.chosen.value, weeks=weeks) if weeks >= FEWEST_WEEKS else ""

    @property
    def total_points(self):
        return self.price_points * self.query.week_count

    @property
    def affordable_length(self):
        """The longest length that can be paid, where the chosen one is too dear."""
        weeks = self.query.week_count
        affordable = [length for length in self.lengths if length.price_points * weeks <= self.balance_points]
        return affordable[-1] if affordable and self.balance_points < self.total_points else None

    @property
    def button_label(self):
        if self.query.week_count == 1:
            return super().button_label
        values = {"count": self.query.week_count, "points": self.total_points}
        if self.mentor.confirms_automatically:
            if not values["points"]:
                return _("Book %(count)s sessions, free of charge") % values
            return ngettext(
                "Book %(count)s sessions for %(points)s point",
                "Book %(count)s sessions for %(points)s points",
                values["points"],
            ) % (values)
        if not values["points"]:
            return _("Request %(count)s sessions, free of charge") % values
        return ngettext(
            "Request %(count)s sessions for %(points)s point",
            "Request %(count)s sessions for %(points)s points",
            values["points"],
        ) % (values)
