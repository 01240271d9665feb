"""How a movement of points is written: the transaction, the balances, and the refusals that any of them may raise."""

from collections import defaultdict
from typing import NamedTuple

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import Refused
from wallets.models import MAX_POINTS, Transaction, Transfer, Wallet

Reason = Transaction.Reason


class NotEnoughPoints(Refused):
    """A wallet would go below zero. Facts: `balance_points`, `needed_points`, `missing_points`, `wallet_id`."""

    code = "not_enough_points"
    status = 402


class IdempotencyMismatch(Refused):
    code = "idempotency_mismatch"
    status = 422
    message = _("This request was sent before with other content. Reload the page and send it again.")


class PointsOutOfRange(Refused):
    code = "points_out_of_range"
    status = 422
    field = "points"
    message = _("At most 1,000,000,000 points can move at once.")


class NoteMissing(Refused):
    code = "note_missing"
    status = 422
    field = "note"
    message = _("Write a note that says why; the person reads it in their statement.")


class Move(NamedTuple):
    """Points to go from one wallet to another, by their ids."""

    source_id: int
    destination_id: int
    points: int


def record(
    moves: list[Move],
    *,
    reason: str,
    by,
    note: str = "",
    subject: models.Model | None = None,
    idempotency_key: str | None = None,
    reverses: Transaction | None = None,
) -> Transaction:
    """Write one transaction and move what it says, or find that its key did so before."""
    for move in moves:
        if move.points < 1 or move.source_id == move.destination_id:
            raise ValueError(f"{move} moves nothing.")
        if move.points > MAX_POINTS:
            raise PointsOutOfRange
    fields = {
        "reason": reason,
        "actor": by,
        "note": _fitting(note),
        "subject": subject,
        "idempotency_key": idempotency_key or None,
        "reverses": reverses,
    }
    if earlier := _earlier(fields, moves):
        return earlier
    try:
        with transaction.atomic():
            recorded = Transaction.objects.create(**fields)
            _move_balances(moves)
            if reason == Reason.HOLD:
                _insist_on_one_payer(moves)
            Transfer.objects.bulk_create(Transfer(transaction=recorded, **move._asdict()) for move in moves)
            return recorded
    except IntegrityError:
        # The same key was committed between our look and our insert; the savepoint is rolled back, so look again.
        if earlier := _earlier(fields, moves):
            return earlier
        raise


def _earlier(fields: dict, moves: list[Move]) -> Transaction | None:
    """The transaction that this key made before; other content than then raises IdempotencyMismatch."""
    if not fields["idempotency_key"]:
        return None
    earlier = Transaction.objects.filter(idempotency_key=fields["idempotency_key"]).first()
    if earlier is None:
        return None
    asked = Transaction(**fields)
    alike = ("reason", "actor_id", "note", "subject_type_id", "subject_id")
    transfers = earlier.transfers.order_by("id").values_list("source_id", "destination_id", "points")
    if any(getattr(asked, name) != getattr(earlier, name) for name in alike) or list(transfers) != moves:
        raise IdempotencyMismatch
    return earlier


def _move_balances(moves: list[Move]) -> None:
    """Change each wallet's balance by what it gets less what it gives, in id order; the update is the lock."""
    changes: dict[int, int] = defaultdict(int)
    for move in moves:
        changes[move.source_id] -= move.points
        changes[move.destination_id] += move.points
    for wallet_id, change in sorted(changes.items()):
        wallet = Wallet.objects.filter(pk=wallet_id)
        may_give = (
            wallet.filter(Q(balance_points__gte=-change) | Q(kind=Wallet.Kind.ISSUANCE)) if change < 0 else wallet
        )
        if not may_give.update(balance_points=F("balance_points") + change):
            raise not_enough(wallet.get(), -change)


def not_enough(wallet: Wallet, needed_points: int) -> NotEnoughPoints:
    facts = {
        "needed_points": needed_points,
        "balance_points": wallet.balance_points,
        "missing_points": needed_points - wallet.balance_points,
    }
    message = _(
        "This takes %(needed_points)d points and the balance is %(balance_points)d, so %(missing_points)d are missing."
        " Nothing was taken."
    )
    return NotEnoughPoints(message % facts, wallet_id=wallet.pk, **facts)


def lock(wallet_ids: set[int]) -> dict[int, Wallet]:
    """Those wallets, locked in id order until the transaction ends."""
    locked = Wallet.objects.select_for_update(no_key=True).filter(pk__in=wallet_ids).order_by("pk")
    return {wallet.pk: wallet for wallet in locked}


def _insist_on_one_payer(moves: list[Move]) -> None:
    for move in moves:
        if holds_in(move.destination_id).exclude(source=move.source_id).exists():
            raise ValueError("This escrow holds the points of someone else.")


def holds_in(escrow_id: int):
    return Transfer.objects.filter(destination=escrow_id, transaction__reason=Reason.HOLD).order_by("id")


def _fitting(note: str) -> str:
    """`note` as long as the column is; a long reason is told in full by what it belongs to."""
    longest = Transaction._meta.get_field("note").max_length
    return note if len(note) <= longest else note[: longest - 1] + "…"
