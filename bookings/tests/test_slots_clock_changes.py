"""Worked examples: what a mentor's windows become on the days when the clock changes.

Each expected start is written as the local clock shows it, with its offset, so an hour that happens twice can be told.
Sessions last 60 minutes and the slot step is the same.
"""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

import pytest

from bookings import slots
from bookings.slots import Hours, Rules

zoneinfo.reset_tzpath(())

H = 60


def local_starts(zone, day, windows, duration_minutes=60):
    """The starts of a mentor who works on this day only, as local times."""
    hours = Hours(zone, {}, {day: windows})
    midday = datetime.combine(day, time(12), UTC)
    free = slots.free_slots(
        hours,
        Rules(),
        duration_minutes=duration_minutes,
        busy=[],
        session_starts=[],
        since=midday - timedelta(days=3),
        until=midday + timedelta(days=3),
        now=midday - timedelta(days=3),
    )
    shown = [start.astimezone(zoneinfo.ZoneInfo(zone)) for start in free]
    return [f"{start:%dT%H:%M}{start.isoformat()[19:]}" for start in shown]


@pytest.mark.parametrize(
    ("zone", "day", "window", "expected"),
    [
        # The hour from 02:00 to 03:00 is missing, then it happens twice.
        ("Europe/Berlin", date(2024, 3, 31), (1 * H, 5 * H), "01:00+01:00 03:00+02:00 04:00+02:00"),
        (
            "Europe/Berlin",
            date(2024, 10, 27),
            (1 * H, 5 * H),
            "01:00+02:00 02:00+02:00 02:00+01:00 03:00+01:00 04:00+01:00",
        ),
        ("Europe/London", date(2024, 3, 31), (0, 3 * H), "00:00+00:00 02:00+01:00"),
        ("Europe/London", date(2024, 10, 27), (0, 3 * H), "00:00+01:00 01:00+01:00 01:00+00:00 02:00+00:00"),
        ("America/New_York", date(2024, 3, 10), (1 * H, 4 * H), "01:00-05:00 03:00-04:00"),
        ("America/New_York", date(2024, 11, 3), (30, 3 * H), "00:30-04:00 01:30-04:00 01:30-05:00"),
        ("America/Los_Angeles", date(2024, 3, 10), (1 * H, 5 * H), "01:00-08:00 03:00-07:00 04:00-07:00"),
        ("America/Los_Angeles", date(2024, 11, 3), (0, 2 * H), "00:00-07:00 01:00-07:00 01:00-08:00"),
        ("America/St_Johns", date(2024, 3, 10), (1 * H, 4 * H), "01:00-03:30 03:00-02:30"),
        ("America/St_Johns", date(2024, 11, 3), (1 * H, 3 * H), "01:00-02:30 01:00-03:30 02:00-03:30"),
        ("Pacific/Auckland", date(2024, 9, 29), (1 * H, 4 * H), "01:00+12:00 03:00+13:00"),
        ("Pacific/Auckland", date(2024, 4, 7), (1 * H, 4 * H), "01:00+13:00 02:00+13:00 02:00+12:00 03:00+12:00"),
        # From 02:45 to 03:45, an hour that no grid of whole hours meets.
        ("Pacific/Chatham", date(2024, 9, 29), (2 * H, 6 * H), "02:00+12:45 04:00+13:45 05:00+13:45"),
        ("Pacific/Chatham", date(2024, 4, 7), (2 * H, 4 * H), "02:00+13:45 03:00+13:45 03:00+12:45"),
        # Half an hour only: the grid goes on in elapsed time.
        ("Australia/Lord_Howe", date(2024, 10, 6), (1 * H, 4 * H), "01:00+10:30 02:30+11:00"),
        ("Australia/Lord_Howe", date(2024, 4, 7), (1 * H, 4 * H), "01:00+11:00 01:30+10:30 02:30+10:30"),
        # Fifteen minutes, once and for ever.
        ("Asia/Kathmandu", date(1986, 1, 1), (0, 3 * H), "00:15+05:45 01:15+05:45"),
        ("Asia/Kathmandu", date(2024, 3, 31), (9 * H, 11 * H), "09:00+05:45 10:00+05:45"),
        # Winter time for Ramadan.
        ("Africa/Casablanca", date(2023, 3, 19), (1 * H, 4 * H), "01:00+01:00 02:00+01:00 02:00+00:00 03:00+00:00"),
        ("Africa/Casablanca", date(2023, 4, 23), (1 * H, 4 * H), "01:00+00:00 03:00+01:00"),
        # At midnight: a day that begins at 01:00, and one whose first hour happens twice.
        ("America/Havana", date(2024, 3, 10), (0, 3 * H), "01:00-04:00 02:00-04:00"),
        ("America/Havana", date(2024, 11, 3), (0, 2 * H), "00:00-04:00 00:00-05:00 01:00-05:00"),
        ("Africa/Cairo", date(2023, 4, 28), (0, 3 * H), "01:00+03:00 02:00+03:00"),
        # Over midnight: the day before has 25 hours, and 24:00 comes only after the second 23:00.
        ("Africa/Cairo", date(2023, 10, 26), (22 * H, 24 * H), "22:00+03:00 23:00+03:00 23:00+02:00"),
        ("Africa/Cairo", date(2023, 10, 27), (0, 2 * H), "00:00+02:00 01:00+02:00"),
        ("Asia/Tehran", date(2022, 3, 22), (0, 3 * H), "01:00+04:30 02:00+04:30"),
        ("Asia/Tehran", date(2022, 9, 21), (22 * H, 24 * H), "22:00+04:30 23:00+04:30 23:00+03:30"),
        ("America/Sao_Paulo", date(2018, 11, 4), (0, 2 * H), "01:00-02:00"),
        ("America/Sao_Paulo", date(2018, 2, 17), (23 * H, 24 * H), "23:00-02:00 23:00-03:00"),
    ],
)
def test_a_window_on_the_day_of_a_clock_change(zone, day, window, expected):
    assert local_starts(zone, day, [window]) == [f"{day.day:02}T{start}" for start in expected.split()]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((2 * H + 15, 2 * H + 45), []),  # lies wholly in the missing hour
        ((2 * H + 30, 4 * H), ["31T03:00+02:00"]),  # opens in it: from the moment of the change
        ((1 * H, 2 * H + 30), ["31T01:00+01:00"]),  # closes in it: until the moment of the change
    ],
)
def test_a_boundary_in_the_missing_hour_is_the_moment_of_the_change(window, expected):
    assert local_starts("Europe/Berlin", date(2024, 3, 31), [window]) == expected


def test_a_boundary_in_the_repeated_hour_is_its_first_passing():
    day = date(2024, 10, 27)
    assert local_starts("Europe/Berlin", day, [(1 * H + 30, 2 * H + 30)]) == ["27T01:30+02:00"]
    assert local_starts("Europe/Berlin", day, [(2 * H + 30, 3 * H)], 30) == [
        "27T02:30+02:00",
        "27T02:00+01:00",
        "27T02:30+01:00",
    ]


def test_a_night_shift_is_an_hour_shorter_or_longer():
    night = [(22 * H, 6 * H)]
    assert len(local_starts("Europe/Berlin", date(2024, 3, 30), night)) == 7
    assert len(local_starts("Europe/Berlin", date(2024, 10, 26), night)) == 9


def test_a_day_that_the_zone_skips_has_no_slots():
    zone = "Pacific/Apia"
    assert local_starts(zone, date(2011, 12, 30), [(9 * H, 12 * H)]) == []
    assert local_starts(zone, date(2011, 12, 29), [(10 * H, 12 * H)]) == ["29T10:00-10:00", "29T11:00-10:00"]
    assert local_starts(zone, date(2011, 12, 31), [(10 * H, 12 * H)]) == ["31T10:00+14:00", "31T11:00+14:00"]


def test_a_night_shift_into_the_skipped_day_ends_with_the_last_day():
    starts = local_starts("Pacific/Apia", date(2011, 12, 29), [(22 * H, 6 * H)])
    assert starts == ["29T22:00-10:00", "29T23:00-10:00"]


def test_the_skipped_day_is_empty_and_its_neighbours_meet():
    before, skipped, after = (slots.local_day_bounds("Pacific/Apia", date(2011, 12, day)) for day in (29, 30, 31))
    assert before[1] == skipped[0] == skipped[1] == after[0]


def test_midnight_that_happens_twice_begins_the_day_once():
    # St. John's, until 2011: at 00:01 the clock went back to 23:01 of the day before.
    start, end = slots.local_day_bounds("America/St_Johns", date(2006, 10, 29))
    assert start == datetime(2006, 10, 29, 2, 30, tzinfo=UTC)
    assert end - start == timedelta(hours=25)

    # In the repeated hour the clock shows Saturday again, but Sunday has begun: a horizon of 0 days means Sunday.
    hours = Hours("America/St_Johns", {7: [(9 * H, 10 * H)]})
    asked_at = start + timedelta(minutes=15)
    rules = Rules(booking_horizon_days=0)
    free = slots.first_free_slot(hours, rules, duration_minutes=60, busy=[], session_starts=[], now=asked_at)
    assert free == datetime(2006, 10, 29, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("America/Havana", date(2024, 3, 10), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        ("Africa/Cairo", date(2023, 10, 26), 25),
        ("Africa/Cairo", date(2023, 10, 27), 24),
        ("Asia/Kathmandu", date(1986, 1, 1), 23.75),
        ("Asia/Kathmandu", date(2024, 1, 1), 24),
    ],
)
def test_a_local_day_is_as_long_as_the_clock_makes_it(zone, day, hours):
    start, end = slots.local_day_bounds(zone, day)
    assert end - start == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_every_slot_of_a_working_day_is_offered_far_from_greenwich(zone):
    # Thunderbird Appointment keeps its rules in UTC and refuses these.
    day = date(2024, 6, 5)
    assert local_starts(zone, day, [(9 * H, 17 * H)], 60) == [
        f"05T{hour:02}:00" + ("+12:00" if zone == "Pacific/Auckland" else "-07:00") for hour in range(9, 17)
    ]
