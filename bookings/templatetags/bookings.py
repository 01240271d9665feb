from django import template
from django.utils import timezone

from bookings.availability import load_calendar
from bookings.models import Appointment
from bookings.standpoint import requests_for, seen_by
from bookings.timetable import free_times_of_profile, usual_length

register = template.Library()

FREE_TIMES = 6
REQUESTS = 5
OWN_REQUESTS = 3


@register.inclusion_tag("bookings/_next_free_times.html", takes_context=True)
def next_free_times(context, mentor):
    """The next free times of `mentor` as buttons that lead to booking. Three queries."""
    user, now = context.get("user"), timezone.now()
    viewer = user if user and user.is_authenticated else None
    calendar = load_calendar(mentor, now=now, student=viewer)
    return {
        "mentor": mentor,
        "is_own": viewer == mentor.user,
        "minutes": usual_length(mentor),
        "days": free_times_of_profile(calendar, timezone.get_current_timezone(), count=FREE_TIMES),
    }


@register.inclusion_tag("bookings/_dashboard_sessions.html", takes_context=True)
def dashboard_sessions(context):
    """What comes next, which requests wait for the answer of the person who looks, and which of theirs wait. Three
    queries."""
    user, now = context["user"], timezone.now()
    mine = Appointment.objects.of_person(user).with_people()
    next_session = mine.filter(status=Appointment.Status.CONFIRMED, ends_at__gt=now).order_by("starts_at", "id").first()
    own_requests = mine.waiting().filter(student=user, answer_by__gt=now).order_by("answer_by", "id")
    requests = seen_by(user, requests_for(user, now)[: REQUESTS + 1], now)
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "user": user,
        "next": seen_by(user, [next_session], now)[0] if next_session else None,
        "requests": requests[:REQUESTS],
        "has_more_requests": len(requests) > REQUESTS,
        "own_requests": seen_by(user, own_requests[:OWN_REQUESTS], now),
    }
