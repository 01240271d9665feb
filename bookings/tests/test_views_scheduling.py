"""Find me a time: the form, the rows, one click, and what happens when somebody is faster."""

import datetime as dt
import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, ProjectGroup
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, book, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tickets.tests.factories import TicketFactory
from wallets.actions import contribute_points, give_back_points, grant_points, wallet_of, wallet_of_group

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Madrid
TEN = dt.datetime(2027, 1, 11, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
FIND = "/bookings/find/"


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def as_ann(client, ann):
    grant_points(ann, points=100)
    client.force_login(ann)
    return client


def mentor_who_knows(*tags, **fields):
    fields = {"timezone": "Europe/Madrid", "minimum_notice_minutes": 60, **fields}
    return works_every_day(MentorProfileFactory(expertise=tags, **fields), 10 * 60, 17 * 60)


@pytest.fixture
def max(mentor):
    """Knows python; free from 10:00 on."""
    MentorProfile.objects.filter(pk=mentor.pk).delete()
    return mentor_who_knows("python", user__name="Max Meyer")


def text(response):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def choices(response):
    return re.findall(r'name="choice"\s+value="([^"]+)"', unescape(response.content.decode()))


def key(response):
    return re.search(r'name="idempotency_key" value="([^"]+)"', response.content.decode())[1]


def press(client, page, choice=None, query="?tag=python", **typed):
    form = {"title": "Slow query 🐌", "choice": choice or choices(page)[0], "idempotency_key": key(page), **typed}
    return client.post(FIND + query, form)


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_the_page_asks_before_it_looks(as_ann, max):
    response = as_ann.get(FIND)
    assert response.status_code == 200
    assert "Say what about, how long and when" in text(response)
    assert not choices(response)
    assert "you have 100" in text(response)


def test_a_row_says_who_why_when_and_for_how_much(as_ann, max):
    MentorProfile.objects.filter(pk=max.pk).update(
        rating_count=2, rating_sum=9, cancellation_notice_hours=1, minimum_notice_minutes=0
    )
    response = as_ann.get(FIND, {"tag": "python"})
    shown = text(response)
    for words in (
        "Max Meyer",
        "knows python",
        "4.5",
        "free today 10:00",
        "confirms by hand",
        "Request Mon 11 Jan, 10:00 for 50 points",
        "Other times of Max",
        "Request Tue 12 Jan, 10:00 for 50 points",
        "free to cancel until Tue 12 Jan, 09:00",
        "Times in Europe/Madrid",
        "python · 1 hour · Mon 11 Jan to Sun 24 Jan · at most 100 points",
        "the next on the list is booked instead, for at most 100 points",
    ):
        assert words in shown, words


def test_times_are_those_of_the_viewer(as_ann, ann, max):
    type(ann).objects.filter(pk=ann.pk).update(timezone="Asia/Kathmandu")
    shown = text(as_ann.get(FIND, {"tag": "python", "earliest": "14:45", "latest": "15:45"}))
    assert "Request Mon 11 Jan, 14:45 for 50 points" in shown
    assert "Asia/Kathmandu" in shown


def test_the_earliest_and_the_cheapest_are_marked(as_ann, max):
    late = mentor_who_knows("python", hourly_rate_points=20, minimum_notice_minutes=180)
    rows = as_ann.get(FIND, {"tag": "python"}).context["rows"]
    assert {row.pair.mentor: (row.is_earliest, row.is_cheapest) for row in rows} == {
        max: (True, False),
        late: (False, True),
    }


def test_what_comes_back_of_a_late_cancellation_is_said(as_ann, max):
    MentorProfile.objects.filter(pk=max.pk).update(cancellation_notice_hours=48)
    assert "free to cancel only until it is confirmed, 50 % come back after that" in text(
        as_ann.get(FIND, {"tag": "python"})
    )
    MentorProfile.objects.filter(pk=max.pk).update(confirms_automatically=True)
    assert "cannot be cancelled for free: 50 % come back" in text(as_ann.get(FIND, {"tag": "python"}))


def test_a_single_row_is_compared_with_nothing(as_ann, max):
    (row,) = as_ann.get(FIND, {"tag": "python"}).context["rows"]
    assert not row.is_earliest
    assert not row.is_cheapest


def test_what_one_cannot_pay_is_shown_without_a_button(as_ann):
    mentor_who_knows(hourly_rate_points=120)
    response = as_ann.get(FIND, {"price": "200"})
    assert "20 points are missing" in text(response)
    assert not choices(response)


def test_the_highest_price_is_what_one_has_unless_said(as_ann):
    mentor_who_knows(hourly_rate_points=101)
    assert as_ann.get(FIND, {"duration": "60"}).context["rows"] == []
    assert len(as_ann.get(FIND, {"price": "101"}).context["rows"]) == 1


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"tag": "nobody-knows-it"}, "tag", "Nobody here knows “nobody-knows-it” yet"),
        ({"tag": "a,b,c,d,e,f"}, "tag", "at most 5 tags"),
        ({"duration": "7"}, "duration", "Choose one from the list"),
        ({"duration": "٣٠"}, "duration", "Choose one from the list"),
        ({"first": "2027-01-10"}, "first", "That day is over"),
        ({"first": "2029-01-10"}, "first", "within a year"),
        ({"first": "9999-12-31"}, "first", "within a year"),
        ({"first": "soon"}, "first", "a day that exists"),
        ({"first": "2027-01-20", "last": "2027-01-19"}, "last", "before the first"),
        ({"last": "2027-03-14"}, "last", "at most 62 days"),
        ({"last": "9999-12-31"}, "last", "at most 62 days"),
        ({"earliest": "25:00"}, "earliest", "Type a time such as"),
        ({"earliest": "10:00", "latest": "10:30"}, "latest", "less time than the session takes"),
        ({"earliest": "23:30"}, "earliest", "less time than the session takes"),
        ({"price": "-1"}, "price", "0 or more points"),
        ({"price": "many"}, "price", "a whole number of points"),
        ({"price": "99999999999999999999"}, "price", "at most 200000 points"),
        ({"group": "1"}, "group", "do not belong to that group"),
        ({"group": "", "pay_from": "group"}, "pay_from", "Choose the group that pays"),
        ({"ticket": "1"}, "ticket", "not one of your questions"),
        ({"ticket": "x"}, "ticket", "not one of your questions"),
    ],
)
def test_bad_input_is_said_beside_its_field_and_kept(as_ann, max, query, field, words):
    response = as_ann.get(FIND, query)
    assert response.status_code == 422
    assert list(response.context["wish"].errors) == [field]
    assert words in text(response)
    if field not in ("duration", "group", "ticket", "pay_from"):
        assert f'value="{query[field]}"' in unescape(response.content.decode())


def test_somebody_else_s_question_is_as_good_as_none(as_ann, sam):
    theirs = TicketFactory(student=sam, title="A secret")
    there, missing = (as_ann.get(FIND, {"ticket": pk}) for pk in (theirs.pk, 2**31 - 1))
    assert there.status_code == missing.status_code == 422
    assert "A secret" not in text(there)
    assert text(there) == text(missing)


# --- From a question --------------------------------------------------------------------------------------------------


def test_a_question_brings_its_tags_and_its_title(as_ann, ann, max):
    mentor_who_knows("css")
    ticket = TicketFactory(student=ann, title="Why is it slow?", tags=["python", "sql"])
    response = as_ann.get(FIND, {"ticket": ticket.pk})
    assert [row.pair.mentor for row in response.context["rows"]] == [max]
    assert response.context["form"]["title"].value() == "Why is it slow?"
    assert {tag.name for tag in response.context["wanted"].tags} == {"python", "sql"}
    answer = press(as_ann, response, query=f"?ticket={ticket.pk}", title="Why is it slow?")
    appointment = Appointment.objects.get()
    assert answer.url == appointment.get_absolute_url()
    assert appointment.ticket == ticket


def test_the_tags_are_a_title_to_begin_with(as_ann, max):
    mentor_who_knows("sql")
    assert as_ann.get(FIND, {"tag": "python, sql"}).context["form"]["title"].value() == "python, sql"
    assert not as_ann.get(FIND, {"duration": "60"}).context["form"]["title"].value()


def test_other_tags_than_those_of_the_question_can_be_looked_for(as_ann, ann, max):
    ticket = TicketFactory(student=ann, tags=["css"])
    assert len(as_ann.get(FIND, {"ticket": ticket.pk, "tag": "python"}).context["rows"]) == 1
    assert len(as_ann.get(FIND, {"ticket": ticket.pk, "tag": ""}).context["rows"]) == 1


# --- For a group ------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(ann, sam):
    group = ProjectGroup.objects.create(name="Compilers", owner=sam)
    Membership.objects.bulk_create([Membership(group=group, user=user) for user in (ann, sam)])
    return group


@pytest.mark.parametrize(
    ("query", "is_open"),
    [
        ({}, False),
        ({"tag": "css", "group": "", "pay_from": "", "earliest": "", "latest": ""}, False),
        ({"tag": "css", "earliest": "10:00"}, True),
        ({"latest": "25:00"}, True),
        ({"pay_from": "group"}, True),
        ({"group": "group"}, True),
    ],
)
def test_what_few_need_is_folded_until_it_is_set(as_ann, group, query, is_open):
    if query.get("group"):
        query = {"group": group.pk}
    html = as_ann.get(FIND, query).content.decode()
    details = re.search(r'<details class="[^"]*find-more-wishes"([^>]*)>', html)
    assert ("open" in details[1]) is is_open


def test_who_has_no_group_is_not_asked_for_one(as_ann):
    assert "For whom?" not in text(as_ann.get(FIND))


def test_a_group_s_session_is_booked_and_paid_by_it(as_ann, sam, max, group):
    ProjectGroup.objects.filter(pk=group.pk).update(members_may_pay=True)
    grant_points(sam, points=60)
    contribute_points(group, points=60, by=sam)
    query = f"?tag=python&group={group.pk}&pay_from=group"
    page = as_ann.get(FIND + query)
    assert "at most 60 points · for Compilers" in text(page)
    press(as_ann, page, query=query)
    assert Appointment.objects.get().group == group
    assert wallet_of_group(group).balance_points == 10


def test_members_who_are_elsewhere_then_are_named(as_ann, sam, max, group):
    row = as_ann.get(FIND, {"tag": "python", "group": group.pk}).context["rows"][0]
    start = row.pair.starts_at
    AppointmentFactory(student=sam, starts_at=start, ends_at=start + dt.timedelta(minutes=30))
    page = as_ann.get(FIND, {"tag": "python", "group": group.pk})
    assert page.context["rows"][0].pair.starts_at == start
    assert text(page).count("Sam Stone has another session then") == 1
    assert "another session then" not in text(as_ann.get(FIND, {"tag": "python"}))


def test_the_group_s_wallet_pays_where_that_is_allowed(as_ann, ann, sam, max, group):
    grant_points(sam, points=60)
    contribute_points(group, points=60, by=sam)
    query = f"?tag=python&group={group.pk}"
    page = text(as_ann.get(FIND + query))
    assert "at most 100 points · for Compilers · from your own points" in page
    assert "you have 100" in page
    assert "wallet" not in page
    ProjectGroup.objects.filter(pk=group.pk).update(members_may_pay=True)
    page = as_ann.get(FIND + query)
    assert "at most 60 points · for Compilers · from the group's wallet" in text(page)
    assert "all there is; Compilers has 60" in text(page)
    assert "it has 60 points" in text(page)
    assert "from your own points" not in text(page)
    as_ann.post(
        re.search(r'action="([^"]*)"\s+class="stack"', unescape(page.content.decode()))[1],
        {"title": "Parsing", "choice": choices(page)[0], "idempotency_key": key(page)},
    )
    assert (wallet_of_group(group).balance_points, wallet_of(ann).balance_points) == (10, 100)
    own = text(as_ann.get(FIND + query + "&pay_from=wallet"))
    assert "for Compilers · from your own points" in own


def test_a_wallet_that_was_emptied_since_is_not_replaced_by_one_s_own(as_ann, ann, sam, max, group):
    ProjectGroup.objects.filter(pk=group.pk).update(members_may_pay=True)
    grant_points(sam, points=60)
    contribute_points(group, points=60, by=sam)
    page = as_ann.get(FIND, {"tag": "python", "group": group.pk})
    give_back_points(group, to=sam, points=60, by=sam)
    address = re.search(r'action="([^"]*)"\s+class="stack"', unescape(page.content.decode()))[1]
    assert "pay_from=group" in address
    form = {"title": "Parsing", "choice": choices(page)[0], "idempotency_key": key(page)}
    assert as_ann.post(address, form).status_code == 402
    assert not Appointment.objects.exists()
    assert "from your own points" in text(as_ann.get(FIND, {"tag": "python", "group": group.pk}))


def test_who_may_not_pay_for_the_group_is_told_before(as_ann, group):
    response = as_ann.get(FIND, {"group": group.pk, "pay_from": "group"})
    assert "only its owner pays" in text(response)


# --- One click --------------------------------------------------------------------------------------------------------


def test_one_click_books(as_ann, ann, max):
    answer = press(as_ann, as_ann.get(FIND, {"tag": "python"}))
    appointment = Appointment.objects.get()
    assert answer.url == appointment.get_absolute_url()
    assert (appointment.mentor, appointment.starts_at, appointment.title) == (max, TEN, "Slow query 🐌")
    assert wallet_of(ann).balance_points == 50
    assert "Asked. Max has been told." in text(as_ann.get(answer.url))


def test_another_time_of_the_same_mentor_can_be_booked(as_ann, max):
    page = as_ann.get(FIND, {"tag": "python"})
    press(as_ann, page, choices(page)[1])
    assert Appointment.objects.get().starts_at == TEN + 24 * HOUR


def test_enter_in_the_title_books_nothing(as_ann, max):
    """Browsers press the first button of a form for Enter: it is one that cannot be pressed."""
    html = as_ann.get(FIND, {"tag": "python"}).content.decode()
    form = html[html.index('id="find-results"') :]
    assert "disabled" in re.search(r"<button[^>]*>", form)[0]


def test_a_double_click_books_once(as_ann, max):
    page = as_ann.get(FIND, {"tag": "python"})
    assert press(as_ann, page).url == press(as_ann, page).url
    assert Appointment.objects.count() == 1


def test_without_a_title_nothing_is_booked_and_the_times_stay(as_ann, max):
    page = as_ann.get(FIND, {"tag": "python"})
    response = press(as_ann, page, title="")
    assert response.status_code == 422
    assert "Say in a few words" in text(response)
    assert choices(response) == choices(page)
    assert not Appointment.objects.exists()


@pytest.mark.parametrize(
    "choice", ["", "x", "1@2", "1@2027-01-11T09:00Z", "1@2027-01-11T09:00Z@-1", "9" * 30 + "@2027-01-11T09:00Z@1", "@@"]
)
def test_a_choice_that_is_none_is_refused(as_ann, max, choice):
    response = as_ann.post(FIND + "?tag=python", {"title": "x", "choice": choice, "idempotency_key": "k"})
    assert response.status_code == 422
    assert not Appointment.objects.exists()


def test_one_s_own_time_cannot_be_picked_by_hand(client, max):
    client.force_login(max.user)
    response = client.post(
        FIND + "?duration=60",
        {"title": "x", "choice": f"{max.pk}@2027-01-11T09:00Z@50", "idempotency_key": "k"},
    )
    assert response.status_code == 409
    assert not Appointment.objects.exists()


def test_who_is_faster_leaves_the_next_and_the_page_says_which(as_ann, sam, max):
    nora = mentor_who_knows("python", user__name="Nora Night", hourly_rate_points=60)
    page = as_ann.get(FIND, {"tag": "python"})
    grant_points(sam, points=100)
    book(max, sam, TEN, now=NOW)
    answer = press(as_ann, page)
    appointment = Appointment.objects.get(student__email="ann@example.org")
    assert (appointment.mentor, appointment.starts_at) == (nora, TEN)
    assert "Somebody was faster, so the next on the list is asked: Nora, Mon 11 Jan, 10:00, for 60 points." in text(
        as_ann.get(answer.url)
    )


def test_when_all_have_gone_nothing_is_booked_and_the_page_offers_what_helps(as_ann, sam, max):
    query = "?tag=python&first=2027-01-11&last=2027-01-11&earliest=10:00&latest=11:00"
    page = as_ann.get(FIND + query)
    grant_points(sam, points=100)
    book(max, sam, TEN, now=NOW)
    response = press(as_ann, page, query=query)
    assert response.status_code == 409
    assert "Somebody was faster" in text(response)
    assert "At any hour" in text(response)
    assert Appointment.objects.count() == 1


def test_somebody_who_has_no_time_is_told_by_which_session(as_ann, ann, max):
    page = as_ann.get(FIND, {"tag": "python"})
    AppointmentFactory(student=ann, starts_at=TEN, title="Dentist")
    response = press(as_ann, page)
    assert response.status_code == 409
    assert "Dentist" in text(response)
    assert choices(response)


def test_not_enough_points_books_nothing(as_ann, ann, max):
    page = as_ann.get(FIND, {"tag": "python", "price": "100"})
    book(mentor_who_knows(hourly_rate_points=80), ann, TEN + 30 * HOUR, now=NOW)
    response = press(as_ann, page, query="?tag=python&price=100")
    assert response.status_code == 402
    assert Appointment.objects.count() == 1


def test_a_key_that_was_used_for_something_else_gets_a_new_one(as_ann, max):
    page = as_ann.get(FIND, {"tag": "python"})
    press(as_ann, page)
    response = press(as_ann, page, title="Something else")
    assert response.status_code == 422
    assert key(response) != key(page)


# --- Nothing is found -------------------------------------------------------------------------------------------------


def test_an_empty_result_says_what_to_loosen_and_the_link_does_it(as_ann, max):
    response = as_ann.get(FIND, {"tag": "python", "price": "49"})
    assert "For 50 points or more 1 mentor" in text(response)
    link = re.search(r'<a href="(\?[^"]*price=50[^"]*)"', response.content.decode())[1]
    assert len(as_ann.get(FIND + unescape(link)).context["rows"]) == 1


def test_no_price_is_proposed_that_cannot_be_paid(as_ann):
    mentor_who_knows("css", hourly_rate_points=101)
    response = as_ann.get(FIND, {"tag": "css", "price": "99", "duration": "60"})
    assert "101 points" not in text(response)


@pytest.mark.parametrize(
    "query",
    [
        {"tag": "css", "price": "100"},
        {"tag": "python", "earliest": "20:00", "latest": "22:00"},
        {"tag": "python", "duration": "30"},
        {"tag": "python", "first": "2027-01-11", "last": "2027-01-11"},
    ],
)
def test_each_link_leads_to_times(as_ann, max, query):
    mentor_who_knows("css", hourly_rate_points=200)
    AppointmentFactory(mentor=max, starts_at=TEN - HOUR, ends_at=TEN + 10 * HOUR)
    response = as_ann.get(FIND, query)
    assert not response.context["rows"]
    assert response.context["loosened"]
    for suggestion in response.context["loosened"]:
        assert as_ann.get(FIND + suggestion.address).context["rows"], suggestion


def test_nobody_at_all_leads_to_mentors_and_questions(as_ann):
    response = as_ann.get(FIND, {"duration": "60"})
    assert "Changing one thing alone does not help" in text(response)
    assert reverse("tickets:create") in response.content.decode()


# --- What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"tag": "python"}, {"tag": "python", "price": "0"}])
def test_the_page_takes_as_many_queries_for_one_mentor_and_for_three(as_ann, query):
    counts = []
    for number in (1, 2):
        for _ in range(number):
            mentor_who_knows("python")
        as_ann.get(FIND, query)
        with CaptureQueriesContext(connection) as queries:
            as_ann.get(FIND, query)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 30


def test_the_pages_around_lead_here(as_ann, ann):
    AppointmentFactory(student=ann, status=Appointment.Status.COMPLETED, starts_at=TEN - 48 * HOUR)
    for page in ("/mentors/", "/dashboard/"):
        assert f'href="{FIND}"' in as_ann.get(page).content.decode()
