"""Project groups for tests, made by the actions that people make them with."""

from django.utils import timezone

from accounts.actions import create_group, create_invitation_link, join_group
from accounts.groups import invitation_token


def make_group(owner, *members, name="Compiler project", **fields):
    """A group of `owner` that `members` have joined by a link, in this order."""
    group = create_group(name=name, by=owner, **fields)
    now = timezone.now()
    if members:
        link = create_invitation_link(group, by=owner, now=now)
        for member in members:
            join_group(invitation_token(link), by=member, now=now)
        group.invitations.all().delete()
    return group
