"""Many threads at once on one project group: its invitations, its places and its wallet. Each race is run a second
time against a version of the action that is broken on purpose, to prove that the check would notice."""

import time

import pytest
from django.utils import timezone

from accounts.actions import (
    GroupFull,
    InvitationOver,
    create_invitation_link,
    hand_over_group,
    invite_by_email,
    join_group,
    leave_group,
)
from accounts.actions import groups as actions_of_groups
from accounts.groups import invitation_token
from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from mentorbook.errors import Refused
from tests.test_races_wallets import at_once, careless_hold, problems
from wallets.actions import (
    NotEnoughPoints,
    contribute_points,
    contributions_to,
    give_back_points,
    grant_points,
    hold_points,
    open_escrow,
    transfer_points,
    wallet_of,
    wallet_of_group,
)
from wallets.models import Transaction

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PEOPLE = 50


def careless_lock(group_id):
    """lock_group as it must not be: the row is read, and others read it as well."""
    group = ProjectGroup.objects.get(pk=group_id)
    time.sleep(0.01)
    return group


@pytest.fixture
def no_lock(monkeypatch):
    """Let everybody look before anybody writes, also on SQLite, whose one lock is taken when a transaction begins."""

    def join(invitation, *, by, now):
        group = careless_lock(invitation.group_id)
        invitation.refresh_from_db()
        actions_of_groups.refuse_unless_open(invitation, now)
        time.sleep(0.2)
        membership = Membership.objects.create(group=group, user=by)
        if not invitation.is_link:
            invitation.accepted_at = now
            invitation.save(update_fields=["accepted_at"])
        return membership

    monkeypatch.setattr(actions_of_groups, "_join", join)


# --- One invitation, one place ----------------------------------------------------------------------------------------


def faults_of_joining(answers, group, *, places, refusal):
    joined = [answer for answer in answers if isinstance(answer, Membership)]
    faults = []
    if len(joined) != places or group.memberships.count() != places + group.size_before:
        faults.append(f"{len(joined)} people got into {places} places.")
    faults += [repr(answer) for answer in answers if not isinstance(answer, Membership | refusal)]
    return faults


def race_for_one_invitation():
    owner = UserFactory()
    group, people = make_group(owner), UserFactory.create_batch(PEOPLE)
    group.size_before = 1
    now = timezone.now()
    token = invitation_token(invite_by_email(group, email="new@example.com", by=owner, now=now))
    answers = at_once([lambda person=person: join_group(token, by=person, now=now) for person in people])
    return faults_of_joining(answers, group, places=1, refusal=InvitationOver)


def test_of_fifty_who_accept_one_mail_exactly_one_gets_in():
    assert race_for_one_invitation() == []


def test_the_race_for_one_invitation_notices_a_missing_lock(no_lock):
    assert any("people got into 1 places" in fault for fault in race_for_one_invitation())


def race_for_the_last_places():
    owner = UserFactory()
    group, people = make_group(owner), UserFactory.create_batch(PEOPLE)
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in UserFactory.create_batch(16))
    group.size_before = 17
    now = timezone.now()
    token = invitation_token(create_invitation_link(group, by=owner, now=now))
    answers = at_once([lambda person=person: join_group(token, by=person, now=now) for person in people])
    return faults_of_joining(answers, group, places=3, refusal=GroupFull)


def test_a_link_fills_the_group_and_no_further():
    assert race_for_the_last_places() == []


def test_the_race_for_the_last_places_notices_a_missing_lock(no_lock):
    assert any("people got into 3 places" in fault for fault in race_for_the_last_places())


def test_a_group_that_is_handed_over_while_its_new_owner_leaves_has_an_owner_who_belongs_to_it():
    for _round in range(5):
        ann, sam = UserFactory.create_batch(2)
        group = make_group(ann, sam)
        at_once([lambda: hand_over_group(group, to=sam, by=ann), lambda: leave_group(group, by=sam)])  # noqa: B023  run in this round
        group.refresh_from_db()
        assert group.memberships.filter(user=group.owner).exists()


# --- One wallet -------------------------------------------------------------------------------------------------------

PAYERS, PRICE, BALANCE = 40, 30, 100


def race_for_the_groups_points(hold):
    """40 members' sessions at 30 points on a group's wallet of 100."""
    owner = UserFactory()
    group = make_group(owner, members_may_pay=True)
    grant_points(owner, points=BALANCE)
    contribute_points(group, by=owner, points=BALANCE)
    payers = UserFactory.create_batch(PAYERS)
    wallet = wallet_of_group(group)
    escrows = [open_escrow() for _payer in payers]
    answers = at_once(
        [
            lambda payer=payer, escrow=escrow: hold(wallet, escrow, points=PRICE, by=payer, subject=None)
            for payer, escrow in zip(payers, escrows, strict=True)
        ]
    )
    paid = [answer for answer in answers if isinstance(answer, Transaction)]
    faults = problems()
    if len(paid) != BALANCE // PRICE or wallet_of_group(group).balance_points != BALANCE % PRICE:
        faults.append(f"{len(paid)} sessions were paid from {BALANCE} points at {PRICE}.")
    faults += [repr(answer) for answer in answers if not isinstance(answer, Transaction | NotEnoughPoints)]
    return faults


def test_a_group_of_100_points_pays_three_of_forty_sessions_at_30():
    assert race_for_the_groups_points(hold_points) == []


def test_the_race_for_the_groups_points_notices_a_balance_that_is_read_then_written():
    assert any("sessions were paid" in fault for fault in race_for_the_groups_points(careless_hold))


def test_contributions_at_once_all_arrive():
    owner, *others = UserFactory.create_batch(15)
    group = make_group(owner, *others)
    people = [owner, *others]
    for person in people:
        grant_points(person, points=10)
    answers = at_once(
        [lambda p=person: contribute_points(group, by=p, points=7) for person in people for _twice in "ab"]
    )
    given = [answer for answer in answers if isinstance(answer, Transaction)]
    assert len(given) == len(people)  # each had points for one of their two
    assert all(isinstance(answer, Transaction | NotEnoughPoints) for answer in answers), answers
    assert wallet_of_group(group).balance_points == 7 * len(people)
    assert {wallet_of(person).balance_points for person in people} == {3}
    assert problems() == []


def race_to_give_back(give_back):
    """Ten times the whole contribution of Sam at once; the group has enough for all."""
    ann, sam = UserFactory.create_batch(2)
    group = make_group(ann, sam)
    for person, points in ((ann, 1000), (sam, 50)):
        grant_points(person, points=points)
        contribute_points(group, by=person, points=points)
    answers = at_once([lambda: give_back(group, to=sam, points=50, by=ann) for _time in range(10)])
    assert all(isinstance(answer, Transaction | Refused) for answer in answers), answers
    return wallet_of(sam).balance_points


def test_what_was_contributed_is_given_back_once():
    assert race_to_give_back(give_back_points) == 50


def test_the_race_to_give_back_notices_a_missing_lock():
    def careless_give_back(group, *, to, points, by):
        wallet = wallet_of_group(group)
        is_allowed = contributions_to(wallet).get(to.pk, 0) >= points
        time.sleep(0.2)
        if is_allowed:
            return transfer_points(wallet, wallet_of(to), points=points, by=by, reason="given_back", note="")
        return Refused()

    assert race_to_give_back(careless_give_back) > 50
