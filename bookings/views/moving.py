"""Another time for a session: choose and propose it, and answer what the other side proposes."""

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from bookings import actions
from bookings.forms import TimesQuery
from bookings.forms_moving import MoveForm
from bookings.models import Appointment, MoveProposal
from bookings.moves import MoveTimetable
from bookings.standpoint import Standpoint
from bookings.views.appointments import render_detail
from mentorbook.pages import back
from mentorbook.refusals import form_status, refusals_on


@require_http_methods(["GET", "HEAD", "POST"])
def move(request, pk):
    appointment, now = _appointment(request, pk), timezone.now()
    button = forms.Form({})
    with refusals_on(button):
        actions.refuse_move(appointment, by=request.user, now=now)
        return _choose(request, appointment, now)
    return render_detail(request, pk, button)


@require_POST
def accept(request, pk):
    return _answer(request, pk, actions.accept_move, gettext_lazy("Agreed. %(name)s has been told."))


@require_POST
def decline(request, pk):
    return _answer(
        request,
        pk,
        lambda proposal, **more: actions.decline_move(proposal, reason=request.POST.get("reason", ""), **more),
        gettext_lazy("Declined, so the session stays where it was. %(name)s has been told."),
    )


@require_POST
def withdraw(request, pk):
    return _answer(
        request,
        pk,
        actions.withdraw_move,
        gettext_lazy("Withdrawn, so the session stays where it was. %(name)s has been told."),
    )


def _choose(request, appointment, now):
    query = TimesQuery(
        request.GET,
        mentor=appointment.mentor,
        viewer=request.user,
        lengths=appointment.lengths_to_move_to(),
        usual_minutes=appointment.duration_minutes,
    )
    form = _move_form(request, appointment)
    with timezone.override(query.zone):
        if form.is_bound and form.is_valid():
            with refusals_on(form):
                proposal = actions.propose_move(appointment, by=request.user, now=now, **form.cleaned_data)
                messages.success(request, _outcome(proposal, appointment.other_side(request.user)))
                return redirect(appointment)
        query.choose(form)
        timetable = MoveTimetable(appointment, query, by=request.user, now=now)
        context = {
            "appointment": appointment,
            "mentor": appointment.mentor,
            "seen": Standpoint(appointment, request.user, now),
            "query": query,
            "timetable": timetable,
            "form": form,
        }
        return _render_times(request, form, context)


def _move_form(request, appointment):
    """Empty; bound; or, when another time was picked, with what was typed and nothing proposed."""
    if request.method == "POST" and "pick" not in request.POST:
        return MoveForm(request.POST, appointment=appointment)
    typed = {"reason": request.POST.get("reason", ""), "starts_at": request.POST.get("pick")}
    return MoveForm(initial=typed, appointment=appointment)


def _outcome(proposal, other):
    if proposal.status == MoveProposal.Status.ACCEPTED:
        return _("Moved. %(name)s has been told.") % {"name": other.get_short_name()}
    return _("Proposed. %(name)s has been told, and the time is held until the answer.") % {
        "name": other.get_short_name()
    }


def _render_times(request, form, context):
    template = "bookings/move.html"
    if request.htmx and not request.htmx.history_restore_request:
        template += "#times"
    response = render(request, template, context, status=form_status(form))
    patch_vary_headers(response, ["HX-Request"])
    return response


def _answer(request, pk, action, outcome):
    appointment = _appointment(request, pk)
    button = forms.Form(request.POST)
    with refusals_on(button):
        # The page may be older than the proposal that waits by now; only the one that was read is answered.
        proposal = actions.find_proposal(appointment, request.POST.get("proposal", ""), by=request.user)
        action(proposal, by=request.user, now=timezone.now())
        messages.success(request, outcome % {"name": appointment.other_side(request.user).get_short_name()})
        return back(request, appointment)
    return render_detail(request, pk, button)


def _appointment(request, pk):
    people = Appointment.objects.visible_to(request.user).with_people()
    return get_object_or_404(people.select_related("group__owner", "payer"), pk=pk)
