"""Pages that span apps."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from bookings.models import Appointment
from mentorbook import health
from mentors.models import MentorProfile
from tickets.models import Ticket

MENTORS_SHOWN = 3
ARTICLES_SHOWN = 3


@login_not_required
def home(request):
    """What this is, for visitors, with mentors and answers that are really there. Whoever is signed in has a home of
    their own."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    articles = Ticket.objects.readable_by(request.user).order_by("-resolved_at", "-id")
    best = MentorProfile.objects.bookable().order_by("-rating_rank", "id")
    return render(
        request,
        "home.html",
        {
            "articles": articles.only("title").prefetch_related("tags")[:ARTICLES_SHOWN],
            "mentors": best.select_related("user").prefetch_related("expertise")[:MENTORS_SHOWN],
            "signup_points": settings.SIGNUP_GRANT_POINTS,
        },
    )


def dashboard(request):
    """What needs the person now, what comes next, where they stand. Each section belongs to its app."""
    mentor = getattr(request.user, "mentor_profile", None)
    return render(
        request,
        "dashboard.html",
        {
            "is_new": not Appointment.objects.involving(request.user).exists()
            and not Ticket.objects.involving(request.user).exists(),
            "needs_hours": mentor is not None
            and mentor.approval != MentorProfile.Approval.DECLINED
            and not mentor.weekly_hours.exists(),
        },
    )


@require_safe
@login_not_required
def healthz(request):
    """Whether the process answers at all. Asks nothing else, so that a database that is down restarts nobody."""
    return JsonResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@require_safe
@login_not_required
def readyz(request):
    """Whether this process can do its work: the state of each thing that it needs, and 503 when one is down."""
    states = health.states()
    is_ready = health.DOWN not in states.values()
    response = JsonResponse(
        {"status": health.OK if is_ready else health.DOWN, **states}, status=200 if is_ready else 503
    )
    response["Cache-Control"] = "no-store"
    if not is_ready:
        response["Retry-After"] = "5"
    return response
