"""What `check_ledger` asks about appointments: an escrow holds the price while its session is live or its dispute
undecided, nothing after."""

from collections.abc import Iterator

from django.db.models import Exists, F, OuterRef, Q

from bookings.models import Appointment, Dispute
from wallets.models import Transaction, Transfer


def check_escrow() -> Iterator[str]:
    """A sentence for each appointment whose escrow does not fit its state."""
    rows = Appointment.objects.select_related("escrow").order_by("pk")
    for appointment in rows.filter(status__in=Appointment.LIVE).exclude(escrow__balance_points=F("price_points")):
        yield (
            f"appointment {appointment.pk} is {appointment.status} at {appointment.price_points} points,"
            f" its escrow {appointment.escrow_id} holds {appointment.escrow.balance_points}"
        )
    settled = rows.exclude(status__in=[*Appointment.LIVE, Appointment.Status.DISPUTED])
    for appointment in settled.exclude(escrow__balance_points=0):
        yield (
            f"appointment {appointment.pk} is {appointment.status},"
            f" its escrow {appointment.escrow_id} still holds {appointment.escrow.balance_points}"
        )


def check_disputes() -> Iterator[str]:
    """A sentence for each dispute that does not fit its appointment and what that has in escrow."""
    disputed = Q(status=Appointment.Status.DISPUTED)
    for appointment in Appointment.objects.filter(disputed, dispute=None).order_by("pk"):
        yield f"appointment {appointment.pk} is disputed and nobody said why"
    rows = Dispute.objects.select_related("appointment__escrow").order_by("pk")
    for dispute in rows.exclude(appointment__status=Appointment.Status.DISPUTED):
        yield f"{_names(dispute)}, which is {dispute.appointment.status}"
    price, held = F("appointment__price_points"), "appointment__escrow__balance_points"
    # Where the mentor had been paid and has spent points, only the others were to be had.
    paid_out = Transfer.objects.filter(
        source=OuterRef("appointment__escrow"),
        transaction__reason=Transaction.Reason.CAPTURE,
        transaction__reversed_by=None,
    )
    undecided = rows.filter(decided_at=None)
    for dispute in undecided.exclude(**{held: price}).exclude(Exists(paid_out), **{f"{held}__lt": price}):
        yield f"{_names(dispute)} waits for a decision at {dispute.appointment.price_points} points{_holds(dispute)}"
    decided = rows.exclude(decided_at=None)
    for dispute in decided.exclude(**{held: 0}):
        yield f"{_names(dispute)} is decided{_holds(dispute)}"
    for dispute in decided.exclude(points_returned=price - F("points_paid")):
        yield (
            f"{_names(dispute)} was about {dispute.appointment.price_points} points,"
            f" decided are {dispute.points_returned} and {dispute.points_paid}"
        )


def _names(dispute):
    return f"dispute {dispute.pk} of appointment {dispute.appointment_id}"


def _holds(dispute):
    escrow = dispute.appointment.escrow
    return f", its escrow {escrow.pk} holds {escrow.balance_points}"
