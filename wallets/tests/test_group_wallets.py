"""The wallet of a project group: what members give, what comes back, and who sees it."""

import csv
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.actions import GroupDissolved, NotMember, NotOwner, dissolve_group, hand_over_group, leave_group
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from notifications.models import Notification
from wallets import ledger
from wallets.actions import (
    IdempotencyMismatch,
    MoreThanContributed,
    NotEnoughPoints,
    PointsOutOfRange,
    adjust_points,
    contribute_points,
    contributions_to,
    give_back_points,
    grant_points,
    hold_points,
    open_escrow,
    release_hold,
    reverse_transaction,
    wallet_of,
    wallet_of_group,
)
from wallets.models import Transaction

pytestmark = pytest.mark.django_db
KEY = "6f1e2f6e-0f0b-4a49-9b7e-0c8f4f6f2b11"


@pytest.fixture
def group(ann, sam):
    """Ann's, with Sam; each has 100 points of their own."""
    for person in (ann, sam):
        grant_points(person, points=100)
    return make_group(ann, sam)


def balances(group, *people):
    return [wallet_of_group(group).balance_points, *(wallet_of(person).balance_points for person in people)]


def told(person):
    return list(
        Notification.objects.filter(recipient=person, kind="group_contribution").values_list("title", flat=True)
    )


# --- Contributions ----------------------------------------------------------------------------------------------------


def test_a_member_contributes_and_the_owner_is_told(group, ann, sam):
    given = contribute_points(group, by=sam, points=30, note="For Tuesday")
    assert balances(group, ann, sam) == [30, 100, 70]
    assert (given.reason, given.actor, given.note, given.subject) == ("contribution", sam, "For Tuesday", group)
    assert told(ann) == ["Sam Stone has given 30 points to “Compiler project”"]
    assert told(sam) == []
    contribute_points(group, by=ann, points=1)
    assert len(told(ann)) == 1
    assert not list(ledger.problems())


def test_nobody_contributes_more_than_they_have(group, sam):
    with pytest.raises(NotEnoughPoints):
        contribute_points(group, by=sam, points=101)
    assert balances(group, sam) == [0, 100]


@pytest.mark.parametrize("points", [0, -5, 10**9 + 1])
def test_only_a_sensible_number_of_points_moves(group, ann, points):
    with pytest.raises(PointsOutOfRange):
        contribute_points(group, by=ann, points=points)
    with pytest.raises((PointsOutOfRange, MoreThanContributed)):
        give_back_points(group, to=ann, points=points, by=ann)


def test_only_members_contribute_and_to_a_living_group(group, ann, sam, ada):
    with pytest.raises(NotMember):
        contribute_points(group, by=ada, points=1)
    leave_group(group, by=sam)
    with pytest.raises(NotMember):
        contribute_points(group, by=sam, points=1)
    dissolve_group(group, by=ann, now=timezone.now())
    with pytest.raises(GroupDissolved):
        contribute_points(group, by=ann, points=1)


def test_the_same_key_contributes_once(group, ann, sam):
    first = contribute_points(group, by=sam, points=30, idempotency_key="c:1")
    assert contribute_points(group, by=sam, points=30, idempotency_key="c:1") == first
    assert balances(group, sam) == [30, 70]
    assert len(told(ann)) == 1
    with pytest.raises(IdempotencyMismatch):
        contribute_points(group, by=sam, points=31, idempotency_key="c:1")


# --- Giving back ------------------------------------------------------------------------------------------------------


def test_a_member_gets_back_at_most_what_they_gave(group, ann, sam):
    contribute_points(group, by=ann, points=50)
    contribute_points(group, by=sam, points=30)
    give_back_points(group, to=sam, points=20, by=ann, note="Too much")
    assert balances(group, sam) == [60, 90]
    assert told(sam) == ["20 points are back from “Compiler project”"]
    with pytest.raises(MoreThanContributed) as refused:
        give_back_points(group, to=sam, points=11, by=ann)
    assert refused.value.contributed_points == 10
    give_back_points(group, to=sam, points=10, by=ann)
    assert contributions_to(wallet_of_group(group)) == {ann.pk: 50}
    assert not list(ledger.problems())


def test_only_the_owner_gives_back(group, ann, sam, ada):
    contribute_points(group, by=sam, points=30)
    for other in (sam, ada):
        with pytest.raises(NotOwner):
            give_back_points(group, to=sam, points=1, by=other)
    hand_over_group(group, to=sam, by=ann)
    with pytest.raises(NotOwner):
        give_back_points(group, to=sam, points=1, by=ann)


def test_points_of_staff_go_to_nobody(group, ann, ada):
    grant_points(group, points=100, by=ada)
    with pytest.raises(MoreThanContributed):
        give_back_points(group, to=ann, points=1, by=ann)


def test_what_was_spent_does_not_come_back(group, ann, sam):
    contribute_points(group, by=sam, points=30)
    escrow = open_escrow()
    hold_points(wallet_of_group(group), escrow, points=25, by=ann, subject=None)
    with pytest.raises(NotEnoughPoints):
        give_back_points(group, to=sam, points=30, by=ann)
    release_hold(escrow, by=ann, subject=None)
    assert give_back_points(group, to=sam, points=30, by=ann)


def test_whoever_has_left_can_get_back_what_they_gave(group, ann, sam):
    contribute_points(group, by=sam, points=30)
    leave_group(group, by=sam)
    give_back_points(group, to=sam, points=30, by=ann)
    assert balances(group, sam) == [0, 100]


def test_a_contribution_that_staff_reversed_does_not_come_back_twice(group, ann, sam, ada):
    given = contribute_points(group, by=sam, points=30)
    contribute_points(group, by=ann, points=30)
    reverse_transaction(given, by=ada, note="Mistake")
    with pytest.raises(MoreThanContributed):
        give_back_points(group, to=sam, points=1, by=ann)


def test_the_same_key_gives_back_once(group, ann, sam):
    contribute_points(group, by=sam, points=30)
    for _time in range(2):
        give_back_points(group, to=sam, points=30, by=ann, idempotency_key="g:1")
    assert balances(group, sam) == [0, 100]


# --- Staff ------------------------------------------------------------------------------------------------------------


def test_staff_grant_to_a_group_that_lives_and_take_from_any(group, ann, ada):
    grant_points(group, points=40, by=ada)
    adjust_points(group, points=-40, by=ada, note="To the right group")
    dissolve_group(group, by=ann, now=timezone.now())
    for give in (grant_points, adjust_points):
        with pytest.raises(GroupDissolved):
            give(group, points=1, by=ada, note="Late")
    assert balances(group) == [0]


def test_staff_grant_to_a_group_in_the_admin(client, group, ann, ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = False
    client.force_login(ada)
    page = client.get(reverse("admin:accounts_projectgroup_change", args=[group.pk])).content.decode()
    url = f"{reverse('admin:wallets_wallet_grant')}?groups={group.pk}"
    assert url in page
    assert "Compiler project" in client.get(url).content.decode()
    for _time in range(2):
        client.post(url, {"points": 25, "note": "Hackathon", "form_key": KEY})
    client.post(f"{url}&people={ann.pk}", {"points": 5, "note": "Both", "form_key": KEY[::-1].replace("-", "")[:32]})
    assert balances(group, ann) == [30, 105]
    chosen = {"action": "grant_points_to_owners", "_selected_action": [wallet_of_group(group).pk, wallet_of(ann).pk]}
    response = client.post(reverse("admin:wallets_wallet_changelist"), chosen)
    assert response.url.endswith(f"?people={ann.pk}&groups={group.pk}")
    for model in ("wallet", "transaction", "transfer"):
        answer = client.get(reverse(f"admin:wallets_{model}_changelist"), {"q": "Compiler"})
        assert answer.status_code == 200
        assert answer.context["cl"].result_count


def test_the_command_grants_to_a_group_once(group, capsys):
    def run(*arguments):
        call_command("grant_points", "--note", "Week 3", *map(str, arguments))
        return capsys.readouterr().out

    assert run("--group", group.pk, 40, "--dry-run") == "Would grant 40 points to Compiler project.\n"
    assert run("--group", group.pk, 40) == "Granted 40 points to Compiler project.\n"
    assert run("--group", group.pk, 40) == "Compiler project had them already.\n"
    assert balances(group) == [40]
    for wrong in (["--group", group.pk], ["--group", 10**20, 5], ["--group", group.pk, "5.5"], ["--group", "x", 5]):
        with pytest.raises(CommandError):
            run(*wrong)
    with pytest.raises(CommandError):
        run("--group", group.pk, 41)
    with pytest.raises(CommandError):
        run("ann@example.org", 5, "--group", group.pk)


# --- Pages ------------------------------------------------------------------------------------------------------------


def page_of(group, name="group"):
    return reverse(f"wallets:{name}", args=[group.pk])


def test_a_contribution_from_the_page(client, group, ann, sam):
    client.force_login(sam)
    assert page_of(group, "contribute") in client.get(group.get_absolute_url()).content.decode()
    answer = {"points": 30, "note": "<b>Tuesday</b>", "form_key": KEY, "next": group.get_absolute_url()}
    for _click in range(2):
        response = client.post(page_of(group, "contribute"), answer)
        assert response.url == group.get_absolute_url()
    assert balances(group, sam) == [30, 70]
    html = client.get(page_of(group)).content.decode()
    assert "Contribution of Sam Stone" in html
    assert "&lt;b&gt;Tuesday&lt;/b&gt;" in html
    assert "Contribution to the group" in client.get(reverse("wallets:statement")).content.decode()


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"points": ""}, 422), ({"points": "0"}, 422), ({"points": "1e3"}, 422), ({"points": 101}, 402)],
)
def test_a_contribution_that_cannot_be_is_refused_with_what_was_typed(client, group, sam, wrong, status):
    client.force_login(sam)
    response = client.post(page_of(group, "contribute"), {"points": 5, "note": "Typed", "form_key": KEY, **wrong})
    assert response.status_code == status
    assert "Typed" in response.content.decode()
    assert balances(group) == [0]


def test_giving_back_from_the_page(client, group, ann, sam):
    contribute_points(group, by=sam, points=30)
    client.force_login(ann)
    assert "Sam Stone: at most 30" in client.get(page_of(group, "give_back")).content.decode()
    for _click in range(2):
        response = client.post(page_of(group, "give_back"), {"to": sam.pk, "points": 10, "form_key": KEY})
        assert response.url == page_of(group)
    assert balances(group, sam) == [20, 80]
    other = "00000000-0f0b-4a49-9b7e-0c8f4f6f2b11"
    assert client.post(page_of(group, "give_back"), {"to": sam.pk, "points": 21, "form_key": other}).status_code == 409
    assert client.post(page_of(group, "give_back"), {"to": ann.pk, "points": 1, "form_key": other}).status_code == 422
    html = client.get(page_of(group)).content.decode()
    assert "Given back to Sam Stone" in html
    client.force_login(sam)
    assert "Given back by the group" in client.get(reverse("wallets:statement")).content.decode()


def test_one_persons_key_is_not_anothers(client, group, ann, sam):
    for person in (ann, sam):
        client.force_login(person)
        client.post(page_of(group, "contribute"), {"points": 30, "form_key": KEY})
    assert balances(group, ann, sam) == [60, 70, 70]


@pytest.mark.parametrize("name", ["group", "group_csv", "contribute", "give_back"])
def test_only_members_see_the_wallet(client, group, ada, name):
    for other in (UserFactory(), ada):
        client.force_login(other)
        assert client.get(page_of(group, name)).status_code == 404


def test_the_statement_as_a_file_says_who(client, group, ann, sam):
    sam.name = "=HYPERLINK(1)"
    sam.save(update_fields=["name"])
    contribute_points(group, by=sam, points=30)
    client.force_login(ann)
    text = b"".join(client.get(page_of(group, "group_csv")).streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["points in"], row["balance"], row["by"]) == ("30", "30", "'=HYPERLINK(1)")


def test_the_balance_after_each_movement_is_shown(client, group, ann, sam):
    contribute_points(group, by=sam, points=30)
    contribute_points(group, by=ann, points=12)
    client.force_login(ann)
    rows = client.get(page_of(group)).context["page"]
    assert [(row.change_points, row.running_points) for row in rows] == [(12, 42), (30, 30)]


def test_the_statement_takes_as_many_queries_for_three_rows_as_for_one(client, group, ann):
    client.force_login(ann)
    contribute_points(group, by=ann, points=1)
    counts = []
    for _number in range(2):
        client.get(page_of(group))
        with CaptureQueriesContext(connection) as queries:
            client.get(page_of(group))
        counts.append(len(queries))
        for person in UserFactory.create_batch(2):
            grant_points(person, points=5)
            group.memberships.create(user=person)
            contribute_points(group, by=person, points=5)
    assert counts[0] == counts[1]
    assert Transaction.objects.filter(reason="contribution").count() == 5
