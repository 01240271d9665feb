"""The mentors' queue, the mentors for a ticket, and the dashboard's section."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mentors.actions import merge_tags
from mentors.models import Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.models import Ticket
from tickets.templatetags.tickets import roughly, strong_names
from tickets.tests.factories import TicketFactory

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
PAGE = "/tickets/queue/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_max(client, mentor, time_machine):
    """Max knows python and django; other mentors know other things."""
    time_machine.move_to(NOW, tick=False)
    mentor.expertise.set([TagFactory(name="python"), TagFactory(name="django")])
    MentorProfileFactory(expertise=["sql", "c++"])
    client.force_login(mentor.user)
    return client


@pytest.fixture
def as_ann(client, ann, time_machine):
    time_machine.move_to(NOW, tick=False)
    client.force_login(ann)
    return client


def ask(title="How do I?", *, tags=("python",), ago=HOUR, **fields):
    return TicketFactory(title=title, tags=tags, created_at=NOW - ago, **fields)


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def words(text):
    """The text of a piece of HTML."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))


def shown(response):
    assert response.status_code == 200
    rows = list(response.context["page"])
    return [getattr(row, "ticket", row) for row in rows]


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


# --- Who gets in ------------------------------------------------------------------------------------------------------


def test_students_are_told_how_one_becomes_a_mentor(as_ann):
    response = as_ann.get(PAGE)
    assert response.status_code == 403
    assert "This page is for mentors" in html(response)


@pytest.mark.parametrize("approval", ["waiting", "declined"])
def test_a_mentor_who_is_not_approved_is_told_so(as_max, mentor, approval):
    mentor.approval = approval
    mentor.save(update_fields=["approval"])
    ask("Nobody sees this")
    response = as_max.get(PAGE)
    assert response.status_code == 403
    assert "Your mentor profile is not approved yet" in html(response)
    assert "Nobody sees this" not in html(response)


def test_visitors_sign_in_first(client, db):
    assert client.get(PAGE).url.startswith("/accounts/login/")


def test_the_queue_is_for_looking(as_max):
    assert as_max.post(PAGE).status_code == 405


# --- Rows -------------------------------------------------------------------------------------------------------------


def test_a_row_shows_the_question_who_asks_and_why_it_is_there(as_max, ann):
    ticket = ask(
        "Two workers, one queue",
        tags=["sql", "python", "django"],
        ago=50 * HOUR,
        student=ann,
        description="It **waits**.",
    )
    text = html(as_max.get(PAGE))
    assert f'<a href="{ticket.get_absolute_url()}">Two workers, one queue</a>' in text
    assert "It waits." in text
    assert "Ann Archer" in text
    assert "fits your django, python waits 2 days" in words(text)
    assert re.findall(r'class="tag( tag-chosen)?" href="\?tag=(\w+)">', text) == [
        (" tag-chosen", "django"),
        (" tag-chosen", "python"),
        ("", "sql"),
    ]


def test_what_people_write_is_text(as_max):
    ask("<b>bold</b>", description="<script>alert(1)</script> <img src=x>")
    text = html(as_max.get(PAGE))
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<script>alert" not in text
    assert "<img src=x>" not in text


def test_tabs_show_what_fits_everything_and_ones_own(as_max, mentor):
    fitting, other = ask(), ask(tags=["c++"])
    own = TicketFactory(mentor=mentor, assigned=True)
    assert shown(as_max.get(PAGE)) == [fitting]
    assert shown(as_max.get(f"{PAGE}?tab=all")) == [fitting, other]
    assert shown(as_max.get(f"{PAGE}?tab=mine")) == [own]
    assert shown(as_max.get(f"{PAGE}?tab=nonsense")) == [fitting]


def test_ones_own_stand_under_who_is_awaited(as_max, mentor):
    TicketFactory(title="Solved one", mentor=mentor, closed=True)
    TicketFactory(title="Student one", mentor=mentor, assigned=True, waiting_on="student")
    TicketFactory(title="Urgent one", mentor=mentor, assigned=True)
    text = words(html(as_max.get(f"{PAGE}?tab=mine")))
    parts = ["You are awaited", "Urgent one", "waits for you", "The student is awaited", "Student one", "Solved"]
    positions = [text.index(part) for part in [*parts, "Solved one"]]
    assert positions == sorted(positions)


def test_the_line_says_how_much_room_there_is(as_max, mentor):
    ask()
    TicketFactory(mentor=mentor, assigned=True)
    TicketFactory(mentor=mentor, closed=True)
    assert "1 of 4 tickets in work" in html(as_max.get(PAGE))


def test_a_question_is_taken_from_its_row(as_max, mentor):
    ticket = ask()
    assert f'<form method="post" action="/tickets/{ticket.pk}/accept/">' in html(as_max.get(PAGE))
    response = as_max.post(reverse("tickets:accept", args=[ticket.pk]))
    assert response.url == ticket.get_absolute_url()
    assert Ticket.objects.get(pk=ticket.pk).mentor == mentor


def test_whoever_comes_second_is_told_who_has_it(as_max):
    ticket = ask()
    as_max.get(PAGE)
    faster = MentorProfileFactory(user__name="Fay Fast")
    Ticket.objects.filter(pk=ticket.pk).update(status="assigned", mentor=faster, assigned_at=NOW)
    response = as_max.post(reverse("tickets:accept", args=[ticket.pk]))
    assert response.status_code == 409
    assert "Fay Fast has this ticket already" in html(response)


def test_without_room_nothing_is_offered_that_would_be_refused(as_max, mentor):
    ask()
    mentor.tickets_at_once = 1
    mentor.save(update_fields=["tickets_at_once"])
    TicketFactory(mentor=mentor, assigned=True)
    text = html(as_max.get(PAGE))
    assert "1 of 1 ticket in work" in text
    assert "Solve or release one before you take another." in text
    assert "/accept/" not in text


def test_a_mentor_who_takes_no_tickets_reads_where_to_change_that(as_max, mentor):
    ask()
    mentor.tickets_at_once = 0
    mentor.save(update_fields=["tickets_at_once"])
    text = html(as_max.get(PAGE))
    assert "You take no questions in writing." in text
    assert "/accept/" not in text


# --- Filters ----------------------------------------------------------------------------------------------------------


def test_tags_narrow_every_tab(as_max, mentor):
    both, one = ask(tags=["python", "sql"]), ask(tags=["python"])
    own = TicketFactory(mentor=mentor, assigned=True, tags=["sql"])
    TicketFactory(mentor=mentor, assigned=True, tags=["python"])
    assert shown(as_max.get(f"{PAGE}?tag=SQL&tag=python")) == [both]
    assert set(shown(as_max.get(f"{PAGE}?tag=python&tab=all"))) == {both, one}
    assert shown(as_max.get(f"{PAGE}?tab=mine&tag=sql")) == [own]


def test_a_merged_spelling_finds_the_same(as_max, ada):
    ticket = ask(tags=["py"])
    merge_tags(Tag.objects.get(name="py"), Tag.objects.get(name="python"), by=ada)
    assert shown(as_max.get(f"{PAGE}?tag=py")) == shown(as_max.get(f"{PAGE}?tag=python")) == [ticket]


def test_chosen_tags_can_be_taken_away_one_by_one(as_max):
    ask(tags=["python", "c++"])
    response = as_max.get(f"{PAGE}?tab=all&tag=python&tag=c%2B%2B")
    assert response.context["chips"] == [("python", "?tab=all&tag=c%2B%2B"), ("c++", "?tab=all&tag=python")]
    assert 'href="?tab=all">Clear all' in html(response)
    assert ("Mine", "?tab=mine&tag=python&tag=c%2B%2B", False) in response.context["tabs"]


def test_own_tags_are_offered_with_their_numbers(as_max):
    ask(tags=["django", "python"])
    ask(tags=["python", "sql"])
    assert as_max.get(PAGE).context["offers"] == [
        ("python", 2, "?tab=you&tag=python"),
        ("django", 1, "?tab=you&tag=django"),
    ]
    assert as_max.get(f"{PAGE}?tag=python").context["offers"] == [("django", 1, "?tab=you&tag=python&tag=django")]


@pytest.mark.parametrize("tab", ["you", "all", "mine"])
def test_a_tag_that_does_not_exist_finds_nothing_and_says_so(as_max, mentor, tab):
    ask()
    TicketFactory(mentor=mentor, assigned=True)
    response = as_max.get(f"{PAGE}?tab={tab}&tag=cobol&tag=python")
    assert shown(response) == []
    assert "Show all tags" in html(response)
    assert ("cobol", f"?tab={tab}&tag=python") in response.context["chips"]


@pytest.mark.parametrize("query", ["tag=&tag=%00", f"tag={'a' * 5000}", "tag=,&tag=%20", "tag=%E2%80%8B", "tab=%00"])
@pytest.mark.parametrize("page", ["-1", "9" * 30, "x"])
def test_nonsense_in_the_address_changes_nothing(as_max, query, page):
    ticket = ask()
    assert shown(as_max.get(f"{PAGE}?{query}&page={page}")) == [ticket]


# --- Empty ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tab", "title", "address"),
    [
        ("you", "Nothing for you right now", "?tab=all"),
        ("all", "Nobody waits for a mentor", "?tab=mine"),
        ("mine", "You have not taken a question yet", "/tickets/queue/"),
    ],
)
def test_an_empty_tab_says_what_to_do_next(as_max, tab, title, address):
    text = html(as_max.get(f"{PAGE}?tab={tab}"))
    assert title in text
    assert f'class="btn btn-primary" href="{address}"' in text


def test_a_mentor_without_tags_is_asked_for_them(as_max, mentor):
    mentor.expertise.clear()
    text = html(as_max.get(PAGE))
    assert "Say what you know" in text
    assert reverse("mentors:edit") in text


# --- Pages and queries ------------------------------------------------------------------------------------------------


def test_the_second_page_goes_on_where_the_first_ended(as_max):
    tickets = [ask(ago=n * HOUR) for n in range(23, 0, -1)]
    assert shown(as_max.get(PAGE)) == tickets[:20]
    assert shown(as_max.get(f"{PAGE}?page=2")) == tickets[20:]
    assert "23 questions for you." in html(as_max.get(f"{PAGE}?page=2"))


@pytest.mark.parametrize("tab", ["you", "all", "mine"])
def test_the_page_takes_the_same_queries_however_many_rows(as_max, mentor, tab):
    def add():
        ask(tags=["python", "sql"])
        TicketFactory(mentor=mentor, assigned=True, tags=["python", "sql"])
        TicketFactory(mentor=mentor, closed=True)

    add()
    one = queries(as_max, f"{PAGE}?tab={tab}")
    add()
    add()
    assert queries(as_max, f"{PAGE}?tab={tab}") == one


# --- Mentors for a ticket ---------------------------------------------------------------------------------------------


@pytest.fixture
def own_ticket(ann, mentor):
    mentor.expertise.set([TagFactory(name="python"), TagFactory(name="celery")])
    MentorProfileFactory(expertise=["python"], status="away")
    return ask(tags=["python", "celery"], student=ann)


def mentors_url(ticket):
    return reverse("tickets:mentors", args=[ticket.pk])


def test_students_see_who_fits_and_why(as_ann, ann, own_ticket, mentor):
    type(mentor).objects.update(
        rating_count=38, rating_sum=179, tickets_answered=9, first_response_minutes=125, hourly_rate_points=50
    )
    TicketFactory(student=ann, mentor=mentor, closed=True)
    response = as_ann.get(mentors_url(own_ticket))
    text = html(response)
    assert "matches celery, python helped you before 4.7 ★ (38)" in words(text)
    assert "usually answers in 2 hours" in words(text)
    address = reverse("bookings:choose", args=[mentor.pk], query={"ticket": own_ticket.pk})
    assert f'href="{address}"' in text
    assert "Talk to Max" in text
    assert "50 points an hour" in words(text)
    assert f'href="{mentor.get_absolute_url()}">Max Meyer</a>' in text


def test_the_fragment_has_the_section_alone(as_ann, own_ticket):
    response = as_ann.get(mentors_url(own_ticket), headers={"HX-Request": "true"})
    assert "<html" not in html(response)
    assert "Talk to Max" in html(response)
    assert "HX-Request" in response["Vary"]


def test_nobody_who_fits_is_said_with_what_happens_now(as_ann, own_ticket, mentor):
    type(mentor).objects.update(status="away")
    text = html(as_ann.get(mentors_url(own_ticket)))
    assert "Nobody who knows these tags has a free place right now." in text
    assert reverse("mentors:list") in text


def test_strangers_find_nothing(client, sam, own_ticket):
    client.force_login(sam)
    assert client.get(mentors_url(own_ticket)).status_code == 404
    assert client.get(reverse("tickets:mentors", args=[own_ticket.pk + 999])).status_code == 404


def test_mentors_do_not_see_whom_a_student_is_offered(client, max, own_ticket):
    client.force_login(max)
    assert client.get(mentors_url(own_ticket)).status_code == 403


def test_staff_see_who_fits_without_booking(client, ada, own_ticket):
    client.force_login(ada)
    text = html(client.get(mentors_url(own_ticket)))
    assert "Max Meyer" in text
    assert "Talk to" not in text


def test_mentors_for_a_ticket_take_the_same_queries_however_many(as_ann, own_ticket):
    one = queries(as_ann, mentors_url(own_ticket))
    for _ in range(2):
        MentorProfileFactory(expertise=["python"])
    assert queries(as_ann, mentors_url(own_ticket)) == one


# --- Sections of other pages ------------------------------------------------------------------------------------------


def render(tag, user, **context):
    request = RequestFactory().get("/")
    request.user = user
    return Template("{% load tickets %}" + tag).render(Context({"request": request, "user": user, **context}))


def test_the_section_of_a_ticket_is_for_its_student(ann, max, own_ticket):
    tag = "{% matching_mentors ticket %}"
    assert "Talk to Max" in render(tag, ann, ticket=own_ticket)
    assert render(tag, max, ticket=own_ticket).strip() == ""


def test_the_dashboard_shows_a_student_what_waits_for_them_newest_first(ann, mentor):
    def own(title, ago, **fields):
        return TicketFactory(title=title, student=ann, mentor=mentor, waiting_since=NOW - ago, **fields)

    own("Answered question", DAY, assigned=True, waiting_on="student")
    own("Solved question", HOUR, resolved=True)
    own("Question at the mentor", HOUR, assigned=True)
    own("Closed question", HOUR, closed=True)
    text = words(render("{% dashboard_tickets %}", ann))
    assert text.index("Solved question Max Meyer wrote a solution:") < text.index("Answered question Max Meyer wrote:")
    assert "Question at the mentor" not in text
    assert "Closed question" not in text
    assert "Questions for you" not in text


def test_the_dashboard_shows_a_mentor_who_waits_and_the_first_of_the_queue(as_max, mentor, ann):
    TicketFactory(title="Ann waits", student=ann, mentor=mentor, assigned=True, waiting_since=NOW - DAY)
    TicketFactory(title="Ann writes", student=ann, mentor=mentor, assigned=True, waiting_on="student")
    for n in range(4, 0, -1):
        ask(f"Question {n}", ago=n * HOUR)
    text = words(render("{% dashboard_tickets %}", mentor.user))
    assert "Ann waits Ann Archer waits since" in text
    assert "Ann writes" not in text
    assert [f"Question {n}" in text for n in (4, 3, 2, 1)] == [True, True, True, False]


def test_the_dashboard_offers_nothing_to_a_mentor_without_room(as_max, mentor):
    mentor.tickets_at_once = 0
    ask("Not for you")
    assert "Not for you" not in render("{% dashboard_tickets %}", mentor.user)


def test_the_dashboard_says_nothing_where_nothing_waits(ann, max):
    assert render("{% dashboard_tickets %}", ann).strip() == ""
    assert render("{% dashboard_tickets %}", max).strip() == ""


def test_the_dashboard_takes_the_same_queries_however_many_tickets(as_max, mentor, ann):
    def add():
        ask(tags=["python", "sql"])
        TicketFactory(mentor=mentor, assigned=True)
        TicketFactory(student=mentor.user, assigned=True, waiting_on="student")

    def count():
        with CaptureQueriesContext(connection) as captured:
            render("{% dashboard_tickets %}", mentor.user)
        return len(captured)

    add()
    one = count()
    add()
    add()
    assert count() == one


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "1 minute"),
        (1, "1 minute"),
        (89, "89 minutes"),
        (90, "2 hours"),
        (125, "2 hours"),
        (26 * 60, "26 hours"),
        (48 * 60 - 1, "48 hours"),
        (48 * 60, "2 days"),
        (71 * 60, "2 days"),
        (400 * 24 * 60, "400 days"),
    ],
)
def test_times_are_said_as_people_say_them(minutes, said):
    assert roughly(minutes) == said


def test_names_in_bold_are_escaped():
    assert strong_names(["a<b", "c++"]) == "<strong>a&lt;b</strong>, <strong>c++</strong>"
