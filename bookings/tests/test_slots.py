"""The rules of the slot arithmetic, one at a time. Max, the mentor, lives in Berlin; it is a Monday in June 2024."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from bookings import slots
from bookings.slots import Busy, Closed, Hours, Reason, Rules

zoneinfo.reset_tzpath(())

H = 60
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
OFFICE_HOURS = Hours("Europe/Berlin", {weekday: [(9 * H, 12 * H)] for weekday in range(1, 6)})
ALWAYS_OPEN = Hours("Europe/Berlin", {weekday: [(0, 24 * H)] for weekday in range(1, 8)})


def at(day, hour, minute=0, second=0):
    """A local time of Max in June 2024. The 3rd is a Monday."""
    return datetime(2024, 6, day, hour, minute, second, tzinfo=BERLIN).astimezone(UTC)


def ask(hours=OFFICE_HOURS, rules=None, **question):
    return {
        "hours": hours,
        "rules": rules or Rules(),
        "duration_minutes": 60,
        "busy": [],
        "session_starts": [],
        "since": at(3, 0),
        "until": at(4, 0),
        "now": at(1, 12),
    } | question


def free(*arguments, **question):
    """The free starts as Max's local "day hour:minute"."""
    found = slots.free_slots(**ask(*arguments, **question))
    assert all(start.utcoffset() == timedelta(0) for start in found)
    return [f"{start.astimezone(BERLIN):%-d %H:%M}" for start in found]


def closed(*arguments, **question):
    return slots.closed_stretches(**ask(*arguments, **question))


def refusal(start, *arguments, **question):
    asked = ask(*arguments, **question)
    del asked["since"], asked["until"]
    return slots.refusal(**asked, start=start)


def first(*arguments, **question):
    asked = ask(*arguments, **question)
    return slots.first_free_slot(
        **{name: asked[name] for name in asked if name not in {"since", "until"} - set(question)}
    )


def test_a_day_of_hours_becomes_a_day_of_slots():
    assert free() == ["3 09:00", "3 10:00", "3 11:00"]


def test_the_range_includes_its_start_and_excludes_its_end():
    assert free(since=at(3, 10), until=at(3, 11)) == ["3 10:00"]
    assert free(since=at(3, 10, 0, 1), until=at(3, 11, 0, 1)) == ["3 11:00"]
    assert free(since=at(3, 10), until=at(3, 10)) == []
    assert free(since=at(4, 0), until=at(3, 0)) == []
    assert closed(since=at(4, 0), until=at(3, 0)) == []


def test_the_step_may_differ_from_the_length():
    assert free(rules=Rules(slot_step_minutes=45)) == ["3 09:00", "3 09:45", "3 10:30"]
    assert free(rules=Rules(slot_step_minutes=15), duration_minutes=150) == ["3 09:00", "3 09:15", "3 09:30"]


def test_the_grid_stays_when_a_meeting_ends_between_two_slots():
    assert free(busy=[Busy(at(3, 9), at(3, 9, 10))]) == ["3 10:00", "3 11:00"]


def test_several_windows_a_day_have_a_grid_each():
    hours = Hours("Europe/Berlin", {1: [(14 * H + 10, 16 * H), (9 * H, 10 * H)]})
    assert free(hours) == ["3 09:00", "3 14:10"]


def test_windows_that_touch_or_overlap_are_one_stretch():
    touching = Hours("Europe/Berlin", {1: [(9 * H, 10 * H + 30), (10 * H + 30, 12 * H)]})
    overlapping = Hours("Europe/Berlin", {1: [(9 * H, 11 * H), (10 * H + 30, 12 * H), (9 * H + 30, 10 * H)]})
    assert free(touching) == free(overlapping) == ["3 09:00", "3 10:00", "3 11:00"]


def test_windows_join_across_midnight_and_keep_their_grid():
    hours = Hours("Europe/Berlin", {1: [(22 * H + 30, 24 * H)], 2: [(0, 2 * H)]})
    assert free(hours, until=at(5, 0)) == ["3 22:30", "3 23:30", "4 00:30"]
    assert free(hours, since=at(4, 0), until=at(5, 0)) == ["4 00:30"]


def test_an_end_that_is_not_after_its_start_runs_into_the_next_day():
    assert free(Hours("Europe/Berlin", {1: [(22 * H, 1 * H)]}), until=at(5, 0)) == ["3 22:00", "3 23:00", "4 00:00"]
    assert len(free(Hours("Europe/Berlin", {1: [(10 * H, 10 * H)]}), until=at(5, 0))) == 24


def test_an_override_replaces_the_hours_of_its_day():
    hours = Hours(
        "Europe/Berlin",
        OFFICE_HOURS.weekly,
        {date(2024, 6, 3): [(15 * H, 16 * H)], date(2024, 6, 4): [], date(2024, 6, 8): [(9 * H, 10 * H)]},
    )
    assert free(hours, until=at(9, 0)) == ["3 15:00"] + [
        f"{day} {hour}" for day in (5, 6, 7) for hour in ("09:00", "10:00", "11:00")
    ] + ["8 09:00"]


def test_a_night_shift_keeps_its_tail_when_the_next_day_is_off():
    hours = Hours("Europe/Berlin", {1: [(22 * H, 2 * H)]}, {date(2024, 6, 4): []})
    assert free(hours, since=at(4, 0), until=at(5, 0)) == ["4 00:00", "4 01:00"]
    assert [stretch.reason for stretch in closed(hours, since=at(4, 0), until=at(5, 0))] == [
        Reason.too_short,
        Reason.day_off,
    ]


class TestGridOfMentorsWhoAreAlwaysOpen:
    def test_begins_at_local_midnight_whatever_is_asked(self):
        for since in (at(3, 0), at(3, 7, 13), at(2, 11, 59)):
            assert free(ALWAYS_OPEN, since=since, until=at(5, 0), duration_minutes=90)[-1] == "4 22:30"
        assert free(ALWAYS_OPEN, since=at(3, 7, 13), until=at(3, 11), duration_minutes=90) == [
            "3 07:30",
            "3 09:00",
            "3 10:30",
        ]

    def test_starts_again_every_midnight_when_the_step_does_not_divide_the_day(self):
        starts = free(ALWAYS_OPEN, rules=Rules(slot_step_minutes=7 * H), until=at(5, 0))
        assert starts == ["3 00:00", "3 07:00", "3 14:00", "3 21:00", "4 00:00", "4 07:00", "4 14:00", "4 21:00"]

    def test_lets_a_session_lie_across_midnight(self):
        rules = Rules(slot_step_minutes=30)
        assert "3 23:30" in free(ALWAYS_OPEN, rules)
        assert closed(ALWAYS_OPEN, rules) == []

    def test_keeps_the_start_of_the_stretch_until_a_whole_day_has_been_open(self):
        # From Monday 08:20 to Thursday 03:00.
        hours = Hours("Europe/Berlin", {1: [(8 * H + 20, 24 * H)], 2: [(0, 1440)], 3: [(0, 1440)], 4: [(0, 3 * H)]})
        starts = free(hours, until=at(8, 0))
        assert starts[0] == "3 08:20"
        assert "4 00:20" in starts
        assert "4 23:20" in starts
        assert starts[starts.index("4 23:20") + 1] == "5 00:00"
        assert starts[-1] == "6 02:00"

    def test_does_not_depend_on_the_past_of_the_stretch(self):
        since_monday = Hours("Europe/Berlin", ALWAYS_OPEN.weekly, {date(2024, 6, 2): []})
        wednesday = {"since": at(5, 0), "until": at(6, 0), "duration_minutes": 45}
        assert free(since_monday, **wednesday) == free(ALWAYS_OPEN, **wednesday)


def test_touching_sessions_do_not_conflict():
    assert free(busy=[Busy(at(3, 10), at(3, 11))]) == ["3 09:00", "3 11:00"]


def test_a_meeting_of_a_second_is_in_the_way():
    assert free(busy=[Busy(at(3, 9, 59, 59), at(3, 10))]) == ["3 10:00", "3 11:00"]
    assert free(busy=[Busy(at(3, 10), at(3, 10) + timedelta(microseconds=1))]) == ["3 09:00", "3 11:00"]


def test_an_empty_or_reversed_stretch_hinders_nothing():
    assert len(free(busy=[Busy(at(3, 9, 30), at(3, 9, 30)), Busy(at(3, 11), at(3, 9))])) == 3


def test_uneven_buffers_are_not_reversed():
    # Cal.com reversed them. Max needs 30 minutes to prepare and 10 to write up.
    rules = Rules(slot_step_minutes=10, buffer_before_minutes=30, buffer_after_minutes=10)
    starts = free(rules=rules, busy=[Busy(at(3, 10, 20), at(3, 10, 30))])
    assert starts == ["3 09:00", "3 09:10", "3 11:00"]


def test_the_buffers_of_both_sessions_add_up():
    # The session from 09:00 to 10:00 has 15 minutes of its own after it, the new one needs 20 before it.
    rules = Rules(slot_step_minutes=5, buffer_before_minutes=20)
    assert free(rules=rules, busy=[Busy(at(3, 9), at(3, 10, 15))])[0] == "3 10:35"


def test_a_buffer_may_lie_outside_the_hours():
    rules = Rules(buffer_before_minutes=H, buffer_after_minutes=H)
    assert free(rules=rules) == ["3 09:00", "3 10:00", "3 11:00"]
    assert free(rules=rules, busy=[Busy(at(3, 8), at(3, 8, 1))]) == ["3 10:00", "3 11:00"]


def test_the_student_is_compared_without_buffers():
    rules = Rules(buffer_before_minutes=30, buffer_after_minutes=30)
    own_session = [Busy(at(3, 10), at(3, 11))]
    assert free(rules=rules, student_busy=own_session) == ["3 09:00", "3 11:00"]
    assert refusal(at(3, 10), rules=rules, student_busy=own_session) == Reason.student_busy
    assert refusal(at(3, 10), rules=rules, student_busy=own_session, busy=own_session) == Reason.student_busy


def test_plain_pairs_serve_as_busy_time_in_any_order():
    assert free(busy=iter([(at(3, 11), at(3, 12)), (at(3, 9), at(3, 10))])) == ["3 10:00"]


def test_notice_is_elapsed_time_and_its_last_moment_counts():
    rules = Rules(minimum_notice_minutes=2 * H)
    assert free(rules=rules, now=at(3, 8)) == ["3 10:00", "3 11:00"]
    assert free(rules=rules, now=at(3, 8) + timedelta(microseconds=1)) == ["3 11:00"]
    assert refusal(at(3, 10), rules=rules, now=at(3, 8, 0, 1)) == Reason.notice


def test_notice_does_not_care_for_the_clock_change():
    # Six hours before 09:00 in the night to 31 March 2024 it is 02:00, an hour that the clock jumps over.
    hours = Hours("Europe/Berlin", {7: [(9 * H, 10 * H)]})
    nine = datetime(2024, 3, 31, 7, tzinfo=UTC)
    question = {"rules": Rules(minimum_notice_minutes=6 * H), "since": nine, "until": nine + timedelta(hours=1)}
    assert slots.free_slots(**ask(hours, **question, now=nine - timedelta(hours=6))) == [nine]
    assert slots.free_slots(**ask(hours, **question, now=nine - timedelta(hours=5))) == []


def test_nothing_starts_in_the_past():
    assert free(now=at(3, 10)) == ["3 10:00", "3 11:00"]
    assert refusal(at(3, 9), now=at(3, 10)) == Reason.notice


def test_the_horizon_counts_local_days():
    # 23:30 in Berlin is still the 2nd; in UTC, too. At 00:30 it is the 3rd, in UTC the 2nd.
    rules = Rules(booking_horizon_days=1)
    assert free(rules=rules, until=at(8, 0), now=at(2, 23, 30)) == ["3 09:00", "3 10:00", "3 11:00"]
    assert len(free(rules=rules, until=at(8, 0), now=at(3, 0, 30))) == 6
    assert free(rules=Rules(booking_horizon_days=0), until=at(8, 0), now=at(3, 10, 30)) == ["3 11:00"]
    assert refusal(at(4, 9), rules=rules, now=at(2, 23, 30)) == Reason.horizon


class TestLimits:
    def test_full_day_is_closed(self):
        rules = Rules(max_sessions_per_day=2)
        assert len(free(rules=rules, session_starts=[at(3, 9)])) == 3
        assert free(rules=rules, session_starts=[at(3, 9), at(3, 20)]) == []
        assert refusal(at(3, 11), rules=rules, session_starts=[at(3, 9), at(3, 20)]) == Reason.day_limit

    def test_count_on_the_local_day_and_not_in_utc(self):
        # Cal.com counted in UTC. 00:30 on Monday in Berlin is Sunday there; 01:30 in the night to Tuesday is Monday.
        rules = Rules(max_sessions_per_day=1)
        assert free(rules=rules, session_starts=[at(3, 0, 30)]) == []
        assert len(free(rules=rules, session_starts=[at(4, 0, 30)])) == 3
        auckland = Hours("Pacific/Auckland", {weekday: [(9 * H, 10 * H)] for weekday in range(1, 8)})
        monday_evening = datetime(2024, 6, 3, 8, tzinfo=UTC)
        tuesday_morning = datetime(2024, 6, 3, 21, tzinfo=UTC)
        question = {"since": at(3, 0), "until": at(5, 0), "session_starts": [monday_evening]}
        assert tuesday_morning in slots.free_slots(**ask(auckland, rules, **question))

    def test_count_a_session_on_the_day_on_which_it_starts(self):
        rules = Rules(max_sessions_per_day=1)
        assert len(free(rules=rules, session_starts=[at(2, 23, 30)])) == 3

    def test_full_week_is_closed_from_monday_to_sunday(self):
        rules = Rules(max_sessions_per_week=2)
        starts = free(ALWAYS_OPEN, rules, since=at(1, 13), until=at(12, 0), session_starts=[at(3, 0), at(9, 23, 59)])
        assert starts[-24:] == [f"{day} {hour:02}:00" for day in (11,) for hour in range(24)]
        assert not [start for start in starts if 3 <= int(start.split()[0]) <= 9]
        assert "2 23:00" in starts
        assert "10 00:00" in starts
        assert refusal(at(5, 9), rules=rules, session_starts=[at(3, 0), at(9, 23, 59)]) == Reason.week_limit
        assert refusal(at(5, 9), rules=rules, session_starts=[at(2, 23, 59), at(9, 23, 59)]) is None

    def test_of_zero_closes_everything(self):
        assert free(rules=Rules(max_sessions_per_day=0)) == []
        assert free(rules=Rules(max_sessions_per_week=0)) == []


def test_away_closes_everything():
    rules = Rules(is_away=True)
    assert free(rules=rules) == []
    assert first(rules=rules) is None
    assert refusal(at(3, 9), rules=rules) == Reason.away
    assert closed(rules=rules) == [Closed(at(3, 0), at(4, 0), Reason.away)]


def test_a_start_off_the_grid_is_refused():
    assert refusal(at(3, 9, 30)) == Reason.off_grid
    assert refusal(at(3, 9) + timedelta(microseconds=1)) == Reason.off_grid
    assert refusal(at(3, 9)) is None


@pytest.mark.parametrize("year", [1, 9999])
def test_a_start_at_the_end_of_the_calendar_is_refused_and_breaks_nothing(year):
    start = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, 23, 59, tzinfo=UTC)
    reason = Reason.notice if year == 1 else Reason.horizon
    assert refusal(start) == reason
    rules = Rules(booking_horizon_days=10**9)
    assert refusal(start, rules=rules) in (reason, Reason.outside_hours, Reason.horizon)
    everything = {"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 12, 31, tzinfo=UTC)}
    assert len(free(**everything)) == 43 * 3
    assert closed(**everything)[0].reason == Reason.notice
    slots.needed_range(**everything, timezone="Pacific/Auckland")
    slots.local_day_bounds("Pacific/Auckland", start.date())


def test_why_is_nothing_free_on_tuesday():
    rules = Rules(buffer_after_minutes=15)
    assert closed(rules=rules, busy=[Busy(at(4, 10, 30), at(4, 11))], since=at(4, 0), until=at(5, 0)) == [
        Closed(at(4, 0), at(4, 9), Reason.outside_hours),
        Closed(at(4, 9, 15), at(4, 11), Reason.busy),
        Closed(at(4, 11), at(4, 12), Reason.too_short),
        Closed(at(4, 12), at(5, 0), Reason.outside_hours),
    ]


def test_a_gap_of_exactly_one_session_keeps_its_one_start():
    meetings = [Busy(at(3, 9), at(3, 10)), Busy(at(3, 11), at(3, 12))]
    assert free(busy=meetings) == ["3 10:00"]
    assert [stretch[:2] for stretch in closed(busy=meetings) if stretch.reason == Reason.busy] == [
        (at(3, 9), at(3, 10)),
        (at(3, 10), at(3, 11)),
    ]


def test_the_first_free_slot_is_found_however_far_it_lies():
    assert first() == at(3, 9)
    assert first(Hours("Europe/Berlin", {}, {date(2024, 7, 30): [(9 * H, 10 * H)]})) == datetime(
        2024, 7, 30, 7, tzinfo=UTC
    )
    assert first(Hours("Europe/Berlin", {}, {date(2024, 9, 30): [(9 * H, 10 * H)]})) is None
    assert first(since=at(3, 9, 1)) == at(3, 10)
    assert first(until=at(3, 9)) is None


def test_the_first_free_slot_is_not_missed_on_any_single_day():
    for number in range(1, 60):
        day = date(2024, 6, 1) + timedelta(days=number)
        start = datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN)
        assert first(Hours("Europe/Berlin", {}, {day: [(9 * H, 10 * H)]})) == start


def test_a_session_may_reach_beyond_the_range_and_the_day():
    hours = Hours("Europe/Berlin", {1: [(22 * H + 30, 24 * H)], 2: [(0, 1 * H)]})
    assert free(hours, duration_minutes=120, until=at(3, 23)) == ["3 22:30"]


def test_a_reason_that_holds_for_one_start_only_is_still_told():
    closed_for_max = closed(busy=[Busy(at(3, 11), at(3, 12))], student_busy=[Busy(at(3, 10), at(3, 11))])
    assert closed_for_max[1:4] == [
        Closed(at(3, 9), at(3, 11), Reason.student_busy),
        Closed(at(3, 11), at(3, 11, 0, 1), Reason.busy),
        Closed(at(3, 11, 0, 1), at(3, 12), Reason.too_short),
    ]


def test_the_needed_range_is_whole_local_weeks_and_a_day():
    day = timedelta(days=1)
    assert slots.needed_range(at(5, 9), at(6, 9), "Europe/Berlin") == (at(3, 0) - day, at(10, 0) + day)
    assert slots.needed_range(at(3, 0), at(10, 0), "Europe/Berlin") == (at(3, 0) - day, at(10, 0) + day)
    assert slots.needed_range(at(2, 23), at(10, 0, 1), "Europe/Berlin", margin_minutes=0) == (
        datetime(2024, 5, 27, tzinfo=BERLIN),
        at(17, 0),
    )


def test_the_needed_range_without_a_limit_of_the_week_is_whole_local_days_and_a_day():
    day = timedelta(days=1)
    range_of = partial(slots.needed_range, timezone="Europe/Berlin", whole_weeks=False)
    assert range_of(at(5, 9), at(5, 10)) == (at(5, 0) - day, at(6, 0) + day)
    assert range_of(at(5, 0), at(6, 0)) == (at(5, 0) - day, at(6, 0) + day)
    assert range_of(at(5, 0), at(6, 0, 1), margin_minutes=0) == (at(5, 0), at(7, 0))


def test_naive_times_and_lengths_of_nothing_are_errors_of_the_caller():
    with pytest.raises(ValueError, match="aware"):
        free(since=datetime(2024, 6, 3))
    with pytest.raises(ValueError, match="minute"):
        free(duration_minutes=0)
    with pytest.raises(ValueError, match="minute"):
        free(rules=Rules(slot_step_minutes=0))
