"""Who of a project group is elsewhere at the time of a session: named before booking, not in its way."""

import datetime as dt
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Membership
from bookings.models import Appointment
from mentorbook.pieces import span


class Clash(NamedTuple):
    """Somebody has another session then; which one is nobody else's business."""

    person: object
    starts_at: dt.datetime
    ends_at: dt.datetime


def clashes(group, spans, *, booked_by, now, without=None) -> list[Clash]:
    """The sessions of the members of `group` that overlap one of `spans`, by time; three queries.

    On either side, alone or with another group. Of `booked_by`, whose own sessions forbid the booking, only those in
    which that person takes part as one of a group. `without` is the session that is to be moved.
    """
    members = {person.pk: person for person in get_user_model().objects.active().filter(memberships__group=group)}
    of_groups = {}
    rows = Membership.objects.filter(user__in=members, group__dissolved_at=None).order_by()
    for group_id, user_id in rows.values_list("group", "user"):
        of_groups.setdefault(group_id, set()).add(user_id)
    begins, ends = min(start for start, _until in spans), max(end for _since, end in spans)
    sessions = (
        Appointment.objects.taking_time(now)
        .filter(starts_at__lt=ends, ends_at__gt=begins, blocked_from__lt=ends, blocked_until__gt=begins)
        .filter(Q(student__in=members) | Q(mentor__user__in=members) | Q(group__in=of_groups))
        .order_by("starts_at", "id")
        .values_list("student", "mentor__user", "group", "starts_at", "ends_at")
    )
    if without is not None:
        sessions = sessions.exclude(pk=without.pk)
    found = set()
    for student_id, mentor_id, group_id, starts_at, ends_at in sessions:
        if not any(starts_at < end and ends_at > start for start, end in spans):
            continue
        people = {student_id, mentor_id} - {booked_by.pk} | of_groups.get(group_id, set())
        found |= {Clash(members[pk], starts_at, ends_at) for pk in people & members.keys()}
    return sorted(found, key=lambda clash: (clash.starts_at, clash.ends_at, str(clash.person), clash.person.pk))


def clash_in_words(clash, chosen_at, viewer):
    """“Sam Stone has another session then: 14:00–15:00.” With the day where that is another than the chosen one."""
    start, end, chosen = map(timezone.localtime, (clash.starts_at, clash.ends_at, chosen_at))
    if start.date() == end.date() == chosen.date():
        times = f"{date_format(start, 'H:i')}–{date_format(end, 'H:i')}"
    else:
        times = span(clash.starts_at, clash.ends_at)
    if clash.person.pk == viewer.pk:
        return _("You take part in another session of a group then: %(times)s.") % {"times": times}
    return _("%(name)s has another session then: %(times)s.") % {"name": clash.person, "times": times}
