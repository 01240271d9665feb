"""Project groups for programs: the people, the ways in and out, and the points."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import (
    MAX_OPEN_INVITATIONS,
    MAX_OWNED,
    create_invitation_link,
    dissolve_group,
    invite_by_email,
    leave_group,
    revoke_invitation,
)
from accounts.groups import invitation_by_token, invitation_token
from accounts.models import GroupInvitation, Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.tests.factories import AppointmentFactory
from notifications.models import OutgoingEmail
from tests.programs import ask, personal_token, token_of, told
from wallets.actions import contribute_points, grant_points, wallet_of, wallet_of_group
from wallets.models import MAX_POINTS, Transaction

pytestmark = pytest.mark.django_db

GROUPS, JOIN = "/api/project-groups/", "/api/project-groups/join"


@pytest.fixture
def group(ann, sam):
    """Ann's, with Sam; each has 100 points of their own."""
    for person in (ann, sam):
        grant_points(person, points=100)
    return make_group(ann, sam)


@pytest.fixture
def max(db):
    """A stranger here: mentors stand beside this app."""
    return UserFactory(name="Max Meyer")


def at(group, rest=""):
    return f"{GROUPS}{group.pk}{rest}"


def good(response, status=200):
    assert response.status_code == status, response.content
    return response.json() if response.content else None


# --- The group --------------------------------------------------------------------------------------------------------


def test_founding_a_group_gives_it_to_whoever_asks(ann):
    wish = {"name": "  Compiler   project ", "description": "LL(1)\n"}
    group = good(ask("POST", GROUPS, wish, by=ann), 201)
    assert group == {
        "id": ProjectGroup.objects.get().pk,
        "name": "Compiler project",
        "description": "LL(1)",
        "owner_id": ann.pk,
        "members": [{"user_id": ann.pk, "name": "Ann Archer", "role": "owner"}],
        "members_may_pay": False,
        "balance_points": 0,
    }
    assert good(ask("GET", f"{GROUPS}{group['id']}", by=ann)) == group
    assert good(ask("GET", GROUPS, by=ann)) == {"items": [group], "count": 1}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "\u200b\u200b"},
        {"name": "x" * 81},
        {"name": "a\u202eb"},
        {"name": "a\0b"},
        {"name": None},
        {"name": 5},
        {"name": "A", "description": "x" * 2001},
        {"name": "A", "description": None},
        {"name": "A", "members_may_pay": "perhaps"},
        {"name": "A", "owner_id": 5},
        {"name": "A", "balance_points": 5},
        [],
        "{",
        "null",
    ],
)
def test_a_group_needs_a_name_that_others_can_see_and_nothing_unknown(ann, wish):
    response = ask("POST", GROUPS, wish, by=ann)
    assert response.status_code == 422, response.content
    assert ProjectGroup.objects.count() == 0
    group = make_group(ann)
    if wish != {}:
        assert ask("PUT", at(group), wish, by=ann).status_code == 422
    group.refresh_from_db()
    assert group.name == "Compiler project"


def test_nobody_owns_more_groups_than_the_page_lets_them(ann):
    for number in range(MAX_OWNED):
        make_group(ann, name=f"Group {number}")
    assert told(ask("POST", GROUPS, {"name": "More"}, by=ann)) == (409, "too_many_groups")


def test_groups_are_there_for_their_members_and_staff_see_one_without_its_points(group, ann, sam, max, ada):
    grant_points(group, points=30)
    for member in (ann, sam):
        seen = good(ask("GET", at(group), by=member))
        assert seen["balance_points"] == 30
        assert [each["role"] for each in seen["members"]] == ["owner", "member"]
    missing = ask("GET", f"{GROUPS}{group.pk + 1}", by=max)
    strange = ask("GET", at(group), by=max)
    assert told(strange) == (404, "not_found")
    assert strange.content == missing.content
    assert good(ask("GET", at(group), by=ada))["balance_points"] is None
    for other in (max, ada):
        assert good(ask("GET", GROUPS, by=other)) == {"items": [], "count": 0}
    assert told(ask("GET", at(group))) == (401, "not_signed_in")


def test_the_owner_stands_first_also_when_others_joined_before(group, ann, sam):
    good(ask("PUT", at(group, "/owner"), {"user_id": sam.pk}, by=ann))
    seen = good(ask("GET", at(group), by=ann))
    assert seen["owner_id"] == sam.pk
    assert [(each["user_id"], each["role"]) for each in seen["members"]] == [(sam.pk, "owner"), (ann.pk, "member")]


def test_a_change_changes_only_what_is_sent(group, ann):
    before = good(ask("GET", at(group), by=ann))
    assert good(ask("PUT", at(group), {}, by=ann)) == before
    assert good(ask("PUT", at(group), {"members_may_pay": True}, by=ann)) == {**before, "members_may_pay": True}
    changed = good(ask("PUT", at(group), {"name": "Parser", "description": ""}, by=ann))
    assert changed == {**before, "name": "Parser", "description": "", "members_may_pay": True}
    for field in ("name", "description", "members_may_pay"):
        assert told(ask("PUT", at(group), {field: None}, by=ann)) == (422, "invalid_input")


def test_what_belongs_to_the_owner_is_refused_to_members_and_hidden_from_strangers(group, ann, sam, max, ada):
    invitation = create_invitation_link(group, by=ann, now=timezone.now())
    asked = [
        ("PUT", at(group), {"name": "Mine"}),
        ("PUT", at(group, "/owner"), {"user_id": sam.pk}),
        ("GET", at(group, "/invitations"), None),
        ("POST", at(group, "/invitations"), {}),
        ("POST", at(group, "/invitations"), {"email": "new@example.com"}),
        ("DELETE", at(group, f"/invitations/{invitation.pk}"), None),
        ("DELETE", at(group, f"/members/{ann.pk}"), None),
        ("DELETE", at(group), None),
    ]
    tokens = {person: token_of(person) for person in (sam, max, ada)}
    for method, address, wish in asked:
        assert told(ask(method, address, wish, token=tokens[sam])) == (403, "not_owner"), (method, address)
        assert told(ask(method, address, wish, token=tokens[max])) == (404, "not_found"), (method, address)
    for method, address, wish in asked[:-1]:  # staff dissolve a group whose owner does not
        assert told(ask(method, address, wish, token=tokens[ada])) == (403, "not_owner"), (method, address)
    assert told(ask("POST", at(group, "/returns"), {"user_id": sam.pk, "points": 1}, by=sam)) == (403, "not_owner")
    group.refresh_from_db()
    assert (group.name, group.owner, group.memberships.count()) == ("Compiler project", ann, 2)


def test_dissolving_ends_a_group_that_nothing_hangs_on(group, ann, sam):
    grant_points(group, points=5)
    refused = ask("DELETE", at(group), by=ann)
    assert told(refused) == (409, "group_in_use")
    assert refused.json()["hindrances"] == [
        "The group's wallet has 5 points. Give back what was contributed; staff can take the rest."
    ]
    other = make_group(ann, sam, name="Other")
    assert told(ask("DELETE", at(other), by=ann)) == (204, None)
    assert told(ask("DELETE", at(other), by=ann)) == (404, "not_found")
    assert [each["id"] for each in good(ask("GET", GROUPS, by=sam))["items"]] == [group.pk]


def test_staff_dissolve_a_group(ann, ada):
    assert told(ask("DELETE", at(make_group(ann)), by=ada)) == (204, None)


def test_handing_over_needs_an_active_member(group, ann, sam, max):
    assert told(ask("PUT", at(group, "/owner"), {"user_id": max.pk}, by=ann)) == (404, "not_found")
    assert told(ask("PUT", at(group, "/owner"), {"user_id": 2**63}, by=ann)) == (422, "invalid_input")
    sam.is_active = False
    sam.save(update_fields=["is_active"])
    assert told(ask("PUT", at(group, "/owner"), {"user_id": sam.pk}, by=ann)) == (409, "new_owner_not_active")


def test_many_groups_cost_as_many_queries_as_one(ann):
    token = token_of(ann)
    counts = []
    for size in (0, 3):
        make_group(ann, *[UserFactory() for _ in range(size)])
        if size:
            grant_points(make_group(ann, UserFactory()), points=5)
        with CaptureQueriesContext(connection) as queries:
            assert ask("GET", GROUPS, token=token).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- Ways in ----------------------------------------------------------------------------------------------------------


def test_an_invitation_by_mail_lets_one_person_in(group, ann, max):
    answer = good(ask("POST", at(group, "/invitations"), {"email": " New@Example.COM "}, by=ann), 201)
    invitation = GroupInvitation.objects.get(pk=answer["id"])
    assert answer["email"] == invitation.email == "new@example.com"
    assert answer["link"].endswith(f"/{answer['token']}/")
    assert invitation_by_token(answer["token"]) == invitation
    lasts = dt.datetime.fromisoformat(answer["expires_at"]) - dt.datetime.fromisoformat(answer["created_at"])
    assert lasts == dt.timedelta(days=14)
    assert answer["expires_at"].endswith("Z")
    joined = good(ask("POST", JOIN, {"token": answer["token"]}, by=max))
    assert [each["user_id"] for each in joined["members"]] == [
        ann.pk,
        *group.memberships.values_list("user", flat=True)[1:],
    ]
    assert joined["members"][-1] == {"user_id": max.pk, "name": "Max Meyer", "role": "member"}
    assert told(ask("POST", JOIN, {"token": answer["token"]}, by=max)) == (409, "already_member")
    assert told(ask("POST", JOIN, {"token": answer["token"]}, by=UserFactory())) == (409, "invitation_over")


def test_an_invitation_without_an_address_is_a_link_for_whoever_has_it(group, ann):
    for wish in ({}, {"email": None}):
        answer = good(ask("POST", at(group, "/invitations"), wish, by=ann), 201)
        assert answer["email"] is None
    for _ in range(2):
        good(ask("POST", JOIN, {"token": answer["token"]}, by=UserFactory()))
    assert group.memberships.count() == 4


def test_an_owner_lists_and_revokes_invitations(group, ann, max):
    by_mail = invite_by_email(group, email="new@example.com", by=ann, now=timezone.now())
    link = create_invitation_link(group, by=ann, now=timezone.now())
    listed = good(ask("GET", at(group, "/invitations"), by=ann))
    assert [each["id"] for each in listed["items"]] == [link.pk, by_mail.pk]
    for _ in range(2):
        assert told(ask("DELETE", at(group, f"/invitations/{link.pk}"), by=ann)) == (204, None)
    assert good(ask("GET", at(group, "/invitations"), by=ann))["count"] == 1
    assert told(ask("POST", JOIN, {"token": invitation_token(link)}, by=max)) == (409, "invitation_over")
    of_others = create_invitation_link(make_group(max), by=max, now=timezone.now())
    for pk in (of_others.pk, of_others.pk + 1):
        assert told(ask("DELETE", at(group, f"/invitations/{pk}"), by=ann)) == (404, "not_found")


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "new",
        "new@",
        "@example.com",
        "new@example",
        "a b@example.com",
        "x" * 250 + "@a.com",
        5,
        [],
        "a\0@b.com",
    ],
)
def test_an_invitation_goes_to_an_address(group, ann, email):
    assert told(ask("POST", at(group, "/invitations"), {"email": email}, by=ann)) == (422, "invalid_input")
    assert group.invitations.count() == 0


def test_invitations_are_refused_as_on_the_page(group, ann):
    invitations = at(group, "/invitations")
    assert told(ask("POST", invitations, {"email": ann.email}, by=ann)) == (422, "own_address")
    good(ask("POST", invitations, {"email": "new@example.com"}, by=ann), 201)
    again = ask("POST", invitations, {"email": "NEW@example.com"}, by=ann)
    assert (told(again), again.json()["field"]) == ((409, "already_invited"), "email")
    now = timezone.now()
    revoke_invitation(group.invitations.get(), by=ann, now=now)
    revoke_invitation(invite_by_email(group, email="new@example.com", by=ann, now=now), by=ann, now=now)
    pestered = ask("POST", invitations, {"email": "new@example.com"}, by=ann)
    assert told(pestered) == (429, "too_many_mails")
    seconds = pestered.json()["retry_after_seconds"]  # a day but for what this test took
    assert 23 * 60 * 60 < seconds <= 24 * 60 * 60
    assert pestered["Retry-After"] == str(seconds)
    for _ in range(MAX_OPEN_INVITATIONS):
        create_invitation_link(group, by=ann, now=now)
    assert told(ask("POST", invitations, {}, by=ann)) == (409, "too_many_invitations")


def test_a_full_group_takes_nobody(group, ann, max):
    link = create_invitation_link(group, by=ann, now=timezone.now())
    for _ in range(ProjectGroup.MAX_MEMBERS - 2):
        Membership.objects.create(group=group, user=UserFactory())
    assert told(ask("POST", JOIN, {"token": invitation_token(link)}, by=max)) == (409, "group_full")
    assert told(ask("POST", at(group, "/invitations"), {}, by=ann)) == (409, "group_full")


@pytest.mark.parametrize("token", ["nonsense", "1.abc", "é", "x" * 200])
def test_what_we_never_signed_lets_nobody_in(max, token):
    assert told(ask("POST", JOIN, {"token": token}, by=max)) == (409, "invitation_over")


@pytest.mark.parametrize("wish", [{}, {"token": ""}, {"token": "x" * 201}, {"token": None}, {"token": 5}])
def test_joining_takes_a_token(max, wish):
    assert told(ask("POST", JOIN, wish, by=max)) == (422, "invalid_input")


def test_an_invitation_to_a_group_that_was_dissolved_lets_nobody_in(ann, max):
    group = make_group(ann)
    link = create_invitation_link(group, by=ann, now=timezone.now())
    dissolve_group(group, by=ann, now=timezone.now())
    assert told(ask("POST", JOIN, {"token": invitation_token(link)}, by=max)) == (409, "group_dissolved")


# --- Ways out ---------------------------------------------------------------------------------------------------------


def test_members_leave_and_owners_remove_them(group, ann, sam, max):
    Membership.objects.create(group=group, user=max)
    assert told(ask("DELETE", at(group, f"/members/{sam.pk}"), by=max)) == (403, "not_owner")
    assert told(ask("DELETE", at(group, f"/members/{max.pk}"), by=max)) == (204, None)
    assert told(ask("DELETE", at(group, f"/members/{max.pk}"), by=max)) == (404, "not_found")
    assert told(ask("DELETE", at(group, f"/members/{sam.pk}"), by=ann)) == (204, None)
    assert told(ask("DELETE", at(group, f"/members/{sam.pk}"), by=ann)) == (404, "not_found")
    assert told(ask("DELETE", at(group, f"/members/{ann.pk}"), by=ann)) == (409, "owner_cannot_leave")
    assert told(ask("GET", at(group), by=sam)) == (404, "not_found")


# --- Points -----------------------------------------------------------------------------------------------------------


def test_a_member_contributes_from_their_own_wallet(group, ann, sam):
    answer = good(ask("POST", at(group, "/contributions"), {"points": 20, "note": "For Friday"}, by=sam), 201)
    given = Transaction.objects.get(reason="contribution")
    assert answer.pop("created_at").endswith("Z")
    assert answer == {
        "id": given.pk,
        "project_group_id": group.pk,
        "user_id": sam.pk,
        "points": 20,
        "note": "For Friday",
        "group_balance_points": 20,
        "balance_points": 80,
    }
    assert good(ask("GET", at(group), by=ann))["balance_points"] == 20
    assert good(ask("GET", at(group, "/contributions"), by=ann)) == {
        "items": [{"user_id": sam.pk, "name": "Sam Stone", "contributed_points": 20}],
        "count": 1,
    }
    [row] = good(ask("GET", at(group, "/transactions"), by=ann))["items"]
    assert (row["reason"], row["points"], row["balance_after"]) == ("contribution", 20, 20)


def test_what_one_does_not_have_one_cannot_give(group, sam):
    refused = ask("POST", at(group, "/contributions"), {"points": 101}, by=sam)
    assert told(refused) == (402, "not_enough_points")
    answer = refused.json()
    assert (answer["needed_points"], answer["balance_points"], answer["missing_points"]) == (101, 100, 1)
    assert told(ask("POST", at(group, "/contributions"), {"points": MAX_POINTS}, by=sam)) == (402, "not_enough_points")
    assert wallet_of(sam).balance_points == 100


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"points": 0},
        {"points": -1},
        {"points": MAX_POINTS + 1},
        {"points": 10**30},
        {"points": 1.5},
        {"points": 10.0},
        {"points": "10"},
        {"points": True},
        {"points": None},
        {"points": [1]},
        {"points": 1, "note": "x" * 301},
        {"points": 1, "note": "\0"},
        {"points": 1, "by": 5},
        {"points": 1, "idempotency_key": "k"},
        '{"points": NaN}',
        "",
    ],
)
def test_points_are_whole_numbers_from_1_to_a_billion(group, ann, wish):
    token = token_of(ann)
    assert ask("POST", at(group, "/contributions"), wish, token=token).status_code == 422
    returned = {"user_id": ann.pk, **wish} if isinstance(wish, dict) else wish
    assert ask("POST", at(group, "/returns"), returned, token=token).status_code == 422
    assert wallet_of(ann).balance_points == 100


def test_an_owner_gives_back_what_was_contributed_also_to_who_has_left(group, ann, sam, max):
    contribute_points(group, by=sam, points=50)
    contribute_points(group, by=ann, points=10)
    leave_group(group, by=sam)
    refused = ask("POST", at(group, "/returns"), {"user_id": sam.pk, "points": 51}, by=ann)
    assert (told(refused), refused.json()["contributed_points"]) == ((409, "more_than_contributed"), 50)
    answer = good(ask("POST", at(group, "/returns"), {"user_id": sam.pk, "points": 50, "note": "Bye"}, by=ann), 201)
    assert (answer["user_id"], answer["points"], answer["note"]) == (sam.pk, 50, "Bye")
    assert (answer["group_balance_points"], answer["balance_points"]) == (10, 90)
    assert wallet_of(sam).balance_points == 100
    for other in (sam.pk, max.pk, max.pk + 1):
        wish = {"user_id": other, "points": 1}
        assert told(ask("POST", at(group, "/returns"), wish, by=ann)) == (404, "not_found")


def test_the_points_of_a_group_are_its_members_business(group, ann, max, ada):
    contribute_points(group, by=ann, points=10)
    asked = [
        ("GET", "/contributions", None),
        ("POST", "/contributions", {"points": 1}),
        ("POST", "/returns", {"user_id": ann.pk, "points": 1}),
        ("GET", "/transactions", None),
    ]
    for other in (max, ada):
        grant_points(other, points=10)
        token = token_of(other)
        for method, rest, wish in asked:
            strange = ask(method, at(group, rest), wish, token=token)
            missing = ask(method, f"{GROUPS}{group.pk + 1}{rest}", wish, token=token)
            assert told(strange) == (404, "not_found")
            assert strange.content == missing.content
    assert wallet_of_group(group).balance_points == 10


def test_a_key_contributes_once(group, sam):
    token, address = token_of(sam), at(group, "/contributions")
    first = ask("POST", address, {"points": 20}, token=token, **{"Idempotency-Key": "k1"})
    again = ask("POST", address, {"points": 20}, token=token, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert first.status_code == 201
    other = ask("POST", address, {"points": 21}, token=token, **{"Idempotency-Key": "k1"})
    assert told(other) == (422, "idempotency_mismatch")
    assert wallet_of(sam).balance_points == 80


def test_a_token_that_reads_gives_nothing_away(group, sam):
    reading = personal_token(sam, "read")
    assert ask("GET", at(group), token=reading).status_code == 200
    assert told(ask("POST", at(group, "/contributions"), {"points": 1}, token=reading)) == (403, "read_only_token")


def test_long_lists_of_a_group_cost_as_many_queries_as_short_ones(group, ann, sam):
    token = token_of(ann)
    counts = []
    for people in ([ann], [sam, UserFactory()]):
        for person in people:
            Membership.objects.get_or_create(group=group, user=person)
            grant_points(person, points=10)
            contribute_points(group, by=person, points=5)
            create_invitation_link(group, by=ann, now=timezone.now())
        AppointmentFactory(group=group)
        for rest in ("", "/contributions", "/transactions", "/invitations"):
            with CaptureQueriesContext(connection) as queries:
                assert ask("GET", at(group, rest), token=token).status_code == 200
            counts.append(len(queries))
    assert counts[:4] == counts[4:]


def test_an_invitation_by_mail_is_promised_as_on_the_page(group, ann, sam):
    OutgoingEmail.objects.all().delete()  # that somebody joined
    for email in ("new@example.com", sam.email):
        good(ask("POST", at(group, "/invitations"), {"email": email}, by=ann), 201)
    assert list(OutgoingEmail.objects.order_by("id").values_list("to", flat=True)) == ["new@example.com", sam.email]
