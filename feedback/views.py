import datetime as dt

from django.conf import settings
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from bookings.models import Appointment
from feedback.actions import (
    AlreadyReviewed,
    ReviewFinal,
    ReviewSeen,
    edit_review,
    review_ticket,
    why_not_reviewable,
    why_ticket_not_reviewable,
    write_review,
)
from feedback.forms import ReviewForm
from feedback.models import EDITABLE_FOR, Review
from feedback.ratings import rating_of, reviews_of_mentor
from mentorbook.errors import NotAllowed
from mentorbook.pages import paginate
from mentorbook.refusals import refusals_on, render_form
from mentors.models import MentorProfile
from tickets.models import Ticket


@require_http_methods(["GET", "POST"])
def write(request, appointment_pk):
    appointment = get_object_or_404(Appointment.objects.visible_to(request.user).with_people(), pk=appointment_pk)
    now = timezone.now()
    reviews = list(appointment.reviews.all())
    refusal = why_not_reviewable(appointment, author=request.user, reviews=reviews, now=now)
    if request.method == "GET" and isinstance(refusal, AlreadyReviewed | ReviewSeen):
        return redirect(f"{appointment.get_absolute_url()}#reviews")  # where they can be read
    if refusal and (request.method == "GET" or isinstance(refusal, NotAllowed)):
        raise refusal
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            review = write_review(appointment, author=request.user, now=now, **form.cleaned_data)
            messages.success(request, _told_when_shown(review, now))
            return redirect(review)
    of_mentor = request.user.pk == appointment.student_id
    return render_form(
        request,
        "feedback/review_form.html",
        form,
        {
            "subject": appointment,
            "recipient": appointment.mentor.user if of_mentor else appointment.student,
            "of_mentor": of_mentor,
            "other_has_written": bool(reviews),
            "shown_at": now + dt.timedelta(days=settings.REVIEWS_SHOWN_AFTER_DAYS),
        },
    )


@require_http_methods(["GET", "POST"])
def write_of_ticket(request, ticket_pk):
    ticket = get_object_or_404(Ticket.objects.visible_to(request.user).with_people(), pk=ticket_pk)
    now = timezone.now()
    refusal = why_ticket_not_reviewable(ticket, author=request.user, reviews=list(ticket.reviews.all()))
    if request.method == "GET" and isinstance(refusal, AlreadyReviewed):
        return redirect(f"{ticket.get_absolute_url()}#reviews")
    if refusal and (request.method == "GET" or isinstance(refusal, NotAllowed)):
        raise refusal
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            review = review_ticket(ticket, author=request.user, now=now, **form.cleaned_data)
            messages.success(request, _told_when_shown(review, now))
            return redirect(review)
    return render_form(
        request,
        "feedback/review_form.html",
        form,
        {
            "subject": ticket,
            "recipient": ticket.mentor and ticket.mentor.user,
            "of_mentor": True,
            "shown_at": now + EDITABLE_FOR,
        },
    )


def _told_when_shown(review, now):
    if review.is_shown(now):
        return _("Your review is saved. Both reviews can be read now.")
    if review.ticket_id:
        return _("Your review is saved. Until it is shown on %(day)s you can change it.") % {
            "day": date_format(timezone.localtime(review.shown_at), "j F")
        }
    return _("Your review is saved. %(name)s reads it on %(day)s, or as soon as both of you have written.") % {
        "name": review.recipient.get_short_name(),
        "day": date_format(timezone.localtime(review.shown_at), "j F"),
    }


@require_http_methods(["GET", "POST"])
def edit(request, pk):
    mine = Review.objects.filter(author=request.user).select_related(
        "recipient", "appointment__mentor__user", "appointment__student", "ticket__mentor__user"
    )
    review = get_object_or_404(mine, pk=pk)
    now = timezone.now()
    if request.method == "GET" and not review.can_be_edited_by(request.user, now):
        raise ReviewFinal
    form = ReviewForm(
        request.POST if request.method == "POST" else None,
        initial={"rating": review.rating, "comment": review.comment},
    )
    if form.is_valid():
        with refusals_on(form):
            edit_review(review, by=request.user, now=now, **form.cleaned_data)
            messages.success(request, _("Your review is changed."))
            return redirect(review)
    return render_form(
        request,
        "feedback/review_form.html",
        form,
        {
            "review": review,
            "subject": review.subject,
            "recipient": review.recipient,
            "of_mentor": review.about == Review.About.MENTOR,
            "shown_at": review.shown_at,
        },
    )


@require_GET
def of_mentor(request, mentor_pk):
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_pk)
    now = timezone.now()
    return render(
        request,
        "feedback/mentor_reviews.html",
        {"mentor": mentor, "rating": rating_of(mentor, now), "page": paginate(request, reviews_of_mentor(mentor, now))},
    )
