"""Points that go between a member and their project group.

The group is locked first, wallets after it: nobody leaves, hands over or dissolves it while points are on their way.
"""

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Case, F, Q, Sum, When
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.actions import NotMember, NotOwner, lock_group
from accounts.models import ProjectGroup
from mentorbook.errors import Refused
from mentorbook.locks import patiently
from notifications.actions import notify
from notifications.models import Kind
from wallets.actions.grants import transfer_points
from wallets.actions.owners import wallet_of, wallet_of_group
from wallets.actions.writing import PointsOutOfRange
from wallets.models import Transaction, Transfer, Wallet

Reason = Transaction.Reason


class MoreThanContributed(Refused):
    """Facts: `contributed_points`, what the person has given and not got back yet."""

    code = "more_than_contributed"
    field = "points"


@patiently
@transaction.atomic
def contribute_points(
    group: ProjectGroup, *, by, points: int, note: str = "", idempotency_key: str | None = None
) -> Transaction:
    """Give points of the member `by` to the group's wallet. They come back only when its owner gives them back.

    The owner is told, unless it is the owner who gives.
    """
    _insist_on_points(points)
    group = lock_group(group.pk)
    if not group.memberships.filter(user=by).exists():
        raise NotMember
    given = transfer_points(
        wallet_of(by),
        wallet_of_group(group),
        points=points,
        by=by,
        reason=Reason.CONTRIBUTION,
        note=note,
        subject=group,
        idempotency_key=idempotency_key,
    )
    if not group.is_owned_by(by):
        _tell(group.owner, group, given, by=by, points=points, note=note, url=reverse("wallets:group", args=[group.pk]))
    return given


@patiently
@transaction.atomic
def give_back_points(
    group: ProjectGroup, *, to, points: int, by, note: str = "", idempotency_key: str | None = None
) -> Transaction:
    """Give points of the group's wallet back to `to`: at most what they have contributed and not got back.

    To whoever has left as well. Its owner alone decides that; `to` is told, unless it is the owner.
    """
    _insist_on_points(points)
    group = lock_group(group.pk)
    if not group.is_owned_by(by):
        raise NotOwner
    wallet = wallet_of_group(group)
    # What this key gave back before is not counted against itself: the ledger finds it again.
    is_known = idempotency_key and Transaction.objects.filter(idempotency_key=idempotency_key).exists()
    if not is_known and points > (contributed := contributions_to(wallet).get(to.pk, 0)):
        raise MoreThanContributed(
            _("%(name)s has contributed %(points)d points that were not given back; more cannot be given back.")
            % {"name": to, "points": contributed},
            contributed_points=contributed,
        )
    given = transfer_points(
        wallet,
        wallet_of(to),
        points=points,
        by=by,
        reason=Reason.GIVEN_BACK,
        note=note,
        subject=group,
        idempotency_key=idempotency_key,
    )
    if to.pk != by.pk:
        _tell(to, group, given, by=by, points=points, note=note, url=reverse("wallets:statement"))
    return given


def contributions_to(wallet: Wallet | None) -> dict[int, int]:
    """Whose points are in this wallet of a group: by the person's id, what they have given and not got back.

    Between a person and a group points go in no other way, so all that went between the two counts, also what staff
    reversed. Nobody who is even with the group is in it. One query.
    """
    if wallet is None:
        return {}
    rows = Transfer.objects.of(wallet).filter(Q(source__kind=Wallet.Kind.USER) | Q(destination__kind=Wallet.Kind.USER))
    person = Case(When(destination=wallet, then=F("source__user")), default=F("destination__user"))
    given = Case(When(destination=wallet, then=F("points")), default=-F("points"))
    sums = rows.order_by().annotate(person=person).values("person").annotate(given=Sum(given))
    return {row["person"]: row["given"] for row in sums if row["given"] > 0}


def contributors_to(wallet: Wallet | None) -> list:
    """The people of `contributions_to` with their `contributed_points`, by name. Two queries."""
    contributed = contributions_to(wallet)
    people = list(get_user_model().objects.filter(pk__in=contributed).order_by("name", "pk")) if contributed else []
    for person in people:
        person.contributed_points = contributed[person.pk]
    return people


def _insist_on_points(points):
    if points < 1:
        raise PointsOutOfRange(_("Write a whole number of points, 1 or more."))


def _tell(person, group, given, *, by, points, note, url):
    context = {
        "group": group,
        "by": by,
        "points": points,
        "note": note,
        "is_given_back": given.reason != "contribution",
    }
    notify(person, kind=Kind.GROUP_CONTRIBUTION, occasion=f"transaction-{given.pk}", url=url, context=context)
