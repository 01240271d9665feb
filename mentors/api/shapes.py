"""What programs send and get about mentors and tags."""

from decimal import Decimal
from typing import Annotated, Literal

from django.core.exceptions import ValidationError
from django.utils import timezone
from pydantic import AfterValidator, Field

from mentorbook.rest.schemas import Date, Id, Input, Instant, Output, Paging, example, line, words
from mentors import directory
from mentors.models import (
    MAX_EXPERTISE,
    MAX_HOURLY_RATE,
    MAX_LANGUAGE_LENGTH,
    MAX_LANGUAGES,
    SESSION_MINUTES,
    MentorProfile,
)
from mentors.ratings import mean_to_one_decimal
from mentors.tags import normalise


def checked_by(check):
    """Let a rule that raises Django's ValidationError check a value of a schema as well; what it returns counts."""

    def checked(value):
        try:
            better = check(value)
        except ValidationError as error:
            raise ValueError(" ".join(error.messages)) from error
        return value if better is None else better

    return AfterValidator(checked)


def amount(name):
    """The type of a whole number, within the bounds that the field of a profile has."""
    bounds = {"min_value": [], "max_value": []}
    for validator in MentorProfile._meta.get_field(name).validators:
        bounds[validator.code].append(validator.limit_value)
    return Annotated[int, Field(ge=max(bounds["min_value"]), le=min(bounds["max_value"]))]


def _length(name):
    return MentorProfile._meta.get_field(name).max_length


# A tag as people write it; read in the one spelling that it has here.
Spelling = Annotated[str, checked_by(normalise)]
Minutes = Literal[SESSION_MINUTES]
Standing = Literal["available", "busy", "away"]

# What the API calls an order → what the directory does.
ORDERS = {"rating": "rating", "hourly_rate": "rate", "-hourly_rate": "-rate", "next_free": "next_free"}


# --- What is answered -------------------------------------------------------------------------------------------------

ROW = {
    "id": 3,
    "user_id": 21,
    "name": "Max Meyer",
    "headline": "Django without the fog",
    "expertise_areas": ["django", "python"],
    "languages": ["German", "English"],
    "hourly_rate": 50,
    "session_minutes": [30, 60],
    "timezone": "Europe/Berlin",
    "status": "available",
    "takes_chats": True,
    "rating": 4.7,
    "rating_count": 12,
    "sessions_completed": 31,
    "tickets_resolved": 18,
}
TERMS = {
    "bio": "I repair slow pages, and explain why they were slow.",
    "hourly_rate": 50,
    "session_minutes": [30, 60],
    "slot_step_minutes": None,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 15,
    "minimum_notice_minutes": 240,
    "booking_horizon_days": 28,
    "max_sessions_per_day": 4,
    "max_sessions_per_week": None,
    "cancellation_notice_hours": 24,
    "confirms_automatically": False,
    "takes_chats": True,
    "tickets_at_once": 4,
    "meeting_url": "https://meet.example.org/max",
}


class MentorRow(Output):
    """What a list says of a mentor."""

    model_config = example(**ROW)

    id: Id
    user_id: Id
    name: str
    headline: str
    expertise_areas: list[str]
    languages: list[str]
    hourly_rate: int = Field(description="Points for an hour; other lengths cost their share. 0 is free of charge.")
    session_minutes: list[int] = Field(description="The lengths on offer, the shortest first.")
    timezone: str = Field(description="In which the mentor's hours are written.")
    status: Standing = Field(description="Busy takes no chats, away no new bookings either.")
    takes_chats: bool
    rating: float | None = Field(description="The plain mean of the reviews shown, to one decimal; null without any.")
    rating_count: int
    sessions_completed: int
    tickets_resolved: int

    @staticmethod
    def resolve_name(mentor):
        return str(mentor.user)

    @staticmethod
    def resolve_expertise_areas(mentor):
        return [tag.name for tag in mentor.expertise.all()]

    @staticmethod
    def resolve_hourly_rate(mentor):
        return mentor.hourly_rate_points

    @staticmethod
    def resolve_rating(mentor):
        return _rating(mentor)

    @staticmethod
    def resolve_tickets_resolved(mentor):
        return mentor.tickets_solved


class FoundMentor(MentorRow):
    model_config = example(**ROW, next_free_at="2026-12-01T08:00:00Z")

    next_free_at: Instant | None = Field(description="The first start that you could book; null while there is none.")


class Mentor(MentorRow):
    model_config = example(**{**ROW, **TERMS}, is_approved=True)

    bio: str
    slot_step_minutes: int | None = Field(description="Null: the length of the session.")
    buffer_before_minutes: int
    buffer_after_minutes: int
    minimum_notice_minutes: int
    booking_horizon_days: int
    max_sessions_per_day: int | None
    max_sessions_per_week: int | None
    cancellation_notice_hours: int
    confirms_automatically: bool
    tickets_at_once: int = Field(description="How many questions in writing are worked on at once.")
    meeting_url: str | None = Field(description="Null for all but the mentor and staff; a booking has it for you.")
    is_approved: bool = Field(description="Until staff approve a profile, only the mentor and staff see it.")

    @staticmethod
    def resolve_meeting_url(mentor, context):
        return mentor.meeting_url if mentor.is_open_to(context["request"].user) else None


class MentorFigures(Output):
    model_config = example(
        mentor_id=3,
        rating=4.7,
        rating_count=12,
        sessions_completed=31,
        tickets_resolved=18,
        answers_usually_within_minutes=25,
        solution_minutes=180,
    )

    mentor_id: Id
    rating: float | None = Field(description="The plain mean of the reviews shown, to one decimal; null without any.")
    rating_count: int
    sessions_completed: int
    tickets_resolved: int
    answers_usually_within_minutes: int | None = Field(
        description="Median, from taking a ticket to the first word in it; null while there are too few to tell."
    )
    solution_minutes: int | None = Field(
        description="Median, from taking a ticket to its solution; null while there are too few to tell."
    )

    @staticmethod
    def resolve_mentor_id(mentor):
        return mentor.pk

    @staticmethod
    def resolve_rating(mentor):
        return _rating(mentor)

    @staticmethod
    def resolve_tickets_resolved(mentor):
        return mentor.tickets_solved

    @staticmethod
    def resolve_answers_usually_within_minutes(mentor):
        return mentor.answers_usually_within

    @staticmethod
    def resolve_solution_minutes(mentor):
        return mentor.solves_usually_within


class TagOut(Output):
    model_config = example(id=5, name="django")

    id: Id
    name: str


def _rating(mentor):
    if not mentor.rating_count:
        return None
    return mean_to_one_decimal(count=mentor.rating_count, total=mentor.rating_sum)


# --- What is sent -----------------------------------------------------------------------------------------------------


class MentorFilters(Paging):
    model_config = example(
        q="django",
        expertise=["python", "django"],
        max_rate=60,
        min_rating=4.5,
        status="available",
        available_on="2026-12-01",
        ordering="next_free",
    )

    q: Annotated[line(directory.MAX_QUERY_LENGTH, least=0), checked_by(directory.check_query)] = Field(
        "", description="Beginnings of words in name, headline, bio and tags; all have to be there."
    )
    expertise: list[Spelling] = Field(
        [], max_length=directory.MAX_TAGS, description="Tags or synonyms, all of which a mentor must have."
    )
    max_rate: int | None = Field(None, ge=0, le=MAX_HOURLY_RATE, description="Points an hour, at most.")
    min_rating: Decimal | None = Field(
        None, ge=1, le=5, decimal_places=1, description="At least so many stars. Who has no reviews is left out."
    )
    status: Standing | None = None
    available_on: Annotated[Date, checked_by(lambda day: directory.check_day(day, now=timezone.now()))] | None = Field(
        None, description="A day of your time zone, on which you could book a session."
    )
    ordering: Literal[tuple(ORDERS)] = Field(
        "rating", description="Best rated, cheapest (hourly_rate), dearest (-hourly_rate) or soonest free first."
    )


class Terms(Input):
    """What can be said about a mentor besides the expertise; all of it optional."""

    headline: line(_length("headline")) = Field(None, description="Stands below the name in every list.")
    bio: words(_length("bio")) = None
    languages: list[line(MAX_LANGUAGE_LENGTH)] = Field(None, max_length=MAX_LANGUAGES)
    hourly_rate: amount("hourly_rate_points") = Field(None, description="Points. 0 is free of charge.")
    timezone: line(_length("timezone")) = Field(None, description="An IANA name. The hours are written in it.")
    session_minutes: list[Minutes] = Field(None, min_length=1, max_length=len(SESSION_MINUTES))
    slot_step_minutes: amount("slot_step_minutes") | None = Field(None, description="Null: the session's length.")
    buffer_before_minutes: amount("buffer_before_minutes") = None
    buffer_after_minutes: amount("buffer_after_minutes") = None
    minimum_notice_minutes: amount("minimum_notice_minutes") = None
    booking_horizon_days: amount("booking_horizon_days") = None
    max_sessions_per_day: amount("max_sessions_per_day") | None = Field(None, description="Null: as many as fit.")
    max_sessions_per_week: amount("max_sessions_per_week") | None = Field(None, description="Null: as many as fit.")
    cancellation_notice_hours: amount("cancellation_notice_hours") = Field(
        None, description="Until so many hours before a session, cancelling it is free."
    )
    confirms_automatically: bool = None
    takes_chats: bool = None
    tickets_at_once: amount("tickets_at_once") = None
    meeting_url: words(_length("meeting_url")) = Field(None, description="http or https. Empty: none.")


class NewMentor(Terms):
    model_config = example(
        bio="I repair slow pages, and explain why they were slow.",
        headline="Django without the fog",
        expertise_areas=["Python", "Django"],
        hourly_rate=50,
        max_sessions_per_day=4,
    )

    bio: words(_length("bio"))
    expertise_areas: list[Spelling] = Field(min_length=1, max_length=MAX_EXPERTISE)
    hourly_rate: amount("hourly_rate_points") = Field(description="Points. 0 is free of charge.")
    user_id: Id | None = Field(None, description="Whose profile; your own unless you are staff.")


class MentorChanges(Terms):
    model_config = example(hourly_rate=60, expertise_areas=["python", "django"], max_sessions_per_day=None)

    expertise_areas: list[Spelling] = Field(None, min_length=1, max_length=MAX_EXPERTISE)


class StatusChange(Input):
    model_config = example(status="busy")

    status: Standing


class NewExpertise(Input):
    model_config = example(tag="python")

    tag: Spelling


class TagFilters(Paging):
    model_config = example(q="dj")

    q: words(100) = Field("", description="The beginning of a tag or synonym.")


class NewTag(Input):
    model_config = example(name="Node.js")

    name: Spelling
