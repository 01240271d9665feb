"""Many threads at once on the same wallets. Each race is run a second time against a version of the action that is
broken on purpose, to prove that the check would notice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F

from accounts.tests.factories import UserFactory
from mentorbook.errors import Refused
from wallets import ledger
from wallets.actions import (
    AlreadyReversed,
    IdempotencyMismatch,
    NotEnoughPoints,
    NothingHeld,
    capture_hold,
    grant_points,
    hold_points,
    open_escrow,
    release_hold,
    reverse_transaction,
    transfer_points,
    wallet_of,
)
from wallets.models import Transaction, Transfer, Wallet

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Reason = Transaction.Reason


def at_once(calls):
    """Run `calls` each in a thread of its own, started together; what they returned or raised, in order."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            return call()
        except (Refused, OperationalError) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def problems():
    return [problem for _name, problem in ledger.problems()]


# --- One wallet, many takers ------------------------------------------------------------------------------------------

TAKERS, PRICE, BALANCE = 40, 30, 100


def careless_hold(payer, escrow, *, points, by, subject):
    """hold_points as it must not be: the balance is read, then written."""
    balance = Wallet.objects.get(pk=payer.pk).balance_points
    if balance < points:
        raise NotEnoughPoints
    time.sleep(0.002)
    with transaction.atomic():
        held = Transaction.objects.create(reason=Reason.HOLD, actor=by)
        Transfer.objects.create(transaction=held, source=payer, destination=escrow, points=points)
        Wallet.objects.filter(pk=payer.pk).update(balance_points=balance - points)
        Wallet.objects.filter(pk=escrow.pk).update(balance_points=F("balance_points") + points)
    return held


def race_for_one_wallet(hold):
    """40 sessions at 30 points on a wallet of 100; every fault found, and every balance that was read meanwhile."""
    ann = UserFactory()
    grant_points(ann, points=BALANCE)
    wallet = wallet_of(ann)
    escrows = [open_escrow() for _number in range(TAKERS)]
    seen, finished = [], threading.Event()

    def watch():
        try:
            while not finished.is_set():
                seen.append(Wallet.objects.get(pk=wallet.pk).balance_points)
                time.sleep(0.001)
        finally:
            connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answers = at_once(
            [lambda escrow=escrow: hold(wallet, escrow, points=PRICE, by=ann, subject=None) for escrow in escrows]
        )
    finally:
        finished.set()
        watcher.join()
    taken = [answer for answer in answers if isinstance(answer, Transaction)]
    left = wallet_of(ann).balance_points
    faults = problems()
    if len(taken) != BALANCE // PRICE:
        faults.append(f"{len(taken)} sessions were paid from {BALANCE} points at {PRICE}.")
    if left != BALANCE % PRICE:
        faults.append(f"{left} points are left.")
    if any(balance < 0 for balance in seen):
        faults.append("The wallet was below zero.")
    if any(later > earlier for earlier, later in pairwise(seen)):
        faults.append("The balance rose while points were only taken.")
    faults += [f"{answer!r}" for answer in answers if not isinstance(answer, (Transaction, NotEnoughPoints))]
    return faults, seen


def test_a_wallet_of_100_pays_three_of_forty_sessions_at_30():
    faults, seen = race_for_one_wallet(hold_points)
    assert faults == []
    assert len(seen) >= 5, "nobody looked while points moved"


def test_the_race_for_one_wallet_notices_a_balance_that_is_read_then_written():
    faults, _seen = race_for_one_wallet(careless_hold)
    assert any("sessions were paid" in fault for fault in faults), faults


# --- Opposite directions ----------------------------------------------------------------------------------------------


def transfer_in_order_of_arrival(source, destination, *, points, by, reason, note):
    """transfer_points as it must not be: whoever gives is locked first."""
    with transaction.atomic():
        Wallet.objects.select_for_update(no_key=True).get(pk=source.pk)
        time.sleep(0.05)
        Wallet.objects.select_for_update(no_key=True).get(pk=destination.pk)
        return transfer_points(source, destination, points=points, by=by, reason=reason, note=note)


def race_in_opposite_directions(transfer, threads, each):
    """Two people give each other points at the same moment, again and again; how often the database gave up."""
    ann, max = UserFactory(), UserFactory()
    for user in (ann, max):
        grant_points(user, points=1000)
    ends = wallet_of(ann), wallet_of(max)

    def give(source, destination):
        for _number in range(each):
            transfer(source, destination, points=1, by=None, reason=Reason.TRANSFER, note="")

    calls = [lambda ends=ends[:: 1 if number % 2 else -1]: give(*ends) for number in range(threads)]
    failed = [answer for answer in at_once(calls) if answer is not None]
    assert problems() == []
    return failed


def test_transfers_in_opposite_directions_wait_for_each_other_without_deadlock():
    assert race_in_opposite_directions(transfer_points, threads=12, each=8) == []
    assert Transaction.objects.filter(reason=Reason.TRANSFER).count() == 12 * 8


def test_the_opposite_race_notices_locks_taken_in_order_of_arrival():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, so no two can wait for each other")
    failed = race_in_opposite_directions(transfer_in_order_of_arrival, threads=2, each=1)
    assert any("deadlock" in str(failure) for failure in failed), failed


# --- The same request many times --------------------------------------------------------------------------------------

REPEATS = 20


def careless_grant(user, *, points, idempotency_key):
    """grant_points as it must not be: it looks whether the key is there, and then writes without it."""
    earlier = Transaction.objects.filter(note=idempotency_key).first()
    if earlier:
        return earlier
    time.sleep(0.01)
    return grant_points(user, points=points, note=idempotency_key)


def race_with_one_key(grant):
    """The same request 20 times at once and 5 times later; every fault found."""
    ann = UserFactory()
    wallet_of(ann)

    def ask():
        return grant(ann, points=50, idempotency_key="prize")

    answers = at_once([ask] * REPEATS) + [ask() for _number in range(5)]
    faults = problems()
    if (balance := wallet_of(ann).balance_points) != 50:
        faults.append(f"The key gave {balance} points instead of 50.")
    if len({getattr(answer, "pk", repr(answer)) for answer in answers}) != 1:
        faults.append("Not everybody got the same answer.")
    return faults


def test_one_key_has_one_effect_and_one_answer():
    assert race_with_one_key(grant_points) == []


def test_the_race_with_one_key_notices_a_look_before_the_write():
    assert any("instead of 50" in fault for fault in race_with_one_key(careless_grant))


def test_one_key_has_one_effect_inside_transactions_that_last():
    """The winner's transaction is still open when the others ask, so they cannot see its row, only wait for its key."""

    def grant(user, **content):
        with transaction.atomic():
            answer = grant_points(user, **content)
            time.sleep(0.05)
            assert Wallet.objects.filter(user=user).exists(), "the transaction is usable afterwards"
            return answer

    assert race_with_one_key(grant) == []


def test_one_key_with_other_content_at_once_lets_one_win():
    ann = UserFactory()
    wallet_of(ann)
    answers = at_once(
        [
            lambda points=points: grant_points(ann, points=points, idempotency_key="prize")
            for points in range(1, REPEATS + 1)
        ]
    )
    won = [answer for answer in answers if isinstance(answer, Transaction)]
    assert len(won) == 1
    assert sum(isinstance(answer, IdempotencyMismatch) for answer in answers) == REPEATS - 1
    assert wallet_of(ann).balance_points == won[0].points_to(wallet_of(ann))
    assert problems() == []


# --- One hold, paid out and returned at once -----------------------------------------------------------------------


def careless_payment(escrow, *, to, percent):
    """capture_hold as it must not be: what is held is read before anything is locked."""
    held = Wallet.objects.get(pk=escrow.pk).balance_points
    if not held:
        raise NothingHeld
    time.sleep(0.01)
    with transaction.atomic():
        paid = Transaction.objects.create(reason=Reason.CAPTURE)
        Transfer.objects.create(transaction=paid, source=escrow, destination=to, points=held)
        Wallet.objects.filter(pk=escrow.pk).update(balance_points=0)
        Wallet.objects.filter(pk=to.pk).update(balance_points=F("balance_points") + held)
    return paid


def pay_or_return(escrow, *, to, percent):
    if percent == 100:
        return release_hold(escrow, by=None, subject=None)
    held = 31
    return capture_hold(escrow, to=to, by=None, subject=None, return_points=held * percent // 100)


def race_for_one_hold(settle):
    """A session is completed, cancelled late and cancelled in time, each four times at once; every fault found."""
    ann, max = UserFactory(), UserFactory()
    grant_points(ann, points=100)
    escrow, mentor = open_escrow(), wallet_of(max)
    hold_points(wallet_of(ann), escrow, points=31, by=ann, subject=None)
    shares = [0, 50, 100] * 4
    answers = at_once([lambda share=share: settle(escrow, to=mentor, percent=share) for share in shares])
    faults = problems()
    if (settled := sum(isinstance(answer, Transaction) for answer in answers)) != 1:
        faults.append(f"The hold was settled {settled} times.")
    if (total := wallet_of(ann).balance_points + wallet_of(max).balance_points) != 100:
        faults.append(f"100 points became {total}.")
    faults += [f"{answer!r}" for answer in answers if not isinstance(answer, (Transaction, NothingHeld))]
    return faults


def test_a_hold_is_settled_once_whoever_comes_first():
    assert race_for_one_hold(pay_or_return) == []


def test_the_race_for_one_hold_notices_a_look_before_the_lock():
    assert any("The hold was settled" in fault for fault in race_for_one_hold(careless_payment))


def test_a_transaction_is_reversed_once_when_many_reverse_it():
    ann, ada = UserFactory(), UserFactory()
    granted = grant_points(ann, points=40)
    grant_points(ann, points=500)
    answers = at_once([lambda: reverse_transaction(granted, by=ada, note="Mistake")] * 10)
    assert sum(isinstance(answer, Transaction) for answer in answers) == 1
    assert sum(isinstance(answer, AlreadyReversed) for answer in answers) == 9
    assert wallet_of(ann).balance_points == 500
    assert problems() == []


# --- What is made on first need ---------------------------------------------------------------------------------------


def test_a_persons_wallet_and_the_issuance_are_made_once_when_many_need_them_first():
    ann = UserFactory()
    answers = at_once([lambda: grant_points(ann, points=1)] * 12)
    assert all(isinstance(answer, Transaction) for answer in answers)
    assert Wallet.objects.count() == 2
    assert wallet_of(ann).balance_points == 12
    assert problems() == []
