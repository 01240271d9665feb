"""A mistake is answered by a transaction that undoes it."""

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.actions import lock_group
from mentorbook.errors import Refused
from wallets.actions.writing import Move, NoteMissing, lock, record
from wallets.models import Transaction, Wallet

Reason = Transaction.Reason


class AlreadyReversed(Refused):
    code = "already_reversed"
    message = _("This was reversed already.")


def reverse_transaction(original: Transaction, *, by, note: str) -> Transaction:
    """Undo `original` by its mirror image, once, with a note that says why.

    A wallet that no longer has the points raises NotEnoughPoints, a group that is dissolved by now GroupDissolved.
    """
    if not note.strip():
        raise NoteMissing
    moves = [
        Move(transfer.destination_id, transfer.source_id, transfer.points)
        for transfer in original.transfers.order_by("-id")
    ]
    with transaction.atomic():
        destinations = Wallet.objects.filter(pk__in=[move.destination_id for move in moves], group__isnull=False)
        for group_id in destinations.order_by("group_id").values_list("group_id", flat=True):
            lock_group(group_id)  # before any wallet; one that is dissolved takes no points
        lock({wallet_id for move in moves for wallet_id in move[:2]})
        if Transaction.objects.filter(reverses=original).exists():
            raise AlreadyReversed
        return record(moves, reason=Reason.REVERSAL, by=by, note=note, subject=original.subject, reverses=original)


def take_back(source: Wallet, escrow: Wallet, *, points: int, by, subject: models.Model, note: str) -> Transaction:
    """Bring a part of what was paid for `subject` back into its escrow, where not all of it can be reversed."""
    moves = [Move(source.pk, escrow.pk, points)]
    return record(moves, reason=Reason.CLAWBACK, by=by, note=note, subject=subject)
