"""The sections that this app owns on pages which several apps make up, and the words of its reasons."""

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import ngettext

from tickets.matching import Capacity, Queue, mentors_for
from tickets.models import Ticket
from tickets.standpoint import Standpoint

register = template.Library()

AWAITED_SHOWN = 5
QUEUE_SHOWN = 3
GROUP_SHOWN = 10
LONG_TEXTS = ("description", "student__bio", "mentor__bio", "mentor__search_text")
HOUR, DAY = 60, 24 * 60


@register.filter
def roughly(minutes):
    """So many minutes as one number a person would say: 40 minutes, 3 hours, 2 days."""
    if minutes < 90:
        count = max(1, minutes)
        return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}
    if minutes < 2 * DAY:
        count = round(minutes / HOUR)
        return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}
    count = minutes // DAY
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


@register.filter
def strong_names(names):
    """Names in bold with commas between them."""
    return format_html_join(", ", "{}", [[format_html("<strong>{}</strong>", name)] for name in names])


@register.inclusion_tag("tickets/_matching_mentors.html", takes_context=True)
def matching_mentors(context, ticket):
    """Who could help with `ticket`, for its student (and staff, who only look); nothing for others. Eight queries."""
    user = context["user"]
    is_shown = ticket.is_asked_by(user) or user.is_staff
    return {
        "ticket": ticket if is_shown else None,
        "matches": mentors_for(ticket, now=timezone.now()) if is_shown else [],
        "can_talk": ticket.is_asked_by(user),
    }


@register.inclusion_tag("tickets/_dashboard_tickets.html", takes_context=True)
def dashboard_tickets(context):
    """The questions that wait for the person who looks: their own, those they mentor, and the first of their queue.

    One query for everybody, nine more for mentors who have room for another ticket, two for those who have none.
    """
    user, now = context["user"], timezone.now()
    own = Ticket.objects.of_student(user).filter(waiting_on=Ticket.Side.STUDENT).with_people().defer(*LONG_TEXTS)
    shown = {"own": own.order_by("-waiting_since", "-id")[:AWAITED_SHOWN]}
    if user.is_mentor:
        profile = user.mentor_profile
        held = Ticket.objects.for_mentor(profile).awaited_first().with_people().defer(*LONG_TEXTS)
        shown["awaited"] = held.filter(place=0)[:AWAITED_SHOWN]
        if Capacity.of(profile).has_room:
            shown["queue"] = Queue(profile, now=now, fitting_only=True)[:QUEUE_SHOWN]
    return shown


@register.inclusion_tag("tickets/_group_tickets.html", takes_context=True)
def group_tickets(context, group):
    """The questions that members shared with a project group and that the person who looks may see, the liveliest
    first. Two queries."""
    user, now = context["user"], timezone.now()
    shared = Ticket.objects.visible_to(user).filter(group=group).for_rows().order_by("-active_at", "-id")
    rows = [Standpoint(ticket, user, now) for ticket in shared[: GROUP_SHOWN + 1]]
    return {"user": user, "rows": rows[:GROUP_SHOWN], "has_more": len(rows) > GROUP_SHOWN, "most": GROUP_SHOWN}
