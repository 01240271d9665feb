"""What keeps a project group from being dissolved: apps above this one say what of theirs still hangs on it."""

from collections.abc import Callable
from datetime import datetime

from accounts.models import ProjectGroup

# A sentence for people that says what is in the way and what to do about it; "" when nothing is.
Hindrance = Callable[[ProjectGroup, datetime], str]

_hindrances: list[Hindrance] = []


def hinder_dissolving(hindrance: Hindrance) -> None:
    """Called by such an app from its AppConfig.ready; the same hindrance twice is one."""
    if hindrance not in _hindrances:
        _hindrances.append(hindrance)


def hindrances_of(group: ProjectGroup, *, now: datetime) -> list[str]:
    """Everything that is in the way at `now`, as sentences.

    The highest app is asked first: a session that is cancelled at this moment gives its points back, and whoever does
    not find the session any more must find the points.
    """
    return [sentence for hindrance in reversed(_hindrances) if (sentence := str(hindrance(group, now)))]
