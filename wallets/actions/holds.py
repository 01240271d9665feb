"""The points of one session: held in its escrow, then paid or returned."""

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import Refused
from wallets.actions.writing import Move, holds_in, lock, not_enough, record
from wallets.models import Transaction, Wallet

Reason = Transaction.Reason


class NothingHeld(Refused):
    """What was held has been paid out or returned already."""

    code = "nothing_held"
    message = _("The points of this session have been paid out or returned already.")


def hold_points(
    payer: Wallet, escrow: Wallet, *, points: int, by, subject: models.Model | None, idempotency_key: str | None = None
) -> Transaction | None:
    """Take the price of `subject` from `payer` into its escrow, which takes from one payer only."""
    if payer.kind == Wallet.Kind.ESCROW or escrow.kind != Wallet.Kind.ESCROW:
        raise ValueError("Points are held from a wallet in an escrow.")
    if not points:
        return None
    return record(
        [Move(payer.pk, escrow.pk, points)],
        reason=Reason.HOLD,
        by=by,
        subject=subject,
        idempotency_key=idempotency_key,
    )


def insist_on_points(payer: Wallet, *, points: int) -> None:
    """Refuse with NotEnoughPoints unless `payer` has so many, and keep it locked until the transaction ends: for
    several holds that are all or nothing, whose sum the refusal then names."""
    locked = lock({payer.pk})[payer.pk]
    if locked.balance_points < points:
        raise not_enough(locked, points)


def lock_wallets(wallet_ids) -> None:
    """Lock these wallets in id order until the transaction ends, where several steps then move their points."""
    lock(set(wallet_ids))


def release_hold(
    escrow: Wallet, *, by, subject: models.Model | None, note: str = "", points: int | None = None
) -> Transaction | None:
    """Return all that `escrow` has, or so many points of it, to whom they came from. When nothing is left it raises
    NothingHeld.

    An escrow that never held anything, as a free session's, gives None.
    """
    payer_id = _payer_id(escrow)
    if payer_id is None:
        return None
    with transaction.atomic():
        held = _held_points(escrow, payer_id)
        moves = [Move(escrow.pk, payer_id, held if points is None else points)]
        return record(moves, reason=Reason.RELEASE, by=by, note=note, subject=subject)


def capture_hold(
    escrow: Wallet, *, to: Wallet, by, subject: models.Model | None, return_points: int = 0, note: str = ""
) -> Transaction | None:
    """Pay what `escrow` has to wallet `to`, less `return_points` of it, which go to its payer.

    `points_to(wallet)` of the transaction says how much went where. The second time raises NothingHeld; an escrow that
    never held anything gives None. More to return than is held raises ValueError.
    """
    payer_id = _payer_id(escrow)
    if payer_id is None:
        return None
    with transaction.atomic():
        held = _held_points(escrow, payer_id, to.pk)
        if not 0 <= return_points <= held:
            raise ValueError(f"Of {held} points {return_points} cannot be returned.")
        moves = [Move(escrow.pk, payer_id, return_points), Move(escrow.pk, to.pk, held - return_points)]
        return record([move for move in moves if move.points], reason=Reason.CAPTURE, by=by, note=note, subject=subject)


def _held_points(escrow: Wallet, *others: int) -> int:
    """What `escrow` has, with it and the wallets it will pay locked."""
    held = lock({escrow.pk, *others})[escrow.pk].balance_points
    if not held:
        raise NothingHeld
    return held


def _payer_id(escrow: Wallet) -> int | None:
    """Whose points `escrow` holds or held. It never changes, so it may be read before the locks."""
    return holds_in(escrow.pk).values_list("source_id", flat=True).first()
