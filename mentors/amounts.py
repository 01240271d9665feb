"""Stretches of time in the words of people: 240 minutes are 4 hours, 28 days are 4 weeks."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mentorbook.pieces import duration

HOUR, DAY = 60, 24 * 60


def in_minutes(minutes):
    if minutes and minutes % DAY == 0:
        return in_days(minutes // DAY)
    return duration(minutes)


def in_days(days):
    if days == 365:
        return _("1 year")
    if days and days % 7 == 0:
        return ngettext("%(count)d week", "%(count)d weeks", days // 7) % {"count": days // 7}
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


def until_before_start(hours):
    """A deadline that lies so many hours before the start, as it follows “until”."""
    return _("%(time)s before the start") % {"time": in_minutes(hours * HOUR)} if hours else _("the start")


def no_time_or(words):
    """Minutes in words, with words of their own for none."""
    return lambda minutes: in_minutes(minutes) if minutes else words
