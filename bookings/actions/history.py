"""What every change of an appointment leaves behind: the new state, a line of history, and word to the people."""

from bookings import availability, calendar_files
from bookings.actions import line
from bookings.models import Appointment, AppointmentEvent, BusyTime, MoveProposal
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
    if status not in Appointment.LIVE:
        _overtake_proposal(appointment, now)
    appointment.status = status
    appointment.sequence += 1
    appointment.save(update_fields=["status", "sequence"])
    return event


def _overtake_proposal(appointment, now):
    """Of a session that has ended no other time waits for an answer, and none is held."""
    proposals = MoveProposal.objects.open().filter(appointment=appointment)
    if proposals.update(status=MoveProposal.Status.OVERTAKEN, decided_at=now):
        BusyTime.objects.filter(proposal__appointment=appointment).delete()


def record(
    appointment,
    from_status,
    to_status,
    *,
    by,
    what=AppointmentEvent.What.STATE,
    reason="",
    returned=0,
    paid=0,
    old_starts_at=None,
    new_starts_at=None,
    now,
):
    longest = AppointmentEvent._meta.get_field("reason").max_length
    return AppointmentEvent.objects.create(
        appointment=appointment,
        what=what,
        from_status=from_status,
        to_status=to_status,
        actor=by,
        reason=reason if len(reason) <= longest else reason[: longest - 1] + "…",
        points_returned=returned,
        points_paid=paid,
        old_starts_at=old_starts_at,
        new_starts_at=new_starts_at,
        created_at=now,
    )


def tell(appointment, *recipients, event, kind=None, occasion=None, **context):
    """Tell `recipients` about what `event` did, once each: that the state is another one, unless `kind` says what.

    `context` is for the words of that kind. The session as a calendar file goes with each mail; all `appointments` of
    a series where the context has them.
    """
    for recipient in recipients:
        notify(
            recipient,
            kind=kind or KINDS[event.to_status],
            occasion=f"appointment:{appointment.pk}:{occasion or event.to_status}",
            url=appointment.get_absolute_url(),
            attachment=calendar_files.attachment(
                context.get("appointments", [appointment]), recipient, at=event.created_at
            ),
            context={
                "appointment": appointment,
                "mentor": appointment.mentor.user,
                "student": appointment.student,
                "group": appointment.group,
                "for_mentor": appointment.is_mentored_by(recipient),
                "for_student": appointment.is_attended_by(recipient),
                "was_requested": event.from_status == Status.REQUESTED,
                "by": event.actor,
                "reason": event.reason,
                "event_at": event.created_at,
                "returned": event.points_returned,
                "paid": event.points_paid,
                **context,
            },
        )


def tell_both_sides(appointment, *, event, but=None, **more):
    """The same for everybody on either side, except whoever did it."""
    people = [*appointment.student_side(), appointment.mentor.user]
    tell(appointment, *(person for person in people if but is None or person.pk != but.pk), event=event, **more)


def time_is_free_again(profiles, *, now):
    """What follows when a time of these mentors frees up: it is held for who waits for it. Call it with the profiles
    locked."""
    line.offer_freed_times(profiles, now=now)
    refresh_next_free(profiles, now=now)


def refresh_next_free(profiles, *, now):
    """Note when these mentors are free next, as the directory orders them. Call it with the profiles locked."""
    if times := availability.first_free_times(profiles, now):
        mentors.set_next_free(times, now=now)


def note_next_free(calendar, *, now):
    """The same from a calendar that reaches from now to the horizon and is seen by anybody."""
    mentor, next_free_at = calendar.mentor, calendar.first_free()
    if mentor.next_free_checked_at is None or mentor.next_free_at != next_free_at:
        mentors.note_next_free(mentor, next_free_at, now=now)
