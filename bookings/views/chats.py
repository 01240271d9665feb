"""Asking a mentor who is there for a chat, and what looks for the answer by itself."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from bookings import actions
from bookings.chats import ChatTimes
from bookings.forms_chats import ChatForm
from bookings.models import CHAT_MINUTES, Appointment
from bookings.standpoint import ChatsAtAGlance
from mentorbook.refusals import form_status, refusals_on
from mentors.models import MentorProfile
from tickets.models import Ticket
from wallets.actions import wallet_of


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request, mentor_pk):
    mentor = get_object_or_404(MentorProfile.objects.visible_to(request.user).select_related("user"), pk=mentor_pk)
    if mentor.user == request.user or not mentor.is_listed:
        status = 409 if request.method == "POST" else 200
        return render(request, "bookings/not_bookable.html", {"mentor": mentor}, status=status)
    now = timezone.now()
    ticket = _own_ticket(request)
    if request.method == "POST":
        form = ChatForm(request.POST)
        if form.is_valid():
            with refusals_on(form):
                wish = form.cleaned_data
                chat = actions.request_chat(mentor, student=request.user, ticket=ticket, now=now, **wish)
                messages.success(request, _("Asked. %(name)s has been told.") % {"name": mentor.user.get_short_name()})
                return redirect(chat)
    else:
        title = ticket.title if ticket else ""
        form = ChatForm(initial={"topic": title, "idempotency_key": uuid.uuid4()})
    # What was refused is said above the form; what would be, instead of it.
    refusal = getattr(form, "refusal", None) or actions.refusal_of_chat(mentor, student=request.user, now=now)
    price, balance = mentor.price_points(CHAT_MINUTES), wallet_of(request.user).balance_points
    context = {
        "form": form,
        "mentor": mentor,
        "ticket": ticket,
        "refusal": refusal if refusal and refusal.field not in form.fields else None,
        "can_ask": refusal is None or form.is_bound,
        "minutes": CHAT_MINUTES,
        "answer_minutes": round((ChatTimes.asked(now).answer_by - ChatTimes.asked(now).asked_at).total_seconds() / 60),
        "price_points": price,
        "balance_points": balance,
        "balance_after": balance - price,
        "missing_points": max(0, price - balance),
    }
    return render(request, "bookings/chat_form.html", context, status=form_status(form))


def _own_ticket(request):
    """The ticket of the asking person that the address names; what makes no sense there is left out."""
    pk = request.GET.get("ticket", "")
    if not (pk.isascii() and pk.isdigit() and len(pk) < 19):
        return None
    return Ticket.objects.of_student(request.user).filter(pk=pk).first()


@require_safe
@vary_on_headers("HX-Request")
def news(request, pk):
    """Whether a chat that waits for its answer still does: 204, or otherwise the way to its page as it is now."""
    chat = get_object_or_404(Appointment.objects.visible_to(request.user), pk=pk)
    if not request.htmx:
        return redirect(chat)
    now = timezone.now()
    if chat.is_chat and chat.is_unanswered(now):
        # Whoever waits has the points back at once, and not when the job comes by.
        actions.expire_request(chat, now=now)
    elif chat.is_chat and chat.status == Appointment.Status.REQUESTED:
        return HttpResponse(status=204)
    return HttpResponse(headers={"HX-Redirect": chat.get_absolute_url()})


@require_safe
def requests(request):
    """The chat on a mentor's home that looks for one; 204 while it shows what there is (`?seen=`)."""
    if not request.htmx:
        return redirect(reverse("bookings:list", query={"show": "requests"}))
    glance = ChatsAtAGlance(request.user, timezone.now())
    if glance.looks_by_itself and request.GET.get("seen") == glance.token:
        response = HttpResponse(status=204)
    else:
        context = {"glance": glance, "next_url": reverse("dashboard"), "is_news": True}
        response = render(request, "bookings/_dashboard_chats.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response
