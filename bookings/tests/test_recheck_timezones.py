import datetime as dt
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command

from bookings import recheck
from bookings.tests.factories import AppointmentFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def no_summer_time(monkeypatch):
    """Berlin has decided to keep its winter time."""

    def zone(name):
        return dt.timezone(dt.timedelta(hours=1)) if name == "Europe/Berlin" else ZoneInfo(name)

    monkeypatch.setattr(recheck, "ZoneInfo", zone)


def recheck_timezones():
    out = StringIO()
    call_command("recheck_timezones", stdout=out)
    return out.getvalue()


def session(mentor, ann, starts_at, **more):
    return AppointmentFactory(mentor=mentor, student=ann, starts_at=starts_at, **more)


SUMMER, WINTER = dt.datetime(2027, 7, 1, 12, tzinfo=dt.UTC), dt.datetime(2027, 1, 7, 12, tzinfo=dt.UTC)
TWICE = [dt.datetime(2027, 10, 31, hour, 30, tzinfo=dt.UTC) for hour in (0, 1)]  # 02:30 in Berlin, both


def test_what_holds_is_not_listed(mentor, ann):
    for start in (SUMMER, WINTER, *TWICE):
        session(mentor, ann, start)
    assert recheck_timezones() == "all agreed times still hold\n"


def test_a_changed_rule_is_found_with_both_times_and_the_people(mentor, ann, no_summer_time, capsys):
    parted = session(mentor, ann, SUMMER, title="In summer")
    session(mentor, ann, WINTER, title="In winter")
    out = StringIO()
    with pytest.raises(CommandError, match="1 to look at") as stopped:
        call_command("recheck_timezones", stdout=out)
    assert stopped.value.returncode == 1
    assert out.getvalue() == (
        f"{parted.pk}: agreed 2027-07-01T14:00 Europe/Berlin, now 2027-07-01T13:00 (2027-07-01 12:00 UTC),"
        " Max Meyer <max@example.org> with Ann Archer <ann@example.org>: In summer\n"
    )


def test_the_past_and_what_does_not_take_place_is_left_alone(mentor, ann, no_summer_time):
    session(mentor, ann, dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC))
    session(mentor, ann, SUMMER, status="cancelled")
    assert recheck_timezones() == "all agreed times still hold\n"


@pytest.mark.parametrize("count", [1, 3])
def test_one_query_for_any_number(mentor, ann, django_assert_num_queries, count):
    for number in range(count):
        session(mentor, ann, SUMMER + dt.timedelta(days=number))
    with django_assert_num_queries(1):
        list(recheck.parted_times(NOW))
