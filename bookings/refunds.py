"""Who gets how much of a cancelled session's price. Arithmetic only."""

from datetime import datetime


def returned_percent(
    *, is_confirmed: bool, by_student: bool, cancel_free_until: datetime, late_refund_percent: int, now: datetime
) -> int:
    """The share of the price that goes back to the payer when a live session is cancelled; the rest is the mentor's.

    Everything, unless the student cancels a confirmed session after the free deadline. A request costs nothing to
    withdraw, whenever: the mentor has promised nothing yet.
    """
    if by_student and is_confirmed and now >= cancel_free_until:
        return late_refund_percent
    return 100


def returned_points(price_points: int, percent: int) -> int:
    """That share in whole points, rounded half up, as `wallets.actions.capture_hold` returns it."""
    return (price_points * percent + 50) // 100
