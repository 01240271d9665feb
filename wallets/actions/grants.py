"""Points that come from nowhere and go there, and plain transfers between two wallets."""

from django.conf import settings
from django.db import models, transaction

from accounts.actions import lock_group
from accounts.models import ProjectGroup
from wallets.actions.owners import issuance_wallet, wallet_of, wallet_of_group
from wallets.actions.writing import Move, NoteMissing, record
from wallets.models import Transaction, Wallet

Reason = Transaction.Reason


def grant_points(
    owner, *, points: int, by=None, note: str = "", idempotency_key: str | None = None, reason: str = Reason.GRANT
) -> Transaction | None:
    """Give a person or a project group points out of nothing. Zero points are no transaction, as everywhere here."""
    with transaction.atomic():
        return transfer_points(
            issuance_wallet(),
            _wallet_to_fill(owner),
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


def adjust_points(owner, *, points: int, by, note: str, idempotency_key: str | None = None) -> Transaction | None:
    """Staff correct a balance: above zero gives, below zero takes away. The note is mandatory."""
    if not note.strip():
        raise NoteMissing
    with transaction.atomic():
        ends = [issuance_wallet(), _wallet_to_fill(owner) if points > 0 else _wallet_of(owner)]
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


def _wallet_of(owner) -> Wallet:
    return wallet_of_group(owner) if isinstance(owner, ProjectGroup) else wallet_of(owner)


def _wallet_to_fill(owner) -> Wallet:
    """Of a group that is not dissolved, nor will be until the points are there; one that is raises GroupDissolved."""
    if isinstance(owner, ProjectGroup):
        lock_group(owner.pk)
    return _wallet_of(owner)


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
    return record(
        [Move(source.pk, destination.pk, points)],
        reason=reason,
        by=by,
        note=note,
        subject=subject,
        idempotency_key=idempotency_key,
    )
