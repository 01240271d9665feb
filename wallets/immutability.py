"""The ledger only grows: triggers by which the database itself refuses to change what was written.

They hold for raw SQL and for a database console as well, and for PostgreSQL's TRUNCATE.
"""

from mentorbook.triggers import Trigger

APPEND_ONLY = {
    "wallets_transaction": "A transaction is never changed or deleted; reverse it.",
    "wallets_transfer": "A transfer is never changed or deleted; reverse its transaction.",
}
OWNER_FIXED = "A wallet keeps its kind and its owner."


def refusal(name, table, event, message, unless_same=()):
    """A trigger that answers `event` on `table` with `message`; with columns named, only when one of them changes."""
    columns = f" OF {', '.join(unless_same)}" if unless_same else ""
    level = "STATEMENT" if event == "TRUNCATE" else "ROW"
    function = f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$
    """
    postgresql = (
        function,
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {event}{columns} ON {table} FOR EACH {level}"
        f"{_when(unless_same, 'IS DISTINCT FROM')} EXECUTE FUNCTION {name}()",
    )
    sqlite = (
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE {event}{columns} ON {table} FOR EACH ROW"
        f"{_when(unless_same, 'IS NOT')} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    )
    return Trigger(name, table, sqlite=() if event == "TRUNCATE" else sqlite, postgresql=postgresql)


def _when(columns, differs):
    return f" WHEN ({' OR '.join(f'OLD.{column} {differs} NEW.{column}' for column in columns)})" if columns else ""


TRIGGERS = [
    *(
        refusal(f"{table}_no_{event.lower()}", table, event, message)
        for table, message in APPEND_ONLY.items()
        for event in ("UPDATE", "DELETE", "TRUNCATE")
    ),
    refusal("wallets_owner_fixed", "wallets_wallet", "UPDATE", OWNER_FIXED, unless_same=("kind", "user_id")),
]
