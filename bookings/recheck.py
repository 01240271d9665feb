"""Whether what was agreed on somebody's clock is still when we think it is.

An appointment keeps its instant and the local time that both sides saw. When a country changes its clock rules and
`tzdata` brings the news, the two may part; nobody can tell but the people themselves which of them holds.
"""

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bookings.models import Appointment

FORM = "%Y-%m-%dT%H:%M"


class Parted(NamedTuple):
    appointment: Appointment
    agreed: str  # on the clock of the agreed zone
    now_shown: str  # what that clock shows at the instant that is booked


def parted_times(now: dt.datetime):
    """The live appointments to come whose agreed local start is another by now, soonest first."""
    coming = Appointment.objects.filter(status__in=Appointment.LIVE, starts_at__gt=now).with_people()
    for appointment in coming.order_by("starts_at", "id").iterator(chunk_size=500):
        shown = appointment.starts_at.astimezone(ZoneInfo(appointment.agreed_timezone)).strftime(FORM)
        if shown != appointment.agreed_local_start:
            yield Parted(appointment, appointment.agreed_local_start, shown)
