"""Many programs at once at the wallet of a group. Each race is run a second time without what it proves, to show that
the check would notice."""

import time

import pytest
from django.db import transaction
from django.db.models import F

from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from tests.programs import ask, token_of
from tests.test_races_wallets import at_once, problems
from wallets import group_api
from wallets.actions import NotEnoughPoints, grant_points, wallet_of, wallet_of_group
from wallets.models import Transaction, Transfer, Wallet

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

AT_ONCE, LATER = 20, 5


def a_group(*others):
    """Of a person with 1000 points, and a token of that person."""
    owner = UserFactory()
    grant_points(owner, points=1000)
    return make_group(owner, *others), owner, token_of(owner)


def contributions(group):
    return Transaction.objects.filter(reason="contribution", subject_id=group.pk).count()


# --- One key, many tries ----------------------------------------------------------------------------------------------


def race_with_one_key(headers):
    """30 points with the same key 20 times at once and 5 times later, then with other content; every fault found."""
    group, owner, token = a_group()
    address = f"/api/project-groups/{group.pk}/contributions"

    def give(points=30):
        return ask("POST", address, {"points": points}, token=token, **headers)

    answers = at_once([give] * AT_ONCE) + [give() for _ in range(LATER)]
    faults = problems()
    if (count := contributions(group)) != 1:
        faults.append(f"{count} contributions from one key")
    if len({answer.content for answer in answers}) != 1:
        faults.append("not everybody got the same answer")
    faults += [f"{answer.status_code}: {answer.content}" for answer in answers if answer.status_code != 201]
    balances = wallet_of(owner).balance_points, wallet_of_group(group).balance_points
    if balances != (970, 30):
        faults.append(f"the wallets have {balances}")
    other = give(31)
    if (other.status_code, other.json().get("code")) != (422, "idempotency_mismatch"):
        faults.append("the key was good for other content")
    if contributions(group) != count:
        faults.append("other content was paid")
    return faults


def test_one_key_contributes_once_however_often_it_comes():
    assert race_with_one_key({"Idempotency-Key": "one contribution"}) == []


def test_the_race_with_one_key_notices_that_keys_are_ignored():
    faults = race_with_one_key({})
    assert f"{AT_ONCE + LATER} contributions from one key" in faults
    assert "not everybody got the same answer" in faults
    assert "the key was good for other content" in faults


# --- One key, other people --------------------------------------------------------------------------------------------


def test_the_same_key_of_different_people_is_not_the_same_key():
    people = [UserFactory() for _ in range(8)]
    group, _owner, _token = a_group(*people)
    for person in people:
        grant_points(person, points=10)
    address, headers = f"/api/project-groups/{group.pk}/contributions", {"Idempotency-Key": "everybody's"}
    tokens = [token_of(person) for person in people]
    calls = [lambda token=token: ask("POST", address, {"points": 10}, token=token, **headers) for token in tokens]
    assert [answer.status_code for answer in at_once(calls)] == [201] * len(people)
    assert contributions(group) == len(people)
    assert wallet_of_group(group).balance_points == 10 * len(people)
    assert problems() == []


# --- One wallet, many keys --------------------------------------------------------------------------------------------


def careless_contribution(group, *, by, points, note):
    """contribute_points as it must not be: the balance is read, then written."""
    source, destination = wallet_of(by), wallet_of_group(group)
    if source.balance_points < points:
        raise NotEnoughPoints
    time.sleep(0.1)
    with transaction.atomic():
        given = Transaction.objects.create(reason="contribution", actor=by, subject=group, note=note)
        Transfer.objects.create(transaction=given, source=source, destination=destination, points=points)
        Wallet.objects.filter(pk=source.pk).update(balance_points=source.balance_points - points)
        Wallet.objects.filter(pk=destination.pk).update(balance_points=F("balance_points") + points)
    return given


def race_for_one_wallet(key="key %d"):
    """20 programs of one person, each with a key of its own, give 300 of 1000 points at once; every fault found."""
    group, owner, token = a_group()
    address = f"/api/project-groups/{group.pk}/contributions"

    def give(number):
        headers = {"Idempotency-Key": key % number} if key else {}
        return ask("POST", address, {"points": 300}, token=token, **headers)

    answers = at_once([lambda number=number: give(number) for number in range(AT_ONCE)])
    faults = problems()
    if (count := contributions(group)) != 3:
        faults.append(f"{count} contributions of 300 from 1000 points")
    faults += [
        f"{answer.status_code}: {answer.content}"
        for answer in answers
        if answer.status_code != 201 and answer.json()["code"] != "not_enough_points"
    ]
    # A refusal is not remembered: once there are points again, the same key gives them.
    refused = [number for number, answer in enumerate(answers) if answer.status_code != 201]
    grant_points(owner, points=300)
    faults += [f"the refusal of {number} was remembered" for number in refused[:1] if give(number).status_code != 201]
    return faults


def test_a_wallet_of_1000_gives_300_three_times():
    assert race_for_one_wallet() == []


def test_the_race_for_one_wallet_notices_a_balance_that_is_read_then_written(monkeypatch):
    monkeypatch.setattr(group_api, "contribute_points", careless_contribution)
    assert any("contributions of 300 from 1000" in fault for fault in race_for_one_wallet(key=""))
