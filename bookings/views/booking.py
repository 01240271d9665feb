"""Choose a time and book it."""

import uuid

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bookings.actions import book_slot
from bookings.forms import BookingForm, TimesQuery
from bookings.models import Appointment
from bookings.timetable import Timetable
from mentorbook.refusals import refusals_on, render_form
from mentors.models import MentorProfile


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request, mentor_pk):
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_pk)
    if mentor.user == request.user or not (
        mentor.is_approved and mentor.user.is_active and mentor.status != MentorProfile.Status.AWAY
    ):
        status = 409 if request.method == "POST" else 200
        return render(request, "bookings/not_bookable.html", {"mentor": mentor}, status=status)
    now = timezone.now()
    query = TimesQuery(request.GET, mentor=mentor, viewer=request.user)
    form = _booking_form(request, mentor)
    with timezone.override(query.zone):
        if form.is_bound and form.is_valid():
            with refusals_on(form):
                appointment = book_slot(mentor, student=request.user, now=now, **form.cleaned_data)
                messages.success(request, _outcome(appointment))
                return redirect(appointment)
        query.choose(form)
        timetable = Timetable(mentor, query, student=request.user, now=now)
        return _render_times(request, form, {"mentor": mentor, "query": query, "timetable": timetable})


def _booking_form(request, mentor):
    """Empty with a key of its own, so that a double click books once; bound; or, when another time was picked, with
    what was typed and nothing booked."""
    if request.method == "POST" and "pick" not in request.POST:
        return BookingForm(request.POST, mentor=mentor)
    typed = {name: request.POST.get(name, "") for name in ("title", "description")}
    key = request.POST.get("idempotency_key") or uuid.uuid4()
    return BookingForm(initial={**typed, "idempotency_key": key, "starts_at": request.POST.get("pick")}, mentor=mentor)


def _outcome(appointment):
    name = appointment.mentor.user.get_short_name()
    if appointment.status == Appointment.Status.CONFIRMED:
        return _("Booked. You meet %(name)s.") % {"name": name}
    return _("Asked. %(name)s has been told.") % {"name": name}


def _render_times(request, form, context):
    template = "bookings/choose_time.html"
    if request.htmx and not request.htmx.history_restore_request:
        template += "#times"
    response = render_form(request, template, form, context)
    patch_vary_headers(response, ["HX-Request"])
    return response
