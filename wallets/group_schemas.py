"""The shapes of project groups for programs."""

from typing import Annotated, Literal

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from pydantic import AfterValidator, Field

from accounts.groups import invitation_link, invitation_token
from accounts.models import GroupInvitation, ProjectGroup
from mentorbook.rest.schemas import EXAMPLE_TIME, Id, Input, Instant, Output, Paging, example, line, words
from wallets.models import MAX_POINTS, Transaction

NAME = line(ProjectGroup._meta.get_field("name").max_length)
DESCRIPTION = words(ProjectGroup._meta.get_field("description").max_length)
NOTE = line(Transaction._meta.get_field("note").max_length, least=0)
EMAIL = GroupInvitation._meta.get_field("email")
SIGNED = "17.dGhlIHNpZ25hdHVyZSBvZiB0aGUgaW52aXRhdGlvbg"
MEMBERS_MAY_PAY = "Whether all members may pay from the group's wallet; otherwise its owner alone."


def _as_address(text):
    try:
        return EMAIL.clean(get_user_model().objects.normalize_email(text), None)
    except ValidationError as error:
        raise ValueError("This is no e-mail address; one looks like ann@example.org.") from error


Address = Annotated[line(EMAIL.max_length), AfterValidator(_as_address)]
# Points are counted, so neither "10" nor 10.0 nor true is a number of them.
Points = Annotated[int, Field(strict=True, ge=1, le=MAX_POINTS)]


class NewGroup(Input):
    model_config = example(name="Compiler project", description="A parser for a small language.", members_may_pay=False)

    name: NAME = Field(description="Mentors see it.")
    description: DESCRIPTION = ""
    members_may_pay: bool = Field(False, description=MEMBERS_MAY_PAY)


class GroupChanges(Input):
    model_config = example(name="Compiler project", members_may_pay=True)

    name: NAME = None
    description: DESCRIPTION = None
    members_may_pay: bool = Field(None, description=MEMBERS_MAY_PAY)


class Member(Output):
    model_config = example(user_id=17, name="Ann Archer", role="owner")

    user_id: Id
    name: str
    role: Literal["owner", "member"]

    @staticmethod
    def resolve_name(membership):
        return str(membership.user)

    @staticmethod
    def resolve_role(membership):
        return "owner" if membership.group.is_owned_by(membership.user) else "member"


class Group(Output):
    model_config = example(
        id=5,
        name="Compiler project",
        description="A parser for a small language.",
        owner_id=17,
        members=[
            {"user_id": 17, "name": "Ann Archer", "role": "owner"},
            {"user_id": 18, "name": "Sam Stone", "role": "member"},
        ],
        members_may_pay=False,
        balance_points=120,
    )

    id: Id
    name: str
    description: str
    owner_id: Id
    members: list[Member] = Field(description="Its owner first, then whoever joined first.")
    members_may_pay: bool = Field(description=MEMBERS_MAY_PAY)
    balance_points: int | None = Field(description="For its members; null for staff who do not belong to it.")

    @staticmethod
    def resolve_members(group):
        # Stable: the others stay in the order in which they joined.
        return sorted(group.memberships.all(), key=lambda membership: not group.is_owned_by(membership.user))

    @staticmethod
    def resolve_balance_points(group, context):
        person = context["request"].user
        if all(membership.user_id != person.pk for membership in group.memberships.all()):
            return None
        wallet = getattr(group, "wallet", None)
        return wallet.balance_points if wallet else 0


class GroupPage(Paging):
    model_config = example(page=1, page_size=20)


class Invite(Input):
    model_config = example(email="sam@example.org")

    email: Address | None = Field(None, description="Who is invited by mail; left out, a link for whoever has it.")


class Invitation(Output):
    model_config = example(
        id=17,
        email="sam@example.org",
        token=SIGNED,
        link=f"https://mentorbook.example/groups/join/{SIGNED}/",
        created_at=EXAMPLE_TIME,
        expires_at="2026-12-15T10:00:00Z",
    )

    id: Id
    email: str | None = Field(description="Null for a link.")
    token: str = Field(description="What joining takes.")
    link: str = Field(description="The address of the page that says what one is invited to.")
    created_at: Instant
    expires_at: Instant

    @staticmethod
    def resolve_email(invitation):
        return invitation.email or None

    @staticmethod
    def resolve_token(invitation):
        return invitation_token(invitation)

    @staticmethod
    def resolve_link(invitation):
        return invitation_link(invitation)


class Join(Input):
    model_config = example(token=SIGNED)

    token: line(200) = Field(description="The last part of the address in the invitation.")


class NewOwner(Input):
    model_config = example(user_id=18)

    user_id: Id = Field(description="One of the members.")


class Contribute(Input):
    model_config = example(points=20, note="For the session on Friday")

    points: Points
    note: NOTE = Field("", description="It stands in both statements.")


class GiveBack(Input):
    model_config = example(user_id=18, points=20, note="We did not need them")

    user_id: Id = Field(description="One of the contributors, who may have left.")
    points: Points = Field(description="At most what this person contributed and did not get back.")
    note: NOTE = Field("", description="It stands in both statements.")


class Contribution(Output):
    """Points that went between a person and the group."""

    model_config = example(
        id=4711,
        project_group_id=5,
        user_id=18,
        points=20,
        note="For the session on Friday",
        created_at=EXAMPLE_TIME,
        group_balance_points=120,
        balance_points=80,
    )

    id: Id
    project_group_id: Id
    user_id: Id = Field(description="Who gave them, or got them back.")
    points: int
    note: str
    created_at: Instant
    group_balance_points: int = Field(description="What the group has now.")
    balance_points: int = Field(description="What you have now.")


class Contributor(Output):
    model_config = example(user_id=18, name="Sam Stone", contributed_points=20)

    user_id: Id
    name: str
    contributed_points: int = Field(description="Given and not got back.")

    @staticmethod
    def resolve_user_id(person):
        return person.pk

    @staticmethod
    def resolve_name(person):
        return str(person)
