"""Reviews in both directions."""

from typing import Annotated, Literal

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import Field

from bookings.models import Appointment
from feedback.actions import (
    AlreadyReviewed,
    NotClosed,
    NotHeld,
    NotOver,
    ReviewFinal,
    ReviewSeen,
    edit_review,
    review_ticket,
    write_review,
)
from feedback.models import Review
from feedback.ratings import reviews_of_mentor
from mentorbook.errors import NotAllowed
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import EXAMPLE_TIME, Id, Input, Instant, Listed, Output, Paging, example, line, part_of
from mentors.models import MentorProfile
from tickets.models import Ticket

feedback = Router(tags=["feedback"])

COMMENT = line(Review._meta.get_field("comment").max_length, least=0)
# Stars are counted, so neither "5" nor 5.0 nor true is a number of them.
Stars = Annotated[int, Field(strict=True, ge=1, le=5, description="1 is poor, 5 is excellent.")]


class WriteReview(Input):
    model_config = example(rating=5, comment="Explained it so that I could go on alone.")

    rating: Stars
    comment: COMMENT = ""


class ReviewOfMentor(Output):
    """What everybody may read."""

    model_config = example(
        id=4711,
        rating=5,
        comment="Explained it so that I could go on alone.",
        author_id=17,
        author_name="Ann Archer",
        created_at=EXAMPLE_TIME,
        shown_at="2026-12-03T10:00:00Z",
    )

    id: Id
    rating: int
    comment: str
    author_id: Id
    author_name: str
    created_at: Instant
    shown_at: Instant = Field(description="From then on others see it.")

    @staticmethod
    def resolve_author_name(review):
        return str(review.author)


class ReviewOut(ReviewOfMentor):
    """A review for those whom it concerns."""

    model_config = example(
        id=4711,
        rating=5,
        comment="Explained it so that I could go on alone.",
        author_id=17,
        author_name="Ann Archer",
        created_at=EXAMPLE_TIME,
        shown_at="2026-12-15T10:00:00Z",
        recipient_id=18,
        about="mentor",
        appointment_id=17,
        ticket_id=None,
        edited_at=None,
        editable_until="2026-12-03T10:00:00Z",
        is_hidden=False,
    )

    recipient_id: Id
    about: Literal["mentor", "student"] = Field(description="Whom of the two it is of.")
    appointment_id: Id | None
    ticket_id: Id | None
    edited_at: Instant | None
    editable_until: Instant = Field(description="Until then its author can change it.")
    is_hidden: bool = Field(description="Staff have hidden it.")


class ReviewPage(Paging):
    model_config = example(page=1, page_size=20)


@feedback.get(
    "/appointments/{int:appointment_id}/feedback", response=Listed[ReviewOut], summary="List the reviews of a session"
)
@refuses()
def list_reviews_of_appointment(request, appointment_id: int, wish: Query[ReviewPage]):
    """Your own, and that of the other side once it is shown: when both have written, or after two weeks."""
    return part_of(_visible(request).filter(appointment=_appointment(request, appointment_id)), wish)


@feedback.post(
    "/appointments/{int:appointment_id}/feedback",
    response={201: ReviewOut},
    summary="Review the other side of a session",
)
@refuses(NotAllowed, AlreadyReviewed, NotOver, NotHeld, ReviewSeen)
def review_appointment(request, appointment_id: int, wish: WriteReview):
    """Its student reviews the mentor, its mentor the student, once each and after it was completed. Both are shown when
    both have written, or after two weeks; until then the other side learns only that there is one."""
    appointment = _appointment(request, appointment_id)
    return Status(201, write_review(appointment, author=request.user, now=timezone.now(), **wish.dict()))


@feedback.get("/tickets/{int:ticket_id}/feedback", response=Listed[ReviewOut], summary="List the reviews of a ticket")
@refuses()
def list_reviews_of_ticket(request, ticket_id: int, wish: Query[ReviewPage]):
    """That of its student, for others from when it is shown."""
    return part_of(_visible(request).filter(ticket=_ticket(request, ticket_id)), wish)


@feedback.post("/tickets/{int:ticket_id}/feedback", response={201: ReviewOut}, summary="Review the mentor of a ticket")
@refuses(NotAllowed, AlreadyReviewed, NotClosed)
def review_of_ticket(request, ticket_id: int, wish: WriteReview):
    """Its student reviews the mentor, once, after the ticket was closed. Shown after 48 hours; until then the mentor
    learns only that there is one."""
    ticket = _ticket(request, ticket_id)
    return Status(201, review_ticket(ticket, author=request.user, now=timezone.now(), **wish.dict()))


@feedback.put("/feedback/{int:review_id}", response=ReviewOut, summary="Change your review")
@refuses(ReviewFinal)
def change_review(request, review_id: int, wish: WriteReview):
    """Replaces rating and comment of your own review, for 48 hours and until it is shown."""
    review = get_object_or_404(_of_its_own(Review.objects.filter(author=request.user)), pk=review_id)
    return edit_review(review, by=request.user, now=timezone.now(), **wish.dict())


@feedback.get(
    "/mentors/{int:mentor_id}/feedback", response=Listed[ReviewOfMentor], summary="List the reviews of a mentor"
)
@refuses()
def list_reviews_of_mentor(request, mentor_id: int, wish: Query[ReviewPage]):
    """What students say of this mentor, newest first: those that are shown by now."""
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user), pk=mentor_id)
    return part_of(reviews_of_mentor(mentor, timezone.now()), wish)


def _visible(request):
    return _of_its_own(Review.objects.visible_to(request.user, timezone.now())).order_by("created_at", "id")


def _of_its_own(reviews):
    return reviews.select_related("author", "appointment__mentor__user", "appointment__student", "ticket__mentor__user")


def _appointment(request, pk):
    return get_object_or_404(Appointment.objects.visible_to(request.user).with_people(), pk=pk)


def _ticket(request, pk):
    return get_object_or_404(Ticket.objects.visible_to(request.user).with_people(), pk=pk)
