"""Pages that span apps."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render

from bookings.models import Appointment
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
