"""A mentor's time as somebody may see it: the hours, what is taken of them, and what is free."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from bookings.availability import Slot, load_calendar
from bookings.diary import joined
from bookings.models import Appointment, BusyTime
from bookings.timetable import usual_length

Kind = BusyTime.Kind


@dataclass(frozen=True)
class Taken:
    """Time of a mentor that is taken. Without `appointment_id` it is not for the viewer to know by what."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    appointment_id: int | None = None


@dataclass(frozen=True)
class Schedule:
    windows: list[tuple[dt.datetime, dt.datetime]]
    taken: list[Taken]
    duration_minutes: int
    free: list[Slot]


def schedule_of(mentor, *, viewer, since: dt.datetime, until: dt.datetime, now: dt.datetime) -> Schedule:
    """`mentor`'s time between the two, the free starts for the usual length. The mentor's own free starts are those of
    the students. A fixed number of queries."""
    student = None if mentor.user_id == viewer.pk else viewer
    calendar = load_calendar(mentor, now=now, since=since, until=until, student=student)
    minutes = usual_length(mentor)
    return Schedule(
        windows=calendar.hours_between(since, until),
        taken=taken_times(mentor, viewer=viewer, since=since, until=until, now=now),
        duration_minutes=minutes,
        free=calendar.offer(duration_minutes=minutes, since=since, until=until).slots if mentor.is_listed else [],
    )


def taken_times(mentor, *, viewer, since, until, now) -> list[Taken]:
    """What takes `mentor`'s time between the two, in order. Of appointments that the viewer may see there is the id;
    everything else is time in which the mentor is busy, and what touches is one stretch, so nobody counts sessions."""
    in_range = Q(starts_at__lt=until, ends_at__gt=since)
    sessions = Appointment.objects.taking_time(now).filter(in_range).order_by()
    sessions = sessions.filter(Q(mentor=mentor) | Q(student=mentor.user_id))
    seen = set(sessions.visible_to(viewer).values_list("pk", flat=True))
    known, unknown = [], []
    for pk, starts_at, ends_at in sessions.values_list("pk", "starts_at", "ends_at"):
        if pk in seen:
            known.append(Taken(starts_at, ends_at, pk))
        else:
            unknown.append((starts_at, ends_at))
    others = BusyTime.objects.taking_time(now).filter(in_range).order_by()
    others = others.filter(Q(mentor=mentor) | Q(kind=Kind.MOVE, student=mentor.user_id))
    # What is held for the viewer is free for the viewer.
    others = others.exclude(kind=Kind.WAITING, student=viewer.pk)
    unknown += others.values_list("starts_at", "ends_at")
    known += [Taken(starts_at, ends_at) for starts_at, ends_at in joined(sorted(unknown))]
    return sorted(known, key=lambda taken: (taken.starts_at, taken.ends_at))
