"""What wallets say when a project group is to be dissolved."""

from django.utils.translation import ngettext

from wallets.models import Wallet


def points_left(group, now) -> str:
    """A sentence while the group's wallet has points, or ""."""
    balance = Wallet.objects.filter(group=group).values_list("balance_points", flat=True).first()
    if not balance:
        return ""
    return ngettext(
        "The group's wallet has %(count)d point. Give back what was contributed; staff can take the rest.",
        "The group's wallet has %(count)d points. Give back what was contributed; staff can take the rest.",
        balance,
    ) % {"count": balance}
