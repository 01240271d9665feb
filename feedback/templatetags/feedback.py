from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import ngettext

from feedback.actions import why_not_reviewable, why_ticket_not_reviewable
from feedback.models import Review, sessions_to_review, tickets_to_review
from feedback.ratings import rating_of, reviews_of_mentor
from mentorbook.pieces import icon

register = template.Library()

NEWEST = 5
ON_DASHBOARD = 3


@register.simple_tag
def stars(rating):
    """Five stars of which `rating` are filled; the figure is said aloud."""
    return format_html(
        '<span class="stars stars-{}" role="img" aria-label="{}">{}{}{}{}{}</span>',
        rating,
        ngettext("%(stars)s of 5 stars", "%(stars)s of 5 stars", rating) % {"stars": rating},
        *[icon("star", 18)] * 5,
    )


@register.inclusion_tag("feedback/_mentor_reviews.html", takes_context=True)
def mentor_reviews(context, mentor):
    """What students say of `mentor`: the mean, how it spreads, the newest reviews. Two queries."""
    now = timezone.now()
    rating = rating_of(mentor, now)
    return {
        "mentor": mentor,
        "rating": rating,
        "reviews": reviews_of_mentor(mentor, now)[:NEWEST] if rating.count else [],
        "there_are_more": rating.count > NEWEST,
        "user": context.get("user"),
    }


@register.inclusion_tag("feedback/_appointment_reviews.html", takes_context=True)
def appointment_reviews(context, appointment):
    """The reviews of a session that the person who looks may read, or write. One query."""
    user, now = context["user"], timezone.now()
    reviews = list(appointment.reviews.select_related("author", "recipient").order_by("created_at", "id"))
    mine = next((review for review in reviews if review.author_id == user.pk), None)
    takes_part = user.pk in (appointment.student_id, appointment.mentor.user_id)
    return {
        "appointment": appointment,
        "mine": mine,
        "can_edit": mine is not None and mine.can_be_edited_by(user, now),
        "mine_waits": mine is not None and now < mine.shown_at,
        "others": [review for review in reviews if review is not mine and _is_readable(review, user, now)],
        "other_waits": takes_part and any(review is not mine and now < review.shown_at for review in reviews),
        "other_person": appointment.mentor.user if user.pk == appointment.student_id else appointment.student,
        "can_write": why_not_reviewable(appointment, author=user, reviews=reviews, now=now) is None,
        "now": now,
    }


@register.inclusion_tag("feedback/_ticket_reviews.html", takes_context=True)
def ticket_reviews(context, ticket):
    """The student's review of a ticket's mentor, for whoever may read or write it. One query."""
    user, now = context["user"], timezone.now()
    reviews = list(ticket.reviews.select_related("author", "recipient"))
    mine = next((review for review in reviews if review.author_id == user.pk), None)
    return {
        "ticket": ticket,
        "mine": mine,
        "can_edit": mine is not None and mine.can_be_edited_by(user, now),
        "mine_waits": mine is not None and now < mine.shown_at,
        "others": [review for review in reviews if review is not mine and _is_readable(review, user, now)],
        "can_write": why_ticket_not_reviewable(ticket, author=user, reviews=reviews) is None,
        "user": user,
    }


def _is_readable(review, user, now):
    return review.is_shown(now) or review.is_seen_by_staff(user, now)


@register.inclusion_tag("feedback/_dashboard_reviews.html", takes_context=True)
def dashboard_reviews(context):
    """Sessions and tickets that wait for a review of the person who looks, and what others wrote about them lately.
    Three queries."""
    user, now = context["user"], timezone.now()
    return {
        "user": user,
        "to_review": [
            (appointment, appointment.mentor.user if appointment.student_id == user.pk else appointment.student)
            for appointment in sessions_to_review(user, now)[:ON_DASHBOARD]
        ],
        "tickets_to_review": list(tickets_to_review(user, now)[:ON_DASHBOARD]),
        "received": Review.objects.received_lately(user, now).select_related("author", "appointment", "ticket")[
            :ON_DASHBOARD
        ],
    }
