"""The ledger only grows: triggers by which the database itself refuses to change what was written.

They hold for raw SQL and for a database console as well, and for PostgreSQL's TRUNCATE.
"""

from mentorbook.triggers import append_only, refusal

APPEND_ONLY = {
    "wallets_transaction": "A transaction is never changed or deleted; reverse it.",
    "wallets_transfer": "A transfer is never changed or deleted; reverse its transaction.",
}
OWNER_FIXED = "A wallet keeps its kind and its owner."

TRIGGERS = [
    *(trigger for table, message in APPEND_ONLY.items() for trigger in append_only(table, message)),
    refusal("wallets_owner_fixed", "wallets_wallet", "UPDATE", OWNER_FIXED, unless_same=("kind", "user_id")),
]
