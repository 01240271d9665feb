"""The wallets themselves: whose is which. Each is made empty on first need."""

from wallets.models import Wallet


def wallet_of(user) -> Wallet:
    """The wallet of `user`, made empty on first need. Its balance is read now; two at once get the same one."""
    return Wallet.objects.get_or_create(user=user, defaults={"kind": Wallet.Kind.USER})[0]


def wallet_of_group(group) -> Wallet:
    """The wallet of a project group, made empty on first need."""
    return Wallet.objects.get_or_create(group=group, defaults={"kind": Wallet.Kind.GROUP})[0]


def issuance_wallet() -> Wallet:
    """The one wallet that points come from: what it is below zero is what circulates."""
    return Wallet.objects.get_or_create(kind=Wallet.Kind.ISSUANCE)[0]


def open_escrow() -> Wallet:
    """A new empty wallet for the points of one appointment."""
    return Wallet.objects.create(kind=Wallet.Kind.ESCROW)
