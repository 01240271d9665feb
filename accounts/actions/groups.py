"""Everything that changes project groups.

Each action locks the group's row first and asks again under the lock, so that two at once never let in one too many.
Appointments and wallets, which are locked after the group, belong to the apps above.
"""

import datetime as dt
import math

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import groups, telling
from accounts.dissolving import hindrances_of
from accounts.models import GroupInvitation, Membership, ProjectGroup
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently

MAX_OPEN_INVITATIONS = 20
# Whoever revokes and invites again all day would have us pester strangers.
MAX_MAILS_A_DAY = 30
MAX_MAILS_TO_ONE_A_DAY = 2
MAX_OWNED = 20
DAY = dt.timedelta(days=1)
WORDS = ("name", "description", "members_may_pay")
INVITED, CHANGED = "group_invited", "group_changed"


class NotOwner(NotAllowed):
    code = "not_owner"
    message = _("Only the owner of the group does that.")


class NotMember(NotAllowed):
    code = "not_member"
    message = _("Only members of the group do that.")


class GroupDissolved(Refused):
    code = "group_dissolved"
    message = _("This group has been dissolved.")


class NameMissing(Refused):
    code = "name_missing"
    status = 422
    field = "name"
    message = _("Give the group a name, such as that of the project.")


class TooManyGroups(Refused):
    code = "too_many_groups"
    message = _("You own as many groups as one person can. Dissolve or hand over one of them first.")


class AlreadyMember(Refused):
    code = "already_member"
    message = _("You belong to this group already.")


class AddressMissing(Refused):
    code = "address_missing"
    status = 422
    field = "email"
    message = _("Write the e-mail address of the person.")


class OwnAddress(Refused):
    code = "own_address"
    status = 422
    field = "email"
    message = _("This is your own address. Write that of somebody else.")


class AlreadyInvited(Refused):
    code = "already_invited"
    field = "email"
    message = _("This address has been invited, and no second mail was sent. Its invitation stands in the list.")


class TooManyInvitations(Refused):
    code = "too_many_invitations"
    message = _("As many invitations are open as a group can have. Revoke one first.")


class TooManyMails(Refused):
    """So many mails went out in a day for one person, or to one address. Fact: `retry_after_seconds`."""

    code = "too_many_mails"
    status = 429
    field = "email"
    message = _(
        "That is as many mails as we send for one person in a day. Give out a link instead, or wait until then."
    )


class GroupFull(Refused):
    code = "group_full"
    message = _("The group is full: 20 people is the most. Nobody can join until somebody leaves.")


class InvitationOver(Refused):
    """It was used, revoked or has expired, or whoever invited has gone."""

    code = "invitation_over"
    message = _("This invitation is over: it was used, was revoked or has expired. Ask the group for a new one.")


class OwnerCannotLeave(Refused):
    code = "owner_cannot_leave"
    message = _("You own this group. Hand it over to another member first, or dissolve it.")


class NewOwnerNotActive(Refused):
    code = "new_owner_not_active"
    message = _("This account is closed, so it cannot own a group. Choose another member.")


class GroupInUse(Refused):
    """Something hangs on the group. Fact: `hindrances`, a sentence for each thing."""

    code = "group_in_use"


def lock_group(group_id) -> ProjectGroup:
    """The group as it is now, locked until the transaction ends; one that was dissolved is refused."""
    limit_waiting()
    group = ProjectGroup.objects.select_for_update(no_key=True).get(pk=group_id)
    if group.dissolved_at is not None:
        raise GroupDissolved
    return group


# --- The group --------------------------------------------------------------------------------------------------------


def create_group(*, name: str, by, description: str = "", members_may_pay: bool = False, now=None) -> ProjectGroup:
    """A new group that `by` owns and belongs to. A name that nobody could see raises ValidationError."""
    fields = {"name": _one_line(name), "description": _text(description), "members_may_pay": members_may_pay}
    with transaction.atomic():
        # Two forms sent at once are counted one after the other.
        get_user_model().objects.select_for_update(no_key=True).get(pk=by.pk)
        if ProjectGroup.objects.active().filter(owner=by).count() >= MAX_OWNED:
            raise TooManyGroups
        now = now or timezone.now()
        group = ProjectGroup(owner=by, created_at=now, **fields)
        _insist_on_words(group)
        group.save()
        Membership.objects.create(group=group, user=by, joined_at=now)
    _forget_groups(by)
    return group


@patiently
@transaction.atomic
def edit_group(
    group, *, by, name: str | None = None, description: str | None = None, members_may_pay: bool | None = None
) -> ProjectGroup:
    """Other words, or another rule about who spends what the group has; what is None stays as it is. Its owner's alone.

    A name that nobody could see raises ValidationError, and then nothing has changed.
    """
    group = lock_group(group.pk)
    _insist_on_owner(group, by)
    if name is not None:
        group.name = _one_line(name)
    if description is not None:
        group.description = _text(description)
    if members_may_pay is not None:
        group.members_may_pay = members_may_pay
    _insist_on_words(group)
    group.save(update_fields=WORDS)
    return group


# --- Ways in ----------------------------------------------------------------------------------------------------------


@patiently
@transaction.atomic
def invite_by_email(group, *, email: str, by, now) -> GroupInvitation:
    """Invite whoever reads the mail at that address; the link in it serves once.

    Whether there is an account with that address, or even a member, makes no difference to the owner: everything they
    see and every refusal is the same.
    """
    group = lock_group(group.pk)
    _insist_on_owner(group, by)
    people = get_user_model().objects
    email = people.normalize_email(email.replace("\0", ""))
    if not email:
        raise AddressMissing
    if email == by.email:
        raise OwnAddress
    _insist_on_room_for_invitation(group, now)
    if group.invitations.open(now).filter(email=email).exists():
        raise AlreadyInvited
    _insist_on_few_mails(email, by, now)
    invitation = _invite(group, email=email, by=by, now=now)
    path = groups.invitation_path(invitation)
    context = {"group": group, "by": by, "invitation": invitation}
    person = people.filter(email=email).first()
    if person is not None:
        telling.tell(person, kind=INVITED, occasion=f"invitation-{invitation.pk}", url=path, context=context)
    else:
        telling.tell_stranger(email, kind=INVITED, link=path, context=context)
    return invitation


@patiently
@transaction.atomic
def create_invitation_link(group, *, by, now) -> GroupInvitation:
    """A link that lets in whoever has it, until it expires, is revoked or the group is full."""
    group = lock_group(group.pk)
    _insist_on_owner(group, by)
    _insist_on_room_for_invitation(group, now)
    return _invite(group, email="", by=by, now=now)


@patiently
@transaction.atomic
def revoke_invitation(invitation, *, by, now) -> GroupInvitation:
    """Nobody joins by it any more. A second time, and for one that is over anyway, nothing changes."""
    group = lock_group(invitation.group_id)
    _insist_on_owner(group, by)
    invitation.refresh_from_db()
    if invitation.is_open(now):
        invitation.revoked_at = now
        invitation.save(update_fields=["revoked_at"])
    return invitation


def join_group(token: str, *, by, now) -> Membership:
    """Let `by` in through an invitation's address. One by e-mail serves once, for whoever comes first with it."""
    invitation = groups.invitation_by_token(token)
    if invitation is None:
        raise InvitationOver
    return _join(invitation, by=by, now=now)


@patiently
@transaction.atomic
def _join(invitation, *, by, now):
    group = lock_group(invitation.group_id)
    person = get_user_model().objects.get(pk=by.pk)
    if not person.is_active:
        raise NotAllowed
    if group.memberships.filter(user=person).exists():
        raise AlreadyMember
    invitation.refresh_from_db()
    refuse_unless_open(invitation, now)
    membership = Membership.objects.create(group=group, user=person, joined_at=now)
    if not invitation.is_link:
        invitation.accepted_at = now
        invitation.save(update_fields=["accepted_at"])
    _tell_change(group.owner, group, what="joined", occasion=f"joined-{membership.pk}", by=person)
    _forget_groups(by)
    return membership


# --- Ways out ---------------------------------------------------------------------------------------------------------


@patiently
@transaction.atomic
def leave_group(group, *, by) -> None:
    """`by` is no member any more. What they contributed stays with the group; its sessions go on without them."""
    group = lock_group(group.pk)
    refuse_unless_leaving(group, by)
    membership = _membership(group, by)
    membership_id = membership.pk
    membership.delete()
    _tell_change(group.owner, group, what="left", occasion=f"left-{membership_id}", by=by)
    _forget_groups(by)


@patiently
@transaction.atomic
def remove_member(group, *, member, by, now) -> None:
    """Take `member` out, and revoke the links and mails by which they could come back; they are told."""
    group = lock_group(group.pk)
    _insist_on_owner(group, by)
    if group.is_owned_by(member):
        raise OwnerCannotLeave
    membership = _membership(group, member)
    membership_id = membership.pk
    membership.delete()
    group.invitations.open(now).filter(Q(email="") | Q(email=member.email)).update(revoked_at=now)
    _tell_change(member, group, what="removed", occasion=f"removed-{membership_id}", by=by, url=reverse("groups:list"))
    _forget_groups(member)


@patiently
@transaction.atomic
def hand_over_group(group, *, to, by) -> ProjectGroup:
    """Make the member `to` its owner; who owned it stays a member. Its owner does that, or staff for an owner who has
    gone."""
    group = lock_group(group.pk)
    if not group.can_be_handed_over_by(by):
        raise NotOwner
    if group.is_owned_by(to):
        return group
    membership = _membership(group, to)
    if not membership.user.is_active:
        raise NewOwnerNotActive
    before, group.owner = group.owner, membership.user
    group.save(update_fields=["owner"])
    occasion = f"handed-{group.pk}-{timezone.now():%Y%m%d%H%M%S%f}"
    _tell_change(group.owner, group, what="handed_over", occasion=occasion, by=by)
    if before.pk != by.pk:
        _tell_change(before, group, what="taken_over", occasion=occasion, by=by)
    return group


@patiently
@transaction.atomic
def dissolve_group(group, *, by, now) -> ProjectGroup:
    """End the group: nobody books, pays or joins any more, and its members are told.

    Refused while it has points or sessions to come, so that nothing of anybody's is lost. Staff can do it as well.
    """
    group = lock_group(group.pk)
    if not group.can_be_dissolved_by(by):
        raise NotOwner
    if hindrances := hindrances_of(group, now=now):
        raise GroupInUse(" ".join(hindrances), hindrances=hindrances)
    group.invitations.open(now).update(revoked_at=now)
    group.dissolved_at = now
    group.save(update_fields=["dissolved_at"])
    for person in get_user_model().objects.filter(memberships__group=group).exclude(pk=by.pk).order_by("pk"):
        _tell_change(
            person, group, what="dissolved", occasion=f"dissolved-{group.pk}", by=by, url=reverse("groups:list")
        )
    _forget_groups(by)
    return group


# --- What several of them need ----------------------------------------------------------------------------------------


def refuse_unless_open(invitation, now) -> None:
    """What the page of an invitation asks before it offers to join by it."""
    if invitation.group.dissolved_at is not None:
        raise GroupDissolved
    if not (invitation.is_open(now) and invitation.invited_by.is_active):
        raise InvitationOver
    if invitation.group.memberships.count() >= ProjectGroup.MAX_MEMBERS:
        raise GroupFull


def refuse_unless_leaving(group, person) -> None:
    """What the page of leaving asks before it offers to."""
    if group.is_owned_by(person):
        raise OwnerCannotLeave
    _membership(group, person)


def _insist_on_owner(group, person):
    if not group.is_owned_by(person):
        raise NotOwner


def _insist_on_few_mails(email, by, now):
    lately = GroupInvitation.objects.filter(invited_by=by, created_at__gt=now - DAY).exclude(email="")
    in_the_way = []  # of each limit that is reached, the mail that must be a day old before there is room again
    for mails, most in ((lately, MAX_MAILS_A_DAY), (lately.filter(email=email), MAX_MAILS_TO_ONE_A_DAY)):
        in_the_way += mails.order_by("-created_at").values_list("created_at", flat=True)[most - 1 : most]
    if in_the_way:
        raise TooManyMails(retry_after_seconds=math.ceil((max(in_the_way) + DAY - now).total_seconds()))


def _insist_on_room_for_invitation(group, now):
    if group.memberships.count() >= ProjectGroup.MAX_MEMBERS:
        raise GroupFull
    if group.invitations.open(now).count() >= MAX_OPEN_INVITATIONS:
        raise TooManyInvitations


def _invite(group, *, email, by, now):
    expires_at = now + GroupInvitation.VALID_DAYS * DAY
    return GroupInvitation.objects.create(
        group=group, email=email, invited_by=by, created_at=now, expires_at=expires_at
    )


def _membership(group, person):
    """Refuses for whoever does not belong to it (any more). Locks nothing: pages ask this as well."""
    membership = group.memberships.select_related("user").filter(user=person).first()
    if membership is None:
        raise NotMember
    return membership


def _tell_change(person, group, *, what, occasion, by, url=None):
    context = {"group": group, "what": what, "by": by}
    telling.tell(person, kind=CHANGED, occasion=occasion, url=url or group.get_absolute_url(), context=context)


def _forget_groups(person):
    """`group_ids` was asked for before, perhaps; the rest of the request must know better."""
    person.__dict__.pop("group_ids", None)


def _insist_on_words(group):
    """What the form of the page asks of them, for every door."""
    group.clean_fields(exclude={field.name for field in group._meta.fields} - set(WORDS))


def _one_line(name):
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise NameMissing
    return name


def _text(words):
    return words.replace("\0", "").strip()
