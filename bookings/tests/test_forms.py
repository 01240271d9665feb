import datetime as dt

import pytest
from django import forms

from bookings.editor import Editor
from bookings.forms import AddHoursForm, DaysOffForm, InstantField, MinuteField, SpecialHoursForm, overlap
from bookings.tests.factories import WeeklyHoursFactory

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # a Monday


@pytest.mark.parametrize(
    ("typed", "minute"),
    [("9", 540), ("09:30", 570), ("9.30", 570), ("0930", 570), ("9h30", 570), (" 00:00 ", 0), ("24:00", 1440)],
)
def test_times_of_day_are_read_as_people_type_them(typed, minute):
    assert MinuteField(latest=1440).clean(typed) == minute


@pytest.mark.parametrize("typed", ["24:01", "9:60", "25", "nine", "-1", "9:5", "٠٩:٠٠", "9\x0000", "1e2", "9:000"])
def test_other_texts_are_no_times_of_day(typed):
    with pytest.raises(forms.ValidationError):
        MinuteField(latest=1440).clean(typed)


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "2026-11-24",
        "2026-11-24T13:00",
        "0001-01-01T00:00Z",
        "9999-12-31T23:59Z",
        "\x00",
        "2026-13-01T00:00Z",
    ],
)
def test_what_names_no_instant_is_refused(text):
    with pytest.raises(forms.ValidationError):
        InstantField().clean(text)


def test_an_instant_may_be_written_in_any_zone():
    assert InstantField().clean("2026-11-24T14:00+01:00") == dt.datetime(2026, 11, 24, 13, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ((540, 720), (720, 780), False),
        ((540, 720), (700, 780), True),
        ((1320, 120), (1380, 1440), True),
        ((1320, 120), (60, 180), False),  # the tail lies on the next day
        ((600, 600), (900, 960), True),
    ],
)
def test_windows_of_a_day_overlap_when_they_share_time(one, other, do):
    assert overlap(one, other) is overlap(other, one) is do


@pytest.fixture
def editor(mentor):
    WeeklyHoursFactory(mentor=mentor, weekday=1, start_minute=540, end_minute=720)
    return Editor(mentor, NOW)


def add(editor, start, end, *weekdays):
    return AddHoursForm({"start_minute": start, "end_minute": end, "weekdays": weekdays}, editor=editor)


def test_hours_may_run_into_the_next_day(editor):
    form = add(editor, "22:00", "02:00", 5)
    assert form.is_valid(), form.errors
    assert (form.cleaned_data["start_minute"], form.cleaned_data["end_minute"]) == (1320, 120)


def test_midnight_as_an_end_closes_the_day(editor):
    form = add(editor, "22:00", "0:00", 5)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["end_minute"] == 1440


def test_the_same_time_twice_is_no_window(editor):
    assert "00:00 to 24:00" in str(add(editor, "10:00", "10:00", 2).errors["end_minute"])


def test_a_day_must_be_ticked(editor):
    assert "weekdays" in add(editor, "10:00", "11:00").errors


def test_hours_that_overlap_name_what_is_there(editor):
    assert "Monday has 09:00–12:00 already" in str(add(editor, "11:00", "13:00", 2, 1).errors["start_minute"])


def test_a_day_has_at_most_six_windows(mentor):
    for start in range(6):
        WeeklyHoursFactory(mentor=mentor, weekday=3, start_minute=start * 60, end_minute=start * 60 + 30)
    assert "which is the most" in str(add(Editor(mentor, NOW), "10:00", "11:00", 3).errors["start_minute"])


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2027-01-20", "2027-01-19", "last"),
        ("2027-01-01", "2027-01-10", "last"),
        ("2027-01-10", "", "first"),
        ("2027-01-20", "2028-02-20", "last"),
        ("9999-12-31", "", "first"),
        ("2027-01-20", "9999-12-31", "last"),
        ("0001-01-01", "0001-01-02", "last"),
        ("20 Jan", "", "first"),
    ],
)
def test_days_off_say_what_is_wrong_beside_the_field(editor, first, last, field):
    form = DaysOffForm({"first": first, "last": last}, editor=editor)
    assert list(form.errors) == [field]


def test_one_day_off_needs_no_last_day(editor):
    form = DaysOffForm({"first": "2027-01-20", "last": ""}, editor=editor)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["last"] == dt.date(2027, 1, 20)


def test_hours_of_one_date_are_held_against_those_it_has(editor, mentor):
    mentor.date_overrides.create(date=dt.date(2027, 1, 16), windows=[[600, 720]])
    typed = {"date": "2027-01-16", "start_minute": "11:00", "end_minute": "13:00"}
    assert "10:00–12:00 already" in str(SpecialHoursForm(typed, editor=editor).errors["start_minute"])
    assert "date" in SpecialHoursForm(typed | {"date": "2027-01-10"}, editor=editor).errors
