"""People, the groups they form, and the programs that act for them."""

from accounts.models.groups import (
    GroupInvitation,
    GroupInvitationQuerySet,
    Membership,
    ProjectGroup,
    ProjectGroupQuerySet,
)
from accounts.models.people import (
    DIRECTION_OVERRIDES,
    MAX_SKILL_LENGTH,
    MAX_SKILLS,
    User,
    UserManager,
    UserQuerySet,
    validate_name,
    validate_skills,
    validate_timezone,
)
from accounts.models.programs import IdempotentAnswer, PersonalToken, ProgramSession, RefreshToken

__all__ = [
    "DIRECTION_OVERRIDES",
    "MAX_SKILLS",
    "MAX_SKILL_LENGTH",
    "GroupInvitation",
    "GroupInvitationQuerySet",
    "IdempotentAnswer",
    "Membership",
    "PersonalToken",
    "ProgramSession",
    "ProjectGroup",
    "ProjectGroupQuerySet",
    "RefreshToken",
    "User",
    "UserManager",
    "UserQuerySet",
    "validate_name",
    "validate_skills",
    "validate_timezone",
]
