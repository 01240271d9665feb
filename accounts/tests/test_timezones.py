import datetime as dt

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.middleware import TimezoneMiddleware
from accounts.timezones import find_timezone, known_timezones, offset_label, timezone_choices


def names(choices):
    return [name for _, group in choices for name, _ in group]


def label(name):
    return {name: label for _, group in timezone_choices() for name, label in group}[name]


def test_every_zone_can_be_chosen_exactly_once():
    chosen = names(timezone_choices())
    assert len(chosen) == len(set(chosen))
    assert set(chosen) == known_timezones()
    assert {"Asia/Calcutta", "Europe/Kiev", "UTC", "US/Eastern"} <= set(chosen)


def test_zones_are_grouped_by_region_with_utc_first_and_rare_names_last():
    groups = [region for region, _ in timezone_choices()]
    assert groups[0] == "Worldwide"
    assert groups[-1] == "Other names"
    assert "Europe" in groups


def test_label_shows_the_offset_of_this_moment():
    with time_machine.travel(dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)):
        assert label("Europe/Madrid") == "Madrid (UTC+02:00)"
        assert label("America/Argentina/Buenos_Aires") == "Argentina – Buenos Aires (UTC−03:00)"
    with time_machine.travel(dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)):
        assert label("Europe/Madrid") == "Madrid (UTC+01:00)"
        assert label("Asia/Kathmandu") == "Kathmandu (UTC+05:45)"


def test_offset_label_of_zones_behind_utc_with_minutes():
    assert offset_label("America/St_Johns", dt.datetime(2026, 12, 1, tzinfo=dt.UTC)) == "UTC−03:30"


@pytest.mark.parametrize("name", [None, "", "Europe/Atlantis", "../../etc/passwd", "localtime", "x" * 5000])
def test_find_timezone_knows_no_other_names(name):
    assert find_timezone(name) is None


def shown_zone(request):
    seen = []

    def view(_):
        seen.append(str(timezone.get_current_timezone()))

    TimezoneMiddleware(view)(request)
    return seen[0]


@pytest.fixture
def request_of(rf):
    def make(user, **cookies):
        request = rf.get("/")
        request.user = user
        request.COOKIES.update(cookies)
        return request

    return make


def test_times_are_shown_in_the_zone_of_the_person(request_of, ann):
    assert shown_zone(request_of(ann, timezone="Asia/Tokyo")) == "Europe/Madrid"


def test_times_are_shown_in_the_zone_of_a_visitors_browser(request_of, settings):
    from django.contrib.auth.models import AnonymousUser

    assert shown_zone(request_of(AnonymousUser(), timezone="Asia/Tokyo")) == "Asia/Tokyo"
    settings.DEFAULT_TIMEZONE = "Europe/Lisbon"
    assert shown_zone(request_of(AnonymousUser())) == "Europe/Lisbon"
    assert shown_zone(request_of(AnonymousUser(), timezone="<script>")) == "Europe/Lisbon"


def test_page_still_opens_when_a_stored_zone_was_taken_out_of_the_list(request_of, ann):
    ann.timezone = "Mars/Olympus"
    assert shown_zone(request_of(ann)) == "UTC"


def test_switch_changes_the_profile_and_returns_to_the_page(client, ann):
    client.force_login(ann)
    response = client.post(
        reverse("accounts:switch_timezone"), {"timezone": "Asia/Tokyo", "next": reverse("accounts:profile")}
    )
    assert response.url == reverse("accounts:profile")
    ann.refresh_from_db()
    assert ann.timezone == "Asia/Tokyo"


def test_switch_is_kept_in_a_cookie_for_visitors(client, db):
    response = client.post(reverse("accounts:switch_timezone"), {"timezone": "Asia/Tokyo", "next": "//evil.example/"})
    assert response.url == reverse("home")
    assert client.cookies["timezone"].value == "Asia/Tokyo"


def test_switch_changes_nothing_for_a_zone_that_does_not_exist(client, ann):
    client.force_login(ann)
    client.post(reverse("accounts:switch_timezone"), {"timezone": "Mars/Olympus"})
    ann.refresh_from_db()
    assert ann.timezone == "Europe/Madrid"


def test_switch_is_by_post_only(client, ann):
    client.force_login(ann)
    assert client.get(reverse("accounts:switch_timezone")).status_code == 405
