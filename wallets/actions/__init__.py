"""Everything that moves points. Nothing else writes wallets, transactions or transfers.

Every action is one transaction of its own and fits inside a caller's `atomic()`: when it refuses, what the caller did
before stays as it was. Locks come in one order, so that no two actions wait for each other: the idempotency key first,
then the wallets by id. A balance moves by `UPDATE … WHERE balance_points >= …`, never by read and write.
"""

from wallets.actions.grants import adjust_points, grant_points, grant_signup_points, transfer_points
from wallets.actions.groups import (
    MoreThanContributed,
    contribute_points,
    contributions_to,
    contributors_to,
    give_back_points,
)
from wallets.actions.holds import (
    NothingHeld,
    capture_hold,
    hold_points,
    insist_on_points,
    lock_wallets,
    release_hold,
)
from wallets.actions.owners import issuance_wallet, open_escrow, wallet_of, wallet_of_group
from wallets.actions.reversals import AlreadyReversed, reverse_transaction, take_back
from wallets.actions.writing import (
    IdempotencyMismatch,
    Move,
    NoteMissing,
    NotEnoughPoints,
    PointsOutOfRange,
)

__all__ = [
    "AlreadyReversed",
    "IdempotencyMismatch",
    "MoreThanContributed",
    "Move",
    "NotEnoughPoints",
    "NoteMissing",
    "NothingHeld",
    "PointsOutOfRange",
    "adjust_points",
    "capture_hold",
    "contribute_points",
    "contributions_to",
    "contributors_to",
    "give_back_points",
    "grant_points",
    "grant_signup_points",
    "hold_points",
    "insist_on_points",
    "issuance_wallet",
    "lock_wallets",
    "open_escrow",
    "release_hold",
    "reverse_transaction",
    "take_back",
    "transfer_points",
    "wallet_of",
    "wallet_of_group",
]
