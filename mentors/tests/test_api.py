"""Mentors for programs: finding them, their profiles and figures."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from bookings.tests.factories import WeeklyHoursFactory, works_every_day
from mentors.actions import (
    create_profile,
    decline_mentor,
    merge_tags,
    record_rating,
    record_ticket_figures,
    set_next_free,
)
from mentors.models import MentorProfile, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tests.programs import ask, token_of, told

pytestmark = pytest.mark.django_db

MENTORS = "/api/mentors/"
NEW = {"bio": "I repair slow pages.", "expertise_areas": ["Python", " node.JS "], "hourly_rate": 40}
NOT_FOUND, NOT_ALLOWED = (404, "not_found"), (403, "not_allowed")


@pytest.fixture
def find(ann):
    token = token_of(ann)

    def find(query=""):
        response = ask("GET", f"{MENTORS}{query}", token=token)
        assert response.status_code == 200, response.content
        return [item["id"] for item in response.json()["items"]]

    return find


def days_ahead(days):
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).date()


# --- Finding


def test_the_list_says_who_mentors_on_which_terms(ann, mentor):
    works_every_day(mentor)
    record_rating(mentor, count=4, total=17)
    mentor.expertise.set([TagFactory(name="python"), TagFactory(name="django")])
    status, answer = told(ask("GET", MENTORS, by=ann))
    (item,) = answer["items"]
    next_free_at = item.pop("next_free_at")
    assert next_free_at.endswith("Z")
    assert dt.datetime.fromisoformat(next_free_at) > dt.datetime.now(dt.UTC)
    assert (status, answer["count"]) == (200, 1)
    assert item == {
        "id": mentor.pk,
        "user_id": mentor.user_id,
        "name": "Max Meyer",
        "headline": "Helps with code",
        "expertise_areas": ["django", "python"],
        "languages": [],
        "hourly_rate": 50,
        "session_minutes": [60],
        "timezone": "Europe/Berlin",
        "status": "available",
        "takes_chats": True,
        "rating": 4.3,  # 4.25, rounded as on the page
        "rating_count": 4,
        "sessions_completed": 0,
        "tickets_resolved": 0,
    }


def test_the_list_has_only_those_whom_students_may_see(find, mentor):
    MentorProfileFactory(approval="waiting")
    MentorProfileFactory(user__is_active=False)
    assert find() == [mentor.pk]


def test_the_next_free_time_is_null_without_one(ann, mentor):
    (item,) = ask("GET", MENTORS, by=ann).json()["items"]
    assert item["next_free_at"] is None


def test_the_filters_narrow_together(find):
    cheap = MentorProfileFactory(hourly_rate_points=20, status="busy", expertise=["python", "django"])
    dear = MentorProfileFactory(hourly_rate_points=90, expertise=["python"], headline="Für Anfänger")
    record_rating(dear, count=2, total=9)
    assert find("?expertise=python&expertise=DJANGO") == [cheap.pk]
    assert find("?expertise=python&expertise=Python") == [dear.pk, cheap.pk]
    assert find("?max_rate=20") == [cheap.pk]
    assert find("?min_rating=4.5") == [dear.pk]
    assert find("?min_rating=4.6") == []
    assert find("?min_rating=1") == [dear.pk]
    assert find("?status=busy") == [cheap.pk]
    assert find("?q=ANFANGER") == [dear.pk]
    assert find("?q=&expertise=python&status=available&max_rate=100") == [dear.pk]


def test_both_spellings_of_a_merged_tag_find_the_same(find, ada):
    mentor = MentorProfileFactory(expertise=["py"])
    merge_tags(Tag.objects.get(name="py"), TagFactory(name="python"), by=ada)
    assert find("?expertise=py") == find("?expertise=python") == find("?expertise=py&expertise=python") == [mentor.pk]


def test_an_unknown_tag_finds_nobody(ann, mentor):
    assert told(ask("GET", f"{MENTORS}?expertise=cobol", by=ann)) == (200, {"items": [], "count": 0})


def test_the_orders(find):
    cheap = MentorProfileFactory(hourly_rate_points=10)
    dear = MentorProfileFactory(hourly_rate_points=90)
    best = MentorProfileFactory(hourly_rate_points=50)
    record_rating(best, count=9, total=45)
    now = dt.datetime.now(dt.UTC)
    set_next_free({dear.pk: now, cheap.pk: now + dt.timedelta(hours=1)}, now=now)
    assert find() == find("?ordering=rating") == [best.pk, cheap.pk, dear.pk]
    assert find("?ordering=hourly_rate") == [cheap.pk, best.pk, dear.pk]
    assert find("?ordering=-hourly_rate") == [dear.pk, best.pk, cheap.pk]
    assert find("?ordering=next_free") == [dear.pk, cheap.pk, best.pk]


def test_available_on_asks_the_calendars_in_the_order_asked_for(find):
    works = [works_every_day(MentorProfileFactory(hourly_rate_points=points)).pk for points in (10, 30, 20)]
    MentorProfileFactory()
    works_every_day(MentorProfileFactory(status="away"))
    query = f"?available_on={days_ahead(3)}&ordering=-hourly_rate"
    assert find(query) == [works[1], works[2], works[0]]
    assert find(f"{query}&page_size=2&page=2") == [works[0]]
    assert find(f"{query}&page=3") == []


def test_available_on_is_a_day_of_whoever_asks(mentor):
    day = days_ahead(5)
    WeeklyHoursFactory(mentor=mentor, weekday=day.isoweekday(), start_minute=0, end_minute=120)  # of Berlin
    far_west = token_of(UserFactory(timezone="America/Los_Angeles"))

    def count(date):
        return ask("GET", f"{MENTORS}?available_on={date}", token=far_west).json()["count"]

    assert (count(day), count(day - dt.timedelta(days=1))) == (0, 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("ordering=-rating", "ordering"),
        ("status=asleep", "status"),
        ("max_rate=-1", "max_rate"),
        ("max_rate=100001", "max_rate"),
        ("max_rate=" + "9" * 40, "max_rate"),
        ("min_rating=0", "min_rating"),
        ("min_rating=5.1", "min_rating"),
        ("min_rating=4.55", "min_rating"),
        ("min_rating=nan", "min_rating"),
        ("available_on=2020-01-01", "available_on"),
        ("available_on=2026-13-45", "available_on"),
        ("available_on=tomorrow", "available_on"),
        ("q=!!!", "q"),
        ("q=%00", "q"),
        ("q=" + "x" * 101, "q"),
        ("expertise=" + "x" * 51, "expertise"),
        ("expertise=a,b", "expertise"),
        ("expertise=", "expertise"),
        ("expertise=%E2%80%AE", "expertise"),
        ("&".join(f"expertise=t{number}" for number in range(11)), "expertise"),
        ("page=0", "page"),
        ("page_size=101", "page_size"),
        ("tag=python", "tag"),
    ],
)
def test_a_bad_filter_is_refused_by_name(ann, query, field):
    response = ask("GET", f"{MENTORS}?{query}", by=ann)
    assert (told(response), response.json()["field"]) == ((422, "invalid_input"), field)


def test_the_number_of_queries_does_not_grow_with_the_mentors(ann):
    token = token_of(ann)
    plain, filtered = "", f"?expertise=python&q=code&max_rate=90&available_on={days_ahead(2)}&ordering=next_free"

    def queries(query):
        with CaptureQueriesContext(connection) as captured:
            answer = ask("GET", f"{MENTORS}{query}", token=token).json()
        return answer["count"], len(captured)

    def grow(count):
        while MentorProfile.objects.count() < count:
            works_every_day(MentorProfileFactory(expertise=["python", "django", "sql"]))
        return [queries(query) for query in (plain, filtered)]

    grow(1)  # content types and the like are asked for once
    (one, of_plain), (also_one, of_filtered) = grow(1)
    assert grow(3) == [(one + 2, of_plain), (also_one + 2, of_filtered)]


# --- Becoming a mentor


def test_a_new_mentor_waits_for_approval(ann, sam):
    status, answer = told(ask("POST", MENTORS, NEW | {"headline": "No fog", "max_sessions_per_day": 3}, by=ann))
    profile = MentorProfile.objects.get(user=ann)
    assert (status, answer) == (
        201,
        {
            "id": profile.pk,
            "user_id": ann.pk,
            "name": "Ann Archer",
            "headline": "No fog",
            "bio": "I repair slow pages.",
            "expertise_areas": ["node.js", "python"],
            "languages": [],
            "hourly_rate": 40,
            "max_sessions_per_day": 3,
            "max_sessions_per_week": None,
            "session_minutes": [60],
            "slot_step_minutes": None,
            "buffer_before_minutes": 0,
            "buffer_after_minutes": 0,
            "minimum_notice_minutes": 240,
            "booking_horizon_days": 28,
            "cancellation_notice_hours": 24,
            "confirms_automatically": False,
            "takes_chats": True,
            "tickets_at_once": 4,
            "meeting_url": "",
            "timezone": "Europe/Madrid",
            "status": "available",
            "is_approved": False,
            "rating": None,
            "rating_count": 0,
            "sessions_completed": 0,
            "tickets_resolved": 0,
        },
    )
    assert told(ask("GET", f"{MENTORS}{profile.pk}", by=sam)) == NOT_FOUND
    assert told(ask("GET", f"{MENTORS}{profile.pk}", by=ann)) == (200, answer)


def test_a_new_mentor_is_approved_at_once_where_the_installation_says_so(ann, settings):
    settings.MENTORS_NEED_APPROVAL = False
    assert ask("POST", MENTORS, NEW, by=ann).json()["is_approved"] is True


def test_a_second_profile_is_refused(max):
    assert told(ask("POST", MENTORS, NEW, by=max)) == (409, "already_mentor")


def test_only_staff_make_others_a_mentor(ann, sam, ada):
    theirs = NEW | {"user_id": sam.pk}
    assert told(ask("POST", MENTORS, theirs, by=ann)) == NOT_ALLOWED
    assert not MentorProfile.objects.exists()
    assert ask("POST", MENTORS, theirs, by=ada).json()["user_id"] == sam.pk
    assert told(ask("POST", MENTORS, theirs, by=ada)) == (409, "already_mentor")
    assert told(ask("POST", MENTORS, NEW | {"user_id": 99_999}, by=ada)) == NOT_FOUND
    assert ask("POST", MENTORS, NEW | {"user_id": ann.pk}, by=ann).status_code == 201


def test_a_new_profile_says_at_least_what_the_mentor_helps_with_and_for_how_much(ann):
    for missing in NEW:
        response = ask("POST", MENTORS, {name: NEW[name] for name in NEW if name != missing}, by=ann)
        assert (told(response), response.json()["field"]) == ((422, "invalid_input"), missing)


# --- The profile


def test_the_meeting_link_is_for_the_mentor_and_staff(mentor, max, ann, ada):
    mentor.meeting_url = "https://meet.example.org/max"
    mentor.save(update_fields=["meeting_url"])
    address = f"{MENTORS}{mentor.pk}"
    shown = [ask("GET", address, by=person).json()["meeting_url"] for person in (max, ada, ann)]
    assert shown == [mentor.meeting_url, mentor.meeting_url, None]


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"hourly_rate": 1}),
        ("PUT", "/status", {"status": "away"}),
        ("GET", "/stats", None),
    ],
)
def test_a_profile_that_one_may_not_see_is_as_if_it_were_not_there(ann, max, ada, method, address, body):
    hidden = create_profile(ann, headline="Hello")
    of_hidden = ask(method, f"{MENTORS}{hidden.pk}{address}", body, by=max)
    of_missing = ask(method, f"{MENTORS}99999{address}", body, by=max)
    assert told(of_hidden) == NOT_FOUND
    assert of_hidden.content == of_missing.content
    assert ask(method, f"{MENTORS}{hidden.pk}{address}", body, by=ann).status_code == 200
    assert ask(method, f"{MENTORS}{hidden.pk}{address}", body, by=ada).status_code == 200


def test_a_change_changes_what_it_carries_and_no_more(mentor, max):
    address = f"{MENTORS}{mentor.pk}"
    before = ask("GET", address, by=max).json()
    changes = {
        "headline": "Django without the fog",
        "bio": "",
        "expertise_areas": ["Django", "C#"],
        "languages": ["German", " english ", "GERMAN"],
        "hourly_rate": 0,
        "timezone": "Europe/Lisbon",
        "session_minutes": [90, 30, 90],
        "slot_step_minutes": 25,
        "max_sessions_per_day": 5,
        "confirms_automatically": True,
        "meeting_url": "https://meet.example.org/max",
    }
    status, after = told(ask("PUT", address, changes, by=max))
    assert (status, after) == (
        200,
        before
        | changes
        | {"expertise_areas": ["c#", "django"], "languages": ["German", "english"], "session_minutes": [30, 90]},
    )
    assert ask("GET", address, by=max).json() == after
    assert ask("PUT", address, {}, by=max).json() == after
    emptied = {"slot_step_minutes": None, "max_sessions_per_day": None, "meeting_url": ""}
    assert ask("PUT", address, emptied, by=max).json() == after | emptied


def test_who_may_see_a_profile_may_not_change_it(mentor, ann, ada):
    for address, body in [("", {"hourly_rate": 1}), ("/status", {"status": "away"})]:
        assert told(ask("PUT", f"{MENTORS}{mentor.pk}{address}", body, by=ann)) == NOT_ALLOWED
        assert ask("PUT", f"{MENTORS}{mentor.pk}{address}", body, by=ada).status_code == 200
    mentor.refresh_from_db()
    assert (mentor.hourly_rate_points, mentor.status) == (1, "away")


def test_staff_change_and_make_profiles_as_far_as_they_may_in_the_admin(mentor, ann):
    helper = UserFactory(is_staff=True)
    address = f"{MENTORS}{mentor.pk}"
    assert ask("GET", address, by=helper).json()["meeting_url"] == ""  # sees it, like all staff
    assert told(ask("PUT", address, {"hourly_rate": 1}, by=helper)) == NOT_ALLOWED
    assert told(ask("PUT", f"{address}/status", {"status": "away"}, by=helper)) == NOT_ALLOWED
    assert told(ask("POST", MENTORS, NEW | {"user_id": ann.pk}, by=helper)) == NOT_ALLOWED
    may = Permission.objects.filter(codename__in=["add_mentorprofile", "change_mentorprofile"])
    helper.user_permissions.set(may)
    assert ask("PUT", address, {"hourly_rate": 1}, by=helper).json()["hourly_rate"] == 1
    assert ask("POST", MENTORS, NEW | {"user_id": ann.pk}, by=helper).status_code == 201


def test_a_declined_profile_that_is_changed_waits_again(mentor, max, ada):
    decline_mentor(mentor, by=ada, now=dt.datetime.now(dt.UTC))
    assert ask("PUT", f"{MENTORS}{mentor.pk}", {"headline": "Better"}, by=max).json()["is_approved"] is False
    assert MentorProfile.objects.waiting().get() == mentor


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hourly_rate", -1),
        ("hourly_rate", 100_001),
        ("hourly_rate", 2.5),
        ("hourly_rate", None),
        ("hourly_rate", 10**40),
        ("headline", ""),
        ("headline", "x" * 121),
        ("headline", "\ud800"),
        ("bio", "nul\x00"),
        ("bio", None),
        ("bio", "x" * 4001),
        ("expertise_areas", []),
        ("expertise_areas", None),
        ("expertise_areas", ["a,b"]),
        ("expertise_areas", [f"tag {number}" for number in range(16)]),
        ("languages", [""]),
        ("languages", ["\u202e"]),
        ("languages", [f"language {number}" for number in range(11)]),
        ("timezone", "Middle/Earth"),
        ("timezone", None),
        ("session_minutes", []),
        ("session_minutes", [61]),
        ("slot_step_minutes", 4),
        ("buffer_before_minutes", 241),
        ("minimum_notice_minutes", 10**6),
        ("booking_horizon_days", 366),
        ("max_sessions_per_day", 0),
        ("max_sessions_per_week", 201),
        ("cancellation_notice_hours", None),
        ("confirms_automatically", None),
        ("tickets_at_once", 51),
        ("meeting_url", "javascript:alert(1)"),
        ("meeting_url", "ftp://example.org/room"),
        ("meeting_url", None),
        ("status", "busy"),
        ("rating", 5),
        ("is_approved", True),
        ("user_id", 1),
        ("id", 1),
    ],
)
def test_a_change_that_the_profile_does_not_take_is_refused_by_name(mentor, max, field, value):
    response = ask("PUT", f"{MENTORS}{mentor.pk}", {"hourly_rate": 7, field: value}, by=max)
    assert (told(response), response.json()["field"]) == ((422, "invalid_input"), field)
    mentor.refresh_from_db()
    assert mentor.hourly_rate_points == 50


def test_the_status_is_available_busy_or_away(mentor, max):
    address = f"{MENTORS}{mentor.pk}/status"
    for status in ("busy", "busy", "away", "available"):
        answer = ask("PUT", address, {"status": status}, by=max).json()
        assert (answer["id"], answer["status"]) == (mentor.pk, status)
    assert told(ask("PUT", address, {"status": "asleep"}, by=max)) == (422, "invalid_input")


# --- Figures


def test_the_figures_are_those_of_the_profile_page(mentor, ann):
    address = f"{MENTORS}{mentor.pk}/stats"
    nothing = {
        "mentor_id": mentor.pk,
        "rating": None,
        "rating_count": 0,
        "sessions_completed": 0,
        "tickets_resolved": 0,
        "answers_usually_within_minutes": None,
        "solution_minutes": None,
    }
    assert told(ask("GET", address, by=ann)) == (200, nothing)
    record_rating(mentor, count=3, total=14)
    record_ticket_figures(mentor, solved=4, answered=4, first_response_minutes=20, solution_minutes=90)
    few = nothing | {"rating": 4.7, "rating_count": 3, "tickets_resolved": 4}
    assert told(ask("GET", address, by=ann)) == (200, few)
    record_ticket_figures(mentor, solved=5, answered=6, first_response_minutes=20, solution_minutes=90)
    enough = few | {"tickets_resolved": 5, "answers_usually_within_minutes": 20, "solution_minutes": 90}
    assert told(ask("GET", address, by=ann)) == (200, enough)
