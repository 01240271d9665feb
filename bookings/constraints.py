"""Constraints that only PostgreSQL can state; `triggers.py` says the same for SQLite."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.operations import BtreeGistExtension


class PostgresExclusionConstraint(ExclusionConstraint):
    """An exclusion constraint that other databases leave out, instead of failing on it."""

    def constraint_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().constraint_sql(model, schema_editor)
        return None

    def create_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().create_sql(model, schema_editor)
        return None

    def remove_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().remove_sql(model, schema_editor)
        return None

    def validate(self, *args, **kwargs):
        """Leave the answer to the action, which locks before it asks; a form cannot."""


class BtreeGist(BtreeGistExtension):
    """The extension that exclusion constraints need; nothing on other databases, on the way back as well."""

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
