import datetime as dt
import re

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import UserFactory
from bookings.tests.factories import AppointmentFactory, WeeklyHoursFactory
from mentorbook.errors import NotAllowed
from mentorbook.refusals import RefusalMiddleware, page_before
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification, OutgoingEmail
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db


def hrefs(response):
    return re.findall(r'href="([^"]+)"', response.content.decode())


def navigation(response):
    html = response.content.decode()
    nav = html[html.index('class="site-nav"') :].split("</nav>")[0]
    return re.findall(r"<span>([^<]+)</span>", nav)


# --- Visitors -------------------------------------------------------------------------------------------------------


def test_home_shows_the_three_best_mentors(client):
    for number in range(5):
        MentorProfileFactory(user__name=f"Mentor {number}", rating_rank=number)
    MentorProfileFactory(user__name="Waiting", rating_rank=9, approval=MentorProfile.Approval.WAITING)
    MentorProfileFactory(user__name="Away", rating_rank=9, status=MentorProfile.Status.AWAY)
    response = client.get("/")
    assert [str(mentor) for mentor in response.context["mentors"]] == ["Mentor 4", "Mentor 3", "Mentor 2"]


def test_home_is_whole_without_mentors(client):
    assert b"Here to help" not in client.get("/").content


def test_home_asks_as_often_for_three_mentors_as_for_one(client, django_assert_num_queries):
    MentorProfileFactory(expertise=["django"])
    TicketFactory(closed=True)
    with django_assert_num_queries(4):
        client.get("/")
    MentorProfileFactory.create_batch(2, expertise=["django", "python"])
    TicketFactory.create_batch(2, closed=True)
    with django_assert_num_queries(4):
        client.get("/")


def test_home_shows_the_last_three_answers_that_visitors_may_read(client, settings):
    for number in range(5):
        asked_at = timezone.now() - dt.timedelta(days=9 - number)
        TicketFactory(closed=True, title=f"Solved {number}", created_at=asked_at)
    TicketFactory(closed=True, title="Private", is_public=False)
    TicketFactory(title="Open")
    response = client.get("/")
    assert [article.title for article in response.context["articles"]] == ["Solved 4", "Solved 3", "Solved 2"]
    assert response.context["articles"][0].get_article_url() in hrefs(response)
    settings.KNOWLEDGE_IS_PUBLIC = False
    assert b"Solved lately" not in client.get("/").content


def test_home_leads_to_mentors_and_to_becoming_one(client):
    links = hrefs(client.get("/"))
    assert reverse("mentors:list") in links
    assert reverse("account_signup") + "?intent=mentor" in links


def test_home_says_how_many_points_one_starts_with(client, settings):
    settings.SIGNUP_GRANT_POINTS = 70
    assert "70" in client.get("/").content.decode()
    settings.SIGNUP_GRANT_POINTS = 0
    assert "You start with" not in client.get("/").content.decode()


def test_home_sets_no_cookie_for_visitors(client):
    assert not client.get("/").cookies


def test_home_is_the_dashboard_for_those_who_are_signed_in(client, ann):
    client.force_login(ann)
    assert client.get("/").url == reverse("dashboard")


# --- Dashboard and navigation ---------------------------------------------------------------------------------------


def test_dashboard_needs_sign_in(client):
    assert client.get(reverse("dashboard")).url.startswith(reverse("account_login"))


def test_dashboard_tells_a_new_student_the_next_step(client, ann):
    client.force_login(ann)
    content = client.get(reverse("dashboard")).content.decode()
    assert "What are you stuck on?" in content


@pytest.mark.parametrize("approval", ["waiting", "approved"])
def test_dashboard_asks_a_mentor_without_hours_for_them_first(client, mentor, approval):
    MentorProfile.objects.filter(pk=mentor.pk).update(approval=approval)
    client.force_login(mentor.user)
    response = client.get(reverse("dashboard"))
    assert "When do you have time?" in response.content.decode()
    assert "Nobody has booked you yet" not in response.content.decode()
    assert reverse("bookings:availability") in hrefs(response)


def test_dashboard_tells_a_new_mentor_the_next_step(client, max):
    client.force_login(max)
    WeeklyHoursFactory(mentor=max.mentor_profile)
    response = client.get(reverse("dashboard"))
    assert "Nobody has booked you yet" in response.content.decode()
    assert reverse("bookings:availability") in hrefs(response)


def test_dashboard_shows_sessions_once_there_are_some(client, ann, mentor):
    appointment = AppointmentFactory(mentor=mentor, student=ann)
    for person in (ann, mentor.user):
        client.force_login(person)
        response = client.get(reverse("dashboard"))
        assert not response.context["is_new"]
        assert appointment.title in response.content.decode()


def test_dashboard_asks_as_often_for_three_sessions_as_for_one(client, ann, mentor):
    client.force_login(mentor.user)

    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(reverse("dashboard"))
        return len(queries)

    AppointmentFactory(mentor=mentor, student=ann, status="requested")
    count()
    with_one = count()
    for hour in (12, 14):
        start = AppointmentFactory.starts_at.replace(hour=hour)
        AppointmentFactory(mentor=mentor, student=UserFactory(), status="requested", starts_at=start)
    assert count() == with_one


def test_navigation_fits_the_role(client, ann, max):
    client.force_login(ann)
    assert navigation(client.get(reverse("dashboard"))) == [
        "Ask",
        "Find a mentor",
        "Knowledge",
        "My questions",
        "My sessions",
    ]
    client.force_login(max)
    assert navigation(client.get(reverse("dashboard"))) == [
        "Requests",
        "Queue",
        "My hours",
        "Find a mentor",
        "Knowledge",
        "My sessions",
    ]


def test_navigation_knows_which_of_two_entries_is_the_page(client, max):
    client.force_login(max)
    for query, label in (("", "My sessions"), ("?show=requests", "Requests"), ("?show=past", "My sessions")):
        html = client.get(reverse("bookings:list") + query).content.decode()
        nav = html[html.index('class="site-nav"') :].split("</nav>")[0]
        current = re.findall(r'aria-current="page">.*?<span>([^<]+)</span>', nav, re.S)
        assert current == [label]


def test_only_staff_see_the_way_to_the_administration(client, ann, ada):
    client.force_login(ann)
    assert reverse("admin:index") not in hrefs(client.get(reverse("dashboard")))
    client.force_login(ada)
    assert reverse("admin:index") in hrefs(client.get(reverse("dashboard")))


def test_sign_out_is_a_form(client, ann):
    client.force_login(ann)
    html = client.get(reverse("dashboard")).content.decode()
    assert f'method="post" action="{reverse("account_logout")}"' in html


@pytest.mark.parametrize("address", ["/", "/dashboard/"])
def test_pages_hold_nothing_that_the_policy_forbids(client, ann, address):
    if address != "/":
        client.force_login(ann)
    response = client.get(address)
    html = response.content.decode()
    assert "unsafe" not in response["Content-Security-Policy"]
    assert not re.findall(r"<script(?![^>]*\ssrc=)", html)
    assert not re.findall(r"<style|\sstyle=|\son\w+=|[\"'(]data:", html)


def test_every_static_file_of_a_page_exists(client, ann):
    client.force_login(ann)
    html = client.get(reverse("dashboard")).content.decode()
    names = re.findall(r'(?:href|src)="/static/([^"]+)"', html)
    assert len(names) > 8
    assert [name for name in names if not finders.find(name)] == []


# --- When something is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["400.html", "500.html", "403_csrf.html"])
def test_pages_of_last_resort_need_nothing(page, django_assert_num_queries):
    with django_assert_num_queries(0):
        html = render_to_string(page)
    assert "<h1" in html


@pytest.mark.parametrize("signed_in", [True, False])
def test_not_found_says_so_to_everybody(client, ann, signed_in):
    if signed_in:
        client.force_login(ann)
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is nothing here for you" in response.content.decode()


def test_a_form_without_its_token_says_what_to_do(ann):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    response = client.post(reverse("account_logout"))
    assert response.status_code == 403
    assert "This form was open for too long" in response.content.decode()


@pytest.mark.parametrize(
    ("referrer", "method", "expected"),
    [
        ("http://testserver/bookings/7/?show=past#top", "post", "/bookings/7/?show=past"),
        ("http://testserver/bookings/7/confirm/", "post", "/bookings/7/confirm/"),
        ("http://testserver/bookings/7/confirm/", "get", ""),
        ("http://elsewhere.example/bookings/7/", "post", ""),
        ("javascript:alert(1)", "post", ""),
        ("//elsewhere.example/", "post", ""),
        ("", "post", ""),
    ],
)
def test_a_refusal_leads_back_only_to_a_page_of_ours(rf, referrer, method, expected):
    request = getattr(rf, method)("/bookings/7/confirm/", headers={"referer": referrer})
    assert page_before(request) == expected


def test_a_refused_action_offers_the_way_back(rf, max):
    request = rf.post("/bookings/7/confirm/", headers={"referer": "http://testserver/bookings/?show=past"})
    request.user = max
    response = RefusalMiddleware(None).process_exception(request, NotAllowed())
    assert response.status_code == 403
    assert "/bookings/?show=past" in hrefs(response)


# --- Administration ---------------------------------------------------------------------------------------------------


def admin_index(client, ada):
    client.force_login(ada)
    return client.get(reverse("admin:index"))


def test_admin_says_when_nobody_waits(client, ada):
    assert "Nothing right now" in admin_index(client, ada).content.decode()


def test_admin_shows_first_what_needs_someone(client, ada, ann):
    MentorProfileFactory.create_batch(2, approval=MentorProfile.Approval.WAITING)
    notification = Notification.objects.create(recipient=ann, kind="review_received", occasion="1", title="x", url="/")
    OutgoingEmail.objects.create(
        notification=notification,
        to=ann.email,
        subject="x",
        message_id="1",
        status=OutgoingEmail.Status.FAILED,
    )
    response = admin_index(client, ada)
    assert [sentence for sentence, _ in response.context["needs_someone"]] == [
        "2 mentors wait for approval",
        "1 mail could not be delivered",
    ]
    for _, address in response.context["needs_someone"]:
        assert client.get(address).status_code == 200


def test_admin_tells_staff_only_of_what_they_may_see(client, ann):
    MentorProfileFactory(approval=MentorProfile.Approval.WAITING)
    ann.is_staff = True
    ann.save()
    assert admin_index(client, ann).context["needs_someone"] == []
