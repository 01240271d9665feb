import datetime as dt

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from mentorbook.pieces import span

register = template.Library()


@register.filter
def free_at(starts_at):
    """A time near enough to be called so: today 16:00, tomorrow 10:00; others with their day."""
    local = timezone.localtime(starts_at)
    days = (local.date() - timezone.localdate()) // dt.timedelta(days=1)
    clock = date_format(local, "H:i")
    if days == 0:
        return _("today %(time)s") % {"time": clock}
    if days == 1:
        return _("tomorrow %(time)s") % {"time": clock}
    return span(starts_at)
