"""The sections that this app owns on pages which several apps make up."""

from django import template

from mentors.models import MentorProfile

register = template.Library()


@register.inclusion_tag("mentors/_dashboard.html", takes_context=True)
def dashboard_mentor(context):
    """Where one's own mentor profile stands and what to do about it; nothing for those who only learn."""
    user = context["user"]
    mentor = MentorProfile.objects.filter(user=user).first()
    return {
        "mentor": mentor,
        "user": user,
        "request": context.get("request"),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("mentors/_status_switch.html", takes_context=True)
def status_switch(context, mentor):
    """Available, busy or away, with one click."""
    request = context.get("request")
    return {
        "mentor": mentor,
        "next": request.get_full_path() if request else "",
        "csrf_token": context.get("csrf_token"),
    }
