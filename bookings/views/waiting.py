"""Wait for a mentor's full day, and stop waiting."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from bookings.actions import join_waiting_list, leave_waiting_list
from bookings.forms_waiting import WaitForm
from bookings.models import WaitingListEntry
from mentorbook.pages import back
from mentorbook.refusals import refusals_on, render_form
from mentors.models import MentorProfile


@require_POST
def wait(request, mentor_pk):
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_pk)
    form = WaitForm(request.POST, mentor=mentor, viewer=request.user)
    if form.is_valid():
        with refusals_on(form):
            entry = join_waiting_list(mentor, student=request.user, now=timezone.now(), **form.cleaned_data)
            messages.success(request, _outcome(entry))
            return redirect(entry)
    zone = form.cleaned_data.get("zone") or request.user.timezone
    with timezone.override(zone):
        return render_form(request, "bookings/waiting_join.html", form, {"mentor": mentor})


@require_POST
def leave(request, pk):
    mine = WaitingListEntry.objects.visible_to(request.user).select_related("mentor__user")
    entry, now = get_object_or_404(mine, pk=pk), timezone.now()
    if entry.is_held(now) and "confirmed" not in request.POST:
        # Also asked where the page from which one leaves did not know yet that a time is held.
        context = {"entry": entry, "confirm_label": _("Pass it on"), "cancel_url": back(request, "bookings:list").url}
        return render(request, "bookings/waiting_pass_on.html", context)
    was_held = entry.is_held(now)
    entry = leave_waiting_list(entry, by=request.user, now=now)
    if entry.status == WaitingListEntry.Status.LEFT:
        words = _("Passed on. You no longer wait for %(day)s.") if was_held else _("You no longer wait for %(day)s.")
        messages.success(request, words % {"day": date_format(entry.date, "D j M")})
    return back(request, "bookings:list")


def _outcome(entry):
    if entry.status == WaitingListEntry.Status.OFFERED:
        return _("A time is held for you already.")
    return _("You are in line. When a time frees up, it is held for you and you are told.")
