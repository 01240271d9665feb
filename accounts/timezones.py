"""Time zones by their IANA names: which exist, how they are listed, which one a visitor has."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language, gettext

Choices = list[tuple[str, tuple[tuple[str, str], ...]]]

COOKIE = "timezone"
REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@cache
def known_timezones() -> frozenset[str]:
    """Every name that can be chosen; read from the package once, because that takes 40 ms."""
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


# zoneinfo itself keeps only the last eight; reading all of them again every hour would take 300 ms.
_zone = cache(zoneinfo.ZoneInfo)


def find_timezone(name: str | None) -> zoneinfo.ZoneInfo | None:
    """The zone called `name`, or None for whatever else a cookie or an old row may hold."""
    return _zone(name) if name in known_timezones() else None


def visitor_timezone(request) -> str:
    """The name that the visitor's browser told (static/js/timezone.js), or the installation's own."""
    name = request.COOKIES.get(COOKIE)
    return name if name in known_timezones() else settings.DEFAULT_TIMEZONE


def timezone_choices() -> Choices:
    """Every zone as choices of a select, grouped by region, each with its offset from UTC at this moment.

    UTC comes first, old and rare names last, so that whatever a browser reports can be chosen.
    """
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    return _choices(hour.isoformat(), get_language())


@lru_cache(maxsize=8)
def _choices(hour: str, language: str | None) -> Choices:
    now = datetime.fromisoformat(hour)
    groups: dict[str, list[tuple[str, str]]] = {region: [] for region in REGIONS}
    others = []
    for name in sorted(known_timezones() - {"UTC"}):
        region, _, place = name.partition("/")
        if region in groups:
            groups[region].append((name, f"{place.replace('_', ' ').replace('/', ' – ')} ({offset_label(name, now)})"))
        else:
            others.append((name, f"{name} ({offset_label(name, now)})"))
    return [
        (gettext("Worldwide"), (("UTC", "UTC"),)),
        *((region, tuple(zones)) for region, zones in groups.items()),
        (gettext("Other names"), tuple(others)),
    ]


def offset_label(name: str, now: datetime | None = None) -> str:
    """How far the zone is from UTC at `now`: "UTC+05:45"."""
    offset = (now or datetime.now(UTC)).astimezone(_zone(name)).utcoffset() or timedelta()
    sign = "−" if offset < timedelta() else "+"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"UTC{sign}{hours:02}:{minutes:02}"
