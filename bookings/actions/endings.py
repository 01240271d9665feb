"""How a promised session ends: cancelled, completed, or without the student."""

import datetime as dt

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.actions import history, locks
from bookings.actions.states import TooEarly, refuse_unless
from bookings.models import Appointment
from mentorbook.errors import Refused
from mentorbook.locks import patiently
from mentors.actions import count_completed_session
from wallets.actions import capture_hold, release_hold, wallet_of

Status = Appointment.Status


class TooLateToCancel(Refused):
    code = "too_late_to_cancel"
    message = gettext_lazy("The session has begun, so it can no longer be cancelled. Nothing has changed.")


@patiently
@transaction.atomic
def cancel_appointment(appointment, *, by, reason="", now, is_told=True) -> Appointment:
    """Cancel `appointment` and return to the payer what its terms allow (`refund_if_cancelled`); the rest is the
    mentor's.

    The time is free again at once. A second cancellation raises AlreadyDecided, so a double click never pays twice.
    `is_told=False` leaves telling the people to the caller, who cancels a whole series.
    """
    appointment, profiles = locks.lock_appointment(appointment)
    refuse_unless(appointment, *Appointment.LIVE, allowed=appointment.may_be_cancelled_by(by))
    if not appointment.can_be_cancelled_by(by, now):
        raise TooLateToCancel
    returned = appointment.refund_if_cancelled(by, now)
    if returned == appointment.price_points:
        release_hold(appointment.escrow, by=by, subject=appointment, note=reason)
    else:
        _pay_mentor(appointment, by=by, return_points=returned, note=reason)
    event = history.move(
        appointment,
        Status.CANCELLED,
        by=by,
        reason=reason,
        returned=returned,
        paid=appointment.price_points - returned,
        now=now,
    )
    if is_told:
        history.tell_both_sides(appointment, event=event, but=by)
    history.time_is_free_again(profiles, now=now)
    return appointment


@patiently
@transaction.atomic
def complete_appointment(appointment, *, by, reason="", now) -> Appointment:
    """Say that the session took place: the held points go to the mentor.

    By the mentor from the start on; `by=None` for the site itself, COMPLETES_AFTER_HOURS after the end.
    """
    appointment, _profiles = locks.lock_appointment(appointment)
    by_itself = by is None
    refuse_unless(appointment, Status.CONFIRMED, allowed=by_itself or appointment.is_mentored_by(by))
    if by_itself and now < completes_at(appointment):
        raise _too_early(completes_at(appointment), _("It completes by itself from %(time)s on. Nothing has changed."))
    if not by_itself and not appointment.can_be_completed_by(by, now):
        raise _too_early(
            appointment.starts_at, _("You can say that it took place from %(time)s on. Nothing has changed.")
        )
    _pay_mentor(appointment, by=by)
    event = history.move(appointment, Status.COMPLETED, by=by, reason=reason, paid=appointment.price_points, now=now)
    count_completed_session(appointment.mentor)
    history.tell_both_sides(appointment, event=event, but=by)
    return appointment


@patiently
@transaction.atomic
def report_no_show(appointment, *, by, reason="", now) -> Appointment:
    """Report that the student did not come, ten minutes after the start at the earliest: the mentor is paid."""
    appointment, _profiles = locks.lock_appointment(appointment)
    refuse_no_show(appointment, by=by, now=now)
    _pay_mentor(appointment, by=by, note=reason)
    event = history.move(appointment, Status.NO_SHOW, by=by, reason=reason, paid=appointment.price_points, now=now)
    history.tell(appointment, *appointment.student_side(), event=event)
    return appointment


def refuse_no_show(appointment, *, by, now) -> None:
    """Raise what stands against reporting now that the student did not come."""
    refuse_unless(appointment, Status.CONFIRMED, allowed=appointment.is_mentored_by(by))
    if not appointment.can_be_reported_no_show_by(by, now):
        raise _too_early(
            appointment.no_show_from, _("You can report that nobody came from %(time)s on. Nothing has changed.")
        )


def completes_at(appointment):
    """When a confirmed session that nobody concluded counts as completed."""
    return appointment.ends_at + dt.timedelta(hours=settings.COMPLETES_AFTER_HOURS)


def _pay_mentor(appointment, *, by, return_points=0, note=""):
    """Pay the mentor from the escrow, less the points that return."""
    capture_hold(
        appointment.escrow,
        to=wallet_of(appointment.mentor.user),
        by=by,
        subject=appointment,
        return_points=return_points,
        note=note,
    )


def _too_early(possible_from, words):
    local = timezone.localtime(possible_from)
    return TooEarly(words % {"time": date_format(local, "D j M, H:i")}, possible_from=possible_from)
