"""The terms of a session as they hold at the moment of booking, and after a move. Arithmetic only."""

from datetime import datetime, timedelta


def cancel_free_until(starts_at: datetime, notice_hours: int) -> datetime:
    """From then on a confirmed session costs the late share. It may already have passed when the session is booked."""
    return starts_at - timedelta(hours=notice_hours)


def answer_by(booked_at: datetime, starts_at: datetime, expires_after_hours: int) -> datetime:
    """When a request that nobody answered expires: after so many hours, and at the start at the latest."""
    return min(booked_at + timedelta(hours=expires_after_hours), starts_at)


def moved_price(price_points: int, old_minutes: int, new_minutes: int) -> int:
    """What a session of which only the price is known costs at another length: in proportion to the minutes, rounded
    half up, at least 1 where there was a price."""
    if not price_points:
        return 0
    return max(1, (2 * price_points * new_minutes + old_minutes) // (2 * old_minutes))


def moved_free_until(cancel_free_until: datetime, old_start: datetime, new_start: datetime) -> datetime:
    """The free deadline after a move: the notice that held at booking, before the new start."""
    return new_start - (old_start - cancel_free_until)


def move_answer_by(
    proposed_at: datetime, old_start: datetime, new_start: datetime, expires_after_hours: int
) -> datetime:
    """When another time that nobody answered lapses: like a request, and before either of the two times comes."""
    return min(answer_by(proposed_at, old_start, expires_after_hours), new_start)
