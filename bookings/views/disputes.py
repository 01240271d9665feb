"""What was not as promised: the student's word, and the mentor's. Staff decide in the admin."""

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from bookings import actions
from bookings.forms_disputes import AnswerForm, DisputeForm
from bookings.models import Appointment
from bookings.standpoint import Standpoint
from bookings.views.appointments import render_detail
from mentorbook.refusals import refusals_on, render_form


@require_http_methods(["GET", "HEAD", "POST"])
def dispute(request, pk):
    appointment = _appointment(request, pk)
    seen = Standpoint(appointment, request.user, timezone.now())
    form = DisputeForm(request.POST if request.method == "POST" else None)
    button = forms.Form({})
    with refusals_on(button):
        actions.refuse_dispute(appointment, by=request.user, now=seen.now)
        if form.is_valid():
            actions.dispute_appointment(appointment, by=request.user, now=seen.now, **form.cleaned_data)
            messages.success(request, _("Staff have it now and decide. You are told."))
            return redirect(appointment)
        context = {
            "appointment": appointment,
            "seen": seen,
            "confirm_label": _("Send to staff"),
            "tone": "danger",
            "cancel_url": appointment.get_absolute_url(),
        }
        return render_form(request, "bookings/dispute.html", form, context)
    return render_detail(request, pk, button)


@require_http_methods(["GET", "HEAD", "POST"])
def answer(request, pk):
    appointment = _appointment(request, pk)
    seen = Standpoint(appointment, request.user, timezone.now())
    form = AnswerForm(
        request.POST if request.method == "POST" else None,
        initial={"answer": seen.dispute.answer if seen.dispute else ""},
    )
    button = forms.Form({})
    with refusals_on(button):
        actions.refuse_answer(appointment, by=request.user)
        if form.is_valid():
            actions.answer_dispute(appointment, by=request.user, now=seen.now, **form.cleaned_data)
            messages.success(request, _("Staff and the student's side can read it."))
            return redirect(appointment)
        context = {
            "appointment": appointment,
            "seen": seen,
            "confirm_label": _("Save what you say"),
            "cancel_url": appointment.get_absolute_url(),
        }
        return render_form(request, "bookings/dispute_answer.html", form, context)
    return render_detail(request, pk, button)


def _appointment(request, pk):
    return get_object_or_404(Appointment.objects.visible_to(request.user).with_people(), pk=pk)
