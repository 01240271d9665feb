from html import escape

import pytest
from django.urls import reverse

from mentors.actions import decline_mentor
from mentors.models import MentorProfile, TagSynonym
from mentors.tests.factories import MentorProfileFactory, TagFactory

pytestmark = pytest.mark.django_db

NEW = {
    "headline": "Helps with Django and the first job",
    "expertise": "Python, django , C++",
    "bio": "Twelve years of it.",
    "languages": "English, Deutsch, english",
    "hourly_rate_points": "40",
    "timezone": "Europe/Berlin",
    "session_minutes": ["30", "60"],
    "slot_step_minutes": "none",
    "buffer_before_minutes": "0",
    "buffer_after_minutes": "15",
    "minimum_notice_minutes": "240",
    "booking_horizon_days": "28",
    "max_sessions_per_day": "none",
    "max_sessions_per_week": "5",
    "confirms_automatically": "by_hand",
    "cancellation_notice_hours": "24",
    "takes_chats": "on",
    "tickets_at_once": "6",
    "meeting_url": "meet.example.org/max",
}


# --- Who may


@pytest.fixture
def people(ann, max, sam, ada):
    """Everybody of the permission table; Sam owns a profile that waits for approval."""
    MentorProfileFactory(user=sam, approval="waiting")
    return {"anonymous": None, "student": ann, "mentor": max, "owner": sam, "staff": ada}


@pytest.mark.parametrize(
    ("method", "name", "expected"),
    [
        ("get", "list", {"student": 200, "mentor": 200, "owner": 200, "staff": 200}),
        ("get", "tags", {"student": 200, "mentor": 200, "owner": 200, "staff": 200}),
        ("get", "create", {"student": 200, "mentor": 302, "owner": 302, "staff": 200}),
        ("get", "edit", {"student": 302, "mentor": 200, "owner": 200, "staff": 302}),
        ("post", "create", {"student": 422, "mentor": 302, "owner": 302, "staff": 422}),
        ("post", "edit", {"student": 302, "mentor": 422, "owner": 422, "staff": 302}),
        ("get", "set_status", {"student": 405, "mentor": 405, "owner": 405, "staff": 405}),
        ("post", "set_status", {"student": 404, "mentor": 422, "owner": 422, "staff": 404}),
        ("get", "waiting", {"student": 404, "mentor": 404, "owner": 200, "staff": 200}),
        ("get", "approved", {"student": 200, "mentor": 200, "owner": 200, "staff": 200}),
        ("get", "missing", {"student": 404, "mentor": 404, "owner": 404, "staff": 404}),
        ("get", "huge", {"student": 404, "mentor": 404, "owner": 404, "staff": 404}),
    ],
)
def test_who_gets_what(client, people, method, name, expected):
    address = {
        "waiting": lambda: people["owner"].mentor_profile.get_absolute_url(),
        "approved": lambda: people["mentor"].mentor_profile.get_absolute_url(),
        "missing": lambda: reverse("mentors:detail", args=[999_999]),
        "huge": lambda: reverse("mentors:detail", args=[10**30]),
    }.get(name, lambda: reverse(f"mentors:{name}"))()
    answers = {}
    for who, person in people.items():
        client.logout()
        if person:
            client.force_login(person)
        response = getattr(client, method)(address)
        if who == "anonymous":
            assert response.status_code == 302
            assert response.url.startswith(reverse("account_login"))
        else:
            answers[who] = response.status_code
    assert answers == expected


# --- Becoming a mentor


def test_becoming_a_mentor(client, ann):
    client.force_login(ann)
    page = client.get(reverse("mentors:create"))
    assert "Staff look at new profiles" in page.content.decode()
    assert page.context["form"]["timezone"].value() == ann.timezone

    response = client.post(reverse("mentors:create"), NEW)

    profile = MentorProfile.objects.get(user=ann)
    assert (response.status_code, response.url) == (302, profile.get_absolute_url())
    assert [tag.name for tag in profile.expertise.all()] == ["c++", "django", "python"]
    assert profile.languages == ["English", "Deutsch"]
    assert profile.session_minutes == [30, 60]
    assert profile.slot_step_minutes is None
    assert profile.max_sessions_per_day is None
    assert profile.max_sessions_per_week == 5
    assert profile.confirms_automatically is False
    assert profile.takes_chats is True
    assert profile.tickets_at_once == 6
    assert profile.meeting_url == "https://meet.example.org/max"
    assert "waiting for approval" in client.get(response.url).content.decode()


def test_a_second_click_makes_no_second_profile(client, ann):
    client.force_login(ann)
    client.post(reverse("mentors:create"), NEW)
    assert client.post(reverse("mentors:create"), NEW).url == reverse("mentors:edit")
    assert MentorProfile.objects.filter(user=ann).count() == 1


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("headline", ""),
        ("headline", "x" * 121),
        ("headline", "nul\x00"),
        ("expertise", ""),
        ("expertise", " , , "),
        ("expertise", "x" * 51),
        ("expertise", "py\x00thon"),
        ("expertise", ", ".join(f"tag{n}" for n in range(16))),
        ("bio", "x" * 4001),
        ("languages", ",".join(f"l{n}" for n in range(11))),
        ("languages", "x" * 41),
        ("languages", "Eng\x07lish"),
        ("hourly_rate_points", "-1"),
        ("hourly_rate_points", "100001"),
        ("hourly_rate_points", "99999999999999999999"),
        ("hourly_rate_points", "NaN"),
        ("hourly_rate_points", ""),
        ("timezone", "Middle/Earth"),
        ("session_minutes", []),
        ("session_minutes", ["61"]),
        ("slot_step_minutes", "1"),
        ("slot_step_minutes", "junk"),
        ("buffer_before_minutes", "-5"),
        ("minimum_notice_minutes", "999999999999"),
        ("booking_horizon_days", ""),
        ("max_sessions_per_day", "0"),
        ("max_sessions_per_week", "1e3"),
        ("confirms_automatically", "maybe"),
        ("cancellation_notice_hours", "none"),
        ("meeting_url", "javascript:alert(1)"),
        ("meeting_url", "ftp://example.org/"),
        ("meeting_url", "https://x.org/" + "x" * 500),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_everything_typed_stays(client, max, mentor, field, typed):
    client.force_login(max)
    response = client.post(reverse("mentors:edit"), {**NEW, field: typed})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    page = response.content.decode()
    assert escape(response.context["form"].errors[field][0]) in page
    if field != "bio":
        assert "Twelve years of it." in page
    mentor.refresh_from_db()
    assert mentor.headline == "Helps with code"


def test_editing_shows_and_keeps_amounts_that_came_by_another_door(client, max, mentor):
    mentor.minimum_notice_minutes, mentor.slot_step_minutes, mentor.booking_horizon_days = 150, 25, 31
    mentor.save()
    client.force_login(max)
    form = client.get(reverse("mentors:edit")).context["form"]
    typed = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    assert "2 h 30 min" in str(form["minimum_notice_minutes"])
    response = client.post(reverse("mentors:edit"), {**typed, "expertise": "go"})
    assert response.status_code == 302
    mentor.refresh_from_db()
    assert (mentor.minimum_notice_minutes, mentor.slot_step_minutes, mentor.booking_horizon_days) == (150, 25, 31)


def test_a_declined_mentor_reads_why_and_asks_again(client, ann, ada):
    profile = MentorProfileFactory(user=ann, approval="waiting")
    decline_mentor(profile, by=ada, now=profile.created_at, note="Say <b>what</b> you help with.")
    client.force_login(ann)
    for address in (reverse("mentors:edit"), profile.get_absolute_url(), reverse("dashboard")):
        assert "Say &lt;b&gt;what&lt;/b&gt; you help with." in client.get(address).content.decode()
    client.post(reverse("mentors:edit"), NEW)
    profile.refresh_from_db()
    assert profile.approval == MentorProfile.Approval.WAITING


# --- Status


def test_the_status_changes_with_one_click(client, max, mentor):
    client.force_login(max)
    response = client.post(reverse("mentors:set_status"), {"status": "away", "next": "/dashboard/"})
    assert response.url == "/dashboard/"
    mentor.refresh_from_db()
    assert mentor.status == "away"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "", "\x00"])
def test_the_status_switch_sends_nobody_elsewhere(client, max, mentor, elsewhere):
    client.force_login(max)
    response = client.post(reverse("mentors:set_status"), {"status": "busy", "next": elsewhere})
    assert response.url == mentor.get_absolute_url()


def test_the_status_switch_answers_htmx_with_itself(client, max, mentor):
    client.force_login(max)
    response = client.post(reverse("mentors:set_status"), {"status": "busy"}, headers={"HX-Request": "true"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert page.count('aria-pressed="true"') == 1
    assert "No chats right now" in page


# --- Profile and dashboard


def test_the_profile_says_what_a_session_costs(client, ann, mentor):
    mentor.session_minutes, mentor.languages = [60, 30], ["English", "Deutsch"]
    mentor.save()
    client.force_login(ann)
    page = " ".join(client.get(mentor.get_absolute_url()).content.decode().split())
    assert "1 hour" in page
    assert "30 minutes" in page
    assert '<span class="points-number">25</span>' in page
    assert "Cancelling is free until 1 day before the start." in page
    assert "Later, 50 % of the points come back." in page
    assert "English, Deutsch" in page
    assert "Europe/Berlin" in page


def test_nothing_typed_becomes_markup(client, ann):
    mentor = MentorProfileFactory(
        user__name="<i>Max</i>", headline="<script>1</script>", bio="<img src=x>", languages=["<b>"], expertise=["<u>"]
    )
    client.force_login(ann)
    for address in (mentor.get_absolute_url(), "/mentors/", "/mentors/?tag=%3Cu%3E&q=%3Ci%3Emax"):
        page = client.get(address).content.decode()
        for markup in ("<i>", "<script>1", "<img src=x", "<b>", "<u>"):
            assert markup not in page


def test_the_meeting_link_is_not_on_the_profile(client, ann, mentor):
    mentor.meeting_url = "https://meet.example.org/secret"
    mentor.save()
    client.force_login(ann)
    assert "meet.example.org" not in client.get(mentor.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (None, "Write my mentor profile"),
        ({"approval": "waiting"}, "Staff look at your profile"),
        ({"approval": "declined"}, "Staff have not approved this profile"),
        ({}, "What students see"),
    ],
)
def test_the_dashboard_says_where_the_profile_stands(client, ann, fields, words):
    ann.wants_to_mentor = True
    ann.save()
    if fields is not None:
        MentorProfileFactory(user=ann, **fields)
    client.force_login(ann)
    assert words in client.get(reverse("dashboard")).content.decode()


def test_the_dashboard_says_nothing_of_it_to_those_who_only_learn(client, ann):
    client.force_login(ann)
    assert "mentor profile" not in client.get(reverse("dashboard")).content.decode()


# --- Completion


def test_tags_complete_the_last_one_typed(client, ann):
    TagSynonym.objects.create(name="py", tag=TagFactory(name="python"))
    TagFactory(name="pytest")
    client.force_login(ann)

    def options(query):
        return client.get(f"{reverse('mentors:tags')}{query}").content.decode()

    assert '<option value="django, python">' in options("?expertise=django,%20PY")
    assert '<option value="pytest">' in options("?tag=pyt")
    assert "python" in options("?tag=py")
    for nothing in ("", "?tag=", "?tag=django,", "?tag=%00", "?tag=" + "x" * 500, "?tag=cobol"):
        assert "<option" not in options(nothing)


def test_a_profile_says_how_many_questions_were_solved_and_how_quickly(client, ann, mentor):
    client.force_login(ann)
    mentor.tickets_solved, mentor.tickets_answered, mentor.first_response_minutes = 31, 4, 130
    mentor.save(update_fields=["tickets_solved", "tickets_answered", "first_response_minutes"])
    page = client.get(mentor.get_absolute_url()).content.decode()
    assert "31" in page.partition("Questions solved")[2][:60]
    assert "usually within" not in page  # four answers are chance
    mentor.tickets_answered = 5
    mentor.save(update_fields=["tickets_answered"])
    assert "usually within 2 hours" in client.get(mentor.get_absolute_url()).content.decode()
