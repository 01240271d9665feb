"""Project groups: the people, the ways in and out, and what is in their wallets."""

from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status

from accounts.actions import (
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
from accounts.models import GroupInvitation, ProjectGroup
from mentorbook.errors import NotAllowed
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Listed, part_of
from wallets.actions import (
    MoreThanContributed,
    NotEnoughPoints,
    contribute_points,
    contributors_to,
    give_back_points,
    wallet_of,
)
from wallets.api import StatementPage, StatementRow, rows_for_programs
from wallets.group_schemas import (
    Contribute,
    Contribution,
    Contributor,
    GiveBack,
    Group,
    GroupChanges,
    GroupPage,
    Invitation,
    Invite,
    Join,
    NewGroup,
    NewOwner,
)
from wallets.models import Wallet

project_groups = Router(tags=["project groups"])


# --- The group --------------------------------------------------------------------------------------------------------


@project_groups.get("/", response=Listed[Group], summary="List your project groups")
@refuses()
def list_groups(request, wish: Query[GroupPage]):
    """The groups that you belong to, by name."""
    return part_of(_with_people(ProjectGroup.objects.of_person(request.user)).order_by("name", "id"), wish)


@project_groups.post("/", response={201: Group}, summary="Found a project group")
@refuses(NameMissing, TooManyGroups)
def found_group(request, wish: NewGroup):
    """A new group that you own and belong to. Its wallet is empty."""
    group = create_group(by=request.user, now=timezone.now(), **wish.dict())
    return Status(201, _shown(request, group.pk))


@project_groups.get("/{int:group_id}", response=Group, summary="Get a project group")
@refuses()
def get_group(request, group_id: int):
    """One of your groups with its people and what is in its wallet."""
    return _shown(request, group_id)


@project_groups.put("/{int:group_id}", response=Group, summary="Change a project group")
@refuses(NotOwner, NameMissing, GroupDissolved)
def change_group(request, group_id: int, changes: GroupChanges):
    """Changes the fields that are sent, and no others. Its owner alone does that."""
    edit_group(_group(request, group_id), by=request.user, **changes.given())
    return _shown(request, group_id)


@project_groups.delete("/{int:group_id}", response={204: None}, summary="Dissolve a project group")
@refuses(NotOwner, GroupInUse, GroupDissolved)
def end_group(request, group_id: int):
    """Ends the group; its members are told. Refused while it has points or sessions to come: `hindrances` says what is
    in the way. Its owner does that, or staff."""
    dissolve_group(_group(request, group_id), by=request.user, now=timezone.now())
    return Status(204, None)


@project_groups.put("/{int:group_id}/owner", response=Group, summary="Hand over a project group")
@refuses(NotOwner, NotMember, NewOwnerNotActive, GroupDissolved)
def hand_over(request, group_id: int, wish: NewOwner):
    """Makes another member its owner, who is told; who owned it stays a member. Its owner does that, or staff for an
    owner whose account is closed."""
    group = _group(request, group_id)
    hand_over_group(group, to=_member(group, wish.user_id), by=request.user)
    return _shown(request, group_id)


# --- Ways in and out --------------------------------------------------------------------------------------------------


@project_groups.get(
    "/{int:group_id}/invitations", response=Listed[Invitation], summary="List the open invitations to a group"
)
@refuses(NotOwner)
def list_invitations(request, group_id: int, wish: Query[GroupPage]):
    """Those by which somebody can still join, newest first. For its owner."""
    group = _group(request, group_id)
    if not group.is_owned_by(request.user):
        raise NotOwner
    return part_of(group.invitations.open(timezone.now()), wish)


@project_groups.post(
    "/{int:group_id}/invitations", response={201: Invitation}, summary="Invite somebody to a project group"
)
@refuses(NotOwner, OwnAddress, AlreadyInvited, GroupFull, TooManyInvitations, TooManyMails, GroupDissolved)
def invite(request, group_id: int, wish: Invite):
    """With `email`, a mail whose link lets one person in; the answer is the same whether or not there is an account
    with that address. Without, a link that lets in whoever has it. Both end after two weeks. Its owner alone invites.
    """
    group, now = _group(request, group_id), timezone.now()
    if wish.email is None:
        return Status(201, create_invitation_link(group, by=request.user, now=now))
    return Status(201, invite_by_email(group, email=wish.email, by=request.user, now=now))


@project_groups.delete(
    "/{int:group_id}/invitations/{int:invitation_id}", response={204: None}, summary="Revoke an invitation"
)
@refuses(NotOwner, GroupDissolved)
def revoke(request, group_id: int, invitation_id: int):
    """Nobody joins by it any more. A second time, and for one that is over anyway, nothing changes."""
    invitation = get_object_or_404(GroupInvitation.objects.filter(group=_group(request, group_id)), pk=invitation_id)
    revoke_invitation(invitation, by=request.user, now=timezone.now())
    return Status(204, None)


@project_groups.post("/join", response=Group, summary="Join a project group")
@refuses(InvitationOver, AlreadyMember, GroupFull, GroupDissolved, NotAllowed)
def join(request, wish: Join):
    """Lets you into the group that the invitation is for; its owner is told. One by mail serves once, for whoever comes
    first with it."""
    membership = join_group(wish.token, by=request.user, now=timezone.now())
    return _shown(request, membership.group_id)


@project_groups.delete(
    "/{int:group_id}/members/{int:user_id}", response={204: None}, summary="Leave a group, or remove a member"
)
@refuses(NotOwner, OwnerCannotLeave, NotMember, GroupDissolved)
def end_membership(request, group_id: int, user_id: int):
    """With your own id you leave; what you contributed stays with the group, and its owner is told. Its owner removes
    others, who are told, and whose open invitations end."""
    group = _group(request, group_id)
    person = _member(group, user_id)
    if person == request.user:
        leave_group(group, by=request.user)
    else:
        remove_member(group, member=person, by=request.user, now=timezone.now())
    return Status(204, None)


# --- Points -----------------------------------------------------------------------------------------------------------


@project_groups.get(
    "/{int:group_id}/contributions", response=Listed[Contributor], summary="List who contributed to a group"
)
@refuses()
def list_contributors(request, group_id: int, wish: Query[GroupPage]):
    """Whose points are in the group's wallet, by name: what each has given and not got back. For its members."""
    return part_of(contributors_to(_wallet(_own_group(request, group_id))), wish)


@project_groups.post(
    "/{int:group_id}/contributions", response={201: Contribution}, summary="Contribute points to a group"
)
@refuses(NotEnoughPoints, NotMember, GroupDissolved)
def contribute(request, group_id: int, wish: Contribute):
    """Gives points of your wallet to the group's. They come back only when its owner gives them back. The owner is
    told, unless it is the owner who gives."""
    group = _own_group(request, group_id)
    given = contribute_points(group, by=request.user, points=wish.points, note=wish.note)
    return Status(201, _contribution(request, group, given, request.user, wish.points))


@project_groups.post(
    "/{int:group_id}/returns", response={201: Contribution}, summary="Give points back to a contributor"
)
@refuses(NotOwner, NotEnoughPoints, MoreThanContributed, GroupDissolved)
def give_back(request, group_id: int, wish: GiveBack):
    """Gives points of the group's wallet back to whoever contributed them, who is told. Its owner alone does that."""
    group = _own_group(request, group_id)
    if not group.is_owned_by(request.user):
        raise NotOwner
    contributed = {person.pk for person in contributors_to(_wallet(group))}
    to = get_object_or_404(get_user_model().objects.filter(pk__in=contributed), pk=wish.user_id)
    given = give_back_points(group, to=to, points=wish.points, by=request.user, note=wish.note)
    return Status(201, _contribution(request, group, given, to, wish.points))


@project_groups.get(
    "/{int:group_id}/transactions", response=Listed[StatementRow], summary="List the transactions of a group"
)
@refuses()
def list_group_transactions(request, group_id: int, wish: Query[StatementPage]):
    """All that came to the group's wallet and left it, newest first, with the balance after each. For its members."""
    return part_of(rows_for_programs(_wallet(_own_group(request, group_id))), wish)


# --- What several of them need ----------------------------------------------------------------------------------------


def _with_people(groups):
    return groups.select_related("wallet").prefetch_related("memberships__user")


def _visible(request):
    return ProjectGroup.objects.visible_to(request.user).active()


def _shown(request, pk):
    return get_object_or_404(_with_people(_visible(request)), pk=pk)


def _group(request, pk):
    return get_object_or_404(_visible(request).select_related("owner"), pk=pk)


def _own_group(request, pk):
    """One that the person belongs to: its points are its members' business, as on its page."""
    return get_object_or_404(ProjectGroup.objects.of_person(request.user), pk=pk)


def _member(group, pk):
    # By the id itself: a number beyond every column is then nobody's, and no error of the database.
    return get_object_or_404(group.memberships.select_related("user"), user__id=pk).user


def _wallet(group):
    return Wallet.objects.filter(group=group).first()


def _contribution(request, group, given, person, points):
    return {
        "id": given.pk,
        "project_group_id": group.pk,
        "user_id": person.pk,
        "points": points,
        "note": given.note,
        "created_at": given.created_at,
        "group_balance_points": _wallet(group).balance_points,
        "balance_points": wallet_of(request.user).balance_points,
    }
