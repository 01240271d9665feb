"""What other apps' pages show of a wallet: the balance, and a section of the dashboard."""

from django import template

from wallets.forms import ContributeForm
from wallets.models import Wallet
from wallets.statement import held_points, statement_rows, what

register = template.Library()

DASHBOARD_ROWS = 3


@register.simple_tag(takes_context=True)
def balance(context, user):
    """The points that `user` may spend now. However often a page asks, it costs one query."""
    wallet = _wallet(context, user)
    return wallet.balance_points if wallet else 0


@register.inclusion_tag("wallets/_dashboard_wallet.html", takes_context=True)
def dashboard_wallet(context):
    """What is there, what is held, and the last movements."""
    wallet = _wallet(context, context["user"])
    rows = list(statement_rows(wallet)[:DASHBOARD_ROWS])
    for row in rows:
        row.what = what(row)
    return {"balance_points": wallet.balance_points if wallet else 0, "held_points": held_points(wallet), "rows": rows}


@register.inclusion_tag("wallets/_group_wallet.html", takes_context=True)
def group_wallet(context, group):
    """What a project group has, and a member's way to add to it; nothing for others. Two queries."""
    user = context["user"]
    if not group.has_member(user):
        return {"is_member": False}
    wallet = Wallet.objects.filter(group=group).first()
    return {
        "is_member": True,
        "is_owner": group.is_owned_by(user),
        "group": group,
        "balance_points": wallet.balance_points if wallet else 0,
        "held_points": held_points(wallet),
        "own_points": balance(context, user),
        "form": ContributeForm(),
        "csrf_token": context.get("csrf_token"),
    }


def _wallet(context, user):
    """The wallet of `user`, if there is one yet, remembered with the request that the page answers."""
    if not user.is_authenticated:
        return None
    request = context.get("request")
    remembered = request.__dict__.setdefault("wallets_shown", {}) if request else {}
    if user.pk not in remembered:
        remembered[user.pk] = Wallet.objects.filter(user=user).first()
    return remembered[user.pk]
