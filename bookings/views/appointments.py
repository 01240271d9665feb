"""My sessions, one appointment, and what may be done with it."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings import actions
from bookings.actions.states import refuse_unless
from bookings.forms import ReasonForm
from bookings.models import Appointment
from bookings.standpoint import Standpoint, requests_for, seen_by
from mentorbook.pages import back, paginate
from mentorbook.refusals import form_status, refusals_on, render_form

REQUESTS_AT_A_GLANCE = 10
Status = Appointment.Status


@require_safe
def appointment_list(request):
    now = timezone.now()
    mine = Appointment.objects.of_person(request.user).with_people()
    requests = requests_for(request.user, now)
    show = request.GET.get("show")
    if show not in ("past", "requests"):
        show = "upcoming"
    upcoming = mine.upcoming(now).exclude(status=Status.REQUESTED, mentor__user=request.user, answer_by__gt=now)
    page = paginate(request, {"past": mine.past(now), "requests": requests, "upcoming": upcoming}[show])
    context = {"show": show, "page": page, "rows": seen_by(request.user, page, now)}
    if show == "upcoming" and page.number == 1:
        glance = seen_by(request.user, requests[: REQUESTS_AT_A_GLANCE + 1], now)
        context |= {"requests": glance[:REQUESTS_AT_A_GLANCE], "has_more_requests": len(glance) > REQUESTS_AT_A_GLANCE}
    return render(request, "bookings/appointment_list.html", context)


@require_safe
def appointment_detail(request, pk):
    return render_detail(request, pk)


@require_POST
def confirm(request, pk):
    return _at_once(request, pk, actions.confirm_appointment, _("Confirmed. %(name)s has been told."))


@require_POST
def complete(request, pk):
    return _at_once(request, pk, actions.complete_appointment, _("Done. %(name)s has been told."))


@dataclass(frozen=True)
class Step:
    """A step that is asked about before it is taken, because it cannot be undone."""

    action: Callable
    template: str
    confirm_label: str
    outcome: str
    statuses: tuple
    is_business_of: Callable
    refuse: Callable | None = None  # where more than the state is known to stand against it before it is sent


DECLINE = Step(
    actions.decline_appointment,
    "bookings/decline.html",
    _("Decline"),
    _("Declined. %(name)s has been told and has the points back."),
    (Status.REQUESTED,),
    Appointment.is_mentored_by,
)
CANCEL = Step(
    actions.cancel_appointment,
    "bookings/cancel.html",
    _("Cancel the session"),
    _("Cancelled. %(name)s has been told."),
    Appointment.LIVE,
    Appointment.may_be_cancelled_by,
)
NO_SHOW = Step(
    actions.report_no_show,
    "bookings/no_show.html",
    _("Report"),
    _("Noted that %(name)s did not come."),
    (Status.CONFIRMED,),
    Appointment.is_mentored_by,
    actions.refuse_no_show,
)


@require_http_methods(["GET", "HEAD", "POST"])
def decline(request, pk):
    return _asked_first(request, pk, DECLINE)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request, pk):
    return _asked_first(request, pk, CANCEL)


@require_http_methods(["GET", "HEAD", "POST"])
def no_show(request, pk):
    return _asked_first(request, pk, NO_SHOW)


def _at_once(request, pk, action, outcome):
    appointment = _appointment(request, pk)
    button = forms.Form(request.POST)
    with refusals_on(button):
        appointment = action(appointment, by=request.user, now=timezone.now())
        messages.success(request, outcome % {"name": appointment.other_side(request.user).get_short_name()})
        return back(request, appointment)
    return render_detail(request, pk, button)


def _asked_first(request, pk, step):
    appointment = _appointment(request, pk)
    seen = Standpoint(appointment, request.user, timezone.now())
    form = ReasonForm(request.POST if request.method == "POST" else None)
    button = forms.Form({})
    with refusals_on(button):
        refuse_unless(appointment, *step.statuses, allowed=step.is_business_of(appointment, request.user))
        if step.refuse:
            step.refuse(appointment, by=request.user, now=seen.now)
        if form.is_valid():
            step.action(appointment, by=request.user, now=seen.now, **form.cleaned_data)
            messages.success(request, step.outcome % {"name": seen.other.get_short_name()})
            return redirect(appointment)
        context = {"appointment": appointment, "seen": seen, "confirm_label": step.confirm_label, "tone": "danger"}
        return render_form(request, step.template, form, context | {"cancel_url": appointment.get_absolute_url()})
    return render_detail(request, pk, button)


def render_detail(request, pk, button=None):
    """The appointment's page; after a refusal with the refusal on top, at its status."""
    appointment = _appointment(request, pk)
    context = {
        "appointment": appointment,
        "seen": Standpoint(appointment, request.user, timezone.now()),
        "events": list(appointment.events.select_related("actor")),
        "refusal": button and button.refusal,
        "completes_at": actions.completes_at(appointment),
    }
    status = form_status(button) if button else 200
    return render(request, "bookings/appointment_detail.html", context, status=status)


def _appointment(request, pk):
    return get_object_or_404(Appointment.objects.visible_to(request.user).with_people(), pk=pk)
