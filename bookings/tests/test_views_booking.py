"""Choose a time and book it."""

import datetime as dt
import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings import actions
from bookings.models import Appointment
from bookings.tests.factories import WeeklyHoursFactory, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from wallets.actions import grant_points, wallet_of

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
TUESDAY_10 = "2027-01-12T09:00Z"  # 10:00 in Berlin and Madrid

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mentor(mentor):
    mentor.session_minutes = [30, 60]
    mentor.save(update_fields=["session_minutes"])
    return works_every_day(mentor)


@pytest.fixture
def rich_ann(ann):
    grant_points(ann, points=100)
    return ann


@pytest.fixture
def as_ann(client, rich_ann):
    client.force_login(rich_ann)
    return client


def page(mentor, query=""):
    return reverse("bookings:choose", args=[mentor.pk]) + query


def booking(start=TUESDAY_10, **changes):
    return {
        "starts_at": start,
        "duration_minutes": 60,
        "title": "Slow query 🐌",
        "description": "It takes a minute.",
        "idempotency_key": "key-1",
        **changes,
    }


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def slots_shown(response):
    return re.findall(r'id="at-([^"]+)"', response.content.decode())


def test_a_week_of_free_times_is_shown_in_the_zone_of_the_viewer(as_ann, mentor):
    response = as_ann.get(page(mentor))
    assert response.status_code == 200
    assert "Europe/Madrid" in html(response)
    assert len([slot for slot in slots_shown(response) if slot.startswith("2027-01-12")]) == 8
    assert {"Morning", "Afternoon"} <= set(re.findall(r'part-name">(\w+)<', html(response)))


def test_the_zone_can_be_changed_and_stays_for_the_flow(as_ann, mentor):
    response = as_ann.get(page(mentor, "?timezone=America/New_York"))
    assert ">03:00</a>" in html(response)
    assert "Night" in html(response)
    assert f"timezone={quote('America/New_York', safe='')}&amp;start={quote(TUESDAY_10, safe='')}" in html(response)


def test_the_length_changes_price_and_times(as_ann, mentor):
    response = as_ann.get(page(mentor, "?duration=30"))
    assert len([slot for slot in slots_shown(response) if slot.startswith("2027-01-12")]) == 16
    assert response.context["timetable"].price_points == 25


def test_a_day_without_times_says_why_and_offers_the_next(as_ann, mentor):
    actions.set_days_off(mentor, dt.date(2027, 1, 12), dt.date(2027, 1, 12), now=NOW)
    text = html(as_ann.get(page(mentor)))
    assert "Day off." in text
    assert "Next free: Wed 13 Jan" in text


def test_the_first_week_with_times_is_shown_when_the_next_days_have_none(as_ann, mentor):
    actions.set_days_off(mentor, dt.date(2027, 1, 11), dt.date(2027, 1, 24), now=NOW)
    response = as_ann.get(page(mentor))
    assert response.context["timetable"].first == dt.date(2027, 1, 25)
    earlier = as_ann.get(page(mentor, "?day=2027-01-12"))
    assert "Nothing is free in these days." in html(earlier)
    assert "Next free: Mon 25 Jan" in html(earlier)


def test_a_mentor_without_hours_has_an_empty_page_with_a_way_on(as_ann):
    response = as_ann.get(page(MentorProfileFactory()))
    assert response.status_code == 200
    assert "Find another mentor" in html(response)


def test_weeks_end_where_the_horizon_does(as_ann, mentor):
    first = as_ann.get(page(mentor))
    assert first.context["timetable"].previous_address == ""
    assert "day=2027-01-18" in first.context["timetable"].next_address
    last = as_ann.get(page(mentor, "?day=2027-02-08"))
    assert last.context["timetable"].next_address == ""


def test_the_chosen_time_stays_chosen_in_another_week_and_length(as_ann, mentor):
    timetable = as_ann.get(page(mentor, f"?start={TUESDAY_10}")).context["timetable"]
    assert f"start={quote(TUESDAY_10, safe='')}" in timetable.next_address
    later = as_ann.get(page(mentor, timetable.next_address))
    assert later.context["timetable"].first == dt.date(2027, 1, 18)
    assert "Request for 50 points" in html(later)
    half_past = as_ann.get(page(mentor, "?duration=30&start=2027-01-12T09:30Z")).context["timetable"]
    assert ["start" in length.address for length in half_past.lengths] == [True, False]


def test_a_chosen_time_shows_its_terms_before_the_click(as_ann, mentor):
    response = as_ann.get(page(mentor, f"?start={TUESDAY_10}"))
    text = html(response)
    assert "Request for 50 points" in text
    assert "Tue 12 Jan, 10:00–11:00" in text
    assert re.search("free until <time[^>]*>Mon 11 Jan, 10:00<", text)
    assert re.search("Max has until <time[^>]*>Tue 12 Jan, 09:00<", text)
    assert response.context["timetable"].chosen.balance_after == 50


def test_a_start_within_the_notice_cannot_be_cancelled_for_free(as_ann, mentor):
    MentorProfile.objects.update(confirms_automatically=True)
    text = html(as_ann.get(page(mentor, "?start=2027-01-11T12:00Z")))
    assert "cannot be cancelled for free" in text
    assert "Book for 50 points" in text


def test_what_is_free_of_charge_says_so(as_ann, mentor):
    MentorProfile.objects.update(hourly_rate_points=0)
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}")))
    assert "Request, free of charge" in text


def test_a_time_that_is_not_free_offers_the_nearest(as_ann, mentor):
    response = as_ann.get(page(mentor, "?start=2027-01-12T03:00Z"))
    assert response.status_code == 200
    assert "This time is not free." in html(response)
    assert "Request for" not in html(response)
    assert 'name="pick"' in html(response)


HOSTILE = [
    "?start=garbage",
    "?start=9999-12-31T23:59Z",
    "?start=0001-01-01T00:00Z",
    "?start=2199-01-01T00:00Z",
    "?start=2000-01-01T00:00Z",
    "?start=2027-01-12T09:00:30.5Z",
    "?day=0001-01-01",
    "?day=9999-12-31",
    "?day=nonsense",
    "?duration=7",
    "?duration=99999999999999999999",
    "?timezone=../../etc/passwd",
    "?timezone=localtime",
    "?timezone=%00&day=%00&duration=%00&start=%00",
    "?start=2027-01-12T09:00Z&timezone=Pacific/Kiritimati&day=2027-02-08",
    "?" + "day=1&" * 50,
    "?timezone=" + "x" * 4000,
]


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_give_a_sensible_page(as_ann, mentor, query):
    response = as_ann.get(page(mentor, query))
    assert response.status_code == 200
    assert response.context["timetable"].has_times or query.startswith("?timezone=") or "start" in query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?duration=7", "Max does not offer that length"),
        ("?day=0001-01-01", "That day is over"),
        ("?day=9999-12-31", "takes bookings up to 28 days ahead"),
        ("?timezone=../../etc", "That is not a time zone"),
        ("?start=garbage", "That is not a time; choose one below."),
    ],
)
def test_a_value_that_makes_no_sense_is_named(as_ann, mentor, query, words):
    assert words in html(as_ann.get(page(mentor, query)))


def test_booking_takes_the_points_and_leads_to_the_appointment(as_ann, rich_ann, mentor):
    response = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(), follow=True)
    appointment = Appointment.objects.get()
    assert response.redirect_chain == [(appointment.get_absolute_url(), 302)]
    assert (appointment.title, appointment.price_points) == ("Slow query 🐌", 50)
    assert "Max has been told" in html(response)
    assert wallet_of(rich_ann).balance_points == 50


def test_pressing_twice_or_going_back_and_sending_again_books_once(as_ann, rich_ann, mentor):
    first = as_ann.post(page(mentor), booking())
    again = as_ann.post(page(mentor), booking())
    assert first.url == again.url
    assert wallet_of(rich_ann).balance_points == 50


def test_a_used_key_with_other_content_is_refused_and_replaced(as_ann, mentor):
    as_ann.post(page(mentor), booking())
    response = as_ann.post(page(mentor), booking(title="Something else"))
    assert response.status_code in (409, 422)
    assert 'value="key-1"' not in html(response)
    assert "Something else" in html(response)
    assert Appointment.objects.count() == 1


def test_a_missing_title_is_said_beside_the_field_and_keeps_the_rest(as_ann, mentor):
    response = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(title=" "))
    assert response.status_code == 422
    assert "Say in a few words what you want to talk about." in html(response)
    assert "It takes a minute." in html(response)
    assert not Appointment.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"starts_at": "garbage"},
        {"starts_at": ""},
        {"starts_at": "9999-12-31T23:59Z"},
        {"duration_minutes": "7"},
        {"duration_minutes": "nan"},
        {"title": "x" * 201},
        {"title": "a\x00b"},
        {"description": "x" * 4001},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 101},
    ],
)
def test_malformed_input_is_422(as_ann, mentor, changes):
    response = as_ann.post(page(mentor), booking(**changes))
    assert response.status_code == 422
    assert not Appointment.objects.exists()


def test_a_lost_race_offers_the_nearest_times_and_keeps_what_was_typed(as_ann, rich_ann, mentor, sam):
    grant_points(sam, points=100)
    actions.book_slot(
        mentor,
        student=sam,
        starts_at=dt.datetime(2027, 1, 12, 9, tzinfo=dt.UTC),
        duration_minutes=60,
        title="Faster",
        now=NOW,
    )
    response = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking())
    text = html(response)
    assert response.status_code == 409
    assert "Someone has just booked 10:00. Your points were not touched." in text
    assert "Slow query 🐌" in text
    assert 'name="pick" value="2027-01-12T08:00Z"' in text
    assert wallet_of(rich_ann).balance_points == 100

    picked = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(pick="2027-01-12T08:00Z"))
    assert picked.status_code == 200
    assert "Slow query 🐌" in html(picked)
    assert "Tue 12 Jan, 09:00–10:00" in html(picked)
    assert Appointment.objects.count() == 1

    booked = as_ann.post(page(mentor), booking("2027-01-12T08:00Z"))
    assert booked.status_code == 302


def test_a_garbled_pick_is_no_error(as_ann, mentor):
    assert as_ann.post(page(mentor), booking(pick="garbage\x00")).status_code == 200


def test_too_few_points_are_said_before_and_after_the_click(client, ann, mentor):
    grant_points(ann, points=30)
    client.force_login(ann)
    before = client.get(page(mentor, f"?start={TUESDAY_10}"))
    assert "20 points are missing." in html(before)
    assert "Request for 50 points" not in html(before)
    after = client.post(page(mentor, f"?start={TUESDAY_10}"), booking())
    assert after.status_code == 402
    assert "20 points are missing." in html(after)
    assert "A shorter session is within reach." in html(after)
    assert wallet_of(ann).balance_points == 30


def test_a_time_that_is_not_offered_is_409(as_ann, mentor):
    response = as_ann.post(page(mentor), booking("2027-01-12T03:00Z"))
    assert response.status_code == 409
    assert "outside the mentor" in html(response)


def test_ones_own_profile_explains_itself(client, mentor, max):
    client.force_login(max)
    assert "This is your own profile" in html(client.get(page(mentor)))
    assert client.post(page(mentor), booking()).status_code == 409


def test_who_is_away_cannot_be_booked(as_ann, mentor):
    MentorProfile.objects.update(status=MentorProfile.Status.AWAY)
    assert "Max is away" in html(as_ann.get(page(mentor)))
    assert as_ann.post(page(mentor), booking()).status_code == 409


def test_who_is_not_approved_does_not_exist_for_students(as_ann, mentor):
    MentorProfile.objects.update(approval=MentorProfile.Approval.WAITING)
    assert as_ann.get(page(mentor)).status_code == 404
    assert as_ann.post(page(mentor), booking()).status_code == 404


@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
def test_a_mentor_who_does_not_exist_is_404(as_ann, pk):
    assert as_ann.get(f"/bookings/new/{pk}/").status_code == 404


def test_visitors_sign_in_first_and_come_back(client, mentor):
    response = client.get(page(mentor, f"?start={TUESDAY_10}"))
    assert response.status_code == 302
    assert "next=/bookings/new/" in response.url


def test_htmx_gets_the_times_without_the_page(as_ann, mentor):
    response = as_ann.get(page(mentor, "?duration=30"), headers={"HX-Request": "true"})
    assert "<html" not in html(response)
    assert "week-nav" in html(response)
    assert "HX-Request" in response["Vary"]


def test_the_hour_that_happens_twice_names_both_times(client, ann, time_machine):
    time_machine.move_to(dt.datetime(2026, 10, 20, 8, tzinfo=dt.UTC))
    mentor = MentorProfileFactory(user__timezone="Europe/Berlin", session_minutes=[60])
    WeeklyHoursFactory(mentor=mentor, weekday=7, start_minute=0, end_minute=360)
    client.force_login(ann)
    text = html(client.get(page(mentor)))
    assert ">02:00 CEST</a>" in text
    assert ">02:00 CET</a>" in text
    chosen = html(client.get(page(mentor, "?start=2026-10-25T00:00Z")))
    assert "Sun 25 Oct, 02:00 CEST–02:00 CET" in chosen


def test_the_page_takes_the_same_queries_for_a_few_and_for_many_times(as_ann):
    def queries(mentor):
        with CaptureQueriesContext(connection) as captured:
            as_ann.get(page(mentor, f"?start={TUESDAY_10}"))
        return len(captured)

    few = MentorProfileFactory()
    WeeklyHoursFactory(mentor=few, weekday=2, start_minute=540, end_minute=600)
    many = works_every_day(MentorProfileFactory(), 0, 1440)
    queries(few)
    assert queries(few) == queries(many)
