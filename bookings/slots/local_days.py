"""Between the local clock of a zone and instants in whole seconds since 1970.

Local days are numbered by `date.toordinal()`.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3_600, 86_400
# Days closer to the ends of the calendar would overflow once a zone or a week is added to them.
FIRST_DAY, LAST_DAY = date.min.toordinal() + 30, date.max.toordinal() - 30
UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()

Instant = datetime | int  # as asked; in here always the int


@cache
def clock_of(zone: str) -> ZoneInfo:
    """The clock of a zone, kept: zoneinfo itself remembers eight and reads the file again for every other."""
    return ZoneInfo(zone)


def iso_weekday(day: int) -> int:
    return (day - 1) % 7 + 1


def monday(day: int) -> int:
    return day - (day - 1) % 7


def floor_second(moment: Instant) -> int:
    if type(moment) is int:
        return moment
    if moment.tzinfo is None:
        raise ValueError("Slots are computed from aware datetimes only.")
    # timestamp() is exact for whole seconds; a fraction could be rounded up.
    return int((moment.replace(microsecond=0) if moment.microsecond else moment).timestamp())


def ceil_second(moment: Instant) -> int:
    if type(moment) is int:
        return moment
    return floor_second(moment) + (moment.microsecond > 0)


# Mentors have the same quarters of an hour: most starts have been made before.
@lru_cache(maxsize=2**15)
def utc_datetime(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


# Asked about the same few instants, of every mentor in turn.
@lru_cache(maxsize=2**12)
def local_day(zone: str, second: int) -> int:
    """The local day that holds the instant; near the ends of the calendar, the last that can be computed."""
    second = min(max(second, (FIRST_DAY - UNIX_EPOCH_DAY) * DAY), (LAST_DAY - UNIX_EPOCH_DAY) * DAY)
    day = datetime.fromtimestamp(second, clock_of(zone)).toordinal()
    # A clock set back over midnight shows yesterday's date again (St. John's until 2011): the new day has
    # begun all the same, because its midnight was reached.
    return day + 1 if second >= midnight(zone, day + 1) else day


def midnight(zone: str, day: int) -> int:
    return local_day_start(zone, day)[0]


def instant(zone: str, day: int, minute: int) -> int:
    """The first instant at which the local clock has reached the minute of the day; 1440 is the next midnight."""
    day_start, has_even_clock = local_day_start(zone, day)
    return day_start + minute * MINUTE if has_even_clock else _first_instant(zone, day, minute)


@lru_cache(maxsize=2**8)
def local_days(zone: str, first: int, last: int) -> tuple[tuple[int, int, int, bool], ...]:
    """The local days from first to last: number, ISO weekday, and what `local_day_start` says of each."""
    return tuple((day, iso_weekday(day), *local_day_start(zone, day)) for day in range(first, last + 1))


@lru_cache(maxsize=2**15)
def local_day_start(zone: str, day: int) -> tuple[int, bool]:
    """Where the local day begins, and whether its clock runs evenly from there until it shows 24:00."""
    start = _first_instant(zone, day, 0)
    clock = clock_of(zone)
    shown_at_midnight = datetime.fromordinal(day)
    has_even_clock = all(
        datetime.fromtimestamp(start + hour * HOUR, clock).replace(tzinfo=None)
        == shown_at_midnight + timedelta(hours=hour)
        for hour in range(25)
    )
    return start, has_even_clock


@lru_cache(maxsize=2**12)
def _first_instant(zone: str, day: int, minute: int) -> int:
    clock = clock_of(zone)
    local = datetime.fromordinal(day) + timedelta(minutes=minute)
    # PEP 495: fold 0 reads an ambiguous or missing time with the offset before the change, fold 1 after it.
    by_old_offset = int(local.replace(tzinfo=clock, fold=0).timestamp())
    by_new_offset = int(local.replace(tzinfo=clock, fold=1).timestamp())
    if by_old_offset <= by_new_offset:
        return by_old_offset
    # The clock jumps over this minute. The jump lies between the two; find its second.
    before, reached = by_new_offset - 1, by_old_offset
    while reached - before > 1:
        middle = (before + reached) // 2
        if datetime.fromtimestamp(middle, clock).replace(tzinfo=None) >= local:
            reached = middle
        else:
            before = middle
    return reached
