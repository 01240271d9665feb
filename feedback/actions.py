"""Reviews: written after a session, shown when both have written or after two weeks, counted in a mentor's rating.

After a ticket only its student reviews, so nobody could answer a rating with a rating: it is shown as soon as it cannot
be changed any more.

Locks as everywhere: mentor → appointment or ticket. Whatever changes which reviews of a mentor are shown holds the
mentor's row and counts them anew, so that the rating is right whoever comes at the same moment.
"""

import datetime as dt
import logging

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from bookings.actions.locks import lock_appointment, lock_mentor
from bookings.models import Appointment
from feedback.models import EDITABLE_FOR, Review
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from mentors.actions import record_rating
from notifications.actions import notify
from notifications.models import Kind
from tickets.models import Ticket

logger = logging.getLogger(__name__)

MENTOR_ID = Coalesce("appointment__mentor", "ticket__mentor")


class NotOver(Refused):
    code = "not_over"
    message = _("This session is not completed yet. You can review it afterwards.")


class NotClosed(Refused):
    code = "not_closed"
    message = _("This ticket is not closed yet. You can review it afterwards.")


class NotHeld(Refused):
    code = "not_held"
    message = _("This session did not take place, so there is nothing to review.")


class AlreadyReviewed(Refused):
    code = "already_reviewed"
    message = _("You have reviewed this already. What you wrote first is kept.")


class ReviewSeen(Refused):
    code = "review_seen"
    message = _(
        "The other review of this session is shown by now, and nobody answers a rating with a rating."
        " This session takes no more reviews."
    )


class ReviewFinal(Refused):
    code = "review_final"
    message = _("This review cannot be changed any more. It could be for 48 hours, and until it was shown.")


class ReasonMissing(Refused):
    code = "reason_missing"
    status = 422
    field = "reason"
    message = _("Say why, so that others of the staff understand it later.")


@patiently
@transaction.atomic
def write_review(appointment: Appointment, *, author, rating: int, comment: str = "", now: dt.datetime) -> Review:
    """Review the other person of a completed session.

    Shown after REVIEWS_SHOWN_AFTER_DAYS, or at once (both of them) when the other side has written already; of two
    who write at the same moment one comes second, so both are shown. The recipient is told that there is a review,
    and learns the rating only when it is shown.
    """
    appointment, _profiles = lock_appointment(appointment)
    reviews = list(appointment.reviews.all())
    refusal = why_not_reviewable(appointment, author=author, reviews=reviews, now=now)
    if refusal:
        raise refusal
    of_mentor = author.pk == appointment.student_id
    review = Review(
        appointment=appointment,
        author=author,
        recipient=appointment.mentor.user if of_mentor else appointment.student,
        about=Review.About.MENTOR if of_mentor else Review.About.STUDENT,
        rating=rating,
        comment=comment,
        created_at=now,
        shown_at=now if reviews else now + dt.timedelta(days=settings.REVIEWS_SHOWN_AFTER_DAYS),
        published_at=now if reviews else None,
    )
    review.save()
    if reviews:
        appointment.reviews.filter(shown_at__gt=now).update(shown_at=now)
        appointment.reviews.filter(published_at=None).update(published_at=now)
        _count_rating(appointment.mentor, now)
    notify(
        review.recipient,
        kind=Kind.REVIEW_RECEIVED,
        occasion=f"review:{review.pk}",
        url=appointment.get_absolute_url(),
        context={"review": review, "appointment": appointment, "author": author, "shown": review.is_shown(now)},
    )
    return review


def why_not_reviewable(appointment: Appointment, *, author, reviews, now: dt.datetime) -> Refused | None:
    """The refusal that `author` would meet now, or None; `reviews` are those that the session has."""
    if author.pk not in (appointment.student_id, appointment.mentor.user_id):
        return NotAllowed()
    if any(review.author_id == author.pk for review in reviews):
        return AlreadyReviewed()
    if appointment.status in (*Appointment.LIVE, Appointment.Status.DISPUTED):
        return NotOver()
    if appointment.status != Appointment.Status.COMPLETED:
        return NotHeld()
    if any(review.is_shown(now) for review in reviews):
        return ReviewSeen()
    return None


@patiently
@transaction.atomic
def review_ticket(ticket: Ticket, *, author, rating: int, comment: str = "", now: dt.datetime) -> Review:
    """Review the mentor of a closed ticket, as its student. Shown after 48 hours, until when it can be changed.

    The mentor is told that there is a review, and learns the rating when it is shown.
    """
    limit_waiting()
    mentor = lock_mentor(ticket.mentor_id) if ticket.mentor_id else None
    ticket = Ticket.objects.select_for_update(no_key=True, of=("self",)).select_related("student").get(pk=ticket.pk)
    refusal = why_ticket_not_reviewable(ticket, author=author, reviews=list(ticket.reviews.all()))
    if refusal:
        raise refusal
    review = Review.objects.create(
        ticket=ticket,
        author=author,
        recipient=mentor.user,
        about=Review.About.MENTOR,
        rating=rating,
        comment=comment,
        created_at=now,
        shown_at=now + EDITABLE_FOR,
    )
    notify(
        review.recipient,
        kind=Kind.REVIEW_RECEIVED,
        occasion=f"review:{review.pk}",
        url=ticket.get_absolute_url(),
        context={"review": review, "ticket": ticket, "author": author, "shown": False},
    )
    return review


def why_ticket_not_reviewable(ticket: Ticket, *, author, reviews) -> Refused | None:
    """The refusal that `author` would meet now, or None; `reviews` are those that the ticket has."""
    if not ticket.is_asked_by(author):
        return NotAllowed()
    if any(review.author_id == author.pk for review in reviews):
        return AlreadyReviewed()
    return None if ticket.status == Ticket.Status.CLOSED else NotClosed()


@patiently
@transaction.atomic
def edit_review(review: Review, *, by, rating: int, comment: str = "", now: dt.datetime) -> Review:
    """Change one's own review, for 48 hours and until it is shown. Nobody is told: nobody has seen it."""
    review = _locked(review)
    if review.author_id != by.pk:
        raise NotAllowed
    if not review.can_be_edited_by(by, now):
        raise ReviewFinal
    review.rating, review.comment, review.edited_at = rating, comment, now
    review.save(update_fields=["rating", "comment", "edited_at"])
    return review


@patiently
@transaction.atomic
def hide_review(review: Review, *, by, reason: str, now: dt.datetime) -> Review:
    """Let only its author and staff see it, and count it no more. Hiding a hidden one keeps the first reason."""
    if not by.is_staff:
        raise NotAllowed
    if not reason.strip():
        raise ReasonMissing
    review = _locked(review)
    if review.is_hidden:
        return review
    review.hidden_at, review.hidden_by, review.hidden_reason = now, by, reason.strip()[:200]
    review.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])
    _count_rating(review.subject.mentor, now)
    logger.info("Review %s hidden by user %s: %s", review.pk, by.pk, review.hidden_reason)
    return review


@patiently
@transaction.atomic
def unhide_review(review: Review, *, by, now: dt.datetime) -> Review:
    """Show a hidden review again (if its time has come) and count it again."""
    if not by.is_staff:
        raise NotAllowed
    review = _locked(review)
    if not review.is_hidden:
        return review
    logger.info("Review %s shown again by user %s; it was hidden for: %s", review.pk, by.pk, review.hidden_reason)
    review.hidden_at, review.hidden_by, review.hidden_reason = None, None, ""
    review.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])
    _count_rating(review.subject.mentor, now)
    return review


def publish_due_reviews(*, now: dt.datetime, dry_run: bool = False) -> int:
    """Count the reviews whose waiting time has passed in their mentors' ratings; how many there were.

    Others see a review from its `shown_at` on, whether this has run or not. One transaction for each mentor.
    """
    due = Review.objects.to_publish(now)
    if dry_run:
        return due.count()
    published = 0
    of_mentors = due.annotate(mentor_id=MENTOR_ID).order_by("mentor_id").values_list("mentor_id", flat=True).distinct()
    for mentor_id in of_mentors:
        published += _publish_for(mentor_id, now)
    return published


@patiently
@transaction.atomic
def _publish_for(mentor_id, now):
    mentor = lock_mentor(mentor_id)
    due = Review.objects.to_publish(now).annotate(mentor_id=MENTOR_ID).filter(mentor_id=mentor.pk)
    published = Review.objects.filter(pk__in=due.values("pk")).update(published_at=now)
    _count_rating(mentor, now)
    return published


def _locked(review):
    """`review` as it is now, with what it is about, whose mentor is locked."""
    rows = Review.objects.select_related("author", "recipient", "ticket")
    if review.appointment_id:
        appointment, _profiles = lock_appointment(review.appointment)
        review = rows.get(pk=review.pk)
        review.appointment = appointment
    else:
        limit_waiting()
        mentor = lock_mentor(review.ticket.mentor_id)
        review = rows.get(pk=review.pk)
        review.ticket.mentor = mentor
    return review


def _count_rating(mentor, now):
    shown = Review.objects.shown(now).of_mentors().filter(recipient=mentor.user_id).order_by()
    figures = shown.aggregate(count=Count("pk"), total=Sum("rating", default=0))
    record_rating(mentor, **figures)
