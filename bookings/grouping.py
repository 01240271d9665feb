"""What bookings say when a project group is to be dissolved."""

from django.db.models import Q
from django.utils.translation import ngettext

from bookings.models import Appointment
from bookings.models.appointment import DISPUTE_WITHIN

Status = Appointment.Status


def sessions_left(group, now) -> str:
    """A sentence while the group has sessions that are not concluded, or "".

    Those whose points may still come back count as well: disputed ones, until staff have decided, and those that the
    group paid for, as long as they may be disputed.
    """
    undecided = Q(status=Status.DISPUTED, dispute__decided_at=None)
    since = now - DISPUTE_WITHIN
    disputable = Q(status=Status.COMPLETED, payer__group=group, price_points__gt=0, ends_at__gt=since)
    left = Q(status__in=Appointment.LIVE) | undecided | disputable
    count = Appointment.objects.of_group(group).filter(left).count()
    if not count:
        return ""
    return ngettext(
        "The group has %(count)d session that is not over, or that can still be disputed. Cancel it, or wait.",
        "The group has %(count)d sessions that are not over, or that can still be disputed. Cancel them, or wait.",
        count,
    ) % {"count": count}
