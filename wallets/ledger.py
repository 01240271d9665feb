"""Whether the books are right.

Each check is one statement that counts in the database, so its answer belongs to one moment, also while people book,
and the number of queries does not depend on the number of wallets. Apps above add what they know
(`register_check`): bookings compare every escrow with the state of its appointment.
"""

from collections.abc import Callable, Iterable, Iterator

from django.db import connection
from django.db.models import Exists, OuterRef, Sum

from mentorbook import triggers
from wallets import immutability
from wallets.models import Transaction, Transfer, Wallet

Check = Callable[[], Iterable[str]]

_checks: dict[str, Check] = {}


def register_check(name: str, function: Check) -> None:
    """Have `function` asked by `check_ledger`; it gives one sentence for each thing that is wrong."""
    _checks[name] = function


def problems() -> Iterator[tuple[str, str]]:
    """What is wrong: the name of the check and a sentence, none when the books are right."""
    for name, function in _checks.items():
        for problem in function():
            yield name, problem


def sum_is_zero():
    total = Wallet.objects.aggregate(total=Sum("balance_points"))["total"] or 0
    if total:
        yield f"All balances together are {total}; they must be 0."


def balances_are_their_transfers():
    for wallet_id, kind, balance, moved in _rows(
        """
        SELECT wallets_wallet.id, kind, balance_points, COALESCE(moved.points, 0)
        FROM wallets_wallet
        LEFT JOIN (
            SELECT wallet_id, SUM(points) AS points
            FROM (
                SELECT destination_id AS wallet_id, points FROM wallets_transfer
                UNION ALL
                SELECT source_id AS wallet_id, -points FROM wallets_transfer
            ) AS entries
            GROUP BY wallet_id
        ) AS moved ON moved.wallet_id = wallets_wallet.id
        WHERE balance_points <> COALESCE(moved.points, 0)
        ORDER BY wallets_wallet.id
        """
    ):
        yield f"Wallet {wallet_id} ({kind}) says {balance} points, its transfers make {moved}."


def nobody_is_below_zero():
    for wallet_id, kind, balance in (
        Wallet.objects.filter(balance_points__lt=0)
        .exclude(kind=Wallet.Kind.ISSUANCE)
        .order_by("pk")
        .values_list("pk", "kind", "balance_points")
    ):
        yield f"Wallet {wallet_id} ({kind}) has {balance} points."


def transactions_move_something():
    empty = Transaction.objects.filter(~Exists(Transfer.objects.filter(transaction=OuterRef("pk"))))
    for transaction_id in empty.order_by("pk").values_list("pk", flat=True):
        yield f"Transaction {transaction_id} has no transfers."


def reversals_mirror_their_originals():
    for reversal_id, original_id in _rows(
        """
        SELECT DISTINCT reversal_id, original_id
        FROM (
            SELECT reversal.id AS reversal_id, reverses_id AS original_id, destination_id AS wallet_id, points
            FROM wallets_transaction AS reversal
            JOIN wallets_transfer ON transaction_id IN (reversal.id, reverses_id)
            WHERE reverses_id IS NOT NULL
            UNION ALL
            SELECT reversal.id, reverses_id, source_id, -points
            FROM wallets_transaction AS reversal
            JOIN wallets_transfer ON transaction_id IN (reversal.id, reverses_id)
            WHERE reverses_id IS NOT NULL
        ) AS entries
        GROUP BY reversal_id, original_id, wallet_id
        HAVING SUM(points) <> 0
        ORDER BY reversal_id
        """
    ):
        yield f"Transaction {reversal_id} does not undo transaction {original_id} exactly."


def triggers_are_in_place():
    wanted = {trigger.name for trigger in immutability.TRIGGERS if trigger.statements(connection.vendor)}
    for name in sorted(wanted - triggers.installed_names(connection)):
        yield f"The trigger {name} is missing, so history could be changed. Run `manage.py migrate`."


def _rows(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


register_check("sum", sum_is_zero)
register_check("balances", balances_are_their_transfers)
register_check("below zero", nobody_is_below_zero)
register_check("transactions", transactions_move_something)
register_check("reversals", reversals_mirror_their_originals)
register_check("triggers", triggers_are_in_place)
