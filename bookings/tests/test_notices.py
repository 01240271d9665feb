"""What people are told about whose points come back."""

import datetime as dt

import pytest

from accounts.tests.group_factories import make_group
from bookings.actions import PayFrom
from bookings.tests.factories import book_confirmed, rich, works_every_day
from notifications.models import Kind, Notification
from wallets.actions import contribute_points

TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - dt.timedelta(days=3)


@pytest.mark.parametrize(
    ("pay_from", "booked_by", "to_ann", "to_sam"),
    [
        ("group", "ann", "50 % of the points go back to the wallet of Compilers 🐌.", None),
        ("wallet", "sam", "50 % of the points go back to Sam", "you get 50 % of the points back."),
        ("wallet", "ann", "you get 50 % of the points back.", None),
    ],
)
@pytest.mark.django_db
def test_members_of_a_group_read_where_the_points_go_back_to(mentor, ann, sam, pay_from, booked_by, to_ann, to_sam):
    group = make_group(rich(ann, 200), rich(sam, 100), name="Compilers 🐌")
    contribute_points(group, by=ann, points=100)
    student = {"ann": ann, "sam": sam}[booked_by]
    paid = {"group": PayFrom.GROUP, "wallet": PayFrom.WALLET}[pay_from]
    book_confirmed(works_every_day(mentor), student, TEN, now=NOW, group=group, pay_from=paid)
    for person, words in ((ann, to_ann), (sam, to_sam)):
        body = Notification.objects.filter(recipient=person, kind=Kind.APPOINTMENT_CONFIRMED).latest("id").body
        if words is None:
            assert "% of the points" not in body
        else:
            assert words in body
            assert ("you get" in words) == ("you get" in body)
