"""Slots of random mentors around clock changes, held against the minute-by-minute oracle and against each other.

MENTORBOOK_HYPOTHESIS_EXAMPLES=2000 looks longer than a usual run does.
"""

import math
import os
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings import slots
from bookings.slots import Busy, Hours, Reason, Rules
from bookings.tests.slots_oracle import clock_around, verdicts

EXAMPLES = int(os.environ.get("MENTORBOOK_HYPOTHESIS_EXAMPLES", "0"))


def examples(usual):
    """So many random cases, the same in every run unless more are asked for."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


# Days on which the clock changes, or next to such a day; one zone that is 45 minutes off and never changes.
CHANGES = [
    ("Europe/Berlin", date(2024, 3, 31)),
    ("Europe/Berlin", date(2024, 10, 27)),
    ("America/New_York", date(2024, 3, 10)),
    ("America/New_York", date(2024, 11, 3)),
    ("Australia/Lord_Howe", date(2024, 4, 7)),
    ("Australia/Lord_Howe", date(2024, 10, 6)),
    ("Asia/Kathmandu", date(2024, 5, 8)),
    ("Asia/Kathmandu", date(1986, 1, 1)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Auckland", date(2024, 9, 29)),
    ("Africa/Casablanca", date(2023, 3, 19)),
    ("Africa/Casablanca", date(2023, 4, 23)),
    ("Africa/Cairo", date(2023, 10, 27)),
    ("America/Havana", date(2024, 3, 10)),
    ("America/Havana", date(2024, 11, 3)),
    ("America/St_Johns", date(2006, 10, 29)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("Pacific/Chatham", date(2024, 4, 7)),
]

CASES = ["ends with the hours", "ends where busy time begins", "begins where busy time ends"]


@st.composite
def questions(draw):
    """The arguments of free_slots, and the day around which the oracle's clock runs.

    Hypothesis draws the seed and not every number: its taste for extremes would leave hardly a slot to be examined.
    """
    chance = draw(st.randoms(use_true_random=True))
    zone, around = chance.choice(CHANGES)
    noon = datetime(around.year, around.month, around.day, 12, tzinfo=UTC)
    since = noon + minutes(chance, -2160, 0)
    now = since + (minutes(chance, -600, 1200) if chance.random() < 0.25 else minutes(chance, -2880, -600))
    overridden = [around + timedelta(days=chance.randint(-3, 3)) for _ in range(chance.randint(0, 3))]
    rules = Rules(
        slot_step_minutes=chance.choice([None, None, 5, 15, 15, 20, 30, 100]),
        buffer_before_minutes=chance.choice([0, 0, 0, 5, 30, 90]),
        buffer_after_minutes=chance.choice([0, 0, 0, 10, 45]),
        minimum_notice_minutes=chance.choice([0, 0, 0, 0, 60, 1441]),
        booking_horizon_days=chance.choice([60, 60, 60, 0, 1, 2, 3]),
        max_sessions_per_day=chance.choice([None, None, 1, 1, 2]),
        max_sessions_per_week=chance.choice([None, None, None, 2, 4]),
        is_away=chance.random() < 0.05,
    )
    question = {
        "hours": Hours(zone, weekly_hours(chance), {day: chance.choice([[], windows(chance)]) for day in overridden}),
        "rules": rules,
        "duration_minutes": chance.choice([60, 60, 60, 30, 30, 1, 15, 45, 90, 120, 1500]),
        "busy": stretches(chance, since),
        "session_starts": [since + minutes(chance, -9000, 9000) for _ in range(chance.randint(0, 8))],
        "student_busy": stretches(chance, since) if chance.random() < 0.4 else [],
        "since": since,
        "until": since + minutes(chance, 0, 2160),
        "now": now + timedelta(microseconds=chance.choice([0, 0, 1, 59_999_999])),
    }
    return question, around


def minutes(chance, low, high):
    """Round times meet each other (touching sessions, gaps of exactly one session), odd ones fall between."""
    minute = chance.randint(low, high)
    return timedelta(minutes=minute if chance.random() < 0.2 else minute - minute % 15)


def windows(chance):
    def minute_of_day():
        return chance.randrange(1440) if chance.random() < 0.2 else chance.randrange(0, 1440, 30)

    def window():
        return (0, 1440) if chance.random() < 0.2 else (minute_of_day(), minute_of_day() or 1440)

    return [window() for _ in range(chance.randint(1, 3))]


def weekly_hours(chance):
    kind = chance.random()
    if kind < 0.15:
        return {weekday: [(0, 1440)] for weekday in range(1, 8)}
    return {weekday: windows(chance) for weekday in range(1, 8) if kind < 0.8 or chance.random() < 0.5}


def stretches(chance, since):
    starts = [since + minutes(chance, -400, 2400) for _ in range(chance.randint(0, 6))]
    return [Busy(start, start + minutes(chance, 0, 240)) for start in starts]


def refusal_of(question, start):
    return slots.refusal(**{**without(question, "since", "until"), "start": start})


def without(question, *names):
    return {name: value for name, value in question.items() if name not in names}


def test_free_slots_are_the_minutes_that_the_oracle_frees():
    seen = Counter()

    @examples(90)
    @given(questions())
    def check(case):
        question, around = case
        expected = verdicts(**question, around=around)
        free = [minute for minute, reason in expected.items() if reason is None]
        assert slots.free_slots(**question) == free

        seen.update(set(expected.values()))
        minute = timedelta(minutes=1)
        seen["ends with the hours"] += any(expected.get(start + minute) == Reason.too_short for start in free)
        seen["ends where busy time begins"] += any(expected.get(start + minute) == Reason.busy for start in free)
        seen["begins where busy time ends"] += any(expected.get(start - minute) == Reason.busy for start in free)

    check()
    # An oracle that is never asked the hard questions would prove nothing.
    rare = [name for name in [None, *Reason, *CASES] if seen[name] < 2]
    assert not rare, seen
    assert seen[None] >= 30, seen


@examples(45)
@given(questions(), st.randoms(use_true_random=False))
def test_refusal_gives_the_reason_of_the_oracle(case, chance):
    question, around = case
    expected = verdicts(**question, around=around)
    turning_points = {
        minute for minute in expected if expected[minute] != expected.get(minute - timedelta(minutes=1), "none")
    }
    asked = chance.sample(sorted(turning_points), min(len(turning_points), 25))
    asked += chance.sample(sorted(expected), min(len(expected), 15))
    for minute in asked:
        assert refusal_of(question, minute) == expected[minute], minute


@examples(45)
@given(questions())
def test_closed_stretches_and_free_slots_explain_every_minute(case):
    question, around = case
    expected = verdicts(**question, around=around)
    closed = slots.closed_stretches(**question)
    assert all(stretch.start < stretch.end for stretch in closed)
    assert all(one.end <= other.start for one, other in pairwise(closed))
    assert all(question["since"] <= stretch.start and stretch.end <= question["until"] for stretch in closed)
    upcoming = iter([*closed, None])
    stretch = next(upcoming)
    for minute, reason in expected.items():
        while stretch and stretch.end <= minute:
            stretch = next(upcoming)
        if not stretch or minute < stretch.start:
            assert reason in (None, Reason.off_grid), minute
        elif minute > stretch.start:
            assert reason == stretch.reason, minute
        else:
            before = [other.reason for other in closed if other.end == minute]
            assert reason in (None, Reason.off_grid, stretch.reason, *before), minute


@st.composite
def questions_in_seconds(draw):
    """As questions(), with times that stand between the minutes."""
    question, _ = draw(questions())
    offsets = st.one_of(st.just(0), st.integers(-90_000_000, 90_000_000))

    def moved(moment):
        return moment + timedelta(microseconds=draw(offsets))

    busy = [Busy(moved(start), moved(end)) for start, end in question["busy"]]
    student_busy = [Busy(moved(start), moved(end)) for start, end in question["student_busy"]]
    return question | {"busy": busy, "student_busy": student_busy, "now": moved(question["now"])}


@examples(60)
@given(questions_in_seconds(), st.randoms(use_true_random=False))
def test_what_is_offered_can_be_booked_and_what_is_refused_was_not_offered(question, chance):
    offered = set(slots.free_slots(**question))
    closed = slots.closed_stretches(**question)
    starts = chance.sample(sorted(offered), min(len(offered), 12))
    edges = [edge for stretch in closed for edge in (stretch.start, stretch.end)]
    starts += chance.sample(edges, min(len(edges), 12))
    for start in starts:
        for shift in (-1_000_000, -1, 0, 1, 1_000_000):
            asked = start + timedelta(microseconds=shift)
            if not question["since"] <= asked < question["until"]:
                continue
            reason = refusal_of(question, asked)
            assert (reason is None) == (asked in offered)
            if not asked.microsecond:
                holding = [stretch.reason for stretch in closed if stretch.start < asked < stretch.end]
                meeting = [stretch.reason for stretch in closed if asked in stretch[:2]]
                assert reason in (holding or [None, Reason.off_grid, *meeting])


@examples(45)
@given(questions_in_seconds())
def test_times_as_whole_seconds_say_the_same_as_datetimes(question):
    def seconds(stretches):
        return [(math.floor(start.timestamp()), math.ceil(end.timestamp())) for start, end in stretches if start < end]

    in_seconds = question | {
        "busy": seconds(question["busy"]),
        "student_busy": seconds(question["student_busy"]),
        "session_starts": [int(start.timestamp()) for start in question["session_starts"]],
    }
    assert slots.free_slots(**in_seconds) == slots.free_slots(**question)
    assert slots.closed_stretches(**in_seconds) == slots.closed_stretches(**question)
    assert slots.first_free_slot(**in_seconds) == slots.first_free_slot(**question)


@examples(45)
@given(questions(), st.floats(0, 1))
def test_another_range_moves_no_slot(case, share):
    question, _ = case
    since, until = question["since"], question["until"]
    middle = since + (until - since) * share
    halves = slots.free_slots(**{**question, "until": middle}) + slots.free_slots(**{**question, "since": middle})
    assert halves == slots.free_slots(**question)
    wide = slots.free_slots(**{**question, "since": since - timedelta(days=9), "until": until + timedelta(days=9)})
    assert [start for start in wide if since <= start < until] == slots.free_slots(**question)


@examples(45)
@given(questions())
def test_first_free_slot_is_the_first_of_the_free_slots(case):
    question, _ = case
    assert slots.first_free_slot(**question) == next(iter(slots.free_slots(**question)), None)
    open_ended = without(question, "since", "until")
    everything = {"since": question["now"], "until": question["now"] + timedelta(days=70)}
    assert slots.first_free_slot(**open_ended) == next(iter(slots.free_slots(**open_ended, **everything)), None)


@examples(50)
@given(questions(), st.integers(0, 10**6))
def test_order_and_spelling_of_the_arguments_do_not_matter(case, seed):
    question, _ = case
    chance = random.Random(seed)

    def shuffled(values):
        return chance.sample(values, len(values))

    def halved(listed):
        """The same hours in two windows each, in any order."""
        return shuffled(
            [
                half
                for opens, closes in listed
                for half in ([(opens, opens + 1), (opens + 1, closes)] if opens + 1 < closes else [(opens, closes)])
            ]
        )

    hours = question["hours"]
    respelled = Hours(
        hours.timezone,
        {weekday: halved(listed) for weekday, listed in hours.weekly.items()},
        {day: halved(listed) for day, listed in hours.overrides.items()},
    )
    lists = {name: shuffled(question[name]) for name in ("busy", "student_busy", "session_starts")}
    assert slots.free_slots(**{**question, **lists, "hours": respelled}) == slots.free_slots(**question)


@examples(60)
@given(questions(), st.integers(1, 120))
def test_every_free_slot_keeps_its_promises_when_it_is_booked(case, buffer_minutes):
    """Booking the first free slot takes it, and with it whatever lies within its buffers."""
    question, _ = case
    free = slots.free_slots(**question)
    if not free:
        return
    duration = timedelta(minutes=question["duration_minutes"])
    buffer = timedelta(minutes=buffer_minutes)
    booked = Busy(free[0] - buffer, free[0] + duration + buffer)
    left = slots.free_slots(**{**question, "busy": [*question["busy"], booked]})
    assert set(left) <= set(free)
    before = timedelta(minutes=question["rules"].buffer_before_minutes)
    after = timedelta(minutes=question["rules"].buffer_after_minutes)
    for start in set(free) - set(left):
        assert start - before < booked.end
        assert start + duration + after > booked.start
    for start in left:
        assert start - before >= booked.end or start + duration + after <= booked.start


@examples(80)
@given(st.sampled_from(CHANGES), st.integers(-3, 3))
def test_a_local_day_begins_when_the_clock_has_reached_midnight(change, offset):
    zone, around = change
    day = around + timedelta(days=offset)
    clock = clock_around(zone, around)
    expected = [clock.first_minute(day.toordinal() + following, 0) for following in (0, 1)]
    found = slots.local_day_bounds(zone, day)
    assert [(moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(minutes=1) for moment in found] == expected


@examples(60)
@given(questions())
def test_the_needed_range_holds_every_appointment_that_matters(case):
    question, _ = case
    whole_weeks = question["rules"].max_sessions_per_week is not None
    since, until = slots.needed_range(
        question["since"], question["until"], question["hours"].timezone, whole_weeks=whole_weeks
    )
    known = {
        "busy": [(start, end) for start, end in question["busy"] if start < until and end > since],
        "session_starts": [start for start in question["session_starts"] if since <= start < until],
    }
    if question["duration_minutes"] < 1440:
        assert slots.free_slots(**{**question, **known}) == slots.free_slots(**question)


def test_the_hours_are_what_neither_hours_nor_days_off_close():
    """Without notice, horizon and anything that takes time, a session of a minute is closed by hours alone."""
    seen = Counter()

    @examples(200)
    @given(questions())
    def look(case):
        question, _around = case
        since, until = question["since"], question["until"]
        opened = slots.open_stretches(question["hours"], since=since, until=until)
        closed = slots.closed_stretches(
            question["hours"],
            Rules(),
            duration_minutes=1,
            busy=[],
            session_starts=[],
            since=since,
            until=until,
            now=since - timedelta(days=1),
        )
        shut = [(each.start, each.end) for each in closed if each.reason in (Reason.outside_hours, Reason.day_off)]
        assert all(since <= start < end <= until for start, end in opened)
        whole = sorted([*opened, *shut])
        assert all(end <= start for (_start, end), (start, _end) in pairwise(whole))
        covered = sum((end - start for start, end in whole), timedelta())
        assert covered == until - since
        seen["open"] += bool(opened)
        seen["shut"] += bool(shut)

    look()
    assert min(seen["open"], seen["shut"]) >= 50
