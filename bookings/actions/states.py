"""The refusals that every step of an appointment's life shares."""

from django.utils.translation import gettext_lazy as _

from bookings.models import Appointment
from mentorbook.errors import NotAllowed, Refused

Status = Appointment.Status

ALREADY = {
    Status.CONFIRMED: _("This session is confirmed already. Nothing has changed."),
    Status.DECLINED: _("This request was declined already; the points went back then. Nothing has changed."),
    Status.EXPIRED: _("This request has expired; the points went back then. Nothing has changed."),
    Status.CANCELLED: _("This session was cancelled already. Nothing has changed and no points have moved again."),
    Status.COMPLETED: _("This session is completed already. Nothing has changed."),
    Status.NO_SHOW: _("It was reported already that the student did not come. Nothing has changed."),
    Status.DISPUTED: _("This session is disputed; staff decide about it. Nothing has changed."),
}


class AlreadyDecided(Refused):
    """Somebody was faster, or it is the second click. The code is `already_<status>`. Fact: `state`, that status."""

    def __init__(self, status):
        self.code = f"already_{status}"
        super().__init__(ALREADY[status], state=status)

    @classmethod
    def examples(cls):
        return [cls(status) for status in ALREADY]


class NotConfirmedYet(Refused):
    code = "not_confirmed_yet"
    message = _("This session is not confirmed yet. Answer the request first.")


class TooEarly(Refused):
    """Fact: `possible_from`."""

    code = "too_early"


def refuse_unless(appointment, *statuses, allowed):
    """Refuse who has no business with it, then what its state rules out; times are asked by the caller."""
    if not allowed:
        raise NotAllowed
    if appointment.status in statuses:
        return
    if appointment.status == Status.REQUESTED:
        raise NotConfirmedYet
    raise AlreadyDecided(appointment.status)
