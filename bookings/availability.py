"""What the database knows about mentors' time, put to the slot arithmetic.

Hours, overrides and sessions of one mentor or of many are loaded in three queries; those of many in a spelling that
costs less and means the same to the arithmetic. A person is in one place at a time: what mentors attend as students
takes their time as mentors, and what a student mentors takes the student's. Requests that have expired take no time,
whether or not somebody has flipped them yet.
"""

import datetime as dt
import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from django.db.models import Q

from bookings import slots, terms
from bookings.expressions import SecondAfter, SecondOf, week, windows_of_week
from bookings.models import Appointment, DateOverride, WeeklyHours
from bookings.slots import Closed, Hours, Instant, Reason, Rules
from mentors.models import MentorProfile

NEAREST_WITHIN = dt.timedelta(days=7)
NEAREST_COUNT = 5
LONGEST_HORIZON = dt.timedelta(days=366)
# From so many mentors on, everybody's hours and sessions of the range are read: naming each mentor to the database
# costs more than the rows that it spares.
MANY = 200
MOMENTS = ("blocked_from", "blocked_until", "starts_at", "ends_at")
SECONDS = (SecondOf("blocked_from"), SecondAfter("blocked_until"), SecondOf("starts_at"), SecondAfter("ends_at"))
# What `load_calendars` needs to know of a mentor.
TERMS = (
    "pk",
    "user_id",
    "timezone",
    "status",
    "session_minutes",
    "slot_step_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "booking_horizon_days",
    "max_sessions_per_day",
    "max_sessions_per_week",
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A time that can be booked now, and its terms."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    price_points: int
    cancel_free_until: dt.datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """The free times of a range and why the rest of it is closed, both in order."""

    slots: list[Slot]
    closed: list[Closed]


@dataclass(frozen=True)
class Calendar:
    """A mentor's time as it was loaded, seen by one student or by nobody in particular; asks nothing of the database.

    Knows everything that is needed between the `since` and `until` it was loaded for.
    """

    mentor: MentorProfile
    hours: Hours
    rules: Rules
    now: dt.datetime
    busy: tuple[tuple[Instant, Instant], ...]
    session_starts: tuple[Instant, ...]
    student_busy: tuple[tuple[Instant, Instant], ...]

    @property
    def _taken(self):
        return {
            "busy": self.busy,
            "session_starts": self.session_starts,
            "student_busy": self.student_busy,
            "now": self.now,
        }

    def free_starts(self, *, duration_minutes: int, since: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
        return slots.free_slots(
            self.hours, self.rules, duration_minutes=duration_minutes, since=since, until=until, **self._taken
        )

    def first_free(self, *, duration_minutes: int | None = None, since=None, until=None) -> dt.datetime | None:
        """The first free start, of the shortest session on offer unless the length is named."""
        if duration_minutes is None:
            duration_minutes = min(self.mentor.session_minutes)
        return slots.first_free_slot(
            self.hours, self.rules, duration_minutes=duration_minutes, since=since, until=until, **self._taken
        )

    def refusal(self, starts_at: dt.datetime, *, duration_minutes: int) -> Reason | None:
        return slots.refusal(self.hours, self.rules, duration_minutes=duration_minutes, start=starts_at, **self._taken)

    def offer(self, *, duration_minutes: int, since: dt.datetime, until: dt.datetime) -> Offer:
        price = self.mentor.price_points(duration_minutes)
        length = dt.timedelta(minutes=duration_minutes)
        free = self.free_starts(duration_minutes=duration_minutes, since=since, until=until)
        notice = self.mentor.cancellation_notice_hours
        return Offer(
            slots=[Slot(start, start + length, price, terms.cancel_free_until(start, notice)) for start in free],
            closed=slots.closed_stretches(
                self.hours, self.rules, duration_minutes=duration_minutes, since=since, until=until, **self._taken
            ),
        )

    def nearest(self, starts_at: dt.datetime, *, duration_minutes: int) -> list[dt.datetime]:
        """Up to five free starts within a week of `starts_at`, the nearest there are, in the order of time."""
        around = min(max(starts_at, self.now), self.now + LONGEST_HORIZON)
        free = self.free_starts(
            duration_minutes=duration_minutes, since=around - NEAREST_WITHIN, until=around + NEAREST_WITHIN
        )
        return sorted(heapq.nsmallest(NEAREST_COUNT, free, key=lambda start: abs(start - starts_at)))

    def with_session(self, appointment: Appointment) -> "Calendar":
        """The same calendar once `appointment` is in it too."""
        return replace(
            self,
            busy=(*self.busy, (appointment.blocked_from, appointment.blocked_until)),
            session_starts=(*self.session_starts, appointment.starts_at),
        )

    def seen_by_anybody(self) -> "Calendar":
        """The same calendar without the student it was loaded for."""
        return replace(self, student_busy=())


def load_calendar(mentor, *, now, since=None, until=None, student=None) -> Calendar:
    """`mentor`'s calendar from now, or from `since`, to the end of the booking horizon, or `until`. Three queries."""
    return load_calendars([mentor], now=now, since=since, until=until, student=student)[mentor.pk]


def load_calendars(
    mentors: Iterable[MentorProfile], *, now: dt.datetime, since=None, until=None, student=None
) -> dict[int, Calendar]:
    """The calendars of `mentors` by profile id, as `student` (or a visitor) sees them. Three queries for any number.

    Takes the mentors' rows as they are, approved or not, and needs no more of them than TERMS. Whether the student is
    a mentor too is asked of `student.mentor_profile`, which costs a query where nobody asked before.
    """
    mentors = list(mentors)
    if not mentors:
        return {}
    since = since or now
    if until is None:
        until = now + dt.timedelta(days=max(mentor.booking_horizon_days for mentor in mentors) + 2)
    by_week = any(mentor.max_sessions_per_week is not None for mentor in mentors)
    ranges = [
        slots.needed_range(since, max(until, since), zone, whole_weeks=by_week)
        for zone in {mentor.timezone for mentor in mentors}
    ]
    begins, ends = min(first for first, _ in ranges), max(last for _, last in ranges)

    weekly, overrides = _hours(mentors, begins, ends)
    sessions = _Sessions(mentors, student, begins, ends, now)
    return {
        mentor.pk: Calendar(
            mentor=mentor,
            hours=Hours(mentor.timezone, weekly.get(mentor.pk, {}), overrides.get(mentor.pk, {})),
            rules=rules_of(mentor),
            now=now,
            busy=sessions.busy_of_mentor(mentor),
            session_starts=tuple(sessions.starts.get(mentor.pk, ())),
            student_busy=sessions.of_viewer,
        )
        for mentor in mentors
    }


def offer(mentor, *, duration_minutes, since, until, now, student=None) -> Offer:
    """What `mentor` offers between since and until. Three queries; `load_calendar` for several questions at once."""
    calendar = load_calendar(mentor, now=now, since=since, until=until, student=student)
    return calendar.offer(duration_minutes=duration_minutes, since=since, until=until)


def first_free_times(profiles, now, viewer=None) -> dict[int, dt.datetime | None]:
    """The first free start of each profile's shortest session, by profile id. Three queries for any number."""
    calendars = load_calendars(profiles, now=now, student=viewer)
    return {pk: calendar.first_free() for pk, calendar in calendars.items()}


def rules_of(mentor) -> Rules:
    return Rules(
        slot_step_minutes=mentor.slot_step_minutes,
        buffer_before_minutes=mentor.buffer_before_minutes,
        buffer_after_minutes=mentor.buffer_after_minutes,
        minimum_notice_minutes=mentor.minimum_notice_minutes,
        booking_horizon_days=mentor.booking_horizon_days,
        max_sessions_per_day=mentor.max_sessions_per_day,
        max_sessions_per_week=mentor.max_sessions_per_week,
        is_away=mentor.status == MentorProfile.Status.AWAY,
    )


class FreeTimes:
    """What the directory of mentors, which lies below, asks about free times (see `mentors.directory`)."""

    def first_free(self, profiles, now, viewer=None):
        return first_free_times(profiles, now, viewer)

    def free_on(self, profiles, day: dt.date, viewer_zone, now, viewer=None) -> list[int]:
        """The ids of those who have a free start on that day, as the viewer's zone counts days, in their order."""
        zone = viewer_zone.key if isinstance(viewer_zone, ZoneInfo) else str(viewer_zone)
        since, until = slots.local_day_bounds(zone, day)
        mentors = profiles.values_list(*TERMS, named=True)
        calendars = load_calendars(mentors, now=now, since=since, until=until, student=viewer)
        return [pk for pk, calendar in calendars.items() if calendar.first_free(since=since, until=until)]


def _hours(mentors, begins, ends):
    """Weekly windows by mentor and weekday, and those of the overrides around [begins, ends) by mentor and date."""
    of_them = {} if len(mentors) >= MANY else {"mentor__in": [mentor.pk for mentor in mentors]}
    rows = WeeklyHours.objects.filter(**of_them).order_by()
    if len(mentors) >= MANY:
        weeks = rows.values_list("mentor").annotate(week=week())
        weekly = {mentor_id: windows_of_week(text) for mentor_id, text in weeks}
    else:
        weekly = defaultdict(lambda: defaultdict(list))
        for mentor_id, weekday, start, end in rows.values_list("mentor_id", "weekday", "start_minute", "end_minute"):
            weekly[mentor_id][weekday].append((start, end))
    overrides = defaultdict(dict)
    # Two days of slack on either side are for the zones' distance from UTC.
    around = (begins.date() - dt.timedelta(days=2), ends.date() + dt.timedelta(days=2))
    dates = DateOverride.objects.filter(**of_them, date__range=around).order_by()
    for mentor_id, date, windows in dates.values_list("mentor_id", "date", "windows"):
        overrides[mentor_id][date] = [tuple(window) for window in windows]
    return weekly, overrides


class _Sessions:
    """The sessions that take the time of some mentors and of one viewer, in one query."""

    def __init__(self, mentors, viewer, begins, ends, now):
        self.mentored = defaultdict(list)  # by mentor: with the buffers that held at booking
        self.starts = defaultdict(list)
        self.attended = defaultdict(list)  # by person: as a student
        self.of_viewer = ()

        if viewer is not None and not viewer.is_authenticated:
            viewer = None
        viewers_profile = viewer and getattr(viewer, "mentor_profile", None)
        in_range = Appointment.objects.taking_time(now).filter(blocked_from__lt=ends, blocked_until__gt=begins)
        if len(mentors) < MANY:
            profiles = {mentor.pk for mentor in mentors} | ({viewers_profile.pk} if viewers_profile else set())
            people = {mentor.user_id for mentor in mentors} | ({viewer.pk} if viewer else set())
            in_range = in_range.filter(Q(mentor__in=profiles) | Q(student__in=people, ends_at__gt=begins))
        # For the sessions of one mentor, the longer SQL would cost more than the datetimes.
        rows = in_range.order_by().values_list("mentor_id", "student_id", *(SECONDS if len(mentors) > 1 else MOMENTS))
        for mentor_id, student_id, blocked_from, blocked_until, starts_at, ends_at in rows:
            self.mentored[mentor_id].append((blocked_from, blocked_until))
            self.starts[mentor_id].append(starts_at)
            self.attended[student_id].append((starts_at, ends_at))
        if viewer:
            mentored = self.mentored.get(viewers_profile.pk, ()) if viewers_profile else ()
            self.of_viewer = (*mentored, *self.attended.get(viewer.pk, ()))

    def busy_of_mentor(self, mentor):
        return (*self.mentored.get(mentor.pk, ()), *self.attended.get(mentor.user_id, ()))
