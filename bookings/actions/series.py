"""Sessions that are booked together, week after week: all of them or none."""

import datetime as dt
from dataclasses import replace
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.actions import held, history, locks
from bookings.actions.answers import confirm_appointment
from bookings.actions.booking import (
    PayFrom,
    ask_for_calendar,
    clear_way,
    insert,
    lock_group,
    make_wish,
    overlap_behind,
    payer_of,
    people_of,
    students_to_tell,
)
from bookings.actions.endings import cancel_appointment
from bookings.models import Appointment, AppointmentSeries
from bookings.slots import Reason
from bookings.weekly import FEWEST_WEEKS, MOST_WEEKS, weekly_starts, weeks_in
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from notifications.models import Kind
from wallets.actions import IdempotencyMismatch, insist_on_points, lock_wallets
from wallets.models import Wallet

Status = Appointment.Status


class ImpossibleWeek(NamedTuple):
    starts_at: dt.datetime
    reason: Reason


class SeriesNotPossible(Refused):
    """One week or more cannot be booked, so none is. Fact: `weeks`, each an ImpossibleWeek."""

    code = "series_not_possible"
    field = "weeks"


class WeeksOutOfRange(Refused):
    code = "weeks_out_of_range"
    status = 422
    field = "weeks"
    message = gettext_lazy("A series has 2 to 12 sessions, a week apart.")


class NothingLeft(Refused):
    """Every session of the series is over, or has been answered or cancelled already."""

    code = "nothing_left"
    message = gettext_lazy("Nothing of this series is left for that. Nothing has changed.")


WHY_NOT = {
    Reason.away: gettext_lazy("the mentor is away"),
    Reason.notice: gettext_lazy("too soon"),
    Reason.horizon: gettext_lazy("further ahead than this mentor plans"),
    Reason.day_off: gettext_lazy("the mentor has that day off"),
    Reason.outside_hours: gettext_lazy("outside the mentor's hours"),
    Reason.too_short: gettext_lazy("the mentor's hours end too early"),
    Reason.busy: gettext_lazy("the time is taken"),
    Reason.student_busy: gettext_lazy("you have another session then"),
    Reason.week_limit: gettext_lazy("the mentor's week is full"),
    Reason.day_limit: gettext_lazy("the mentor's day is full"),
    Reason.off_grid: gettext_lazy("sessions start at other times that day"),
}


def book_series(
    mentor,
    *,
    student,
    starts_at: dt.datetime,
    duration_minutes: int,
    weeks: int,
    title: str,
    description: str = "",
    group=None,
    pay_from: str = PayFrom.WALLET,
    ticket=None,
    most_points: int | None = None,
    by=None,
    idempotency_key: str | None = None,
    now: dt.datetime,
) -> AppointmentSeries:
    """Book `weeks` sessions a week apart, the first at `starts_at`, at the same local time of the mentor; all or none.

    Each is an appointment of its own as `book_slot` makes them, with a hold of its own; everybody is told once for all
    of them. Refuses like book_slot, but with SeriesNotPossible, which names every week that cannot be booked, instead
    of SlotTaken, SlotNotOffered and StudentBusy; with NotEnoughPoints for the sum; and with WeeksOutOfRange.
    `most_points` is what one session may cost.
    """
    if not FEWEST_WEEKS <= weeks <= MOST_WEEKS:
        raise WeeksOutOfRange
    first = make_wish(
        mentor,
        student=student,
        starts_at=starts_at,
        duration_minutes=duration_minutes,
        title=title,
        description=description,
        group=group,
        pay_from=pay_from,
        ticket=ticket,
        by=by,
        idempotency_key=idempotency_key,
        now=now,
    )
    first = replace(first, weeks=weeks, most_points=most_points)
    try:
        starts = weekly_starts(first.starts_at, mentor.timezone, weeks)
        if clear_way([replace(first, starts_at=start) for start in starts], mentor, now):
            _ask_every_week(first, *people_of(first), now)
        return _book(first, now)
    except (Refused, IntegrityError):
        if earlier := _asked_before(first):
            return earlier
        raise


@patiently
def _book(first, now):
    try:
        with transaction.atomic():
            return _book_under_locks(first, now)
    except IntegrityError as error:
        if overlap_behind(error):
            _ask_every_week(first, *people_of(first), now)
        raise


def _book_under_locks(first, now):
    limit_waiting()
    people = locks.lock_people(first.mentor_id, first.student_id)
    group = lock_group(first, people.mentor)
    wishes, calendar = _ask_every_week(first, people.mentor, people.student, now)
    insist_on_points(
        payer_of(first, people.student, group), points=len(wishes) * people.mentor.price_points(first.duration_minutes)
    )
    series = AppointmentSeries.objects.create(
        mentor=people.mentor,
        booked_by=first.by,
        weeks=first.weeks,
        idempotency_key=first.key,
        idempotency_fingerprint=first.fingerprint if first.key else "",
        created_at=now,
    )
    # The first carries the key too, so that a single session with the same key is refused, and the other way round.
    booked = [insert(wish, people.mentor, people.student, group, now, series=series) for wish in wishes]
    events = [history.record(each, "", each.status, by=first.by, now=now) for each in booked]
    _tell(booked, [people.mentor.user, *students_to_tell(booked[0])], event=events[0], kind=Kind.APPOINTMENT_SERIES)
    history.note_next_free(calendar.seen_by_anybody(), now=now)
    history.refresh_next_free((profile for profile in people.profiles if profile.pk != people.mentor.pk), now=now)
    for each in booked:
        held.note_booked(each, now=now)
    return series


def _ask_every_week(first, mentor, student, now):
    """The wish of each week and the calendar with all of them in it; refuses with all the weeks that are impossible."""
    weeks, calendar = weeks_in(
        ask_for_calendar(first, mentor, student, now),
        first.starts_at,
        duration_minutes=first.duration_minutes,
        weeks=first.weeks,
    )
    if impossible := [ImpossibleWeek(week.starts_at, week.reason) for week in weeks if week.reason]:
        raise _not_possible(impossible)
    later = [replace(first, starts_at=week.starts_at, key=None) for week in weeks[1:]]
    return [first, *later], calendar


def _not_possible(impossible):
    weeks = [
        _("%(time)s (%(reason)s)")
        % {"time": date_format(timezone.localtime(week.starts_at), "D j M, H:i"), "reason": WHY_NOT[week.reason]}
        for week in impossible
    ]
    message = _("Not every week is possible: %(weeks)s. Nothing was booked and no points were touched.")
    return SeriesNotPossible(message % {"weeks": "; ".join(weeks)}, weeks=impossible)


def _asked_before(first):
    """The series that the same person's same key led to; other content, or a single session, is refused."""
    if first.key is None:
        return None
    with_this_key = {"booked_by": first.by.pk, "idempotency_key": first.key}
    series = AppointmentSeries.objects.filter(**with_this_key).first()
    if series is None and Appointment.objects.filter(**with_this_key).exists():
        raise IdempotencyMismatch
    if series is not None and series.idempotency_fingerprint != first.fingerprint:
        raise IdempotencyMismatch
    return series


@patiently
@transaction.atomic
def confirm_series(series, *, by, now) -> list[Appointment]:
    """Promise every session of the series that waits for its mentor's answer; those that were confirmed."""
    waiting = [each for each in _lock_all(series) if each.can_be_confirmed_by(by, now)]
    if series.mentor.user_id != by.pk:
        raise NotAllowed
    if not waiting:
        raise NothingLeft
    confirmed = [confirm_appointment(each, by=by, now=now, is_told=False) for each in waiting]
    event = confirmed[0].events.last()
    _tell(confirmed, confirmed[0].student_side(), event=event, kind=Kind.APPOINTMENT_CONFIRMED)
    return confirmed


@patiently
@transaction.atomic
def cancel_series(series, *, by, reason="", now) -> list[Appointment]:
    """Cancel what is left of the series, each session by its own rule; those that were cancelled.

    Either all of them are or none. Each returns to its payer what its own terms allow.
    """
    everything = _lock_all(series)
    if not any(each.may_be_cancelled_by(by) for each in everything):
        raise NotAllowed
    left = left_of(everything, by, now)
    if not left:
        raise NothingLeft
    returned = sum(each.refund_if_cancelled(by, now) for each in left)
    paid = sum(each.price_points for each in left) - returned
    lock_wallets(
        [each.payer_id for each in left]
        + [each.escrow_id for each in left]
        + list(Wallet.objects.filter(user=left[0].mentor.user_id).values_list("pk", flat=True))
    )
    cancelled = [cancel_appointment(each, by=by, reason=reason, now=now, is_told=False) for each in left]
    people = [*cancelled[0].student_side(), cancelled[0].mentor.user]
    _tell(
        cancelled,
        [person for person in people if person.pk != by.pk],
        event=cancelled[0].events.last(),
        kind=Kind.SERIES_CANCELLED,
        returned=returned,
        paid=paid,
    )
    return cancelled


def left_of(appointments, by, now):
    """Those of a series that have not begun and that `by` may cancel."""
    return [each for each in appointments if each.starts_at > now and each.can_be_cancelled_by(by, now)]


def _lock_all(series):
    """Every appointment of the series as it is now, in the order of time, locked until the transaction ends."""
    first = Appointment.objects.filter(series=series).order_by("pk").first()
    if first is None:
        raise NothingLeft
    # Of one mentor and one student: the locks of one are those of all but for the rows themselves.
    locks.lock_appointment(first)
    rows = Appointment.objects.filter(series=series).select_for_update(no_key=True, of=("self",)).order_by("pk")
    appointments = list(rows.select_related("student", "group", "payer", "escrow", "mentor__user"))
    return sorted(appointments, key=lambda each: each.starts_at)


def _tell(appointments, recipients, *, event, kind, **context):
    """Tell `recipients` once for all of these; the first stands for them."""
    history.tell(
        appointments[0],
        *recipients,
        event=event,
        kind=kind,
        occasion=f"series-{event.to_status}",
        appointments=appointments,
        total_points=sum(each.price_points for each in appointments),
        **context,
    )
