"""Database triggers that both databases must have, made again after every migration.

SQLite forgets a table's triggers whenever Django rebuilds the table (which most schema changes do), so a migration is
the wrong place for them. Each app lists its own and registers them from `AppConfig.ready`; `post_migrate` puts them in
place, and a test in tests/ asks that they are there.
"""

from dataclasses import dataclass

from django.db import connections
from django.db.models.signals import post_migrate


@dataclass(frozen=True)
class Trigger:
    """One trigger on one table. `sqlite` and `postgresql` are full statements that create it; a vendor without one
    enforces the rule by other means (PostgreSQL by an exclusion constraint, say)."""

    name: str
    table: str
    sqlite: tuple[str, ...] = ()
    postgresql: tuple[str, ...] = ()

    def statements(self, vendor):
        return {"sqlite": self.sqlite, "postgresql": self.postgresql}.get(vendor, ())


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


def append_only(table, message):
    """Triggers that answer every change and every deletion of a row of `table` with `message`."""
    return [refusal(f"{table}_no_{event.lower()}", table, event, message) for event in ("UPDATE", "DELETE", "TRUNCATE")]


_triggers: dict[str, tuple[Trigger, ...]] = {}


def register(app_config, triggers):
    """Have `triggers` made whenever `app_config` was migrated. Statements must bear being run again."""
    _triggers[app_config.label] = tuple(triggers)
    post_migrate.connect(_install_after_migrate, sender=app_config, dispatch_uid=f"triggers-{app_config.label}")


def registered(vendor):
    """Every trigger that a database of this vendor must have."""
    return [trigger for group in _triggers.values() for trigger in group if trigger.statements(vendor)]


def installed_names(connection):
    """The names of the triggers that the database has."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall()}


def drop_all(connection):
    """Take every registered trigger away. For tests, whose flush deletes what the ledger forbids to delete."""
    with connection.cursor() as cursor:
        for trigger in registered(connection.vendor):
            on = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}{on}")


def _install_after_migrate(app_config, using, **kwargs):
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for trigger in _triggers[app_config.label]:
            if trigger.table not in tables:  # `migrate app 0001` stopped before the table exists
                continue
            for statement in trigger.statements(connection.vendor):
                cursor.execute(statement)
