"""Project groups: who may do what, the ways in and the ways out, and who is told. This spans apps, so it is here."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.actions import (
    MAX_MAILS_A_DAY,
    MAX_OPEN_INVITATIONS,
    MAX_OWNED,
    AddressMissing,
    AlreadyInvited,
    AlreadyMember,
    GroupDissolved,
    GroupFull,
    GroupInUse,
    InvitationOver,
    NameMissing,
    NewOwnerNotActive,
    NotMember,
    NotOwner,
    OwnAddress,
    OwnerCannotLeave,
    TooManyGroups,
    TooManyInvitations,
    TooManyMails,
    create_group,
    create_invitation_link,
    dissolve_group,
    edit_group,
    hand_over_group,
    invite_by_email,
    join_group,
    leave_group,
    remove_member,
    revoke_invitation,
)
from accounts.groups import invitation_by_token, invitation_link, invitation_token
from accounts.models import GroupInvitation, Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from mentorbook.errors import NotAllowed
from notifications.models import Notification, OutgoingEmail
from wallets.actions import contribute_points, give_back_points, grant_points, reverse_transaction, wallet_of_group

pytestmark = pytest.mark.django_db
NOW = timezone.now()
DAY = dt.timedelta(days=1)


@pytest.fixture
def group(ann):
    return make_group(ann)


@pytest.fixture
def link(group, ann):
    return create_invitation_link(group, by=ann, now=NOW)


def members_of(group):
    return set(group.memberships.values_list("user__email", flat=True))


def told(person, kind="group_changed"):
    return list(Notification.objects.filter(recipient=person, kind=kind).order_by("pk").values_list("title", flat=True))


def changed(group, **fields):
    return {"name": group.name, "description": "", "members_may_pay": False, **fields}


# --- The group --------------------------------------------------------------------------------------------------------


def test_who_founds_a_group_owns_it_and_belongs_to_it(ann):
    group = create_group(name="  Compiler \0 project ", description=" LL(1)\n", members_may_pay=True, by=ann)
    assert (group.name, group.description, group.members_may_pay) == ("Compiler project", "LL(1)", True)
    assert group.is_owned_by(ann)
    assert members_of(group) == {"ann@example.org"}
    assert group.pk in ann.group_ids


def test_a_group_has_a_name(ann, group):
    with pytest.raises(NameMissing):
        create_group(name=" \0 ", by=ann)
    with pytest.raises(NameMissing):
        edit_group(group, by=ann, **changed(group, name=" "))


@pytest.mark.parametrize("name", ["\u200b", "safe\u202egpj.exe", "x" * 81])
def test_the_name_of_a_group_is_one_that_others_can_read(ann, group, name):
    with pytest.raises(ValidationError):
        create_group(name=name, by=ann)
    with pytest.raises(ValidationError):
        edit_group(group, by=ann, name=name)
    assert list(ProjectGroup.objects.values_list("name", flat=True)) == [group.name]


def test_what_is_not_given_stays_as_it_is(ann, group):
    edit_group(group, by=ann, members_may_pay=True)
    edit_group(group, by=ann, description="Parsers")
    edit_group(group, by=ann)
    group = ProjectGroup.objects.get()
    assert (group.name, group.description, group.members_may_pay) == ("Compiler project", "Parsers", True)


def test_one_person_owns_twenty_groups_at_most(ann):
    for number in range(MAX_OWNED):
        create_group(name=f"Group {number}", by=ann)
    with pytest.raises(TooManyGroups):
        create_group(name="One more", by=ann)
    dissolve_group(ProjectGroup.objects.first(), by=ann, now=NOW)
    create_group(name="One more", by=ann)


def test_only_the_owner_edits(ann, sam, ada):
    group = make_group(ann, sam)
    edit_group(group, by=ann, **changed(group, name="Parser 👩🏽‍🚀", members_may_pay=True))
    group.refresh_from_db()
    assert (group.name, group.members_may_pay) == ("Parser 👩🏽‍🚀", True)
    for other in (sam, ada):
        with pytest.raises(NotOwner):
            edit_group(group, by=other, **changed(group))


def test_who_may_spend_what_the_group_has(ann, sam):
    group, stranger = make_group(ann, sam), UserFactory()
    assert [group.may_be_paid_by(person) for person in (ann, sam, stranger)] == [True, False, False]
    group = edit_group(group, by=ann, **changed(group, members_may_pay=True))
    assert [group.may_be_paid_by(person) for person in (ann, sam, stranger)] == [True, True, False]


# --- Invitations by e-mail --------------------------------------------------------------------------------------------


def test_a_stranger_is_mailed_a_link_that_lets_one_in(ann, group, sam):
    invitation = invite_by_email(group, email=" New@Example.COM ", by=ann, now=NOW)
    mail = OutgoingEmail.objects.get()
    assert (mail.to, mail.notification) == ("new@example.com", None)
    assert invitation_link(invitation) in mail.body
    assert "Ann Archer" in mail.subject
    assert "because you have an account" not in mail.body
    token = invitation_token(invitation)
    assert join_group(token, by=sam, now=NOW).group == group  # whoever holds the link
    with pytest.raises(InvitationOver):
        join_group(token, by=UserFactory(), now=NOW)
    assert members_of(group) == {"ann@example.org", "sam@example.org"}


def test_somebody_with_an_account_is_told_and_mailed(ann, group, sam):
    invitation = invite_by_email(group, email="SAM@example.org", by=ann, now=NOW)
    notice = Notification.objects.get(recipient=sam, kind="group_invited")
    assert notice.url in invitation_link(invitation)
    assert "Compiler project" in notice.title
    assert notice.email.to == "sam@example.org"


def test_the_owner_cannot_tell_who_has_an_account(ann, sam):
    """Neither from an answer nor from a refusal: for accounts, members, closed accounts and strangers alike."""
    group = make_group(ann, sam)
    closed = UserFactory(is_active=False)
    seen = []
    for address in ("sam@example.org", closed.email, "nobody@example.com", UserFactory().email):
        invitation = invite_by_email(group, email=address, by=ann, now=NOW)
        with pytest.raises(AlreadyInvited) as again:
            invite_by_email(group, email=address, by=ann, now=NOW)
        seen.append((invitation.is_open(NOW), str(again.value)))
    assert len(set(seen)) == 1


def test_nobody_is_mailed_twice_while_an_invitation_is_open(ann, group):
    invite_by_email(group, email="new@example.com", by=ann, now=NOW)
    with pytest.raises(AlreadyInvited):
        invite_by_email(group, email="NEW@example.com", by=ann, now=NOW + DAY)
    assert OutgoingEmail.objects.count() == 1
    invite_by_email(group, email="new@example.com", by=ann, now=NOW + 15 * DAY)
    assert OutgoingEmail.objects.count() == 2


def test_revoking_and_inviting_again_does_not_pester_a_stranger(ann, group):
    for _time in range(2):
        revoke_invitation(invite_by_email(group, email="new@example.com", by=ann, now=NOW), by=ann, now=NOW)
    with pytest.raises(TooManyMails):
        invite_by_email(group, email="new@example.com", by=ann, now=NOW)
    with pytest.raises(TooManyMails):  # nor from another group
        invite_by_email(make_group(ann), email="new@example.com", by=ann, now=NOW)
    invite_by_email(group, email="new@example.com", by=ann, now=NOW + 2 * DAY)


def test_one_person_mails_so_many_a_day(ann):
    groups = [make_group(ann) for _number in range(2)]
    for number in range(MAX_MAILS_A_DAY):
        invite_by_email(groups[number % 2], email=f"{number}@example.com", by=ann, now=NOW)
    with pytest.raises(TooManyMails):
        invite_by_email(make_group(ann), email="more@example.com", by=ann, now=NOW)


def test_a_refused_mail_says_when_there_is_room_again(ann, group):
    hour = dt.timedelta(hours=1)
    for hours in (0, 5):
        sent = invite_by_email(group, email="new@example.com", by=ann, now=NOW + hours * hour)
        revoke_invitation(sent, by=ann, now=NOW + hours * hour)
    later = NOW + 6 * hour - dt.timedelta(milliseconds=1)
    with pytest.raises(TooManyMails) as refusal:
        invite_by_email(group, email="new@example.com", by=ann, now=later)
    assert refusal.value.retry_after_seconds == 18 * 60 * 60 + 1  # when the first of the two is a day old
    assert invite_by_email(group, email="new@example.com", by=ann, now=NOW + DAY)


def test_at_most_twenty_invitations_are_open(ann, group):
    for number in range(MAX_OPEN_INVITATIONS - 1):
        invite_by_email(group, email=f"{number}@example.com", by=ann, now=NOW)
    link = create_invitation_link(group, by=ann, now=NOW)
    with pytest.raises(TooManyInvitations):
        create_invitation_link(group, by=ann, now=NOW)
    with pytest.raises(TooManyInvitations):
        invite_by_email(group, email="more@example.com", by=ann, now=NOW)
    revoke_invitation(link, by=ann, now=NOW)
    create_invitation_link(group, by=ann, now=NOW)


@pytest.mark.parametrize(
    ("email", "refusal"), [("", AddressMissing), ("\0", AddressMissing), ("Ann@example.org", OwnAddress)]
)
def test_addresses_that_make_no_sense_are_refused(ann, group, email, refusal):
    with pytest.raises(refusal):
        invite_by_email(group, email=email, by=ann, now=NOW)
    assert not GroupInvitation.objects.exists()


def test_only_the_owner_invites_and_revokes(ann, sam, ada):
    group = make_group(ann, sam)
    link = create_invitation_link(group, by=ann, now=NOW)
    for other in (sam, ada):
        with pytest.raises(NotOwner):
            invite_by_email(group, email="new@example.com", by=other, now=NOW)
        with pytest.raises(NotOwner):
            create_invitation_link(group, by=other, now=NOW)
        with pytest.raises(NotOwner):
            revoke_invitation(link, by=other, now=NOW)
    assert not OutgoingEmail.objects.filter(to="new@example.com").exists()


# --- Links ------------------------------------------------------------------------------------------------------------


def test_a_link_lets_in_whoever_has_it_and_the_owner_is_told(link, group, ann):
    people = UserFactory.create_batch(3)
    for person in people:
        join_group(invitation_token(link), by=person, now=NOW)
    assert group.memberships.count() == 4
    assert told(ann) == [f"{person} has joined “Compiler project”" for person in people]


def test_a_link_ends_after_fourteen_days(link, sam):
    with pytest.raises(InvitationOver):
        join_group(invitation_token(link), by=sam, now=NOW + 14 * DAY)
    assert join_group(invitation_token(link), by=sam, now=NOW + 14 * DAY - dt.timedelta(seconds=1))


def test_a_revoked_link_lets_nobody_in(link, ann, sam):
    revoke_invitation(link, by=ann, now=NOW)
    assert revoke_invitation(link, by=ann, now=NOW + DAY).revoked_at == NOW
    with pytest.raises(InvitationOver):
        join_group(invitation_token(link), by=sam, now=NOW)


def test_a_full_group_lets_nobody_in_and_invites_nobody(group, ann, sam):
    link = create_invitation_link(group, by=ann, now=NOW)
    for person in UserFactory.create_batch(19):
        Membership.objects.create(group=group, user=person)
    with pytest.raises(GroupFull):
        join_group(invitation_token(link), by=sam, now=NOW)
    with pytest.raises(GroupFull):
        invite_by_email(group, email="new@example.com", by=ann, now=NOW)
    with pytest.raises(GroupFull):
        create_invitation_link(group, by=ann, now=NOW)


def test_nobody_joins_twice(link, sam, group):
    join_group(invitation_token(link), by=sam, now=NOW)
    with pytest.raises(AlreadyMember):
        join_group(invitation_token(link), by=sam, now=NOW)


def test_a_member_does_not_use_up_somebody_elses_invitation(ann, group):
    invitation = invite_by_email(group, email="new@example.com", by=ann, now=NOW)
    with pytest.raises(AlreadyMember):
        join_group(invitation_token(invitation), by=ann, now=NOW)
    invitation.refresh_from_db()
    assert invitation.is_open(NOW)


def test_invitations_of_a_closed_account_let_nobody_in(link, ann, sam):
    ann.is_active = False
    ann.save(update_fields=["is_active"])
    with pytest.raises(InvitationOver):
        join_group(invitation_token(link), by=sam, now=NOW)


def test_a_closed_account_joins_nothing(link):
    with pytest.raises(NotAllowed):
        join_group(invitation_token(link), by=UserFactory(is_active=False), now=NOW)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: f"2{t}", lambda t: "", lambda t: "9.x"]
)
def test_only_what_we_signed_is_an_invitation(link, sam, change):
    token = change(invitation_token(link))
    assert invitation_by_token(token) is None
    with pytest.raises(InvitationOver):
        join_group(token, by=sam, now=NOW)


def test_the_owner_sees_the_same_link_again(link):
    assert invitation_token(link) == invitation_token(GroupInvitation.objects.get())
    assert invitation_by_token(invitation_token(link)) == link


# --- Ways out ---------------------------------------------------------------------------------------------------------


def test_a_member_leaves_and_the_owner_is_told(ann, sam):
    group = make_group(ann, sam)
    assert sam.group_ids == {group.pk}
    leave_group(group, by=sam)
    assert members_of(group) == {"ann@example.org"}
    assert sam.group_ids == frozenset()
    assert told(ann)[-1] == "Sam Stone has left “Compiler project”"
    with pytest.raises(NotMember):
        leave_group(group, by=sam)


def test_the_owner_leaves_only_after_handing_over(ann, sam):
    group = make_group(ann, sam)
    with pytest.raises(OwnerCannotLeave):
        leave_group(group, by=ann)
    hand_over_group(group, to=sam, by=ann)
    leave_group(group, by=ann)
    assert members_of(group) == {"sam@example.org"}


def test_whoever_is_removed_is_told_and_cannot_come_back_by_a_link(ann, sam):
    group = make_group(ann, sam)
    link = create_invitation_link(group, by=ann, now=NOW)
    remove_member(group, member=sam, by=ann, now=NOW)
    assert told(sam) == ["You do not belong to “Compiler project” any more"]
    assert Notification.objects.get(recipient=sam, kind="group_changed").url == "/groups/"
    with pytest.raises(InvitationOver):
        join_group(invitation_token(link), by=sam, now=NOW)


def test_whoever_is_removed_cannot_come_back_by_a_mail_either(ann, sam):
    group = make_group(ann, sam)
    mail = invite_by_email(group, email=sam.email, by=ann, now=NOW)
    other = invite_by_email(group, email="lena@example.org", by=ann, now=NOW)
    remove_member(group, member=sam, by=ann, now=NOW)
    with pytest.raises(InvitationOver):
        join_group(invitation_token(mail), by=sam, now=NOW)
    other.refresh_from_db()
    assert other.is_open(NOW)


def test_staff_leave_the_group_of_an_active_owner_alone(ann, sam, ada):
    group = make_group(ann, sam, ada)
    with pytest.raises(NotOwner):
        hand_over_group(group, to=ada, by=ada)
    clerk = UserFactory(is_staff=True)
    with pytest.raises(NotOwner):
        dissolve_group(group, by=clerk, now=NOW)


def test_points_do_not_go_back_into_a_group_that_is_dissolved(ann, sam, ada):
    group = make_group(ann, sam)
    grant_points(sam, points=50)
    contribute_points(group, by=sam, points=50)
    given_back = give_back_points(group, to=sam, points=50, by=ann)
    dissolve_group(group, by=ann, now=NOW)
    with pytest.raises(GroupDissolved):
        reverse_transaction(given_back, by=ada, note="Too early")


def test_only_the_owner_removes_and_never_themself(ann, sam, ada):
    group = make_group(ann, sam)
    for other in (sam, ada):
        with pytest.raises(NotOwner):
            remove_member(group, member=sam, by=other, now=NOW)
    with pytest.raises(OwnerCannotLeave):
        remove_member(group, member=ann, by=ann, now=NOW)
    with pytest.raises(NotMember):
        remove_member(group, member=ada, by=ann, now=NOW)
    assert group.memberships.count() == 2


def test_the_new_owner_is_told_and_the_old_one_stays_a_member(ann, sam):
    group = make_group(ann, sam)
    group = hand_over_group(group, to=sam, by=ann)
    assert group.is_owned_by(sam)
    assert members_of(group) == {"ann@example.org", "sam@example.org"}
    assert told(sam) == ["“Compiler project” is yours now"]
    with pytest.raises(NotOwner):
        hand_over_group(group, to=ann, by=ann)
    hand_over_group(group, to=ann, by=sam)
    hand_over_group(group, to=sam, by=ann)  # told again, as it is another occasion
    assert len(told(sam)) == 2


def test_staff_hand_over_the_group_of_an_owner_who_has_gone(ann, sam, ada):
    group = make_group(ann, sam)
    ann.is_active = False
    ann.save(update_fields=["is_active"])
    hand_over_group(group, to=sam, by=ada)
    assert told(sam) == ["“Compiler project” is yours now"]
    assert told(ann)[-1] == "“Compiler project” belongs to Sam Stone now"


def test_a_group_is_handed_only_to_an_active_member(ann, sam):
    closed = UserFactory()
    group = make_group(ann, closed)
    closed.is_active = False
    closed.save(update_fields=["is_active"])
    with pytest.raises(NewOwnerNotActive):
        hand_over_group(group, to=closed, by=ann)
    with pytest.raises(NotMember):
        hand_over_group(group, to=sam, by=ann)
    group.refresh_from_db()
    assert group.is_owned_by(ann)


def test_a_dissolved_group_is_over_for_everybody(ann, sam, ada):
    group = make_group(ann, sam)
    link = create_invitation_link(group, by=ann, now=NOW)
    with pytest.raises(NotOwner):
        dissolve_group(group, by=sam, now=NOW)
    dissolve_group(group, by=ann, now=NOW)
    assert told(sam) == ["“Compiler project” has been dissolved"]
    assert sam.group_ids == ann.group_ids == frozenset()
    assert not ProjectGroup.objects.visible_to(sam).exists()
    assert ProjectGroup.objects.visible_to(ada).exists()
    for call in (
        lambda: join_group(invitation_token(link), by=UserFactory(), now=NOW),
        lambda: dissolve_group(group, by=ann, now=NOW),
        lambda: leave_group(group, by=sam),
        lambda: edit_group(group, by=ann, **changed(group)),
        lambda: invite_by_email(group, email="new@example.com", by=ann, now=NOW),
    ):
        with pytest.raises(GroupDissolved):
            call()


def test_staff_dissolve_a_group(ann, ada):
    group = make_group(ann)
    dissolve_group(group, by=ada, now=NOW)
    assert told(ann) == ["“Compiler project” has been dissolved"]


def test_a_group_with_points_is_not_dissolved(ann):
    group = make_group(ann)
    grant_points(ann, points=50)
    contribute_points(group, by=ann, points=50)
    with pytest.raises(GroupInUse) as refused:
        dissolve_group(group, by=ann, now=NOW)
    assert refused.value.hindrances == [
        "The group's wallet has 50 points. Give back what was contributed; staff can take the rest."
    ]
    give_back_points(group, to=ann, points=50, by=ann)
    assert dissolve_group(group, by=ann, now=NOW).dissolved_at == NOW


def test_a_group_with_sessions_to_come_is_not_dissolved(ann):
    group = make_group(ann)
    session = AppointmentFactory(student=ann, group=group)
    for status in (*Appointment.LIVE, Appointment.Status.DISPUTED):
        Appointment.objects.filter(pk=session.pk).update(status=status)
        with pytest.raises(GroupInUse, match="1 session that is not over"):
            dissolve_group(group, by=ann, now=NOW)
    Appointment.objects.filter(pk=session.pk).update(status=Appointment.Status.COMPLETED)
    dissolve_group(group, by=ann, now=NOW)


def test_a_group_is_not_dissolved_while_what_it_paid_may_come_back(ann):
    group = make_group(ann)
    end = NOW - dt.timedelta(hours=47)
    AppointmentFactory(
        student=ann,
        group=group,
        payer=wallet_of_group(group),
        price_points=30,
        status=Appointment.Status.COMPLETED,
        starts_at=end - dt.timedelta(hours=1),
        ends_at=end,
    )
    with pytest.raises(GroupInUse, match="can still be disputed"):
        dissolve_group(group, by=ann, now=NOW)
    dissolve_group(group, by=ann, now=NOW + dt.timedelta(hours=1))
