"""The statement of a wallet: its rows as people read them, and the same as a CSV file."""

import csv
from collections.abc import Iterator

from django.db.models import Exists, OuterRef, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from wallets.models import Transaction, Transfer, Wallet

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as the machine's old code page
CHUNK_ROWS = 500  # of a file, read at once


def statement_rows(wallet: Wallet | None):
    """The transfers of `wallet`, newest first, with all that a row shows, in a fixed number of queries."""
    if wallet is None:
        return Transfer.objects.none()
    held_before = Transfer.objects.filter(
        source=wallet, destination=OuterRef("source"), transaction__reason=Transaction.Reason.HOLD
    )
    return (
        Transfer.objects.with_running_balance(wallet)
        .annotate(comes_back=Exists(held_before))
        .select_related("transaction__reverses", "transaction__actor", "source__user", "destination__user")
        .prefetch_related("transaction__subject")
        .order_by("-id")
    )


def reason_of(row: Transfer) -> Transaction.Reason:
    """Why this row is there, for the owner of the wallet: of a late cancellation the payer sees what came back."""
    reason = Transaction.Reason(row.transaction.reason)
    return Transaction.Reason.RELEASE if reason == Transaction.Reason.CAPTURE and row.comes_back else reason


def what(row: Transfer) -> str:
    """What happened in this row, in words for the owner of the wallet."""
    transaction = row.transaction
    if transaction.reason == Transaction.Reason.REVERSAL:
        return _("reversal: %(what)s") % {"what": transaction.reverses.get_reason_display()}
    if transaction.reason == Transaction.Reason.CONTRIBUTION and row.change_points > 0:
        return _("contribution of %(name)s") % {"name": row.source.user}
    if transaction.reason == Transaction.Reason.GIVEN_BACK and row.change_points < 0:
        return _("given back to %(name)s") % {"name": row.destination.user}
    return reason_of(row).label


def subject_id(row: Transfer, app_label: str, model: str) -> int | None:
    """The id of what this row is about, if it is one of these: the apps above are known here by their names only."""
    about = row.transaction.subject_type
    return row.transaction.subject_id if about and about.natural_key() == (app_label, model) else None


def held_points(wallet: Wallet | None) -> int:
    """The points of `wallet` that wait in escrows for their sessions."""
    if wallet is None:
        return 0
    return Wallet.objects.held_for(wallet).aggregate(held=Sum("balance_points"))["held"] or 0


def defused(cell) -> str:
    """`cell` as text that no spreadsheet takes for a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


class _Echo:
    def write(self, line):
        return line


def statement_csv(wallet: Wallet | None, zone) -> Iterator[str]:
    """The lines of the statement, newest first, with ISO times in `zone`; of a group's wallet also who acted."""
    writer = csv.writer(_Echo())
    is_shared = wallet is not None and wallet.kind == Wallet.Kind.GROUP
    head = [_("time"), _("what"), _("about"), _("note"), _("points in"), _("points out"), _("balance")]
    yield BYTE_ORDER_MARK + writer.writerow(head + [_("by")] * is_shared)
    for row in statement_rows(wallet).iterator(chunk_size=CHUNK_ROWS):
        change = row.change_points
        yield writer.writerow(
            [
                timezone.localtime(row.transaction.created_at, zone).isoformat(timespec="seconds"),
                defused(what(row)),
                defused(row.transaction.subject or ""),
                defused(row.transaction.note),
                change if change > 0 else "",
                -change if change < 0 else "",
                row.running_points,
                *([defused(row.transaction.actor or "")] if is_shared else []),
            ]
        )
