"""When a mentor works, what is free, the best of it, and waiting for it."""

import datetime as dt
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from ninja import Query, Router, Status
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema, field_validator

from accounts.timezones import find_timezone
from bookings import slots
from bookings.actions import (
    DayNotAhead,
    HoursOverlap,
    LengthNotOffered,
    MentorNotBookable,
    NotFull,
    NothingToWaitFor,
    OwnMentor,
    TooManyHours,
    TooManyPlaces,
    join_waiting_list,
    leave_waiting_list,
    replace_availability,
)
from bookings.actions.waiting import refuse_length
from bookings.availability import Offer, offer
from bookings.forms import clock
from bookings.forms_scheduling import MAX_TAGS, MOST_POINTS
from bookings.models import DAY_MINUTES, MOST_WINDOWS_A_DAY, WaitingListEntry
from bookings.schedule import schedule_of
from bookings.scheduling import LONGEST_RANGE_DAYS, Wanted, best_pairs, tags_called
from bookings.slots import Closed, Reason
from bookings.timetable import usual_length
from mentorbook.errors import NotAllowed, Refused
from mentorbook.pieces import zone_name
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import (
    PAST,
    Date,
    DayOrMoment,
    Id,
    Input,
    Instant,
    Listed,
    Output,
    Paging,
    example,
    part_of,
)
from mentors.api.shapes import Minutes, Spelling
from mentors.models import MentorProfile
from tickets.api.shapes import ReasonOut
from wallets.actions import wallet_of

mentors = Router(tags=["time"])
appointments = Router(tags=["time"])

MOST_DAYS, USUAL_DAYS = 31, 7
MOST_OVERRIDES = 1_100  # as many as there are dates that can be sent


class UnknownTag(Refused):
    """Nobody here knows one of the tags. Fact: `tags`, those."""

    code = "unknown_tag"
    status = 422
    field = "expertise"
    message = _("Nobody here knows one of these tags yet. Leave it out, or write another word.")


# --- Zones, ranges and clocks as they are sent ------------------------------------------------------------------------


def _known_zone(name):
    if find_timezone(name) is None:
        raise ValueError("There is no time zone of that name. Send an IANA name, such as Europe/Berlin.")
    return name


ZoneName = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
Clock = Annotated[str, StringConstraints(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ClockTo24 = Annotated[str, StringConstraints(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


def _bounds(first, last, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """From when until when: days are those of `zone`, and the last one is in it as a whole."""
    since = first if isinstance(first, dt.datetime) else slots.local_day_bounds(zone, first)[0]
    until = last if isinstance(last, dt.datetime) else slots.local_day_bounds(zone, last)[1]
    return since, until


def _check_range(first, last, zone: str, most_days: int):
    since, until = _bounds(first, last, zone)
    if until <= since:
        raise ValueError("The end is not after the beginning.")
    # By the clock of the zone, so that a month in which the clocks change is as long as any other.
    begins, ends = (moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in (since, until))
    if ends - begins > dt.timedelta(days=most_days):
        raise ValueError(f"Ask for at most {most_days} days at once.")


def _today(zone: str) -> dt.date:
    return timezone.now().astimezone(ZoneInfo(zone)).date()


class Period(Input):
    timezone: ZoneName = Field(None, description="Whose days and local times; left out, that of your profile.")
    from_: DayOrMoment = Field(None, alias="from", description="A day, or a time. Left out: today.")
    to: DayOrMoment = Field(
        None, description=f"A day, which is in it, or a time. Left out: {USUAL_DAYS} days. At most {MOST_DAYS} days."
    )

    @field_validator("to")
    @classmethod
    def _to_is_near(cls, to, info):
        if "from_" in info.data and "timezone" in info.data:
            zone = info.data["timezone"] or zone_name()
            _check_range(info.data["from_"] or _today(zone), to, zone, MOST_DAYS)
        return to

    @property
    def zone(self) -> str:
        return self.timezone or zone_name()

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        first = self.from_ or _today(self.zone)
        return _bounds(first, self.to or first + dt.timedelta(days=USUAL_DAYS - 1), self.zone)


class PeriodOfSchedule(Period):
    model_config = example(**{"from": "2026-12-01", "to": "2026-12-07", "timezone": "Europe/Berlin"})


class WantedSlots(Period):
    model_config = example(date="2026-12-01", duration_minutes=60, timezone="Europe/Berlin")

    date: Date = Field(None, description="One day, instead of `from` and `to`.")
    duration_hours: float = Field(
        None, gt=0, le=24, allow_inf_nan=False, description="How long, such as 1.0 or 1.5; instead of the minutes."
    )
    duration_minutes: int = Field(
        None, ge=1, le=DAY_MINUTES, description="How long. Left out: an hour, or the shortest length on offer."
    )

    @field_validator("date")
    @classmethod
    def _date_stands_alone(cls, date, info):
        if info.data.get("from_") or info.data.get("to"):
            raise ValueError("Send either date, or from and to.")
        return date

    @field_validator("duration_hours")
    @classmethod
    def _hours_are_whole_minutes(cls, hours):
        if abs(hours * 60 - round(hours * 60)) > 1e-6:
            raise ValueError("These hours are no whole minutes.")
        return hours

    @field_validator("duration_minutes")
    @classmethod
    def _length_is_sent_once(cls, minutes, info):
        if info.data.get("duration_hours"):
            raise ValueError("Send either duration_hours or duration_minutes.")
        return minutes

    @property
    def bounds(self):
        return _bounds(self.date, self.date, self.zone) if self.date else super().bounds

    def length_with(self, mentor) -> int:
        """The wanted length, or the usual one; refuses what the mentor does not offer."""
        minutes = round(self.duration_hours * 60) if self.duration_hours else self.duration_minutes
        if minutes is None:
            return usual_length(mentor)
        refuse_length(mentor, minutes)
        return minutes


# --- Hours ------------------------------------------------------------------------------------------------------------

AVAILABILITY = {
    "timezone": "Europe/Berlin",
    "weekly": [
        {"weekday": 1, "start": "09:00", "end": "12:30"},
        {"weekday": 5, "start": "22:00", "end": "02:00"},
    ],
    "overrides": [
        {"date": "2026-12-24", "windows": []},
        {"date": "2026-12-28", "windows": [{"start": "10:00", "end": "24:00"}]},
    ],
}


class Window(Input):
    start: Clock = Field(description="Local time, such as 09:00.")
    end: ClockTo24 = Field(description="Up to 24:00. An end that is not after the start is on the next day.")

    @property
    def minutes(self) -> tuple[int, int]:
        return _minute(self.start), _minute(self.end) or DAY_MINUTES


class WeeklyWindow(Window):
    weekday: int = Field(ge=1, le=7, description="1 is Monday.")


class Override(Input):
    date: Date
    windows: list[Window] = Field(max_length=MOST_WINDOWS_A_DAY, description="None is a day off.")


class AvailabilityChange(Input):
    model_config = example(**AVAILABILITY)

    timezone: ZoneName
    weekly: list[WeeklyWindow] = Field(max_length=7 * MOST_WINDOWS_A_DAY)
    overrides: list[Override] = Field(
        max_length=MOST_OVERRIDES, description="Dates whose hours replace those of the week."
    )

    @field_validator("overrides")
    @classmethod
    def _dates_are_named_once(cls, overrides):
        if len({override.date for override in overrides}) < len(overrides):
            raise ValueError("A date is there twice. Put its windows together.")
        return overrides


class WindowOut(Output):
    start: str
    end: str


class WeeklyWindowOut(WindowOut):
    weekday: int


class OverrideOut(Output):
    date: dt.date
    windows: list[WindowOut]


class Availability(Output):
    model_config = example(**AVAILABILITY)

    timezone: str
    weekly: list[WeeklyWindowOut]
    overrides: list[OverrideOut]


def _minute(text):
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _window(start_minute, end_minute):
    return {"start": clock(start_minute), "end": clock(end_minute)}


def _availability_of(mentor):
    weekly = mentor.weekly_hours.order_by("weekday", "start_minute")
    # What is older could not be sent again, and decides nothing any more.
    overrides = mentor.date_overrides.filter(date__gte=timezone.now().date() - PAST).order_by("date")
    return {
        "timezone": mentor.timezone,
        "weekly": [{"weekday": row.weekday, **_window(row.start_minute, row.end_minute)} for row in weekly],
        "overrides": [{"date": row.date, "windows": [_window(*window) for window in row.windows]} for row in overrides],
    }


def _mentor(request, mentor_id):
    return get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_id)


def _insist(is_allowed):
    if not is_allowed:
        raise NotAllowed


@mentors.get("/{int:mentor_id}/availability", response=Availability, summary="Get a mentor's hours")
@refuses(NotAllowed)
def get_availability(request, mentor_id: int):
    """The hours of every week, and the dates that differ; for the mentor and for staff. All are local times of
    `timezone`, which is the mentor's, whoever asks. Send it back as it is, and nothing changes."""
    mentor = _mentor(request, mentor_id)
    _insist(mentor.is_open_to(request.user))
    return _availability_of(mentor)


@mentors.put("/{int:mentor_id}/availability", response=Availability, summary="Set a mentor's hours")
@refuses(NotAllowed, HoursOverlap, TooManyHours)
def put_availability(request, mentor_id: int, wish: AvailabilityChange):
    """Replaces the whole: what is not named is gone, so all three parts have to be sent. An end that is not after its
    start is on the next day (`22:00` to `02:00`). An override replaces the hours of its date; without windows it is a
    day off. Sessions that are booked already stay."""
    mentor = _mentor(request, mentor_id)
    _insist(mentor.can_be_changed_by(request.user))
    weekly = {weekday: [] for weekday in range(1, 8)}
    for window in wish.weekly:
        weekly[window.weekday].append(window.minutes)
    profile = replace_availability(
        mentor,
        timezone=wish.timezone,
        weekly=weekly,
        overrides={override.date: [window.minutes for window in override.windows] for override in wish.overrides},
        now=timezone.now(),
    )
    return _availability_of(profile)


# --- What is free -----------------------------------------------------------------------------------------------------

SLOT = {"start_time": "2026-12-01T08:00:00Z", "end_time": "2026-12-01T09:00:00Z", "price_points": 50}
WHY_CLOSED = Literal[(*(reason.value for reason in Reason if reason != Reason.off_grid), "own_mentor", "not_bookable")]


# A time in UTC as it is written: of what a month has hundreds, encoding each would take longer than finding it.
Written = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Plain(BaseModel):
    """Of which a month has hundreds: made of plain values, without looking at each as at a row of the database."""


class SlotOut(Plain):
    start_time: Written
    end_time: Written
    price_points: int


class ClosedOut(Plain):
    start_time: Written
    end_time: Written
    reason: WHY_CLOSED = Field(description="Why no session can start then.")


class FreeSlots(Output):
    model_config = example(
        mentor_id=17,
        timezone="Europe/Berlin",
        duration_minutes=60,
        slots=[SLOT],
        closed=[
            {"start_time": "2026-11-30T23:00:00Z", "end_time": "2026-12-01T08:00:00Z", "reason": "outside_hours"},
            {"start_time": "2026-12-01T09:00:00Z", "end_time": "2026-12-01T23:00:00Z", "reason": "busy"},
        ],
    )

    mentor_id: Id
    timezone: str
    duration_minutes: int
    slots: list[SlotOut]
    closed: list[ClosedOut]


class LocalStretch(Plain):
    start_time: dt.datetime = Field(description="On the clock of `timezone`, with its offset.")
    end_time: dt.datetime


class TakenOut(Plain):
    start_time: Written
    end_time: Written
    appointment_id: Id | None = Field(description="Of an appointment that you may see. Null: the mentor is busy.")


class ScheduleOut(Output):
    model_config = example(
        mentor_id=17,
        timezone="Europe/Berlin",
        duration_minutes=60,
        windows=[{"start_time": "2026-12-01T09:00:00+01:00", "end_time": "2026-12-01T17:00:00+01:00"}],
        booked=[
            {"start_time": "2026-12-01T10:00:00Z", "end_time": "2026-12-01T11:00:00Z", "appointment_id": 31},
            {"start_time": "2026-12-01T13:00:00Z", "end_time": "2026-12-01T15:00:00Z", "appointment_id": None},
        ],
        free=[SLOT],
    )

    mentor_id: Id
    timezone: str
    duration_minutes: int = Field(description="Of the free slots: an hour, or the shortest length on offer.")
    windows: list[LocalStretch] = Field(description="The mentor's hours, as local times of `timezone`.")
    booked: list[TakenOut]
    free: list[SlotOut]


def _times(starts_at, ends_at):
    return {
        "start_time": starts_at.isoformat().replace("+00:00", "Z"),
        "end_time": ends_at.isoformat().replace("+00:00", "Z"),
    }


def _slot(slot):
    return {**_times(slot.starts_at, slot.ends_at), "price_points": slot.price_points}


def _offer_to(person, mentor, *, duration_minutes, since, until, now) -> Offer:
    """What this person could book of `mentor`, as on the page where one books; nothing where that page has no times."""
    if mentor.user_id == person.pk:
        return Offer([], [Closed(since, until, "own_mentor")])
    if not mentor.is_listed:
        return Offer([], [Closed(since, until, "not_bookable")])
    return offer(mentor, duration_minutes=duration_minutes, since=since, until=until, now=now, student=person)


@mentors.get("/{int:mentor_id}/schedule", response=ScheduleOut, summary="Get a mentor's hours, booked and free times")
@refuses()
def get_schedule(request, mentor_id: int, wish: Query[PeriodOfSchedule]):
    """The hours, what is booked in them and what is free, for 31 days at most. Appointments that you may see have their
    id; of everything else that takes the mentor's time there is no more than that it is taken, and what touches is one
    stretch. Mentors see of themselves as free what students can book."""
    mentor = _mentor(request, mentor_id)
    since, until = wish.bounds
    schedule = schedule_of(mentor, viewer=request.user, since=since, until=until, now=timezone.now())
    zone = ZoneInfo(wish.zone)
    return {
        "mentor_id": mentor.pk,
        "timezone": wish.zone,
        "duration_minutes": schedule.duration_minutes,
        "windows": [
            {"start_time": start.astimezone(zone), "end_time": end.astimezone(zone)} for start, end in schedule.windows
        ],
        "booked": [
            {**_times(taken.starts_at, taken.ends_at), "appointment_id": taken.appointment_id}
            for taken in schedule.taken
        ],
        "free": [_slot(slot) for slot in schedule.free],
    }


@appointments.get("/mentor/{int:mentor_id}/available-slots", response=FreeSlots, summary="List a mentor's free slots")
@refuses(LengthNotOffered)
def list_available_slots(request, mentor_id: int, wish: Query[WantedSlots]):
    """The times at which you can book this mentor now, and why you cannot in between. They are those of the page where
    sessions are booked: your own appointments count, and a time that a waiting list holds for you is free for you.

    `closed` speaks of starts: before a meeting at 11:00 a session of an hour may start at 10:00 at the latest, so what
    follows 10:00 is closed. `own_mentor` and `not_bookable` close everything: nobody books a session with themself, or
    with a mentor who is not shown to students."""
    mentor = _mentor(request, mentor_id)
    minutes = wish.length_with(mentor)
    since, until = wish.bounds
    found = _offer_to(request.user, mentor, duration_minutes=minutes, since=since, until=until, now=timezone.now())
    return {
        "mentor_id": mentor.pk,
        "timezone": wish.zone,
        "duration_minutes": minutes,
        "slots": [_slot(slot) for slot in found.slots],
        "closed": [{**_times(each.start, each.end), "reason": each.reason} for each in found.closed],
    }


# --- The best of it ---------------------------------------------------------------------------------------------------


class WantedMatch(Input):
    model_config = example(
        **{
            "expertise": ["python", "django"],
            "duration_minutes": 60,
            "from": "2026-12-01",
            "to": "2026-12-07",
            "max_price_points": 80,
            "mentors": 5,
        }
    )

    expertise: list[Spelling] = Field(
        [], max_length=MAX_TAGS, description="Whoever knows one of them fits, whoever knows more fits better."
    )
    duration_minutes: Minutes
    from_: DayOrMoment = Field(alias="from", description="A day of your time zone, or a time.")
    to: DayOrMoment = Field(
        description=f"A day, which is in it, or a time by which the session is over. At most {LONGEST_RANGE_DAYS} days."
    )
    max_price_points: int | None = Field(
        None, ge=0, le=MOST_POINTS, description="For the whole session. Left out: what is in your wallet."
    )
    mentors: int = Field(10, ge=1, le=50, description="How many at most.")

    @field_validator("to")
    @classmethod
    def _to_is_near(cls, to, info):
        if "from_" in info.data:
            _check_range(info.data["from_"], to, zone_name(), LONGEST_RANGE_DAYS)
        return to

    def wanted_by(self, person) -> Wanted:
        zone = zone_name()
        since, until = _bounds(self.from_, self.to, zone)
        found, missing = tags_called(self.expertise)
        if missing:
            raise UnknownTag(tags=missing)
        most = wallet_of(person).balance_points if self.max_price_points is None else self.max_price_points
        return Wanted(
            duration_minutes=self.duration_minutes,
            first=since.astimezone(ZoneInfo(zone)).date(),
            last=(until - dt.timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date(),
            zone=zone,
            highest_price_points=most,
            tags=found,
            since=since if isinstance(self.from_, dt.datetime) else None,
            until=until if isinstance(self.to, dt.datetime) else None,
        )


NO_REASON = {"tags": None, "rating": None, "rating_count": None, "minutes": None, "start_time": None}


class TimedReason(ReasonOut):
    """Why a mentor fits, and `free` when: with the first time that suits."""

    model_config = example(**{**NO_REASON, "kind": "free", "start_time": "2026-12-01T08:00:00Z"})

    kind: Literal["tags", "helped", "rating", "response", "free"]
    start_time: Instant | None = None

    @staticmethod
    def resolve_start_time(reason):
        return getattr(reason, "starts_at", None)


class MatchOut(Output):
    mentor_id: Id
    start_time: Instant
    end_time: Instant
    price_points: int
    score: float = Field(description="From 0 to 1: how well the mentor fits, less for a later start.")
    reasons: list[TimedReason]


class Matches(Output):
    model_config = example(
        items=[
            {
                "mentor_id": 17,
                **SLOT,
                "score": 0.7312,
                "reasons": [
                    {**NO_REASON, "kind": "tags", "tags": ["django", "python"]},
                    {**NO_REASON, "kind": "rating", "rating": 4.8, "rating_count": 12},
                    {**NO_REASON, "kind": "free", "start_time": "2026-12-01T08:00:00Z"},
                ],
            }
        ]
    )

    items: list[MatchOut]


@appointments.post("/match", response=Matches, summary="Find the best mentors and times")
@refuses(UnknownTag)
def match(request, wish: WantedMatch):
    """The best mentor-and-time pairs for what you look for, best first, each mentor once with the first free time; the
    same as the page “Find me a time”. It books nothing: book the one you like."""
    pairs = best_pairs(wish.wanted_by(request.user), student=request.user, now=timezone.now(), limit=wish.mentors)
    return {
        "items": [
            {
                "mentor_id": pair.mentor.pk,
                "start_time": pair.starts_at,
                "end_time": pair.ends_at,
                "price_points": pair.price_points,
                "score": round(pair.score, 4),
                "reasons": pair.reasons,
            }
            for pair in pairs
        ]
    }


# --- Waiting for it ---------------------------------------------------------------------------------------------------

PLACE = {
    "id": 5,
    "mentor_id": 17,
    "date": "2026-12-01",
    "timezone": "Europe/Madrid",
    "duration_minutes": 60,
    "status": "waiting",
    "before": 2,
    "offered_start_time": None,
    "offered_until": None,
    "created_at": "2026-11-22T10:00:00Z",
}


class WantedPlace(Input):
    model_config = example(date="2026-12-01", duration_minutes=60)

    date: Date = Field(description="A day of your own calendar.")
    duration_minutes: int = Field(ge=1, le=DAY_MINUTES)


class GivenUpPlace(Input):
    model_config = example(date="2026-12-01", duration_minutes=60)

    date: Date
    duration_minutes: int = Field(None, ge=1, le=DAY_MINUTES, description="Left out: whatever the length.")


class OwnPlaces(Paging):
    model_config = example(page=1, page_size=20)


class Place(Output):
    model_config = example(**PLACE)

    id: Id
    mentor_id: Id
    date: dt.date
    timezone: str = Field(description="Of the calendar to which the day belongs.")
    duration_minutes: int
    status: Literal["waiting", "offered"]
    before: int = Field(description="How many came earlier and still wait.")
    offered_start_time: Instant | None = Field(alias="offered_starts_at", description="The time that is held for you.")
    offered_until: Instant | None = Field(description="How long it is held.")
    created_at: Instant


def _own_places(user):
    return WaitingListEntry.objects.visible_to(user).active(timezone.now()).with_place()


@mentors.get("/{int:mentor_id}/waitlist", response=Listed[Place], summary="List the days you wait for")
@refuses()
def list_places(request, mentor_id: int, wish: Query[OwnPlaces]):
    """The days of this mentor for which you stand in line, and the times that are held for you."""
    mentor = _mentor(request, mentor_id)
    return part_of(_own_places(request.user).filter(mentor=mentor).order_by("since", "id"), wish)


@mentors.post("/{int:mentor_id}/waitlist", response={200: Place, 201: Place}, summary="Wait for a full day")
@refuses(OwnMentor, MentorNotBookable, LengthNotOffered, DayNotAhead, NotFull, NothingToWaitFor, TooManyPlaces)
def join_waitlist(request, mentor_id: int, wish: WantedPlace):
    """A place in the line for a day of your calendar on which nothing is free. When a time frees up it is held for the
    first in line for some minutes, and you are told. Whoever stands in that line already keeps the place, and is
    answered with 200."""
    now = timezone.now()
    entry = join_waiting_list(
        _mentor(request, mentor_id),
        student=request.user,
        date=wish.date,
        zone=zone_name(),
        duration_minutes=wish.duration_minutes,
        now=now,
    )
    place = WaitingListEntry.objects.with_place().get(pk=entry.pk)
    return Status(201 if entry.created_at == now else 200, place)


@mentors.delete("/{int:mentor_id}/waitlist", response={204: None}, summary="Stop waiting for a day")
@refuses()
def leave_waitlist(request, mentor_id: int, wish: Query[GivenUpPlace]):
    """Gives up your place for that day; a time that is held for you goes to whoever is next. A second time changes
    nothing. What to leave stands in the address, because many programs cannot send a body with DELETE."""
    entries = WaitingListEntry.objects.visible_to(request.user).filter(mentor__id=mentor_id, date=wish.date)
    entries = entries.filter(status__in=WaitingListEntry.ACTIVE)
    if wish.duration_minutes is not None:
        entries = entries.filter(duration_minutes=wish.duration_minutes)
    entries = list(entries.order_by("id"))
    if not entries:
        _mentor(request, mentor_id)
    for entry in entries:
        leave_waiting_list(entry, by=request.user, now=timezone.now())
    return Status(204, None)
