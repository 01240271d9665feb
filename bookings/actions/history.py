"""What every change of an appointment leaves behind: the new state, a line of history, and word to the people."""

from bookings import availability
from bookings.models import Appointment, AppointmentEvent
from mentors import actions as mentors
from notifications.actions import notify
from notifications.models import Kind

Status = Appointment.Status

KINDS = {
    Status.REQUESTED: Kind.APPOINTMENT_REQUESTED,
    Status.CONFIRMED: Kind.APPOINTMENT_CONFIRMED,
    Status.DECLINED: Kind.APPOINTMENT_DECLINED,
    Status.CANCELLED: Kind.APPOINTMENT_CANCELLED,
    Status.EXPIRED: Kind.APPOINTMENT_EXPIRED,
    Status.COMPLETED: Kind.APPOINTMENT_COMPLETED,
    Status.NO_SHOW: Kind.APPOINTMENT_NO_SHOW,
}


def move(appointment, status, *, by, reason="", returned=0, paid=0, now):
    """Put a locked appointment into `status` and write that down. `by` is None for what happens by itself."""
    event = record(appointment, appointment.status, status, by=by, reason=reason, returned=returned, paid=paid, now=now)
    appointment.status = status
    appointment.sequence += 1
    appointment.save(update_fields=["status", "sequence"])
    return event


def record(appointment, from_status, to_status, *, by, reason="", returned=0, paid=0, now):
    longest = AppointmentEvent._meta.get_field("reason").max_length
    return AppointmentEvent.objects.create(
        appointment=appointment,
        from_status=from_status,
        to_status=to_status,
        actor=by,
        reason=reason if len(reason) <= longest else reason[: longest - 1] + "…",
        points_returned=returned,
        points_paid=paid,
        created_at=now,
    )


def tell(appointment, *recipients, event):
    """Tell `recipients` about the state that `event` led to, once each."""
    for recipient in recipients:
        notify(
            recipient,
            kind=KINDS[event.to_status],
            occasion=f"appointment:{appointment.pk}:{event.to_status}",
            url=appointment.get_absolute_url(),
            context={
                "appointment": appointment,
                "mentor": appointment.mentor.user,
                "student": appointment.student,
                "for_mentor": appointment.is_mentored_by(recipient),
                "was_requested": event.from_status == Status.REQUESTED,
                "by": event.actor,
                "reason": event.reason,
                "event_at": event.created_at,
                "returned": event.points_returned,
                "paid": event.points_paid,
            },
        )


def refresh_next_free(profiles, *, now):
    """Note when these mentors are free next, as the directory orders them. Call it with the profiles locked."""
    if times := availability.first_free_times(profiles, now):
        mentors.set_next_free(times, now=now)


def note_next_free(calendar, *, now):
    """The same from a calendar that reaches from now to the horizon and is seen by anybody."""
    mentor, next_free_at = calendar.mentor, calendar.first_free()
    if mentor.next_free_checked_at is None or mentor.next_free_at != next_free_at:
        mentors.note_next_free(mentor, next_free_at, now=now)
