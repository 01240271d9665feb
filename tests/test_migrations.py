import pytest
from django.core.management import call_command
from django.db import connection

from mentorbook import triggers

OURS = ["feedback", "bookings", "mentors", "wallets", "notifications", "mentorbook"]


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_migrations_can_be_taken_back_and_made_again():
    try:
        for app in OURS:
            call_command("migrate", app, "zero", verbosity=0)
        assert not {name for name in connection.introspection.table_names() if name.split("_")[0] in OURS}
    finally:
        call_command("migrate", verbosity=0)
    expected = {trigger.name for trigger in triggers.registered(connection.vendor)}
    assert expected <= triggers.installed_names(connection)
