"""From a calendar file to busy times.

Whoever writes the file decides how much work it is, and no rule about its text could say beforehand how much. So it is
read in a process of its own, which may use so much memory and processor and no more, and is ended when its time is up.
That process knows neither Django nor the database: it runs this very file.
"""

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

BACK = dt.timedelta(days=1)
AHEAD = dt.timedelta(days=400)
MOST_TIMES = 5_000
SECONDS = 15
MEGABYTES = 512
# A time zone is at most so far from UTC, so that an event may lie that much outside on somebody's clock.
SLACK = dt.timedelta(days=2)


class Busy(NamedTuple):
    starts_at: dt.datetime
    ends_at: dt.datetime


def busy_times(body: bytes, *, zone: str, own_uids: str, now: dt.datetime, seconds=SECONDS) -> list[Busy]:
    """When the calendar's owner is busy from a day ago to 400 days ahead: in order, without overlaps.

    Days without a clock, and times without a zone, are of `zone`. Events whose UID matches `own_uids` are our own.
    Raises CannotRead.
    """
    from bookings.calendar_import.problems import CannotRead

    # From midnight on, so that what lasts for days does not begin anew at every reading.
    today = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since, until = (today - BACK).timestamp(), (today + AHEAD).timestamp()
    task = {"zone": zone, "own_uids": own_uids, "since": since, "until": until}
    try:
        child = subprocess.run(  # noqa: S603  our own file, and no shell
            [sys.executable, "-I", str(Path(__file__)), json.dumps(task | {"seconds": seconds})],
            input=body,
            capture_output=True,
            timeout=seconds + 5,
            env={"PYTHONHASHSEED": "random"},
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        raise CannotRead("too_complex") from None
    try:
        answer = json.loads(child.stdout)
    except ValueError:
        raise CannotRead("too_complex") from None  # killed for its time or memory
    if "problem" in answer:
        raise CannotRead(answer["problem"])
    return [Busy(*(dt.datetime.fromtimestamp(second, dt.UTC) for second in pair)) for pair in answer["busy"]]


# --- In the process of its own ----------------------------------------------------------------------------------------


_OFTEN = re.compile(rb"FREQ=(SECOND|MINUTE)LY", re.IGNORECASE)


class TooMany(Exception):
    pass


class TooOften(Exception):
    pass


def read(body: bytes, *, zone: str, own_uids: str, since: float, until: float) -> list[tuple[int, int]]:
    """The same as seconds since 1970, in this process and without any limit."""
    import recurring_ical_events
    from icalendar import Calendar

    home = ZoneInfo(zone)
    window = [dt.datetime.fromtimestamp(second, dt.UTC) for second in (since, until)]
    calendars = Calendar.from_ical(body.decode("utf-8-sig", "replace"), multiple=True)
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise ValueError("no calendar")
    found = []
    for calendar in calendars:
        _leave_out(calendar, own_uids)
        query = recurring_ical_events.of(calendar, components=["VEVENT"], skip_bad_series=True)
        for event in query.between(window[0] - SLACK, window[1] + SLACK):
            if _is_busy(event):
                start, end = (_instant(moment, home) for moment in (event.start, event.end))
                start, end = max(start, window[0]), min(end, window[1])
                if start < end:
                    found.append((int(start.timestamp()), int(end.timestamp())))
    merged = _merged(found)
    if len(merged) > MOST_TIMES:
        raise TooMany
    return merged


def _leave_out(calendar, own_uids):
    """Take out what is ours, and what does not say when it is, before it is unrolled. Nobody is busy anew every minute:
    who says so means harm."""
    if any(_OFTEN.search(rule.to_ical()) for event in calendar.events for rule in _rules(event)):
        raise TooOften
    own = re.compile(own_uids)
    calendar.subcomponents = [
        part
        for part in calendar.subcomponents
        if part.name != "VEVENT" or (_has_times(part) and not own.fullmatch(str(part.get("UID", ""))))
    ]


def _has_times(event):
    """Whether one can tell when it is, and it does not end before it begins."""
    try:
        return _instant(event.start, dt.UTC) <= _instant(event.end, dt.UTC)
    except Exception:
        return False  # whatever the parser says: the others count all the same


def _rules(event):
    rules = event.get("RRULE", [])
    return rules if isinstance(rules, list) else [rules]


def _is_busy(event):
    """Whether the event takes time: Outlook says “free” in a word of its own."""
    words = [str(event.get(name, "")).upper() for name in ("STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS")]
    return not {"CANCELLED", "TRANSPARENT", "FREE"} & set(words)


def _instant(moment, home):
    """A day begins at midnight of the owner, and a time without a zone is the owner's."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=home)
    return moment.astimezone(dt.UTC)


def _merged(pairs):
    merged = []
    for start, end in sorted(pairs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _limit_oneself(seconds):
    try:
        import resource
    except ImportError:  # not on Windows: there the time limit of the parent is the only one
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 1024 * 1024,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(argument):
    task = json.loads(argument)
    _limit_oneself(task.pop("seconds"))
    try:
        answer = {"busy": read(sys.stdin.buffer.read(), **task)}
    except TooMany:
        answer = {"problem": "too_many_events"}
    except (TooOften, MemoryError, RecursionError):
        answer = {"problem": "too_complex"}
    except Exception:
        # Whatever a parser says to a file that is none: it is not our error, and the text may be a secret.
        answer = {"problem": "no_calendar"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
