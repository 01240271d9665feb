from django import template
from django.conf import settings
from django.utils import timezone

from bookings import chats
from bookings.availability import load_calendar
from bookings.models import CHAT_MINUTES, Appointment
from bookings.series import SeriesStandpoint
from bookings.standpoint import ChatsAtAGlance, moves_for, requests_for, seen_by
from bookings.timetable import free_times_of_profile, usual_length
from bookings.waiting import held_for, places_of

register = template.Library()

FREE_TIMES = 6
OWN_REQUESTS = 3
REQUESTS = 5
GROUP_PAST = 10


@register.inclusion_tag("bookings/_next_free_times.html", takes_context=True)
def next_free_times(context, mentor):
    """The next free times of `mentor` as buttons that lead to booking. Four queries."""
    user, now = context.get("user"), timezone.now()
    viewer = user if user and user.is_authenticated else None
    calendar = load_calendar(mentor, now=now, student=viewer)
    return {
        "mentor": mentor,
        "is_own": viewer == mentor.user,
        "minutes": usual_length(mentor),
        "days": free_times_of_profile(calendar, timezone.get_current_timezone(), count=FREE_TIMES),
    }


@register.simple_tag(takes_context=True)
def series_of(context, appointment):
    """The series that `appointment` belongs to, as whoever looks sees it, or None. One query."""
    if appointment.series_id is None:
        return None
    return SeriesStandpoint(appointment, context["user"], timezone.now())


@register.inclusion_tag("bookings/_dashboard_sessions.html", takes_context=True)
def dashboard_sessions(context):
    """What comes next, which requests wait for the answer of the person who looks, and which of theirs wait. Three
    queries."""
    user, now = context["user"], timezone.now()
    mine = Appointment.objects.of_person(user).with_people()
    next_session = mine.filter(status=Appointment.Status.CONFIRMED, ends_at__gt=now).order_by("starts_at", "id").first()
    sessions = requests_for(user, now).exclude(kind=Appointment.Kind.CHAT)  # those are in a section of their own
    requests = seen_by(user, sessions[: REQUESTS + 1], now)
    own_requests = mine.waiting().filter(student=user, answer_by__gt=now).order_by("answer_by", "id")
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "user": user,
        "next": seen_by(user, [next_session], now)[0] if next_session else None,
        "requests": requests[:REQUESTS],
        "has_more_requests": len(requests) > REQUESTS,
        "moves": seen_by(user, moves_for(user, now), now),
        "own_requests": seen_by(user, own_requests[:OWN_REQUESTS], now),
    }


# --- Chats and tickets ------------------------------------------------------------------------------------------------


@register.inclusion_tag("bookings/_dashboard_chats.html", takes_context=True)
def dashboard_chats(context):
    """Who asks the person who looks for a chat now. Two queries."""
    return {
        "glance": ChatsAtAGlance(context["user"], timezone.now()),
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("bookings/_chat_offer.html", takes_context=True)
def ask_for_chat(context, mentor, ticket=None, heading=False):
    """Whether `mentor` can be asked for a chat now, and the way there. Five queries at most; none for one's own."""
    user, now = context["user"], timezone.now()
    why_not = chats.why_not(mentor, student=user, now=now)
    return {
        "mentor": mentor,
        "ticket": ticket,
        "heading": heading,
        "why_not": why_not,
        "minutes": CHAT_MINUTES,
        "price_points": mentor.price_points(CHAT_MINUTES),
        "open_chat": chats.open_chat_of(user, now) if why_not == chats.WhyNot.ALREADY_ASKED else None,
    }


@register.simple_tag(takes_context=True)
def chat_mentors(context, matches):
    """The ids of those of the matched mentors who can be asked for a chat now. Five queries at most."""
    mentors = [match.mentor for match in matches]
    if not mentors or "user" not in context:
        return set()
    return chats.mentors_to_chat_with(mentors, student=context["user"], now=timezone.now())


@register.inclusion_tag("bookings/_ticket_sessions.html", takes_context=True)
def ticket_sessions(context, ticket):
    """The sessions about `ticket`. When and with whom is for those who take part, and for staff. One query."""
    user, now = context["user"], timezone.now()
    rows = Appointment.objects.filter(ticket=ticket).with_people().order_by("-starts_at", "-id")
    is_of_ticket = user.is_staff or ticket.is_asked_by(user) or ticket.is_mentored_by(user)
    seen = [row for row in seen_by(user, rows, now) if is_of_ticket or row.takes_part or row.is_agreed]
    return {
        "user": user,
        "upcoming": [row for row in reversed(seen) if row.appointment.is_live and not row.is_over],
        "past": [row for row in seen if not row.appointment.is_live or row.is_over],
    }


@register.inclusion_tag("bookings/_group_sessions.html", takes_context=True)
def group_sessions(context, group):
    """The sessions of a project group that the person who looks may see: what comes, then what was. Two queries."""
    user, now = context["user"], timezone.now()
    rows = Appointment.objects.visible_to(user).of_group(group).with_people()
    past = list(rows.past(now)[: GROUP_PAST + 1])
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "user": user,
        "group": group,
        "upcoming": seen_by(user, rows.upcoming(now), now),
        "past": seen_by(user, past[:GROUP_PAST], now),
        "has_more_past": len(past) > GROUP_PAST,
    }


@register.inclusion_tag("bookings/_waiting_lists.html", takes_context=True)
def waiting_lists(context):
    """The full days for which the person who looks waits, with the place in each line. One query."""
    now = timezone.now()
    waiting = places_of(context["user"], now)
    return _with_request(context, waiting=waiting, hold_minutes=settings.WAITING_HOLD_MINUTES)


@register.inclusion_tag("bookings/_waiting_held.html", takes_context=True)
def held_times(context):
    """The times that are held for the person who looks: what needs them now. One query."""
    return _with_request(context, held=held_for(context["user"], timezone.now()), named=True)


def _with_request(context, **values):
    """What a fragment with forms of its own needs."""
    return {"request": context["request"], "csrf_token": context.get("csrf_token"), "user": context["user"], **values}
