from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from mentorbook import triggers
from wallets import ledger
from wallets.actions import grant_points, hold_points, open_escrow, reverse_transaction, wallet_of
from wallets.models import Transaction, Transfer, Wallet


def run(*arguments, **options):
    out = StringIO()
    call_command(*arguments, **options, stdout=out, stderr=StringIO())
    return out.getvalue()


def points_of(user):
    return wallet_of(user).balance_points


# --- check_ledger -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger_rows(ann, ada):
    granted = grant_points(ann, points=100)
    hold_points(wallet_of(ann), open_escrow(), points=30, by=ann, subject=None)
    reverse_transaction(grant_points(ann, points=5), by=ada, note="Mistake")
    return granted


@pytest.mark.django_db
def test_check_ledger_says_in_one_line_that_nothing_happened_yet():
    assert run("check_ledger") == "The ledger is right: 0 wallets, 0 transactions.\n"


def test_check_ledger_says_in_one_line_that_all_is_right(ledger_rows):
    assert run("check_ledger") == "The ledger is right: 3 wallets, 4 transactions.\n"


def found():
    """What check_ledger prints when it fails."""
    out = StringIO()
    with pytest.raises(CommandError, match="The ledger is not right") as failure:
        call_command("check_ledger", stdout=out)
    assert failure.value.returncode == 1
    return out.getvalue()


def test_check_ledger_finds_a_balance_that_its_transfers_do_not_make(ledger_rows, ann):
    Wallet.objects.filter(user=ann).update(balance_points=71)
    assert f"balances: Wallet {wallet_of(ann).pk} (user) says 71 points, its transfers make 70." in found()
    assert "sum: All balances together are 1; they must be 0." in found()


def test_check_ledger_finds_balances_that_are_wrong_in_opposite_directions(ledger_rows, ann, sam):
    Wallet.objects.filter(user=ann).update(balance_points=60)
    Wallet.objects.filter(pk=wallet_of(sam).pk).update(balance_points=10)
    assert found().count("balances: ") == 2
    assert "sum: " not in found()


def test_check_ledger_finds_a_transaction_that_moves_nothing(ledger_rows):
    empty = Transaction.objects.create(reason=Transaction.Reason.GRANT)
    assert f"transactions: Transaction {empty.pk} has no transfers." in found()


def test_check_ledger_finds_a_reversal_that_undoes_something_else(ledger_rows, ann):
    half = Transaction.objects.create(reason=Transaction.Reason.REVERSAL, reverses=ledger_rows, note="Half")
    original = ledger_rows.transfers.get()
    Transfer.objects.create(transaction=half, source=original.destination, destination=original.source, points=50)
    assert f"reversals: Transaction {half.pk} does not undo transaction {ledger_rows.pk} exactly." in found()


def test_check_ledger_finds_missing_triggers(ledger_rows):
    triggers.drop_all(connection)
    assert "triggers: The trigger wallets_transaction_no_update is missing" in found()


def test_check_ledger_asks_what_other_apps_registered(ledger_rows):
    ledger.register_check("moon", lambda: ["The moon is full."])
    try:
        assert "moon: The moon is full." in found()
    finally:
        ledger._checks.pop("moon")


def test_check_ledger_takes_the_same_number_of_queries_for_any_number_of_wallets(ledger_rows):
    counts = []
    for people in (0, 5):
        for user in UserFactory.create_batch(people):
            grant_points(user, points=5)
        with CaptureQueriesContext(connection) as queries:
            run("check_ledger")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


# --- grant_points -----------------------------------------------------------------------------------------------------


def test_grant_points_to_one_person(ann, ada):
    out = run("grant_points", "Ann@Example.org", "50", note="Hackathon", by="ada@example.org")
    assert out == "Granted 50 points to 1 person.\n"
    assert points_of(ann) == 50
    granted = Transaction.objects.get()
    assert (granted.note, granted.actor, granted.reason) == ("Hackathon", ada, Transaction.Reason.GRANT)


def test_grant_points_the_second_time_grants_nothing(ann):
    run("grant_points", "ann@example.org", "50", note="Hackathon")
    out = run("grant_points", "ann@example.org", "50", note="Hackathon")
    assert out == "Granted 0 points to 0 people.\n1 person had them already.\n"
    run("grant_points", "ann@example.org", "50", note="Hackathon", batch="second prize")
    assert points_of(ann) == 100


@pytest.fixture
def csv_file(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "grants.csv"
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return str(path)

    return write


GOOD = "email,points,note\nann@example.org,50,Best talk\nsam@example.org,20,\n"


@pytest.mark.parametrize(
    "text", [GOOD, "\ufeff" + GOOD, GOOD.replace(",", ";"), GOOD.replace("\n", "\r\n"), GOOD + "\n,,\n"]
)
def test_grant_points_to_the_people_of_a_csv_file(ann, sam, csv_file, text):
    assert run("grant_points", csv=csv_file(text), note="Week 3") == "Granted 70 points to 2 people.\n"
    assert (points_of(ann), points_of(sam)) == (50, 20)
    assert set(Transaction.objects.values_list("note", flat=True)) == {"Best talk", "Week 3"}


def test_grant_points_of_a_csv_file_goes_on_where_it_was_stopped(ann, sam, csv_file):
    run("grant_points", "ann@example.org", "50", note="Best talk", batch="Week 3")
    out = run("grant_points", csv=csv_file(GOOD), note="Anything", batch="Week 3")
    assert out == "Granted 20 points to 1 person.\n1 person had them already.\n"
    assert (points_of(ann), points_of(sam)) == (50, 20)


def test_grant_points_dry_run_grants_nothing(ann, sam, csv_file):
    out = run("grant_points", csv=csv_file(GOOD), note="Week 3", dry_run=True)
    assert out == "Would grant 70 points to 2 people.\n"
    assert not Transaction.objects.exists()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nobody@example.org,5,", "line 4: nobody here has the address “nobody@example.org”."),
        ("ANN@example.org,5,", "line 4: ann@example.org stands in"),
        ("old@example.org,5,", "line 4: old@example.org is deactivated."),
        ("max@example.org,0,", "line 4: “0” is no number of points"),
        ("max@example.org,-5,", "line 4: “-5” is no number of points"),
        ("max@example.org,5.5,", "line 4: “5.5” is no number of points"),
        ("max@example.org,²,", "line 4: “²” is no number of points"),
        ("max@example.org,99999999999999999999,", "is no number of points"),
        ("max@example.org,5," + "x" * 301, "line 4: the note has 301 characters; 300 fit."),
        ("max@example.org,5", "line 4: 2 columns instead of 3."),
        ('max@example.org,5,"open', "line 4: unexpected end of data."),
        ("max@example.org\0,5,", "line 4: a NUL byte"),
    ],
)
def test_one_wrong_line_names_itself_and_nothing_is_granted(ann, sam, max, csv_file, line, problem):
    UserFactory(email="old@example.org", is_active=False)
    with pytest.raises(CommandError) as failure:
        run("grant_points", csv=csv_file(GOOD + line + "\n"), note="Week 3")
    assert "Nothing was granted." in str(failure.value)
    assert problem in str(failure.value)
    assert not Transaction.objects.exists()


def test_a_batch_that_gave_something_else_before_is_refused(ann, sam, csv_file):
    run("grant_points", "ann@example.org", "40", note="Best talk", batch="Week 3")
    with pytest.raises(CommandError, match=r"line 2: ann@example\.org got 40 points in this batch before, not 50"):
        run("grant_points", csv=csv_file(GOOD), note="Week 3")
    assert (points_of(ann), points_of(sam)) == (40, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the columns must be email, points"),
        ("email,points\n", "has no lines below the header"),
        ("mail,points\nann@example.org,5\n", "line 1: the columns must be email, points"),
        (b"email,points,note\nann@example.org,5,\xe9t\xe9\n", "line 2: not UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_grants_is_explained(ann, csv_file, text, problem):
    with pytest.raises(CommandError) as failure:
        run("grant_points", csv=csv_file(text), note="Week 3")
    assert problem in str(failure.value)


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (["ann@example.org", "5"], {"note": "  "}, "--note is empty"),
        ([], {"note": "x"}, "Name one person"),
        (["ann@example.org"], {"note": "x"}, "Name one person"),
        (["ann@example.org", "5"], {"note": "x", "csv": "/tmp/x.csv"}, "Name one person"),
        ([], {"note": "x", "csv": "/nowhere/grants.csv"}, "cannot be read"),
        (["ann@example.org", "five"], {"note": "x"}, "“five” is no number of points"),
        (["eve@example.org", "5"], {"note": "x"}, "Nobody here has the address “eve@example.org”."),
        (["ann@example.org", "5"], {"note": "x", "by": "eve@example.org"}, "--by: nobody here"),
    ],
)
def test_a_command_that_makes_no_sense_is_explained(ann, arguments, options, problem):
    with pytest.raises(CommandError) as failure:
        run("grant_points", *arguments, **options)
    assert problem in str(failure.value)
    assert not Transaction.objects.exists()


def test_grant_points_needs_a_note():
    with pytest.raises(CommandError, match="--note"):
        run("grant_points", "ann@example.org", "5")


def test_a_long_list_takes_as_many_look_ups_as_a_short_one(db, csv_file):
    def queries_for(people):
        lines = "".join(f"{user.email},5\n" for user in people)
        with CaptureQueriesContext(connection) as queries:
            run("grant_points", csv=csv_file("email,points\n" + lines), note="Dry", dry_run=True)
        return len(queries)

    assert queries_for(UserFactory.create_batch(1)) == queries_for(UserFactory.create_batch(120))
