"""The line for a mentor's full day.

A student joins for a day of their own calendar. When a time of that day frees up it is held for the first in line for
a quarter of an hour (`line`), and passed on when it is not used (`held`).
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings import availability, slots
from bookings.actions import held, history, locks
from bookings.actions.booking import WHY_NOT_OFFERED, LengthNotOffered, MentorNotBookable, OwnMentor
from bookings.models import WaitingListEntry
from bookings.slots import Reason
from mentorbook.errors import NotAllowed, Refused
from mentorbook.jobs import deal_with_each
from mentorbook.locks import limit_waiting, patiently
from mentors.models import MentorProfile

Status = WaitingListEntry.Status

MOST_ENTRIES = 10
NAMED_TIMES = 3


class DayNotAhead(Refused):
    """The day is over, or further ahead than the mentor plans."""

    code = "day_not_ahead"
    field = "date"
    message = gettext_lazy("That day is over, or further ahead than this mentor plans. Choose another day.")


class NotFull(Refused):
    """There is something free that day. Fact: `starts`, those times."""

    code = "not_full"
    field = "date"


class NothingToWaitFor(Refused):
    """No cancellation could free a time that day. Fact: `reason` (a `slots.Reason`)."""

    code = "nothing_to_wait_for"
    field = "date"


class TooManyPlaces(Refused):
    code = "too_many_places"

    def __init__(self):
        super().__init__(
            ngettext(
                "You wait for %(count)s day already. Leave one of the lines first.",
                "You wait for %(count)s days already. Leave one of the lines first.",
                MOST_ENTRIES,
            )
            % {"count": MOST_ENTRIES}
        )


# Of several reasons on a day for which nobody can wait, the first of these says most.
SAID_FIRST = (
    Reason.student_busy,
    Reason.week_limit,
    Reason.day_limit,
    Reason.busy,
    Reason.day_off,
    Reason.too_short,
    Reason.horizon,
    Reason.notice,
    Reason.outside_hours,
)


@patiently
@transaction.atomic
def join_waiting_list(
    mentor, *, student, date: dt.date, zone: ZoneInfo | str, duration_minutes: int, now: dt.datetime
) -> WaitingListEntry:
    """Wait for a time of `mentor` on a day that is full, as the calendar of `zone` counts days. Whoever waits for that
    length already keeps the place.

    One can wait for what a cancellation may free: sessions, holds, other calendars, a limit of the day or the week.
    Where the mentor does not work, or what is left is too soon or too short, nothing would ever come. Refuses with
    OwnMentor, MentorNotBookable, LengthNotOffered, DayNotAhead, NotFull, NothingToWaitFor, TooManyPlaces and Busy.
    """
    limit_waiting()
    if mentor.user_id == student.pk:
        raise OwnMentor
    people = locks.lock_people(mentor.pk, student.pk)
    mentor, student, zone = people.mentor, people.student, str(zone)
    if not student.is_active:
        raise NotAllowed
    if not (mentor.is_approved and mentor.user.is_active) or mentor.status == MentorProfile.Status.AWAY:
        raise MentorNotBookable
    refuse_length(mentor, duration_minutes)
    if abs(date - now.date()) > availability.LONGEST_HORIZON:  # arithmetic with the year 1 or 9999 would overflow
        raise DayNotAhead
    since, until = slots.local_day_bounds(zone, date)
    if until <= max(now, since) or since >= _end_of_horizon(mentor, now):
        raise DayNotAhead

    mine = WaitingListEntry.objects.filter(student=student, status__in=WaitingListEntry.ACTIVE)
    # Also one whose day has ended and that nobody has tidied up: the database allows one of a date.
    if there := mine.filter(mentor=mentor, date=date, duration_minutes=duration_minutes).first():
        return there
    _refuse_unless_full(mentor, student, duration_minutes, max(since, now), until, ZoneInfo(zone), now)
    if mine.active(now).count() >= MOST_ENTRIES:
        raise TooManyPlaces
    return WaitingListEntry.objects.create(
        mentor=mentor,
        student=student,
        date=date,
        timezone=zone,
        since=since,
        until=until,
        duration_minutes=duration_minutes,
        created_at=now,
    )


def refuse_length(mentor, duration_minutes):
    """Refuse a length that `mentor` does not offer."""
    if duration_minutes not in mentor.session_minutes:
        raise LengthNotOffered(
            _("This mentor offers sessions of %(lengths)s minutes. Choose one of these.")
            % {"lengths": ", ".join(map(str, mentor.session_minutes))},
            offered=mentor.session_minutes,
        )


@patiently
@transaction.atomic
def leave_waiting_list(entry, *, by, now) -> WaitingListEntry:
    """Give up the place; a time that is held goes to whoever is next. A second time changes nothing."""
    if entry.student_id != by.pk:
        raise NotAllowed
    limit_waiting()
    mentor = locks.lock_mentor(entry.mentor_id)
    entry = WaitingListEntry.objects.select_related("student", "mentor__user").get(pk=entry.pk)
    if entry.status not in WaitingListEntry.ACTIVE:
        return entry
    was_held = entry.status == Status.OFFERED
    held.end_entries([entry], Status.LEFT)
    if was_held:
        history.time_is_free_again([mentor], now=now)
    return entry


def pass_on_lapsed_holds(*, now, dry_run=False) -> int:
    """Bring every line up to date in which something is due; how many mentors' there were.

    Due are held times that were not used, days that are over, and free times that nobody was told about: those that
    changed hours or settings, another calendar or the end of a proposed move freed.
    """
    return deal_with_each(
        _mentors_with_something_due(now), lambda mentor: held.pass_on(mentor.pk, now=now) > 0, dry_run=dry_run
    )


def _mentors_with_something_due(now):
    entries = WaitingListEntry.objects.filter(status__in=WaitingListEntry.ACTIVE)
    due = set(entries.lapsed(now).values_list("mentor", flat=True))
    due |= set(entries.filter(until__lte=now).values_list("mentor", flat=True))
    waiting = list(entries.active(now).in_line().exclude(mentor__in=due))
    if waiting:
        mentors = MentorProfile.objects.filter(pk__in={entry.mentor_id for entry in waiting})
        # Without a lock, as whoever holds it may be about to change it; what is found is asked again under it.
        calendars = availability.load_calendars(mentors, now=now, until=max(entry.until for entry in waiting))
        for entry in waiting:
            span = {"since": max(now, entry.since), "until": entry.until}
            if calendars[entry.mentor_id].first_free(duration_minutes=entry.duration_minutes, **span):
                due.add(entry.mentor_id)
    return MentorProfile.objects.filter(pk__in=due).order_by("pk")


def _end_of_horizon(mentor, now):
    today = now.astimezone(ZoneInfo(mentor.timezone)).date()
    return slots.local_day_bounds(mentor.timezone, today + dt.timedelta(days=mentor.booking_horizon_days))[1]


def _refuse_unless_full(mentor, student, duration_minutes, since, until, zone, now):
    calendar = availability.load_calendar(mentor, now=now, since=since, until=until, student=student)
    asked = {"duration_minutes": duration_minutes, "since": since, "until": until}
    if starts := calendar.free_starts(**asked):
        times = ", ".join(date_format(start.astimezone(zone), "H:i") for start in starts[:NAMED_TIMES])
        raise NotFull(_("That day has free times by now: %(times)s.") % {"times": times}, starts=starts)
    at_best = calendar.at_best()
    if not at_best.free_starts(**asked):
        reasons = {closed.reason for closed in at_best.offer(**asked).closed}
        reason = next((reason for reason in SAID_FIRST if reason in reasons), Reason.outside_hours)
        raise NothingToWaitFor(_why_not(reason), reason=reason)


def _why_not(reason):
    if reason == Reason.student_busy:
        return _("You have other sessions that day, so no time of it would suit you. Choose another day.")
    if reason == Reason.busy:
        return _("What takes the mentor's time that day has begun and will not become free. Choose another day.")
    return WHY_NOT_OFFERED[reason]
