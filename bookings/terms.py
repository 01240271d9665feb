"""The terms of a session as they hold at the moment of booking. Arithmetic only."""

from datetime import datetime, timedelta


def cancel_free_until(starts_at: datetime, notice_hours: int) -> datetime:
    """From then on a confirmed session costs the late share. It may already have passed when the session is booked."""
    return starts_at - timedelta(hours=notice_hours)


def answer_by(booked_at: datetime, starts_at: datetime, expires_after_hours: int) -> datetime:
    """When a request that nobody answered expires: after so many hours, and at the start at the latest."""
    return min(booked_at + timedelta(hours=expires_after_hours), starts_at)
