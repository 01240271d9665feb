import datetime as dt

import pytest

from bookings import refunds, terms

DEADLINE = dt.datetime(2027, 1, 14, 10, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("is_confirmed", "by_student", "when", "percent"),
    [
        (True, True, DEADLINE - SECOND, 100),
        (True, True, DEADLINE, 30),
        (True, True, DEADLINE + SECOND, 30),
        (False, True, DEADLINE + SECOND, 100),
        (True, False, DEADLINE + SECOND, 100),
        (False, False, DEADLINE - SECOND, 100),
    ],
)
def test_only_a_late_student_gets_less_than_everything(is_confirmed, by_student, when, percent):
    assert (
        refunds.returned_percent(
            is_confirmed=is_confirmed,
            by_student=by_student,
            cancel_free_until=DEADLINE,
            late_refund_percent=30,
            now=when,
        )
        == percent
    )


@pytest.mark.parametrize(
    ("price", "percent", "points"),
    [(50, 50, 25), (45, 50, 23), (1, 50, 1), (1, 49, 0), (0, 50, 0), (50, 100, 50), (50, 0, 0), (3, 33, 1)],
)
def test_share_is_rounded_half_up(price, percent, points):
    assert refunds.returned_points(price, percent) == points


def test_what_returns_and_what_is_paid_make_the_price():
    for price in range(120):
        for percent in range(101):
            assert 0 <= refunds.returned_points(price, percent) <= price


def test_answer_is_due_at_the_start_at_the_latest():
    assert terms.answer_by(DEADLINE, DEADLINE + 30 * SECOND, 24) == DEADLINE + 30 * SECOND
    assert terms.answer_by(DEADLINE, DEADLINE + dt.timedelta(days=9), 24) == DEADLINE + dt.timedelta(days=1)


def test_free_cancelling_ends_so_many_hours_before_the_start():
    assert terms.cancel_free_until(DEADLINE, 36) == DEADLINE - dt.timedelta(hours=36)
    assert terms.cancel_free_until(DEADLINE, 0) == DEADLINE
