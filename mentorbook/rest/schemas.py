"""The shapes of what programs send and get."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from django.utils import timezone
from ninja import Schema
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

BIGGEST_ID = 2**63 - 1
PAST, FUTURE = dt.timedelta(days=366), dt.timedelta(days=2 * 366)
EXAMPLE_TIME = "2026-12-01T10:00:00Z"


def example(**fields) -> ConfigDict:
    """For a schema's `model_config`: what the documentation shows, and tests hold against the schema itself."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Input(Schema):
    """What a program sends. Fields that are not known are refused, and so are texts that no database keeps."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _without_nul(cls, value):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and "\0" in text:
                raise ValueError("Leave out the NUL character.")
        return value

    def given(self) -> dict:
        """The fields that were really sent: what a partial update changes."""
        return self.model_dump(exclude_unset=True)


class Output(Schema):
    """What a program gets."""


def _as_utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)


def _read_moment(text):
    """A time within what can be planned; without an offset in the zone of whoever asks (TimezoneMiddleware set it)."""
    if not isinstance(text, str):
        raise ValueError("Send a time as text, such as 2026-12-01T10:00:00Z.")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("This is not a time in ISO 8601, such as 2026-12-01T10:00:00Z.") from error
    try:
        if moment.tzinfo is None:
            moment = _in_own_zone(moment)
        moment = moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError("This time is outside of what can be planned.") from error
    now = timezone.now()
    if not now - PAST <= moment <= now + FUTURE:
        raise ValueError("Times are between a year ago and two years ahead.")
    return moment


def _in_own_zone(local):
    zone = timezone.get_current_timezone()
    before, after = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if before.utcoffset() != after.utcoffset():  # PEP 495: in a gap and in an overlap, and only there
        raise ValueError(f"In {zone} the clocks change then: this time is there twice or not at all. Add an offset.")
    return before


def _read_date(value):
    if not isinstance(value, str):
        raise ValueError("Send a date as text, such as 2026-12-01.")
    try:
        date = dt.datetime.strptime(value, "%Y-%m-%d").date()
    except ValueError as error:
        raise ValueError("This is not a date in ISO 8601, such as 2026-12-01.") from error
    today = timezone.now().date()
    if not today - PAST <= date <= today + FUTURE:
        raise ValueError("Dates are between a year ago and two years ahead.")
    return date


def _read_day_or_moment(text):
    is_day = isinstance(text, str) and len(text) == len("2026-12-01")
    return _read_date(text) if is_day else _read_moment(text)


Id = Annotated[int, Field(ge=1, le=BIGGEST_ID)]
# A time that is sent. Without an offset it is read in the zone of the profile.
Moment = Annotated[
    dt.datetime,
    BeforeValidator(_read_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE_TIME]}),
]
Date = Annotated[
    dt.date,
    BeforeValidator(_read_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-12-01"]}),
]
# Where a range begins or ends: a day as a whole, or a time.
DayOrMoment = Annotated[
    dt.date,
    PlainValidator(_read_day_or_moment),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
            "examples": ["2026-12-01", EXAMPLE_TIME],
        }
    ),
]
# A time that is answered: always UTC, written with Z.
Instant = Annotated[dt.datetime, AfterValidator(_as_utc)]


def line(most: int, *, least: int = 1):
    """The type of a text in one line, with white space around it left out: `title: line(200)`."""
    return Annotated[str, StringConstraints(strip_whitespace=True, min_length=least, max_length=most)]


def words(most: int):
    """The type of a longer text, as it is."""
    return Annotated[str, StringConstraints(max_length=most)]


class Paging(Input):
    """Which part of a list. Filters of a list derive from it."""

    page: int = Field(1, ge=1, le=1_000_000, description="The first is 1.")
    page_size: int = Field(20, ge=1, le=100, description="How many items a page has.")


Item = TypeVar("Item")


class Listed(Output, Generic[Item]):
    """A part of a list, and how long the whole is."""

    items: list[Item]
    count: int


def part_of(rows, paging: Paging) -> dict:
    """The page of `rows` (a query set in a stable order, or a sequence) that was asked for, as `Listed` has it."""
    start = (paging.page - 1) * paging.page_size
    count = len(rows) if isinstance(rows, Sequence) else rows.count()
    return {"items": list(rows[start : start + paging.page_size]) if start < count else [], "count": count}
