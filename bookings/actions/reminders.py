"""Telling people that a session is near."""

import datetime as dt
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Q

from bookings.actions import history, locks
from bookings.models import Appointment, AppointmentEvent, CalendarSettings
from mentorbook.jobs import deal_with_each
from mentorbook.locks import patiently
from notifications.models import Kind

LONGEST_SESSION = dt.timedelta(days=1)


class Reminder(NamedTuple):
    """One that is due from `earliest` before the start until `latest` before it: late rather than never, but not when
    the next one is due. `reminded` holds the start that people were reminded of."""

    name: str
    choice: str
    reminded: str
    earliest: dt.timedelta
    latest: dt.timedelta


REMINDERS = (
    Reminder(
        "day_before", "remind_day_before", "reminded_day_before", dt.timedelta(hours=24), latest=dt.timedelta(hours=1)
    ),
    Reminder("hour_before", "remind_hour_before", "reminded_hour_before", dt.timedelta(hours=1), latest=dt.timedelta()),
)


def send_reminders(*, now, dry_run=False) -> int:
    """Remind of the confirmed sessions that are near; how many reminders were due. Never twice of the same start."""
    return sum(
        deal_with_each(
            _due(reminder, now), lambda near, reminder=reminder: remind(near, reminder, now=now), dry_run=dry_run
        )
        for reminder in REMINDERS
    )


@patiently
@transaction.atomic
def remind(appointment, reminder, *, now) -> bool:
    """Remind those of one session who chose so, if it is still due; whether it was."""
    appointment, _profiles = locks.lock_appointment(appointment)
    if not _is_due(appointment, reminder, now):
        return False
    setattr(appointment, reminder.reminded, appointment.starts_at)
    appointment.save(update_fields=[reminder.reminded])
    people = [*appointment.student_side(), appointment.mentor.user]
    declined = CalendarSettings.objects.filter(user__in=people, **{reminder.choice: False})
    unwilling = set(declined.values_list("user", flat=True))
    history.tell(
        appointment,
        *(person for person in people if person.pk not in unwilling),
        event=appointment.events.last() or _as_it_was_booked(appointment),
        kind=Kind.APPOINTMENT_REMINDER,
        occasion=f"{reminder.name}:{appointment.starts_at:%Y%m%dT%H%MZ}",
    )
    return True


def _as_it_was_booked(appointment):
    """The line of history of one that came without any (rows that were filled in)."""
    return AppointmentEvent(appointment=appointment, to_status=appointment.status, created_at=appointment.created_at)


def _due(reminder, now):
    """Those whose people were told long enough before what time it is: whoever booked or moved it later knows."""
    near = Appointment.objects.filter(
        # The end is what the index of confirmed ones is by.
        ends_at__gt=now,
        ends_at__lte=now + reminder.earliest + LONGEST_SESSION,
        status=Appointment.Status.CONFIRMED,
        starts_at__gt=now + reminder.latest,
        starts_at__lte=now + reminder.earliest,
        timed_at__lte=F("starts_at") - reminder.earliest,
    )
    not_reminded = Q(**{reminder.reminded: None}) | ~Q(**{reminder.reminded: F("starts_at")})
    return near.filter(not_reminded).order_by("starts_at", "id")


def _is_due(appointment, reminder, now):
    """The same of one that is locked."""
    return (
        appointment.status == Appointment.Status.CONFIRMED
        and reminder.latest < appointment.starts_at - now <= reminder.earliest
        and appointment.timed_at <= appointment.starts_at - reminder.earliest
        and getattr(appointment, reminder.reminded) != appointment.starts_at
    )
