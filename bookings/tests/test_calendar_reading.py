"""Other people's calendars, as three programs write them around the clock changes, and files that mean harm."""

import contextlib
import datetime as dt
import time
from pathlib import Path

import pytest

from bookings import calendar_files
from bookings.calendar_import import CannotRead
from bookings.calendar_import.reading import busy_times

RECORDED = Path(__file__).parent / "calendars"
NOW = dt.datetime(2026, 10, 20, 10, tzinfo=dt.UTC)


def read(body, *, zone="Europe/Berlin", now=NOW, **more):
    busy = busy_times(body, zone=zone, own_uids=calendar_files.own_uids(), now=now, **more)
    return [f"{start:%m-%dT%H:%M} – {end:%m-%dT%H:%M}" for start, end in busy]


def recorded(name):
    return (RECORDED / f"{name}.ics").read_bytes()


def calendar(*events):
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *events, "END:VCALENDAR", ""]).encode()


def event(*lines, uid="one@example.org"):
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"])


def test_a_calendar_of_google_in_berlin():
    assert read(recorded("google")) == [
        "10-19T07:00 – 10-19T08:00",  # the weekly one, in summer time
        "10-21T12:00 – 10-21T13:30",  # two that touch
        "10-23T22:00 – 10-25T23:00",  # two days, one of which has 25 hours
        "10-26T13:00 – 10-26T14:30",  # the weekly one moved, in winter time; the next two fall out
    ]


def test_a_calendar_of_outlook_in_new_york():
    assert read(recorded("outlook"), zone="America/New_York") == [
        "10-27T20:00 – 10-27T21:00",  # 16:00 in summer time …
        "10-29T09:00 – 10-29T10:00",  # the file's own zone, three hours ahead of UTC
        "10-30T16:00 – 10-30T17:00",  # a zone that is not there: the owner's
        "11-01T04:00 – 11-02T05:00",  # a day of 25 hours
        "11-03T21:00 – 11-03T22:00",  # … and in winter time
    ]


def test_a_calendar_of_apple_on_lord_howe():
    assert read(recorded("apple"), zone="Australia/Lord_Howe", now=dt.datetime(2026, 10, 2, tzinfo=dt.UTC)) == [
        "10-01T21:30 – 10-01T22:30",
        "10-02T21:30 – 10-02T22:30",
        "10-03T13:30 – 10-04T13:00",  # a day of 23 and a half hours, and the swim in it
        "10-04T21:00 – 10-04T22:00",  # half an hour earlier from then on
        "10-06T01:00 – 10-06T02:30",  # no zone: the owner's
        "10-09T21:00 – 10-09T22:00",  # the date that was added
    ]


def test_days_and_floating_times_are_those_of_the_mentor():
    body = calendar(
        event("DTSTART;VALUE=DATE:20261021"), event("DTSTART:20261023T120000", "DURATION:PT1H", uid="two@example.org")
    )
    assert read(body, zone="Asia/Kathmandu") == ["10-20T18:15 – 10-21T18:15", "10-23T06:15 – 10-23T07:15"]
    assert read(body, zone="Pacific/Apia") == ["10-20T11:00 – 10-21T11:00", "10-22T23:00 – 10-23T00:00"]


def test_what_lies_outside_of_the_window_is_cut_off():
    body = calendar(
        event("DTSTART:20260101T000000Z", "DTEND:20261020T120000Z"),
        event("DTSTART:20261201T000000Z", "DTEND:20300101T000000Z", uid="two@example.org"),
        event("DTSTART:20260901T000000Z", "DTEND:20260902T000000Z", uid="three@example.org"),
        event("DTSTART:20290901T000000Z", "DTEND:20290902T000000Z", uid="four@example.org"),
    )
    assert read(body) == ["10-19T00:00 – 10-20T12:00", "12-01T00:00 – 11-24T00:00"]


def test_the_clock_does_not_change_what_lasts_for_days():
    body = calendar(event("DTSTART:20260101T000000Z", "DTEND:20271020T120000Z"))
    assert read(body) == read(body, now=NOW + dt.timedelta(hours=3))


@pytest.mark.parametrize(
    "lines",
    [
        ["STATUS:CANCELLED"],
        ["TRANSP:TRANSPARENT"],
        ["transp:transparent"],
        ["X-MICROSOFT-CDO-BUSYSTATUS:FREE"],
        ["UID:appointment-5@127.0.0.1"],
    ],
)
def test_what_takes_no_time_of_the_mentor_is_ignored(lines):
    times = ["DTSTART:20261021T120000Z", "DTEND:20261021T130000Z"]
    assert len(read(calendar(event(*times)))) == 1
    uid = lines[0].removeprefix("UID:") if lines[0].startswith("UID") else "one@example.org"
    assert read(calendar(event(*times, *[line for line in lines if uid not in line], uid=uid))) == []


@pytest.mark.parametrize(
    "uid", ["appointment-5@127.0.0.1.evil.org", "xappointment-5@127.0.0.1", "appointment-@127.0.0.1"]
)
def test_only_our_very_own_events_are_ignored(uid):
    assert len(read(calendar(event("DTSTART:20261021T120000Z", "DTEND:20261021T130000Z", uid=uid)))) == 1


def test_one_event_that_makes_no_sense_does_not_hide_the_others():
    good = event("DTSTART:20261021T120000Z", "DTEND:20261021T130000Z")
    for bad in (
        event("DTSTART:nonsense", uid="two@example.org"),
        event("SUMMARY:No start", uid="two@example.org"),
        event("DTSTART:20261021T120000Z", "DTEND:20251021T130000Z", uid="two@example.org"),
        event("DTSTART:20261025T120000Z", "RRULE:FREQ=WHENEVER", uid="two@example.org"),
        event("DTSTART:20261021T120000Z", "DTEND;VALUE=DATE:20261021", uid="two@example.org"),
    ):
        assert "10-21T12:00 – 10-21T13:00" in read(calendar(bad, good)), bad


def test_several_calendars_in_one_file_are_read():
    one = calendar(event("DTSTART:20261021T120000Z", "DTEND:20261021T130000Z"))
    two = calendar(event("DTSTART:20261022T120000Z", "DTEND:20261022T130000Z"))
    assert len(read(one + two)) == 2


def test_an_empty_calendar_has_no_busy_times():
    assert read(calendar()) == []


# --- Harm -------------------------------------------------------------------------------------------------------------

ONE = ["DTSTART:20261021T120000Z", "DTEND:20261021T123000Z"]
ALL_SECONDS = ";".join(
    f"BY{unit}=" + ",".join(map(str, range(count))) for unit, count in (("HOUR", 24), ("MINUTE", 60), ("SECOND", 60))
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "no_calendar"),
        (b"<!DOCTYPE html><title>Sign in</title>", "no_calendar"),
        (bytes(range(256)) * 100, "no_calendar"),
        (calendar(event(*ONE)).decode().encode("utf-16"), "no_calendar"),
        (b"BEGIN:VEVENT\r\n" * 50_000, "no_calendar"),
        (event(*ONE).encode(), "no_calendar"),
        (calendar(event(*ONE, "RRULE:FREQ=SECONDLY")), "too_complex"),
        (calendar(event(*ONE, "RRULE:freq=minutely;INTERVAL=1")), "too_complex"),
        (calendar(event(*ONE, f"RRULE:FREQ=DAILY;{ALL_SECONDS}")), "too_complex"),
        (calendar(event(*ONE, "RRULE:FREQ=HOURLY")), "too_many_events"),
        (
            calendar(
                *(event(f"DTSTART:{2026 + n % 2}0101T000000Z", "RRULE:FREQ=HOURLY", uid=f"{n}") for n in range(200))
            ),
            "too_complex",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_what_is_no_calendar_or_means_harm_ends_in_a_word(body, problem):
    began = time.monotonic()
    with pytest.raises(CannotRead) as refused:
        read(body, seconds=4)
    assert refused.value.code == problem
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "line",
    ["SUMMARY:" + "x" * 1_900_000, "SUMMARY:x" + "\r\n x" * 300_000, "ATTENDEE" + ";X=y" * 300_000 + ":mailto:x"],
    ids=["endless", "folded", "parameters"],
)
def test_endless_lines_are_read_in_time(line):
    assert read(calendar(event(*ONE, line))) == ["10-21T12:00 – 10-21T12:30"]


def test_a_rule_that_never_comes_true_ends():
    began = time.monotonic()
    with contextlib.suppress(CannotRead):
        assert read(calendar(event(*ONE, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")), seconds=4)
    assert time.monotonic() - began < 15


def test_broken_letters_do_not_matter():
    body = calendar(event(*ONE, "SUMMARY:Caf@")).replace(b"@", b"\xe9\xff\xfe\x00")
    assert read(body) == ["10-21T12:00 – 10-21T12:30"]
    assert read(b"\xef\xbb\xbf" + calendar(event(*ONE))) == ["10-21T12:00 – 10-21T12:30"]


def test_the_time_limit_is_what_ends_it():
    """Without it the same file is at work for as long as one cares to wait."""
    began = time.monotonic()
    with pytest.raises(CannotRead):
        read(calendar(event(*ONE, f"RRULE:FREQ=DAILY;{ALL_SECONDS}")), seconds=2)
    assert time.monotonic() - began > 1.5
