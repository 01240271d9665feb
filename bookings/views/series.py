"""What is done with all sessions of a series at once."""

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from bookings import actions
from bookings.forms import ReasonForm
from bookings.models import Appointment
from bookings.series import SeriesStandpoint
from bookings.standpoint import Standpoint
from bookings.views.appointments import render_detail
from mentorbook.errors import NotAllowed
from mentorbook.refusals import refusals_on, render_form


@require_POST
def confirm_all(request, pk):
    appointment = _one_of_a_series(request, pk)
    button = forms.Form(request.POST)
    with refusals_on(button):
        confirmed = actions.confirm_series(appointment.series, by=request.user, now=timezone.now())
        outcome = ngettext("Confirmed %(count)s session.", "Confirmed %(count)s sessions.", len(confirmed))
        messages.success(request, outcome % {"count": len(confirmed)})
        return redirect(appointment)
    return render_detail(request, pk, button)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel_left(request, pk):
    appointment = _one_of_a_series(request, pk)
    now = timezone.now()
    series = SeriesStandpoint(appointment, request.user, now)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    button = forms.Form({})
    with refusals_on(button):
        if not appointment.may_be_cancelled_by(request.user):
            raise NotAllowed
        if not series.left:
            raise actions.NothingLeft
        if form.is_valid():
            cancelled = actions.cancel_series(appointment.series, by=request.user, now=now, **form.cleaned_data)
            outcome = ngettext("Cancelled %(count)s session.", "Cancelled %(count)s sessions.", len(cancelled))
            messages.success(request, outcome % {"count": len(cancelled)})
            return redirect(appointment)
        context = {
            "appointment": appointment,
            "series": series,
            "seen": Standpoint(appointment, request.user, now),
            "confirm_label": _confirm_label(series),
            "cancel_url": appointment.get_absolute_url(),
            "tone": "danger",
        }
        return render_form(request, "bookings/cancel_series.html", form, context)
    return render_detail(request, pk, button)


def _confirm_label(series):
    if not series.is_only_asked:
        return _("Cancel these sessions")
    if series.appointment.is_mentored_by(series.viewer):
        return _("Decline these requests")
    return _("Withdraw these requests")


def _one_of_a_series(request, pk):
    in_series = Appointment.objects.visible_to(request.user).exclude(series=None)
    return get_object_or_404(in_series.with_people().select_related("series__mentor", "payer"), pk=pk)
