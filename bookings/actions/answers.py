"""What the mentor answers to a request."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from bookings.actions import history, locks
from bookings.actions.chats import begin_chat
from bookings.actions.states import refuse_unless
from bookings.models import Appointment
from mentorbook.errors import Refused
from mentorbook.locks import patiently
from wallets.actions import release_hold

Status = Appointment.Status


class RequestExpired(Refused):
    code = "request_expired"
    message = _("This request was not answered in time and has expired; the student has the points back.")


@patiently
@transaction.atomic
def confirm_appointment(appointment, *, by, reason="", now, is_told=True) -> Appointment:
    """Promise the requested session. The points stay held until it is over.

    A chat begins with the yes; ChatTimeGone if either side has something else in these minutes by now.
    `is_told=False` leaves telling the people to the caller, who confirms a whole series.
    """
    appointment, profiles = locks.lock_appointment(appointment)
    refuse_unless(appointment, Status.REQUESTED, allowed=appointment.is_mentored_by(by))
    if not appointment.can_be_confirmed_by(by, now):
        raise RequestExpired
    if appointment.is_chat:
        begin_chat(appointment, now=now)
    event = history.move(appointment, Status.CONFIRMED, by=by, reason=reason, now=now)
    if is_told:
        history.tell(appointment, *appointment.student_side(), event=event)
    if appointment.is_chat:
        history.time_is_free_again(profiles, now=now)  # what was kept beyond the quarter of an hour
    return appointment


@patiently
@transaction.atomic
def decline_appointment(appointment, *, by, reason="", now) -> Appointment:
    """Turn the request down: all points go back to the payer, and the time is free again at once."""
    appointment, profiles = locks.lock_appointment(appointment)
    refuse_unless(appointment, Status.REQUESTED, allowed=appointment.is_mentored_by(by))
    release_hold(appointment.escrow, by=by, subject=appointment, note=reason)
    event = history.move(appointment, Status.DECLINED, by=by, reason=reason, returned=appointment.price_points, now=now)
    history.tell(appointment, *appointment.student_side(), event=event)
    history.time_is_free_again(profiles, now=now)
    return appointment
