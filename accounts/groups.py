"""The address of an invitation. Its secret is a signature, so nothing has to be stored that could be stolen, and the
owner can see the same link again."""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from accounts.models import GroupInvitation

_SIGNER = {"salt": "accounts.groups.invitation", "sep": "."}


def invitation_token(invitation: GroupInvitation) -> str:
    return Signer(**_SIGNER).sign(invitation.pk)


def invitation_by_token(token: str) -> GroupInvitation | None:
    """The invitation, over or not, with its group and who invited; None for what we never signed."""
    try:
        pk = int(Signer(**_SIGNER).unsign(token))
    except (BadSignature, ValueError):
        return None
    return GroupInvitation.objects.select_related("group__owner", "invited_by").filter(pk=pk).first()


def invitation_path(invitation: GroupInvitation) -> str:
    return reverse("groups:join", args=[invitation_token(invitation)])


def invitation_link(invitation: GroupInvitation) -> str:
    """The whole address, as one gives it to others."""
    return settings.BASE_URL + invitation_path(invitation)
