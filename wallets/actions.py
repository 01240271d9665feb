"""Everything that moves points. Nothing else writes wallets, transactions or transfers.

Every action is one transaction of its own and fits inside a caller's `atomic()`: when it refuses, what the caller did
before stays as it was. Locks come in one order, so that no two actions wait for each other: the idempotency key first,
then the wallets by id. A balance moves by `UPDATE … WHERE balance_points >= …`, never by read and write.
"""

from collections import defaultdict
from typing import NamedTuple

from django.conf import settings
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


class NothingHeld(Refused):
    """What was held has been paid out or returned already."""

    code = "nothing_held"
    message = _("The points of this session have been paid out or returned already.")


class IdempotencyMismatch(Refused):
    code = "idempotency_mismatch"
    status = 422
    message = _("This request was sent before with other content. Reload the page and send it again.")


class AlreadyReversed(Refused):
    code = "already_reversed"
    message = _("This was reversed already.")


class NoteMissing(Refused):
    code = "note_missing"
    status = 422
    field = "note"
    message = _("Write a note that says why; the person reads it in their statement.")


class PointsOutOfRange(Refused):
    code = "points_out_of_range"
    status = 422
    field = "points"
    message = _("At most 1,000,000,000 points can move at once.")


class Move(NamedTuple):
    """Points to go from one wallet to another, by their ids."""

    source_id: int
    destination_id: int
    points: int


# --- Wallets ----------------------------------------------------------------------------------------------------------


def wallet_of(user) -> Wallet:
    """The wallet of `user`, made empty on first need. Its balance is read now; two at once get the same one."""
    return Wallet.objects.get_or_create(user=user, defaults={"kind": Wallet.Kind.USER})[0]


def issuance_wallet() -> Wallet:
    """The one wallet that points come from: what it is below zero is what circulates."""
    return Wallet.objects.get_or_create(kind=Wallet.Kind.ISSUANCE)[0]


def open_escrow() -> Wallet:
    """A new empty wallet for the points of one appointment."""
    return Wallet.objects.create(kind=Wallet.Kind.ESCROW)


# --- Points come and go -----------------------------------------------------------------------------------------------


def grant_points(
    user, *, points: int, by=None, note: str = "", idempotency_key: str | None = None, reason: str = Reason.GRANT
) -> Transaction | None:
    """Give `user` points out of nothing. Zero points are no transaction, as everywhere here."""
    return transfer_points(
        issuance_wallet(),
        wallet_of(user),
        points=points,
        by=by,
        reason=reason,
        note=note,
        idempotency_key=idempotency_key,
    )


def grant_signup_points(user) -> Transaction | None:
    """Welcome a person with SIGNUP_GRANT_POINTS: once in their life, whatever the setting was then and is now."""
    key = f"signup:{user.pk}"
    earlier = Transaction.objects.filter(idempotency_key=key).first()
    if earlier:
        return earlier
    return grant_points(user, points=settings.SIGNUP_GRANT_POINTS, idempotency_key=key, reason=Reason.SIGNUP_GRANT)


def adjust_points(user, *, points: int, by, note: str, idempotency_key: str | None = None) -> Transaction | None:
    """Staff correct a balance: above zero gives, below zero takes away. The note is mandatory."""
    if not note.strip():
        raise NoteMissing
    ends = [issuance_wallet(), wallet_of(user)]
    source, destination = ends if points > 0 else reversed(ends)
    return transfer_points(
        source,
        destination,
        points=abs(points),
        by=by,
        reason=Reason.ADJUSTMENT,
        note=note,
        idempotency_key=idempotency_key,
    )


def transfer_points(
    source: Wallet,
    destination: Wallet,
    *,
    points: int,
    by,
    reason: str,
    note: str,
    subject: models.Model | None = None,
    idempotency_key: str | None = None,
) -> Transaction | None:
    """Move points between two wallets that are not an escrow; those have holds of their own below."""
    if Wallet.Kind.ESCROW in (source.kind, destination.kind):
        raise ValueError("An escrow is filled by hold_points and emptied by release_hold and capture_hold.")
    if not points:
        return None
    return _record(
        [Move(source.pk, destination.pk, points)],
        reason=reason,
        by=by,
        note=note,
        subject=subject,
        idempotency_key=idempotency_key,
    )


# --- A session's points -----------------------------------------------------------------------------------------------


def hold_points(
    payer: Wallet, escrow: Wallet, *, points: int, by, subject: models.Model | None, idempotency_key: str | None = None
) -> Transaction | None:
    """Take the price of `subject` from `payer` into its escrow, which takes from one payer only."""
    if payer.kind == Wallet.Kind.ESCROW or escrow.kind != Wallet.Kind.ESCROW:
        raise ValueError("Points are held from a wallet in an escrow.")
    if not points:
        return None
    return _record(
        [Move(payer.pk, escrow.pk, points)],
        reason=Reason.HOLD,
        by=by,
        subject=subject,
        idempotency_key=idempotency_key,
    )


def release_hold(escrow: Wallet, *, by, subject: models.Model | None, note: str = "") -> Transaction | None:
    """Return all that `escrow` has to whom it came from. The second time raises NothingHeld.

    An escrow that never held anything, as a free session's, gives None.
    """
    payer_id = _payer_id(escrow)
    if payer_id is None:
        return None
    with transaction.atomic():
        held = _held_points(escrow, payer_id)
        return _record([Move(escrow.pk, payer_id, held)], reason=Reason.RELEASE, by=by, note=note, subject=subject)


def capture_hold(
    escrow: Wallet, *, to: Wallet, by, subject: models.Model | None, return_percent: int = 0, note: str = ""
) -> Transaction | None:
    """Pay what `escrow` has to wallet `to`, less `return_percent` of it (rounded half up), which goes to its payer.

    `points_to(wallet)` of the transaction says how much went where. The second time raises NothingHeld; an escrow that
    never held anything gives None.
    """
    if not 0 <= return_percent <= 100:
        raise ValueError(f"{return_percent} is no share of a hundred.")
    payer_id = _payer_id(escrow)
    if payer_id is None:
        return None
    with transaction.atomic():
        held = _held_points(escrow, payer_id, to.pk)
        returned = (held * return_percent + 50) // 100
        moves = [Move(escrow.pk, payer_id, returned), Move(escrow.pk, to.pk, held - returned)]
        return _record(
            [move for move in moves if move.points], reason=Reason.CAPTURE, by=by, note=note, subject=subject
        )


def reverse_transaction(original: Transaction, *, by, note: str) -> Transaction:
    """Undo `original` by its mirror image, once, with a note that says why.

    A wallet that no longer has the points raises NotEnoughPoints.
    """
    if not note.strip():
        raise NoteMissing
    moves = [
        Move(transfer.destination_id, transfer.source_id, transfer.points)
        for transfer in original.transfers.order_by("-id")
    ]
    with transaction.atomic():
        _lock({wallet_id for move in moves for wallet_id in move[:2]})
        if Transaction.objects.filter(reverses=original).exists():
            raise AlreadyReversed
        return _record(moves, reason=Reason.REVERSAL, by=by, note=note, subject=original.subject, reverses=original)


# --- How it is written ------------------------------------------------------------------------------------------------


def _record(
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
            raise _not_enough(wallet.get(), -change)


def _not_enough(wallet: Wallet, needed_points: int) -> NotEnoughPoints:
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


def _lock(wallet_ids: set[int]) -> dict[int, Wallet]:
    """Those wallets, locked in id order until the transaction ends."""
    locked = Wallet.objects.select_for_update(no_key=True).filter(pk__in=wallet_ids).order_by("pk")
    return {wallet.pk: wallet for wallet in locked}


def _held_points(escrow: Wallet, *others: int) -> int:
    """What `escrow` has, with it and the wallets it will pay locked."""
    held = _lock({escrow.pk, *others})[escrow.pk].balance_points
    if not held:
        raise NothingHeld
    return held


def _payer_id(escrow: Wallet) -> int | None:
    """Whose points `escrow` holds or held. It never changes, so it may be read before the locks."""
    return _holds_in(escrow.pk).values_list("source_id", flat=True).first()


def _insist_on_one_payer(moves: list[Move]) -> None:
    for move in moves:
        if _holds_in(move.destination_id).exclude(source=move.source_id).exists():
            raise ValueError("This escrow holds the points of someone else.")


def _holds_in(escrow_id: int):
    return Transfer.objects.filter(destination=escrow_id, transaction__reason=Reason.HOLD).order_by("id")


def _fitting(note: str) -> str:
    """`note` as long as the column is; a long reason is told in full by what it belongs to."""
    longest = Transaction._meta.get_field("note").max_length
    return note if len(note) <= longest else note[: longest - 1] + "…"
