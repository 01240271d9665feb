"""Reading the busy times of a calendar elsewhere. Nothing here knows the database.

fetching  from an address to a file, without becoming somebody's way into our own network
reading   from a file to busy times, in a process of its own that ends by itself
problems  what may go wrong, and the words for it
"""

import datetime as dt
from dataclasses import dataclass

from bookings.calendar_import.fetching import NETWORK, Network, checked_address, fetch
from bookings.calendar_import.problems import CannotRead, describe
from bookings.calendar_import.reading import Busy, busy_times

__all__ = ["NETWORK", "Busy", "CannotRead", "Network", "Outcome", "checked_address", "describe", "read_calendar"]


@dataclass(frozen=True)
class Outcome:
    """What came of it: `busy`, or None where nothing has changed since `etag`, or a `problem`."""

    busy: list[Busy] | None = None
    etag: str = ""
    problem: str = ""


def read_calendar(
    address, *, etag="", zone: str, own_uids: str, now: dt.datetime, network: Network = NETWORK
) -> Outcome:
    """Fetch the calendar and read it; never raises, and ends within half a minute whatever the other side does."""
    try:
        answer = fetch(address, etag=etag, network=network)
        if answer.body is None:
            return Outcome(etag=etag)
        return Outcome(busy_times(answer.body, zone=zone, own_uids=own_uids, now=now), answer.etag)
    except CannotRead as problem:
        return Outcome(problem=problem.code)
