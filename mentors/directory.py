"""Finding mentors, and where the calendar of an app above this one tells who is free when."""

from collections.abc import Iterable
from datetime import date, datetime, tzinfo
from typing import Protocol

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mentors import search
from mentors.models import MentorProfile, Tag

MAX_QUERY_LENGTH = 100
MAX_TAGS = 10
DAYS_AHEAD = 366
POPULAR_TAGS = 12
POPULAR_FOR_SECONDS = 600


class FreeTimes(Protocol):
    def first_free(self, profiles: Iterable, now: datetime, viewer) -> dict[int, datetime | None]:
        """The next time that `viewer` could book, by profile id; for one page of profiles, in a fixed number of
        queries."""

    def free_on(self, profiles: Iterable, day: date, viewer_zone: tzinfo, now: datetime, viewer) -> list[int]:
        """The ids of those whom `viewer` could book on that day, in the order of `profiles`, a queryset, maybe of
        thousands."""


class NoCalendar:
    """What holds where nothing was registered: nobody has times to book."""

    def first_free(self, profiles, now, viewer):
        return {}

    def free_on(self, profiles, day, viewer_zone, now, viewer):
        return []


_free_times: FreeTimes = NoCalendar()


def register_free_times(source: FreeTimes) -> None:
    """Called once by the app that knows calendars, from its AppConfig.ready."""
    global _free_times
    _free_times = source


def free_times() -> FreeTimes:
    return _free_times


class Found:
    """Mentors of whom only the ids are known yet, in their order. A slice reads its own; it cannot be changed."""

    ordered = True

    def __init__(self, ids: list[int]):
        self.ids = ids

    def __len__(self):
        return len(self.ids)

    def count(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> list[MentorProfile]:
        ids = self.ids[part]
        profiles = MentorProfile.objects.listed().for_rows().in_bulk(ids)
        return [profiles[pk] for pk in ids if pk in profiles]


def check_query(query: str) -> None:
    """A search without a word would find everybody."""
    if query and not search.words(query):
        raise ValidationError(_("Write at least one letter or digit."))


def check_day(day: date, *, now: datetime) -> None:
    """Whether it makes sense to ask who is free on that day of the current time zone."""
    ahead = (day - timezone.localdate(now)).days
    if ahead < 0:
        raise ValidationError(_("That day is over. Choose today or a later one."))
    if ahead > DAYS_AHEAD:
        raise ValidationError(_("Choose a day within a year."))


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
    """The listed mentors whom every condition given lets through, in the order asked for, to be counted and sliced.

    `tags` are Tag rows, all of which a mentor must have; `free_on` is a day in `viewer_zone`; `order` is one of
    rating, rate, -rate and next_free.
    """
    rows = MentorProfile.objects.listed().matching(query).with_expertise(*tags)
    if max_rate_points is not None:
        rows = rows.filter(hourly_rate_points__lte=max_rate_points)
    if min_rating_tenths is not None:
        rows = rows.rated_at_least(min_rating_tenths)
    if status:
        rows = rows.filter(status=status)
    orders = {
        "rating": rows.best_rated,
        "rate": rows.cheapest,
        "-rate": rows.dearest,
        "next_free": rows.soonest,
    }
    rows = orders[order]()
    if free_on is None:
        return rows.for_rows()
    # Only those who can have a time at all are asked about. Their ids go back to the database a page at a time.
    return Found(free_times().free_on(rows.bookable(), free_on, viewer_zone, now, viewer))


def popular_tags() -> list[Tag]:
    """The tags that most mentors have, counted within the last ten minutes: counting reads all expertise there is."""
    kept = cache.get("mentors:popular_tags")
    if not kept:
        counted = Tag.objects.most_used(POPULAR_TAGS)
        cache.set("mentors:popular_tags", [tag.pk for tag in counted], POPULAR_FOR_SECONDS)
        return counted
    tags = Tag.objects.in_bulk(kept)
    return [tags[pk] for pk in kept if pk in tags]
