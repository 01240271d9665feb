"""Choose a time and book it."""

import uuid

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bookings.actions import PayFrom, book_series, book_slot
from bookings.forms import BookingForm
from bookings.forms_booking import BookingQuery
from bookings.models import Appointment
from bookings.timetable_booking import BookingTimetable
from mentorbook.refusals import refusals_on, render_form
from mentors.models import MentorProfile

NOTHING_CHOSEN = f"|{PayFrom.WALLET}|1"  # once, for oneself


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request, mentor_pk):
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_pk)
    if mentor.user == request.user or not (
        mentor.is_approved and mentor.user.is_active and mentor.status != MentorProfile.Status.AWAY
    ):
        status = 409 if request.method == "POST" else 200
        return render(request, "bookings/not_bookable.html", {"mentor": mentor}, status=status)
    now = timezone.now()
    query = BookingQuery(_asked(request), mentor=mentor, viewer=request.user)
    form = _booking_form(request, mentor, query)
    with timezone.override(query.zone):
        if form.is_bound and form.is_valid():
            with refusals_on(form):
                appointment = _book(query, student=request.user, now=now, **form.cleaned_data)
                messages.success(request, _outcome(appointment, query.week_count))
                return redirect(appointment)
        query.choose(form)
        timetable = BookingTimetable(mentor, query, student=request.user, now=now)
        return _render_times(request, form, {"mentor": mentor, "query": query, "timetable": timetable})


def _asked(request):
    """The address, with what the booking form changed of it."""
    asked = request.GET.copy()
    for name in BookingQuery.CHOICES:
        if name in request.POST:
            asked[name] = request.POST[name]
    return asked


def _booking_form(request, mentor, query):
    """Empty with a key of its own, so that a double click books once; bound; or, when another time or anything else
    was chosen than the page had shown, with what was typed and nothing booked: what it means and what it costs is
    looked at first."""
    typed, look_first = request.POST, False
    if request.method == "POST" and "pick" not in typed and "show" not in typed:
        if query.has_wrong_choice or query.choice == typed.get("shown", NOTHING_CHOSEN):
            return BookingForm(typed, mentor=mentor, query=query)
        look_first = True
    ticket_title = query.about.title if query.about else ""
    initial = {
        "title": typed.get("title", ticket_title),
        "description": typed.get("description", ""),
        "idempotency_key": typed.get("idempotency_key") or uuid.uuid4(),
        "starts_at": typed.get("pick") or typed.get("starts_at"),
    }
    form = BookingForm(initial=initial, mentor=mentor, query=query)
    form.look_first = look_first
    return form


def _book(query, **wish):
    """One session or a series, whose first session stands for it."""
    wish |= {"group": query.for_group, "pay_from": query.payer, "ticket": query.about}
    if query.week_count == 1:
        return book_slot(query.mentor, **wish)
    return book_series(query.mentor, weeks=query.week_count, **wish).appointments.with_people().earliest("starts_at")


def _outcome(appointment, weeks):
    name = appointment.mentor.user.get_short_name()
    if weeks > 1:
        if appointment.status == Appointment.Status.CONFIRMED:
            return _("Booked %(weeks)s sessions. You meet %(name)s.") % {"name": name, "weeks": weeks}
        return _("Asked for %(weeks)s sessions. %(name)s has been told.") % {"name": name, "weeks": weeks}
    if appointment.status == Appointment.Status.CONFIRMED:
        return _("Booked. You meet %(name)s.") % {"name": name}
    return _("Asked. %(name)s has been told.") % {"name": name}


def _render_times(request, form, context):
    template = "bookings/choose_time.html"
    if request.htmx and not request.htmx.history_restore_request:
        template += "#times"
    response = render_form(request, template, form, context)
    if "show" in request.POST and context["timetable"].chosen:
        response["HX-Push-Url"] = request.path + context["timetable"].form_address
    patch_vary_headers(response, ["HX-Request"])
    return response
