"""The pages of project groups."""

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.actions import create_invitation_link, dissolve_group, invite_by_email
from accounts.groups import invitation_path
from accounts.models import GroupInvitation, ProjectGroup
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.group_factories import make_group
from bookings.tests.factories import AppointmentFactory
from notifications.models import OutgoingEmail
from tickets.tests.factories import TicketFactory
from wallets.actions import contribute_points, grant_points

pytestmark = pytest.mark.django_db
LIST, CREATE = reverse("groups:list"), reverse("groups:create")


@pytest.fixture
def group(ann, sam):
    return make_group(ann, sam)


@pytest.fixture
def as_ann(client, ann):
    client.force_login(ann)
    return client


def url(name, *arguments):
    return reverse(f"groups:{name}", args=[getattr(argument, "pk", argument) for argument in arguments])


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_without_groups_the_list_says_what_they_are_for(as_ann):
    response = as_ann.get(LIST)
    assert "You are in no group yet" in text(response)
    assert CREATE in response.content.decode()
    assert LIST in as_ann.get(reverse("dashboard")).content.decode()


def test_a_group_is_founded_and_edited(as_ann):
    answer = {"name": "Parser <b>x</b>", "description": "One\nTwo", "members_may_pay": "on"}
    response = as_ann.post(CREATE, answer)
    group = ProjectGroup.objects.get()
    assert response.url == group.get_absolute_url()
    html = as_ann.get(response.url).content.decode()
    assert "Parser &lt;b&gt;x&lt;/b&gt;" in html
    assert "One<br>Two" in html
    assert as_ann.post(url("edit", group), {"name": "Lexer"}).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.description, group.members_may_pay) == ("Lexer", "", False)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "\u202egnp"])
def test_a_name_that_is_none_is_refused_beside_the_field(as_ann, name):
    response = as_ann.post(CREATE, {"name": name, "description": "Typed"})
    assert response.status_code == 422
    assert "name" in response.context["form"].errors
    assert "Typed" in response.content.decode()


def test_the_list_takes_as_many_queries_for_three_groups_as_for_one(as_ann, ann, sam):
    counts = []
    for number in (1, 2):
        for _more in range(number):
            make_group(ann, sam)
        as_ann.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            response = as_ann.get(LIST)
        counts.append(len(queries))
    assert len(response.context["page"]) == 3
    assert counts[0] == counts[1]


def test_the_page_takes_as_many_queries_for_three_of_everything_as_for_one(as_ann, ann):
    group = make_group(ann)
    counts = []
    for number in (1, 2):
        for _more in range(number):
            member = UserFactory()
            group.memberships.create(user=member)
            AppointmentFactory(student=member, group=group, starts_at=timezone.now() + dt.timedelta(days=1))
            AppointmentFactory(student=member, group=group, starts_at=timezone.now() - dt.timedelta(days=1))
            TicketFactory(student=member, group=group)
            invite_by_email(group, email=f"{member.pk}@example.com", by=ann, now=timezone.now())
            grant_points(member, points=5)
            contribute_points(group, by=member, points=5)
        as_ann.get(group.get_absolute_url())
        with CaptureQueriesContext(connection) as queries:
            as_ann.get(group.get_absolute_url())
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_members_see_people_sessions_questions_and_points(client, group, ann, sam, mentor):
    session = AppointmentFactory(mentor=mentor, student=ann, group=group, title="Parsing together")
    AppointmentFactory(student=ann, title="For Ann alone", starts_at=session.starts_at + dt.timedelta(days=1))
    TicketFactory(student=ann, group=group, title="Why LL(1)?")
    TicketFactory(student=ann, title="A secret question")
    client.force_login(sam)
    page = text(client.get(group.get_absolute_url()))
    for words in (
        "Ann Archer owner",
        "Sam Stone member",
        session.title,
        "Why LL(1)?",
        "Group wallet",
        "Leave the group",
    ):
        assert words in page
    for words in ("For Ann alone", "A secret question", "Invite people", "Dissolve", "Remove"):
        assert words not in page


def test_members_book_and_ask_from_the_page_whatever_is_planned(client, group, ann, ada, mentor):
    ways = [f'href="{reverse("bookings:find")}?group={group.pk}"', f'href="{reverse("tickets:create")}"']
    client.force_login(ann)
    for planned in (False, True):
        if planned:
            AppointmentFactory(mentor=mentor, student=ann, group=group)
        html = client.get(group.get_absolute_url()).content.decode()
        assert ("No session is planned" in html) is not planned
        assert all(way in html for way in ways)
    client.force_login(ada)
    assert ways[0] not in client.get(group.get_absolute_url()).content.decode()


def test_the_owner_reads_you_instead_of_a_name(client, group, ann, sam):
    pages = [group.get_absolute_url(), reverse("wallets:group", args=[group.pk])]
    for user, words in ((ann, "nly you can give them back"), (sam, "nly Ann Archer can give them back")):
        client.force_login(user)
        for page in pages:
            assert words in text(client.get(page))
    client.force_login(ann)
    assert "Only Ann" not in "".join(text(client.get(page)) for page in pages)


def test_staff_look_without_the_points_and_the_invitations(client, group, ada, ann):
    invite_by_email(group, email="new@example.com", by=ann, now=timezone.now())
    client.force_login(ada)
    page = text(client.get(group.get_absolute_url()))
    assert "Dissolve the group" in page
    for words in ("Hand over", "Group wallet", "new@example.com"):
        assert words not in page
    type(ann).objects.filter(pk=ann.pk).update(is_active=False)
    assert "Hand over" in text(client.get(group.get_absolute_url()))


# --- Ways in ----------------------------------------------------------------------------------------------------------


def test_the_owner_invites_by_mail_and_sees_the_same_whoever_it_is(as_ann, group, sam):
    said = []
    for address in ("nobody@example.com", UserFactory().email, sam.email):
        response = as_ann.post(url("invite", group), {"email": address}, follow=True)
        said.append((response.status_code, text(response).replace(address, "…").count("… is invited by mail.")))
    assert len(set(said)) == 1
    assert said[0] == (200, 1)
    assert OutgoingEmail.objects.filter(to__in=["nobody@example.com", sam.email]).count() == 2


@pytest.mark.parametrize(
    ("email", "status"), [("", 422), ("nobody", 422), ("ann@example.org", 422), ("old@example.com", 409)]
)
def test_a_wrong_address_is_refused_beside_the_field(as_ann, ann, group, email, status):
    invite_by_email(group, email="old@example.com", by=ann, now=timezone.now())
    response = as_ann.post(url("invite", group), {"email": email})
    assert response.status_code == status
    assert list(response.context["invite_form"].errors) == ["email"]
    assert GroupInvitation.objects.count() == 1


def test_a_link_is_made_shown_and_revoked(as_ann, group):
    as_ann.post(url("create_link", group))
    link = GroupInvitation.objects.get()
    assert invitation_path(link) in as_ann.get(group.get_absolute_url()).content.decode()
    assert as_ann.post(url("revoke", group, link)).status_code == 302
    assert invitation_path(link) not in as_ann.get(group.get_absolute_url()).content.decode()


def test_an_invitation_is_revoked_only_in_its_group(as_ann, ann, sam, group):
    other = create_invitation_link(make_group(sam), by=sam, now=timezone.now())
    assert as_ann.post(url("revoke", group, other)).status_code == 404
    assert as_ann.post(url("revoke", other.group, other)).status_code == 404


def test_joining_by_a_link(client, ann):
    group = make_group(ann)
    path = invitation_path(create_invitation_link(group, by=ann, now=timezone.now()))
    nora = UserFactory()
    client.force_login(nora)
    page = text(client.get(path))
    assert "Join Compiler project?" in page
    assert "Ann Archer invites you" in page
    assert not group.memberships.filter(user=nora).exists()  # looking is not joining
    for _click in range(2):
        response = client.post(path)
        assert response.url == group.get_absolute_url()
    assert client.get(path).url == group.get_absolute_url()
    assert group.memberships.filter(user=nora).count() == 1


def test_a_visitor_signs_in_and_comes_back(client, ann):
    group = make_group(ann)
    path = invitation_path(create_invitation_link(group, by=ann, now=timezone.now()))
    nora = UserFactory()
    html = client.get(path).content.decode()
    assert "Compiler project" in html
    assert f"{reverse('account_signup')}?next={path}" in html
    assert client.post(path).url == f"{reverse('account_login')}?next={path}"
    answer = {"login": nora.email, "password": PASSWORD, "next": path}
    assert client.post(reverse("account_login"), answer).url == path


@pytest.mark.parametrize("intent", ["learn", "mentor"])
def test_a_visitor_signs_up_and_comes_back(client, ann, settings, intent):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    path = invitation_path(create_invitation_link(make_group(ann), by=ann, now=timezone.now()))
    page = client.get(f"{reverse('account_signup')}?next={path}").content.decode()
    assert f'value="{path}"' in page
    answer = {"intent": intent, "name": "Nora", "email": "nora@example.org", "password1": PASSWORD, "timezone": "UTC"}
    assert client.post(reverse("account_signup"), {**answer, "next": path}).url == path


def test_an_invitation_that_is_over_says_so(client, ann, sam):
    group = make_group(ann)
    link = create_invitation_link(group, by=ann, now=timezone.now())
    GroupInvitation.objects.update(revoked_at=timezone.now())
    for _person in ("visitor", "sam"):
        for answer in (client.get(invitation_path(link)), client.post(invitation_path(link))):
            assert answer.status_code == 409
            assert "This invitation is over" in text(answer)
        client.force_login(sam)
    GroupInvitation.objects.update(revoked_at=None)
    dissolve_group(group, by=ann, now=timezone.now())
    answer = client.get(invitation_path(link))
    assert answer.status_code == 409
    assert "This group has been dissolved" in text(answer)


@pytest.mark.parametrize("token", ["x", "1", "1.x", "1.1.1", "²", "…", "1." + "A" * 43, "%00"])
def test_a_made_up_invitation_is_not_found(client, token):
    assert client.get(f"/groups/join/{token}/").status_code == 404


# --- Ways out ---------------------------------------------------------------------------------------------------------


def test_a_member_is_asked_and_leaves(client, group, sam):
    client.force_login(sam)
    assert "stays in the group's wallet" in text(client.get(url("leave", group))).replace("&#x27;", "'")
    assert client.post(url("leave", group)).url == LIST
    assert client.get(group.get_absolute_url()).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_page_of_leaving_locks_nothing_before_there_is_a_transaction(client, group, sam):
    """PostgreSQL refuses to; the transaction around every other test would hide that."""
    client.force_login(sam)
    assert client.get(url("leave", group)).status_code == 200
    assert client.post(url("leave", group)).url == LIST


def test_the_owner_is_told_why_they_cannot_leave(as_ann, group):
    response = as_ann.get(url("leave", group))
    assert response.status_code == 409
    assert "Hand it over to another member first" in text(response)
    assert "btn-danger" not in response.content.decode()


def test_the_owner_removes_and_hands_over(as_ann, group, ann, sam):
    nora = UserFactory(name="Nora 👩🏽‍🚀")
    group.memberships.create(user=nora)
    assert "Nora" in text(as_ann.get(url("remove", group, nora)))
    as_ann.post(url("remove", group, nora))
    assert as_ann.post(url("remove", group, nora)).status_code == 404  # gone already
    assert as_ann.post(url("remove", group, ann)).status_code == 409
    as_ann.post(url("hand_over", group, sam))
    group.refresh_from_db()
    assert group.is_owned_by(sam)
    assert as_ann.post(url("hand_over", group, ann)).status_code == 403


def test_a_group_is_dissolved_once_nothing_hangs_on_it(as_ann, group, ann):
    grant_points(ann, points=50)
    contribute_points(group, by=ann, points=50)
    response = as_ann.get(url("dissolve", group))
    assert "wallet has 50 points" in text(response)
    assert "btn-danger" not in response.content.decode()
    response = as_ann.post(url("dissolve", group))
    assert response.status_code == 409
    assert "wallet has 50 points" in text(response)
    free = make_group(ann)
    assert "for good" in text(as_ann.get(url("dissolve", free)))
    assert as_ann.post(url("dissolve", free)).url == LIST
    assert as_ann.get(free.get_absolute_url()).status_code == 404


# --- The admin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def as_ada(client, ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = False
    client.force_login(ada)
    return client


def console(page, *arguments):
    return reverse(f"admin:accounts_projectgroup_{page}", args=[getattr(a, "pk", a) for a in arguments])


def test_staff_find_look_hand_over_and_dissolve(as_ada, group, ann, sam):
    invite_by_email(group, email="new@example.com", by=ann, now=timezone.now())
    for query in ({}, {"q": "Compiler"}, {"q": "sam@"}, {"q": group.pk}, {"dissolved": "no"}):
        assert as_ada.get(console("changelist"), query).context["cl"].result_count == 1
    assert as_ada.get(console("changelist"), {"dissolved": "yes"}).context["cl"].result_count == 0
    page = as_ada.get(console("change", group)).content.decode()
    for words in ("Sam Stone", "new@example.com", console("hand_over", group), console("dissolve", group)):
        assert words in page
    assert invitation_path(GroupInvitation.objects.get()) not in page
    assert as_ada.post(console("hand_over", group), {"to": ann.pk}).status_code == 422
    assert as_ada.post(console("hand_over", group), {"to": sam.pk}).status_code == 403  # its owner is there
    type(ann).objects.filter(pk=ann.pk).update(is_active=False)
    assert as_ada.post(console("hand_over", group), {"to": sam.pk}).status_code == 302
    group.refresh_from_db()
    assert group.is_owned_by(sam)
    assert as_ada.get(console("dissolve", group)).status_code == 200
    as_ada.post(console("dissolve", group))
    assert as_ada.get(console("dissolve", group)).status_code == 404
    assert LogEntry.objects.count() == 2


def test_staff_dissolve_no_group_with_points(as_ada, group, ann):
    grant_points(group, points=5)
    assert "has 5 points" in text(as_ada.get(console("dissolve", group)))
    assert as_ada.post(console("dissolve", group)).status_code == 409


def test_whoever_is_deactivated_leaves_groups_to_hand_over(as_ada, group, ann):
    chosen = {"action": "deactivate", "_selected_action": [ann.pk]}
    page = as_ada.post(reverse("admin:accounts_user_changelist"), chosen, follow=True).content.decode()
    assert "They own project groups" in page
    assert console("change", group) in page
    assert "is closed" in text(as_ada.get(group.get_absolute_url()))
