"""Random operations against a model in plain dicts: whatever people do in whatever order, the books stay right."""

import random

import pytest
from django.db import transaction

from accounts.tests.factories import UserFactory
from mentorbook.errors import Refused
from wallets import ledger
from wallets.actions import (
    adjust_points,
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

STEPS = 100
PEOPLE = 4


class Books:
    """The same rules once more, as simply as they can be said: balances in a dict, refusals by name."""

    def __init__(self):
        self.balances = {"issuance": 0}
        self.payers = {}
        self.moves = {}  # by number of the transaction: its moves
        self.reversed = set()
        self.keys = {}

    def move(self, moves):
        after = dict(self.balances)
        for source, destination, points in moves:
            after[source] -= points
            after[destination] += points
        if any(points < 0 for name, points in after.items() if name != "issuance"):
            return "not_enough_points"
        self.balances = after
        return list(moves)

    def hold(self, payer, escrow, points):
        outcome = self.move([(payer, escrow, points)])
        if isinstance(outcome, list):
            self.payers[escrow] = payer
        return outcome

    def settle(self, escrow, mentor=None, back=None):
        held = self.balances[escrow]
        if escrow not in self.payers:
            return None
        if not held:
            return "nothing_held"
        back = held if back is None else back
        moves = [(escrow, self.payers[escrow], back), (escrow, mentor, held - back)]
        return self.move([move for move in moves if move[2]])

    def reverse(self, number):
        if number in self.reversed:
            return "already_reversed"
        outcome = self.move([(there, here, points) for here, there, points in reversed(self.moves[number])])
        if isinstance(outcome, list):
            self.reversed.add(number)
        return outcome


class Player:
    """Does the same thing to the ledger and to the books and compares what came of it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.books = Books()
        self.people = [UserFactory() for _number in range(PEOPLE)]
        self.ada = UserFactory()
        self.wallets = {user.pk: wallet_of(user) for user in self.people}
        self.books.balances |= dict.fromkeys(self.wallets, 0)
        self.escrows = {}
        self.transactions = []
        self.happened = {}

    def play(self):
        steps = [
            self.grant,
            self.grant,
            self.adjust,
            self.give,
            self.hold,
            self.hold,
            self.release,
            self.capture,
            self.reverse,
        ]
        for _number in range(STEPS):
            step = self.random.choice(steps)
            outcome = step()
            name = f"{step.__name__}: {'done' if isinstance(outcome, list) else outcome}"
            self.happened[name] = self.happened.get(name, 0) + 1
            self.compare()

    def both(self, real, expected):
        if isinstance(expected, str):
            with pytest.raises(Refused) as refusal, transaction.atomic():
                real()
            assert refusal.value.code == expected
            return expected
        done = real()
        if expected is None:
            assert done is None
            return None
        assert [(t.source_id, t.destination_id, t.points) for t in done.transfers.order_by("id")] == [
            (self.number(source), self.number(destination), points) for source, destination, points in expected
        ]
        self.books.moves[done.pk] = expected
        self.transactions.append(done)
        return expected

    def number(self, name):
        if name == "issuance":
            return Wallet.objects.get(kind=Wallet.Kind.ISSUANCE).pk
        return (self.wallets.get(name) or self.escrows[name]).pk

    def compare(self):
        people = dict(Wallet.objects.filter(user__in=self.people).values_list("user_id", "balance_points"))
        escrows = dict(Wallet.objects.filter(kind=Wallet.Kind.ESCROW).values_list("pk", "balance_points"))
        expected = self.books.balances
        assert people == {name: expected[name] for name in self.wallets}
        assert escrows == {wallet.pk: expected[name] for name, wallet in self.escrows.items()}

    def someone(self):
        return self.random.choice(self.people)

    def escrow(self):
        """A new escrow now and then, otherwise one that was used before."""
        if not self.escrows or self.random.random() < 0.3:
            name = f"escrow {len(self.escrows)}"
            self.escrows[name] = open_escrow()
            self.books.balances[name] = 0
        return self.random.choice(list(self.escrows))

    def grant(self):
        user, points = self.someone(), self.random.randint(1, 60)
        key = self.random.choice([None, f"key {self.random.randint(1, 6)}"])
        content = (user.pk, points)
        known = self.books.keys.get(key) if key else None
        if known:
            expected = (
                "idempotency_mismatch" if known != content else list(self.books.moves[self.books.keys[key, "row"]])
            )
        else:
            expected = self.books.move([("issuance", user.pk, points)])
        before = len(self.transactions)
        outcome = self.both(lambda: grant_points(user, points=points, idempotency_key=key), expected)
        if known and isinstance(outcome, list):
            again = self.transactions.pop()
            assert again.pk == self.books.keys[key, "row"]
        elif key and len(self.transactions) > before:
            self.books.keys[key] = content
            self.books.keys[key, "row"] = self.transactions[-1].pk
        return outcome

    def adjust(self):
        user, points = self.someone(), self.random.choice([-40, -5, 3])
        ends = ("issuance", user.pk) if points > 0 else (user.pk, "issuance")
        expected = self.books.move([(*ends, abs(points))])
        return self.both(lambda: adjust_points(user, points=points, by=self.ada, note="Fuzz"), expected)

    def give(self):
        giver, taker = self.random.sample(self.people, 2)
        points = self.random.randint(0, 80)
        expected = self.books.move([(giver.pk, taker.pk, points)]) if points else None
        ends = self.wallets[giver.pk], self.wallets[taker.pk]
        return self.both(
            lambda: transfer_points(*ends, points=points, by=giver, reason=Transaction.Reason.TRANSFER, note=""),
            expected,
        )

    def hold(self):
        escrow = self.escrow()
        payer = self.books.payers.get(escrow) or self.someone().pk
        points = self.random.randint(1, 50)
        expected = self.books.hold(payer, escrow, points)
        return self.both(
            lambda: hold_points(self.wallets[payer], self.escrows[escrow], points=points, by=None, subject=None),
            expected,
        )

    def release(self):
        escrow = self.escrow()
        expected = self.books.settle(escrow)
        return self.both(lambda: release_hold(self.escrows[escrow], by=None, subject=None), expected)

    def capture(self):
        escrow, percent = self.escrow(), self.random.choice([0, 33, 50, 100])
        back = int(self.books.balances[escrow] * percent / 100 + 0.5)
        others = [user for user in self.people if user.pk != self.books.payers.get(escrow)]
        mentor = self.random.choice(others).pk
        expected = self.books.settle(escrow, mentor, back)
        wallets = self.escrows[escrow], self.wallets[mentor]
        return self.both(
            lambda: capture_hold(wallets[0], to=wallets[1], by=None, subject=None, return_points=back), expected
        )

    def reverse(self):
        if not self.transactions:
            return None
        row = self.random.choice(self.transactions)
        expected = self.books.reverse(row.pk)
        return self.both(lambda: reverse_transaction(row, by=self.ada, note="Fuzz"), expected)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(5))
def test_random_operations_end_as_the_model_in_dicts_says(seed):
    player = Player(seed)
    player.play()
    assert list(ledger.problems()) == []
    for name in ("grant: done", "give: done", "hold: done", "hold: not_enough_points"):
        assert player.happened.get(name), f"no “{name}” in {player.happened}"
    assert Transfer.objects.count() >= STEPS / 4


@pytest.mark.django_db
def test_the_comparison_notices_a_balance_that_moved_behind_its_back():
    player = Player(seed=1)
    player.play()
    Wallet.objects.filter(user=player.people[0]).update(balance_points=12345)
    with pytest.raises(AssertionError):
        player.compare()
    assert {name for name, _problem in ledger.problems()} == {"sum", "balances"}
