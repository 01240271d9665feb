"""What the database refuses by itself, whoever writes: constraints and the triggers that keep history as it was."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from mentorbook import triggers
from wallets import immutability
from wallets.actions import grant_points, issuance_wallet, wallet_of
from wallets.models import Transaction, Transfer, Wallet


def refused(statement, *parameters):
    """The message with which the database refuses `statement`."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
    return str(refusal.value)


@pytest.fixture
def granted(ann):
    return grant_points(ann, points=50, note="Prize")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets_transaction SET note = 'other' WHERE id = %s",
        "UPDATE wallets_transaction SET created_at = created_at WHERE id = %s",
        "DELETE FROM wallets_transaction WHERE id = %s",
    ],
)
def test_a_transaction_is_never_changed_or_deleted(granted, statement):
    assert "A transaction is never changed or deleted; reverse it." in refused(statement, granted.pk)
    assert Transaction.objects.get().note == "Prize"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets_transfer SET points = 5000 WHERE transaction_id = %s",
        "DELETE FROM wallets_transfer WHERE transaction_id = %s",
    ],
)
def test_a_transfer_is_never_changed_or_deleted(granted, statement):
    assert "A transfer is never changed or deleted" in refused(statement, granted.pk)
    assert Transfer.objects.get().points == 50


def test_the_models_own_methods_are_refused_too(granted):
    granted.note = "other"
    for change in (
        granted.save,
        lambda: Transaction.objects.update(note="other"),
        lambda: Transfer.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.mark.parametrize("table", ["wallets_transaction", "wallets_transfer"])
def test_postgresql_refuses_to_truncate_history(db, table):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    assert "never changed or deleted" in refused(f"TRUNCATE {table} CASCADE")


def test_a_wallet_keeps_its_owner_and_its_kind(granted, ann, sam):
    wallet = wallet_of(ann)
    assert "keeps its kind and its owner" in refused(
        "UPDATE wallets_wallet SET user_id = %s WHERE id = %s", sam.pk, wallet.pk
    )
    assert "keeps its kind and its owner" in refused(
        "UPDATE wallets_wallet SET kind = 'escrow', user_id = NULL WHERE id = %s", wallet.pk
    )
    wallet.save()


def test_a_person_with_a_wallet_stays(granted, ann):
    with pytest.raises(ProtectedError):
        ann.delete()


def test_no_wallet_but_issuance_goes_below_zero(ann):
    wallet, issuance = wallet_of(ann), issuance_wallet()
    refused("UPDATE wallets_wallet SET balance_points = -1 WHERE id = %s", wallet.pk)
    Wallet.objects.filter(pk=issuance.pk).update(balance_points=-1)


@pytest.mark.parametrize("points", [0, -5])
def test_a_transfer_moves_something(granted, points):
    transfer = granted.transfers.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.create(
            transaction=granted, source=transfer.source, destination=transfer.destination, points=points
        )


def test_a_transfer_has_two_ends(granted, ann):
    wallet = wallet_of(ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.create(transaction=granted, source=wallet, destination=wallet, points=1)


@pytest.mark.parametrize(
    "fields", [{"kind": "user"}, {"kind": "issuance"}, {"kind": "escrow", "owned": True}, {"kind": "jar"}]
)
def test_a_wallets_owner_fits_its_kind(sam, fields):
    issuance_wallet()
    owner = sam if fields.pop("owned", False) else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Wallet.objects.create(user=owner, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "reversal", "note": "Mistake"},
        {"reason": "adjustment"},
        {"reason": "grant", "subject_id": 5},
        {"reason": "grant", "idempotency_key": "once"},
    ],
)
def test_a_transaction_says_all_that_its_reason_needs(ann, fields):
    grant_points(ann, points=1, idempotency_key="once")
    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.create(**fields)


def wanted():
    return {trigger.name for trigger in immutability.TRIGGERS if trigger.statements(connection.vendor)}


@pytest.mark.django_db
def test_the_triggers_exist_after_migrations():
    assert len(wanted()) == (7 if connection.vendor == "postgresql" else 5)
    assert wanted() <= triggers.installed_names(connection)


@pytest.mark.django_db
def test_making_the_triggers_again_changes_nothing():
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert wanted() <= triggers.installed_names(connection)


@pytest.mark.django_db(transaction=True)
def test_the_triggers_are_back_after_a_table_was_rebuilt():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL does not rebuild tables")
    with connection.schema_editor() as editor:
        for model in (Transaction, Transfer, Wallet):
            editor._remake_table(apps.get_model("wallets", model.__name__))
    assert not wanted() & triggers.installed_names(connection)
    call_command("migrate", verbosity=0)
    assert wanted() <= triggers.installed_names(connection)
