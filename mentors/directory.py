"""Finding mentors, and where the calendar of an app above this one tells who is free when."""

from collections.abc import Iterable
from datetime import date, datetime, tzinfo
from typing import Protocol

from mentors.models import MentorProfile

ORDERS = ("rating", "rate", "next_free")


class FreeTimes(Protocol):
    def first_free(self, profiles: Iterable, now: datetime, viewer) -> dict[int, datetime | None]:
        """The next time that `viewer` could book, by profile id; for one page of profiles, in a fixed number of
        queries."""

    def free_on(self, profiles: Iterable, day: date, viewer_zone: tzinfo, now: datetime, viewer) -> set[int]:
        """The ids of those whom `viewer` could book on that day. `profiles` is a queryset, maybe of thousands."""


class NoCalendar:
    """What holds where nothing was registered: nobody has times to book."""

    def first_free(self, profiles, now, viewer):
        return {}

    def free_on(self, profiles, day, viewer_zone, now, viewer):
        return set()


_free_times: FreeTimes = NoCalendar()


def register_free_times(source: FreeTimes) -> None:
    """Called once by the app that knows calendars, from its AppConfig.ready."""
    global _free_times
    _free_times = source


def free_times() -> FreeTimes:
    return _free_times


def find_mentors(
    *,
    query="",
    tags=(),
    max_rate_points=None,
    min_rating_tenths=None,
    status=None,
    free_on=None,
    order="rating",
    viewer,
    viewer_zone,
    now,
):
    """The listed mentors whom every condition given lets through, as a queryset in the order asked for.

    `tags` are Tag rows, all of which a mentor must have; `free_on` is a day in `viewer_zone`.
    """
    rows = MentorProfile.objects.listed().matching(query).with_expertise(*tags)
    if max_rate_points is not None:
        rows = rows.filter(hourly_rate_points__lte=max_rate_points)
    if min_rating_tenths is not None:
        rows = rows.rated_at_least(min_rating_tenths)
    if status:
        rows = rows.filter(status=status)
    if free_on is not None:
        # Only those who can have a time at all are asked about, without their long texts: there may be thousands.
        asked = rows.bookable().defer("headline", "bio", "search_text")
        rows = rows.filter(pk__in=free_times().free_on(asked, free_on, viewer_zone, now, viewer))
    return {"rating": rows.best_rated, "rate": rows.cheapest, "next_free": rows.soonest}[order]()
