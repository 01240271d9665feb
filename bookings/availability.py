"""What the database knows about mentors' time, put to the slot arithmetic.

Hours, overrides, sessions and what else takes time, of one mentor or of many, are loaded in four queries; those of many
in a spelling that costs less and means the same to the arithmetic. A person is in one place at a time: what mentors
attend as students takes their time as mentors, and what a student mentors takes the student's. Requests that have
expired and holds that have lapsed take no time, whether or not somebody has tidied them up yet.
"""

import datetime as dt
import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from django.db.models import Case, F, Q, When

from bookings import slots, terms
from bookings.expressions import SecondAfter, SecondOf, week, windows_of_week
from bookings.models import Appointment, BusyTime, DateOverride, WeeklyHours
from bookings.slots import Closed, Hours, Instant, Reason, Rules
from bookings.slots.local_days import floor_second
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

    def hours_between(self, since: dt.datetime, until: dt.datetime) -> list[tuple[dt.datetime, dt.datetime]]:
        """When the mentor works between the two, whatever takes time then."""
        return slots.open_stretches(self.hours, since=since, until=until)

    def nearest(self, starts_at: dt.datetime, *, duration_minutes: int) -> list[dt.datetime]:
        """Up to five free starts within a week of `starts_at`, the nearest there are, in the order of time."""
        around = min(max(starts_at, self.now), self.now + LONGEST_HORIZON)
        free = self.free_starts(
            duration_minutes=duration_minutes, since=around - NEAREST_WITHIN, until=around + NEAREST_WITHIN
        )
        return sorted(heapq.nsmallest(NEAREST_COUNT, free, key=lambda start: abs(start - starts_at)))

    def mentor_is_free(self, since: dt.datetime, until: dt.datetime) -> bool:
        """Whether nothing takes the mentor's time between the two whole seconds, whatever the hours say."""
        return _is_free(self.busy, since, until)

    def student_is_free(self, since: dt.datetime, until: dt.datetime) -> bool:
        """The same of the student it was loaded for."""
        return _is_free(self.student_busy, since, until)

    def with_session(self, appointment: Appointment) -> "Calendar":
        """The same calendar once `appointment` is in it too."""
        return replace(
            self,
            busy=(*self.busy, (appointment.blocked_from, appointment.blocked_until)),
            session_starts=(*self.session_starts, appointment.starts_at),
        )

    def at_best(self) -> "Calendar":
        """The same calendar if everything that takes the mentor's time ahead were cancelled. What is closed in this
        one no cancellation can free."""
        now = floor_second(self.now)
        return replace(
            self,
            busy=tuple(pair for pair in self.busy if floor_second(pair[0]) <= now),
            session_starts=tuple(start for start in self.session_starts if floor_second(start) <= now),
        )

    def seen_by_anybody(self) -> "Calendar":
        """The same calendar without the student it was loaded for."""
        return replace(self, student_busy=())


def _is_free(busy, since, until):
    if any(isinstance(start, int) for start, _end in busy):
        since, until = int(since.timestamp()), int(until.timestamp())
    return not any(start < until and since < end for start, end in busy)


def load_calendar(mentor, *, now, since=None, until=None, student=None, without=None) -> Calendar:
    """`mentor`'s calendar from now, or from `since`, to the end of the booking horizon, or `until`. Four queries."""
    return load_calendars([mentor], now=now, since=since, until=until, student=student, without=without)[mentor.pk]


def load_calendars(
    mentors: Iterable[MentorProfile], *, now: dt.datetime, since=None, until=None, student=None, without=None
) -> dict[int, Calendar]:
    """The calendars of `mentors` by profile id, as `student` (or a visitor) sees them. Four queries for any number.

    A time that a waiting list holds for the student is free for that student alone. `without` is an appointment to be
    moved: neither its time nor the one that is held for its move is in the way of it.

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
    sessions = _Sessions(mentors, student, begins, ends, now, without)
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
    """What `mentor` offers between since and until. Four queries; `load_calendar` for several questions at once."""
    calendar = load_calendar(mentor, now=now, since=since, until=until, student=student)
    return calendar.offer(duration_minutes=duration_minutes, since=since, until=until)


def first_free_times(profiles, now, viewer=None) -> dict[int, dt.datetime | None]:
    """The first free start of each profile's shortest session, by profile id. Four queries for any number."""
    calendars = load_calendars(profiles, now=now, student=viewer)
    return {pk: calendar.first_free() for pk, calendar in calendars.items()}


def busy_of_people(people, *, since: dt.datetime, until: dt.datetime, now: dt.datetime) -> dict[int, list]:
    """When each of these people is busy between the two, by user id, on whichever side: what a calendar that is loaded
    for one of them calls `student_busy`. Two queries for any number."""
    ids = [person.pk for person in people]
    busy = {pk: [] for pk in ids}
    theirs = Q(student__in=ids) | Q(mentor__user__in=ids)
    in_range = Q(blocked_from__lt=until, blocked_until__gt=since)
    for rows in (Appointment.objects.taking_time(now), BusyTime.objects.taking_time(now)):
        held = {"student_id": "student", "user_id": "mentor__user"}
        if rows.model is BusyTime:
            # A time that a waiting list holds for somebody does not make them busy, only the mentor.
            rows = rows.annotate(attendee=Case(When(kind=BusyTime.Kind.MOVE, then=F("student_id"))))
            held["student_id"] = "attendee"
        found = rows.filter(theirs & in_range).order_by()
        for student_id, mentor_id, blocked_from, blocked_until, starts_at, ends_at in found.values_list(
            *held.values(), *MOMENTS
        ):
            if student_id in busy:
                busy[student_id].append((starts_at, ends_at))
            if mentor_id in busy:
                busy[mentor_id].append((blocked_from, blocked_until))
    return busy


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
    """What takes the time of some mentors and of one viewer: sessions in one query, everything else in another."""

    def __init__(self, mentors, viewer, begins, ends, now, without):
        self.mentored = defaultdict(list)  # by mentor: with the buffers that held at booking
        self.starts = defaultdict(list)
        self.attended = defaultdict(list)  # by person: as a student
        self.of_viewer = ()

        if viewer is not None and not viewer.is_authenticated:
            viewer = None
        viewers_profile = viewer and getattr(viewer, "mentor_profile", None)
        in_range = Q(blocked_from__lt=ends, blocked_until__gt=begins)
        if len(mentors) < MANY:
            profiles = {mentor.pk for mentor in mentors} | ({viewers_profile.pk} if viewers_profile else set())
            people = {mentor.user_id for mentor in mentors} | ({viewer.pk} if viewer else set())
            in_range &= Q(mentor__in=profiles) | Q(student__in=people, ends_at__gt=begins)
        # For the sessions of one mentor, the longer SQL would cost more than the datetimes.
        moments = SECONDS if len(mentors) > 1 else MOMENTS
        sessions = Appointment.objects.taking_time(now).filter(in_range).order_by()
        others = BusyTime.objects.taking_time(now).filter(in_range).order_by()
        if without is not None:
            sessions, others = sessions.exclude(pk=without.pk), others.exclude(proposal__appointment=without)
        for mentor_id, student_id, *times in sessions.values_list("mentor_id", "student_id", *moments):
            self._add_session(mentor_id, student_id, *times)
        for kind, mentor_id, student_id, *times in others.values_list("kind", "mentor_id", "student_id", *moments):
            if kind == BusyTime.Kind.CALENDAR:
                self.mentored[mentor_id].append(tuple(times[:2]))
            elif kind == BusyTime.Kind.MOVE:
                self._add_session(mentor_id, student_id, *times)
            elif viewer is None or student_id != viewer.pk:
                self._add_session(mentor_id, None, *times)
        if viewer:
            mentored = self.mentored.get(viewers_profile.pk, ()) if viewers_profile else ()
            self.of_viewer = (*mentored, *self.attended.get(viewer.pk, ()))

    def _add_session(self, mentor_id, student_id, blocked_from, blocked_until, starts_at, ends_at):
        self.mentored[mentor_id].append((blocked_from, blocked_until))
        self.starts[mentor_id].append(starts_at)
        self.attended[student_id].append((starts_at, ends_at))

    def busy_of_mentor(self, mentor):
        return (*self.mentored.get(mentor.pk, ()), *self.attended.get(mentor.user_id, ()))
