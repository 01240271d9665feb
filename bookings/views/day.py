"""Why is nothing free? One day of a mentor, with the reason of everything that is closed."""

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.explained import DayQuery, ExplainedDay


@require_safe
def day(request):
    mentor = getattr(request.user, "mentor_profile", None)
    if mentor is None:
        return render(request, "account/mentors_only.html", status=403)
    now = timezone.now()
    query = DayQuery(request.GET, mentor=mentor, now=now)
    with timezone.override(mentor.timezone):
        return render(request, "bookings/day.html", {"mentor": mentor, "day": ExplainedDay(mentor, query, now)})
