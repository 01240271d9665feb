"""What `check_ledger` asks about appointments: an escrow holds the price while its session is live, nothing after."""

from collections.abc import Iterator

from django.db.models import F

from bookings.models import Appointment


def check_escrow() -> Iterator[str]:
    """A sentence for each appointment whose escrow does not fit its state."""
    rows = Appointment.objects.select_related("escrow").order_by("pk")
    for appointment in rows.filter(status__in=Appointment.LIVE).exclude(escrow__balance_points=F("price_points")):
        yield (
            f"appointment {appointment.pk} is {appointment.status} at {appointment.price_points} points,"
            f" its escrow {appointment.escrow_id} holds {appointment.escrow.balance_points}"
        )
    # What is disputed may have been paid out before, or be held until staff decide.
    settled = rows.exclude(status__in=[*Appointment.LIVE, Appointment.Status.DISPUTED])
    for appointment in settled.exclude(escrow__balance_points=0):
        yield (
            f"appointment {appointment.pk} is {appointment.status},"
            f" its escrow {appointment.escrow_id} still holds {appointment.escrow.balance_points}"
        )
    disputed = rows.filter(status=Appointment.Status.DISPUTED)
    for appointment in disputed.filter(escrow__balance_points__gt=F("price_points")):
        yield (
            f"appointment {appointment.pk} is disputed at {appointment.price_points} points,"
            f" its escrow {appointment.escrow_id} holds {appointment.escrow.balance_points}"
        )
