"""Another time for a session that is agreed already: what can be proposed, and what a page shows of it."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings import terms
from bookings.availability import Calendar, load_calendar
from bookings.clashes import clash_in_words, clashes
from bookings.slots import Reason
from bookings.timetable import ChosenTime, Timetable


@dataclass(frozen=True)
class CalendarForMove(Calendar):
    """The mentor's calendar without the session that is to be moved; the time that it has is not offered again."""

    same_start: dt.datetime | None = None
    same_minutes: int | None = None

    def free_starts(self, *, duration_minutes, since, until):
        starts = super().free_starts(duration_minutes=duration_minutes, since=since, until=until)
        return [start for start in starts if not self.is_same(start, duration_minutes)]

    def first_free(self, *, duration_minutes=None, since=None, until=None):
        start = super().first_free(duration_minutes=duration_minutes, since=since, until=until)
        if start is not None and self.is_same(start, duration_minutes or min(self.mentor.session_minutes)):
            after = start + dt.timedelta(minutes=1)
            start = super().first_free(duration_minutes=duration_minutes, since=after, until=until)
        return start

    def is_same(self, start, duration_minutes):
        return (start, duration_minutes) == (self.same_start, self.same_minutes)


def load_calendar_for_move(appointment, mentor, student, *, now) -> CalendarForMove:
    """What `mentor` offers for `appointment` instead of its time, to `student`, whoever asks. Four queries."""
    calendar = load_calendar(mentor, now=now, student=student, without=appointment)
    known = {name: getattr(calendar, name) for name in calendar.__dataclass_fields__}
    return CalendarForMove(**known, same_start=appointment.starts_at, same_minutes=appointment.duration_minutes)


@dataclass(frozen=True)
class ChosenMove(ChosenTime):
    """The other time that stands above the button, with what it changes."""

    old_price_points: int = 0
    pays: bool = False  # whether the viewer's side does, and may know what there is to pay from
    at_once: bool = False

    @property
    def extra_points(self):
        return max(0, self.price_points - self.old_price_points)

    @property
    def returned_points(self):
        return max(0, self.old_price_points - self.price_points)

    @property
    def balance_after(self):
        return self.balance_points - self.extra_points + self.returned_points

    @property
    def missing_points(self):
        return max(0, self.extra_points - self.balance_points) if self.pays else 0

    @property
    def button_label(self):
        """The verb and what it costs or returns."""
        verb = _("Move it") if self.at_once else _("Propose this time")
        if self.extra_points:
            words = ngettext("%(points)s point more", "%(points)s points more", self.extra_points)
        elif self.returned_points:
            words = ngettext("%(points)s point back", "%(points)s points back", self.returned_points)
        else:
            return verb
        return f"{verb}: {words}" % {"points": self.extra_points or self.returned_points}


class MoveTimetable(Timetable):
    """A week of times for `appointment` instead of the one it has, for the one who proposes."""

    def __init__(self, appointment, query, *, by, now):
        self.appointment = appointment
        self.by = by
        self.pays = not appointment.is_mentored_by(by)
        self.at_once = appointment.moves_at_once(by, now)
        super().__init__(appointment.mentor, query, student=appointment.student, now=now)

    def load_calendar(self, student):
        return load_calendar_for_move(self.appointment, self.mentor, student, now=self.now)

    def payer_of(self, student):
        return self.appointment.payer

    def price_of(self, minutes):
        return self.appointment.price_points_if_moved(minutes)

    def reason_in_words(self, reason):
        if reason == Reason.student_busy and not self.pays:
            return _("%(name)s has another session then.") % {"name": self.appointment.student.get_short_name()}
        return super().reason_in_words(reason)

    @cached_property
    def chosen(self):
        usual = super().chosen
        if usual is None:
            return None
        old_start = self.appointment.starts_at
        cancel_free_until = terms.moved_free_until(self.appointment.cancel_free_until, old_start, usual.starts_at)
        hours = settings.REQUEST_EXPIRES_AFTER_HOURS
        is_same = self.calendar.is_same(usual.starts_at, self.minutes)
        move = ChosenMove(
            **{name: getattr(usual, name) for name in usual.__dataclass_fields__},
            old_price_points=self.appointment.price_points,
            pays=self.pays,
            at_once=self.at_once,
        )
        return replace(
            move,
            refusal=_("The session is at that time already.") if is_same else usual.refusal,
            cancel_free_until=cancel_free_until,
            can_be_cancelled_free=cancel_free_until > self.now,
            answer_by=terms.move_answer_by(self.now, old_start, usual.starts_at, hours),
        )

    @cached_property
    def clashes(self):
        """The other sessions that members of the group have then, in words, for whoever speaks for the group."""
        group = self.appointment.group
        if group is None or self.chosen is None or self.appointment.is_mentored_by(self.by):
            return []
        spans = [(self.chosen.starts_at, self.chosen.ends_at)]
        student = self.appointment.student
        found = clashes(group, spans, booked_by=student, now=self.now, without=self.appointment)
        return [clash_in_words(clash, self.chosen.starts_at, self.by) for clash in found]
