"""What programs send and get about appointments."""

import datetime as dt
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from bookings.models import Appointment, AppointmentEvent
from bookings.weekly import MOST_WEEKS
from mentorbook.rest.schemas import Id, Input, Instant, Moment, Output, Paging, example, line, words
from wallets.models import MAX_POINTS

LONGEST_TITLE = Appointment._meta.get_field("title").max_length
LONGEST_DESCRIPTION = Appointment._meta.get_field("description").max_length
LONGEST_REASON = AppointmentEvent._meta.get_field("reason").max_length

State = Literal["requested", "confirmed", "declined", "expired", "cancelled", "completed", "no_show", "disputed"]
APPOINTMENT = {
    "id": 17,
    "kind": "session",
    "mentor_id": 3,
    "student_id": 5,
    "project_group_id": None,
    "ticket_id": None,
    "title": "Why is this query slow?",
    "description": "It takes a minute.",
    "start_time": "2026-12-01T10:00:00Z",
    "end_time": "2026-12-01T11:00:00Z",
    "status": "confirmed",
    "price_points": 50,
    "cancel_free_until": "2026-11-30T10:00:00Z",
    "refund_points_if_cancelled_now": 50,
    "meeting_url": "https://meet.example.org/max",
    "sequence": 1,
    "created_at": "2026-11-22T05:00:00Z",
    "proposed_start_time": None,
    "proposed_end_time": None,
    "proposed_price_points": None,
    "proposed_by": None,
}


class Span(Input):
    """From when to when, in whole minutes."""

    start_time: Moment
    end_time: Moment = Field(description="After the start by one of the mentor's `session_minutes`.")

    @field_validator("end_time")
    @classmethod
    def _whole_minutes_after_start(cls, end_time, info: ValidationInfo):
        start_time = info.data.get("start_time")
        if start_time is not None:
            if end_time <= start_time:
                raise ValueError("The end is after the start.")
            if (end_time - start_time) % dt.timedelta(minutes=1):
                raise ValueError("From start to end are whole minutes.")
        return end_time

    @property
    def duration_minutes(self):
        return (self.end_time - self.start_time) // dt.timedelta(minutes=1)


class BookingWish(Span):
    model_config = example(
        mentor_id=3,
        title="Why is this query slow?",
        description="It takes a minute.",
        start_time="2026-12-01T10:00:00Z",
        end_time="2026-12-01T11:00:00Z",
        max_price_points=50,
    )

    mentor_id: Id
    title: line(LONGEST_TITLE)
    description: words(LONGEST_DESCRIPTION) = ""
    project_group_id: Id | None = Field(None, description="A group of yours, for whose members all it is.")
    pay_from: Literal["wallet", "group"] = Field("wallet", description="`group` takes the points of that group.")
    ticket_id: Id | None = Field(None, description="The question of yours that it is about.")
    student_id: Id | None = Field(None, description="Yourself. Staff book for anyone, with that person's points.")
    repeat_weekly: int = Field(1, ge=1, le=MOST_WEEKS, description="How many weeks, at the mentor's same local time.")
    max_price_points: int | None = Field(
        None,
        ge=0,
        le=MAX_POINTS,
        description="The price that you were shown, of one session; nothing dearer is booked.",
    )

    @field_validator("pay_from")
    @classmethod
    def _of_a_group(cls, pay_from, info: ValidationInfo):
        if pay_from == "group" and info.data.get("project_group_id", 0) is None:
            raise ValueError("Say with project_group_id which group pays.")
        return pay_from


class MoveWish(Span):
    model_config = example(
        start_time="2026-12-02T10:00:00Z", end_time="2026-12-02T11:00:00Z", reason="I have an exam on Tuesday."
    )

    reason: words(LONGEST_REASON) = ""


class Agreement(Input):
    model_config = example(start_time="2026-12-02T10:00:00Z", end_time="2026-12-02T11:00:00Z")

    start_time: Moment = Field(description="The proposed time that you agree to; no other is accepted.")
    end_time: Moment


class Refusal(Input):
    model_config = example(reason="I have an exam then.")

    start_time: Moment | None = Field(None, description="The proposed time that you mean; any other is not answered.")
    end_time: Moment | None = None
    reason: words(LONGEST_REASON) = ""


class Reason(Input):
    model_config = example(reason="I am ill.")

    reason: words(LONGEST_REASON) = ""


class ChatWish(Input):
    model_config = example(mentor_id=3, topic="Which index would help here?", ticket_id=8, max_price_points=13)

    mentor_id: Id
    topic: line(LONGEST_TITLE)
    description: words(LONGEST_DESCRIPTION) = ""
    ticket_id: Id | None = Field(None, description="The question of yours that it is about.")
    max_price_points: int | None = Field(
        None, ge=0, le=MAX_POINTS, description="The price that you were shown; nothing dearer is asked for."
    )


class AppointmentFilters(Paging):
    status: list[State] | None = Field(None, description="May come several times: any of these.")
    since: Moment | None = Field(None, alias="from", description="Those that end after it.")
    until: Moment | None = Field(None, alias="to", description="Those that start before it.")


class AppointmentOut(Output):
    model_config = example(**APPOINTMENT)

    id: Id
    kind: Literal["session", "chat"]
    mentor_id: Id
    student_id: Id = Field(description="Who booked it; with a group for its members all.")
    project_group_id: Id | None
    ticket_id: Id | None
    title: str
    description: str
    start_time: Instant = Field(description="Of a chat that nobody accepted yet: the latest start.")
    end_time: Instant
    status: State
    price_points: int
    cancel_free_until: Instant = Field(description="Until then whoever pays has all points back.")
    refund_points_if_cancelled_now: int | None = Field(
        description="What comes back to whoever paid if you cancel now. Null where you cannot."
    )
    meeting_url: str | None = Field(description="For those who meet, from the confirmation to the end.")
    sequence: int = Field(description="Rises with each change.")
    created_at: Instant
    proposed_start_time: Instant | None = Field(description="Another time that waits for an answer.")
    proposed_end_time: Instant | None
    proposed_price_points: int | None = Field(description="What it would cost then.")
    proposed_by: Literal["mentor", "student"] | None = Field(description="The side that proposes; the other answers.")


class SeriesOut(AppointmentOut):
    """The first of several sessions that were booked together, and which they are."""

    model_config = example(**APPOINTMENT, series_id=2, appointments=[17, 18, 19])

    series_id: Id
    appointments: list[Id] = Field(description="All of them, in the order of time, this one included.")


def told(seen) -> dict:
    """An appointment as `seen` (a Standpoint) may know it."""
    appointment, proposal = seen.appointment, seen.proposal
    return {
        "id": appointment.pk,
        "kind": appointment.kind,
        "mentor_id": appointment.mentor_id,
        "student_id": appointment.student_id,
        "project_group_id": appointment.group_id,
        "ticket_id": appointment.ticket_id,
        "title": appointment.title,
        "description": appointment.description,
        "start_time": appointment.starts_at,
        "end_time": appointment.ends_at,
        "status": appointment.status,
        "price_points": appointment.price_points,
        "cancel_free_until": appointment.cancel_free_until,
        "refund_points_if_cancelled_now": seen.refund_points if seen.can_cancel else None,
        "meeting_url": appointment.meeting_url if seen.shows_meeting_link else None,
        "sequence": appointment.sequence,
        "created_at": appointment.created_at,
        "proposed_start_time": proposal and proposal.starts_at,
        "proposed_end_time": proposal and proposal.ends_at,
        "proposed_price_points": proposal and proposal.price_points,
        "proposed_by": proposal and ("mentor" if proposal.by_mentor else "student"),
    }
