"""How long the slot arithmetic takes, by itself: no database, no request. `python -m benchmarks.slots` prints it."""

import random
import statistics
import time
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bookings import slots
from bookings.slots import Busy, Hours, Rules

# As the settings do: the tzdata package, not the operating system's copy.
zoneinfo.reset_tzpath(())

NOW = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)  # the month has a clock change
ZONES = ["Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "Africa/Cairo"]
RULES = Rules(
    slot_step_minutes=15,
    buffer_before_minutes=5,
    buffer_after_minutes=10,
    minimum_notice_minutes=120,
    max_sessions_per_day=24,
    max_sessions_per_week=120,
)


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target). Raises AssertionError where a case found too little to be worth timing."""
    chance = random.Random(20260302)
    return [
        _month(chance, "a mentor's month, 300 busy stretches", slots.free_slots, least=500, target="≤ 20 ms"),
        _month(chance, "the same month, why it is closed", slots.closed_stretches, least=100, target="≤ 20 ms"),
        _final_check(chance),
        _first_free_slot(chance),
        _first_free_slot_of_a_full_mentor(),
        _search(chance),
    ]


def _hours(zone: str) -> Hours:
    return Hours(zone, {weekday: [(8 * 60, 12 * 60), (13 * 60, 18 * 60)] for weekday in range(1, 6)})


def _busy(chance: random.Random, count: int, days: int) -> list[Busy]:
    starts = [NOW + timedelta(minutes=15 * chance.randrange(days * 96)) for _ in range(count)]
    return [Busy(start, start + timedelta(minutes=30)) for start in starts]


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    """The median of some rounds, after one that warms the caches."""
    work()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000


def _month(chance: random.Random, what: str, function: Callable, *, least: int, target: str) -> tuple[str, str, str]:
    hours = Hours("Europe/Berlin", {weekday: [(7 * 60, 22 * 60)] for weekday in range(1, 8)})
    busy = _busy(chance, 300, 31)
    question = {
        "duration_minutes": 30,
        "busy": busy,
        "session_starts": [start for start, _ in busy],
        "since": NOW,
        "until": NOW + timedelta(days=31),
        "now": NOW,
    }
    found = function(hours, RULES, **question)
    assert len(found) >= least, f"{what}: only {len(found)} found"
    return what, f"{_milliseconds(lambda: function(hours, RULES, **question), 50):.2f} ms", target


def _final_check(chance: random.Random) -> tuple[str, str, str]:
    question = {
        "duration_minutes": 60,
        "busy": _busy(chance, 60, 14),
        "session_starts": [],
        "start": NOW + timedelta(days=2, hours=2),
        "now": NOW,
    }
    taken = _milliseconds(lambda: slots.refusal(_hours("Europe/Berlin"), RULES, **question), 500)
    return "the final check of one start, 60 busy stretches", f"{taken * 1_000:.0f} µs", "≤ 500 µs"


def _first_free_slot(chance: random.Random) -> tuple[str, str, str]:
    question = {"duration_minutes": 60, "busy": _busy(chance, 20, 60), "session_starts": [], "now": NOW}
    hours = _hours("Europe/Berlin")
    assert slots.first_free_slot(hours, RULES, **question)
    taken = _milliseconds(lambda: slots.first_free_slot(hours, RULES, **question), 500)
    return "the first free slot of a mentor, 20 busy stretches", f"{taken * 1_000:.0f} µs", "≤ 200 µs"


def _first_free_slot_of_a_full_mentor() -> tuple[str, str, str]:
    days = [NOW.replace(hour=0, minute=0) + timedelta(days=number) for number in range(62)]
    question = {
        "duration_minutes": 60,
        "busy": [Busy(day, day + timedelta(hours=23)) for day in days],
        "session_starts": days,
        "now": NOW,
    }
    hours = _hours("Europe/Berlin")
    assert slots.first_free_slot(hours, RULES, **question) is None
    taken = _milliseconds(lambda: slots.first_free_slot(hours, RULES, **question), 200)
    return "the same where 60 days have nothing free", f"{taken * 1_000:.0f} µs", "≤ 1000 µs"


def _search(chance: random.Random) -> tuple[str, str, str]:
    mentors = [(_hours(chance.choice(ZONES)), _busy(chance, 10, 14)) for _ in range(2_000)]
    until = NOW + timedelta(days=14)

    def search() -> int:
        return sum(
            len(
                slots.free_slots(
                    hours,
                    Rules(minimum_notice_minutes=120, buffer_after_minutes=10),
                    duration_minutes=60,
                    busy=busy,
                    session_starts=[],
                    since=NOW,
                    until=until,
                    now=NOW,
                )
            )
            for hours, busy in mentors
        )

    assert search() >= 100_000
    return "all slots of 2,000 mentors over 14 days, 10 busy each", f"{_milliseconds(search, 5):.0f} ms", "≤ 300 ms"


if __name__ == "__main__":
    for what, figure, target in run():
        print(f"{what:<60} {figure:>10}   {target}")
