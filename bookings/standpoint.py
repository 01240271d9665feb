"""An appointment as one person sees it at one moment: who is across the table, and what may be done."""

from functools import cached_property
from zoneinfo import ZoneInfo

from django.utils import timezone

from bookings.models import Appointment
from mentorbook.pieces import span, zone_label


class Standpoint:
    """What a page about `appointment` may show `viewer`. Every answer comes from the predicates the actions ask."""

    def __init__(self, appointment, viewer, now):
        self.appointment = appointment
        self.viewer = viewer
        self.now = now

    @cached_property
    def is_student(self):
        return self.appointment.is_attended_by(self.viewer)

    @cached_property
    def is_mentor(self):
        return self.appointment.is_mentored_by(self.viewer)

    @property
    def takes_part(self):
        return self.is_student or self.is_mentor

    @property
    def other(self):
        """The person on the other side; the mentor for somebody who takes no part."""
        return self.appointment.other_side(self.viewer)

    @property
    def is_requested(self):
        return self.appointment.status == Appointment.Status.REQUESTED

    @property
    def is_confirmed(self):
        return self.appointment.status == Appointment.Status.CONFIRMED

    @property
    def is_unanswered(self):
        """Whether the time to answer has run out, and the sweep that says so has not come by yet."""
        return self.appointment.is_unanswered(self.now)

    @property
    def is_now(self):
        return self.is_confirmed and self.appointment.starts_at <= self.now < self.appointment.ends_at

    @property
    def is_over(self):
        return self.appointment.ends_at <= self.now

    @property
    def is_before_start(self):
        return self.now < self.appointment.starts_at

    @property
    def free_to_cancel_is_over(self):
        return self.now >= self.appointment.cancel_free_until

    @property
    def shows_meeting_link(self):
        """Those who meet see where, once it is agreed that they do."""
        return bool(self.takes_part and self.is_confirmed and not self.is_over and self.appointment.meeting_url)

    @property
    def can_book_again(self):
        """Whether the student had hoped for a session and may try for another time."""
        return self.is_student and self.appointment.status in Appointment.FREEING

    @cached_property
    def other_zone_time(self):
        """The time on the clock of the other side, where that is another than the one on this page."""
        zone = ZoneInfo(self.other.timezone)
        here = timezone.localtime(self.appointment.starts_at)
        if not self.takes_part or here.utcoffset() == self.appointment.starts_at.astimezone(zone).utcoffset():
            return ""
        with timezone.override(zone):
            return span(self.appointment.starts_at, self.appointment.ends_at)

    @property
    def other_zone_label(self):
        return zone_label(self.other.timezone)

    @cached_property
    def can_confirm(self):
        return self.appointment.can_be_confirmed_by(self.viewer, self.now)

    @cached_property
    def can_decline(self):
        return self.appointment.can_be_declined_by(self.viewer, self.now)

    @cached_property
    def can_cancel(self):
        return self.appointment.can_be_cancelled_by(self.viewer, self.now)

    @cached_property
    def can_complete(self):
        return self.appointment.can_be_completed_by(self.viewer, self.now)

    @cached_property
    def can_report_no_show(self):
        return self.appointment.can_be_reported_no_show_by(self.viewer, self.now)

    @property
    def can_do_something(self):
        return any((self.can_confirm, self.can_decline, self.can_cancel, self.can_complete, self.can_report_no_show))

    @cached_property
    def refund_points(self):
        """What comes back to the student when the viewer cancels now."""
        return self.appointment.refund_if_cancelled(self.viewer, self.now)

    @property
    def kept_points(self):
        """What then goes to the mentor."""
        return self.appointment.price_points - self.refund_points


def seen_by(viewer, appointments, now):
    return [Standpoint(appointment, viewer, now) for appointment in appointments]


def requests_for(mentor_user, now):
    """Requests that wait for the answer of this person, the most urgent first."""
    waiting = Appointment.objects.waiting().filter(mentor__user=mentor_user, answer_by__gt=now)
    return waiting.with_people().order_by("answer_by", "id")
