import datetime as dt
from html import escape

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings.tests.factories import works_every_day
from mentors.actions import merge_tags, record_rating, set_next_free
from mentors.models import MentorProfile, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory

pytestmark = pytest.mark.django_db
URL = "/mentors/"


@pytest.fixture
def look(client, ann):
    client.force_login(ann)

    def look(query=""):
        return client.get(f"{URL}{query}")

    return look


def found(response):
    assert response.status_code == 200
    return [row.mentor for row in response.context["rows"]]


def text(response):
    return " ".join(response.content.decode().split())


def test_lists_approved_mentors_best_rated_first(look):
    new, many, one = MentorProfileFactory(), MentorProfileFactory(), MentorProfileFactory()
    MentorProfileFactory(approval="waiting")
    MentorProfileFactory(user__is_active=False)
    record_rating(many, count=40, total=188)
    record_rating(one, count=1, total=5)
    response = look()
    assert found(response) == [many, one, new]
    assert "3 mentors, best rated first" in text(response)


def test_tags_narrow_together_and_match_first(look):
    both = MentorProfileFactory(expertise=["ansible", "django", "python"], hourly_rate_points=50)
    cheap = MentorProfileFactory(expertise=["python", "django"], hourly_rate_points=10)
    MentorProfileFactory(expertise=["python"])
    response = look("?tag=Python&tag=django&order=rate")
    assert found(response) == [cheap, both]
    assert [tag.name for tag in response.context["rows"][1].matching_tags] == ["python", "django"]
    assert "2 mentors for <strong>python</strong> and <strong>django</strong>, cheapest first" in text(response)


def test_both_spellings_of_a_merged_tag_find_the_same(look, ada):
    mentor = MentorProfileFactory(expertise=["py"])
    merge_tags(Tag.objects.get(name="py"), TagFactory(name="python"), by=ada)
    assert found(look("?tag=py")) == found(look("?tag=python")) == [mentor]


def test_tags_may_be_typed_with_commas(look):
    mentor = MentorProfileFactory(expertise=["python", "c#"])
    MentorProfileFactory(expertise=["python"])
    assert found(look("?tag=python, C%23,")) == [mentor]


def test_an_unknown_tag_finds_nobody_and_says_so(look):
    MentorProfileFactory(expertise=["python"])
    response = look("?tag=cobol&tag=python")
    assert found(response) == []
    assert "Nobody here knows the tag <strong>cobol</strong> yet." in text(response)
    assert "Show all mentors" in text(response)


def test_the_other_filters(look):
    cheap = MentorProfileFactory(hourly_rate_points=20, status="busy", headline="Für Anfänger")
    dear = MentorProfileFactory(hourly_rate_points=90)
    record_rating(dear, count=2, total=9)
    assert found(look("?max_rate=20")) == [cheap]
    assert found(look("?max_rate=0")) == []
    assert found(look("?min_rating=4.5")) == [dear]
    assert found(look("?status=busy")) == [cheap]
    assert found(look("?q=ANFANGER")) == [cheap]
    assert found(look("?q=" + dear.user.name.replace(" ", "+"))) == [dear]
    assert found(look("?order=rate")) == [cheap, dear]


def test_orders_by_next_free_time_and_offers_it_as_a_button(look):
    never = MentorProfileFactory()
    mentor = works_every_day(MentorProfileFactory())
    now = dt.datetime.now(dt.UTC)
    set_next_free({mentor.pk: now + dt.timedelta(hours=1)}, now=now)
    response = look("?order=next_free")
    assert found(response) == [mentor, never]
    row, without = response.context["rows"]
    assert row.first_free_at > now
    assert row.choose_url.startswith(reverse("bookings:choose", args=[mentor.pk]) + "?start=20")
    assert "No free times right now" in text(response)
    assert without.first_free_at is None


def test_free_on_a_day(look):
    weekday = works_every_day(MentorProfileFactory())
    MentorProfileFactory()
    away = works_every_day(MentorProfileFactory(status="away"))
    day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).date()
    assert found(look(f"?free_on={day}")) == [weekday]
    assert away in found(look())


def test_free_on_a_day_keeps_the_order_and_the_pages(look):
    dear_to_cheap = [works_every_day(MentorProfileFactory(hourly_rate_points=100 - n)) for n in range(22)]
    MentorProfileFactory(hourly_rate_points=1)  # has no hours
    day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).date()
    expected = dear_to_cheap[::-1]
    response = look(f"?free_on={day}&order=rate")
    assert found(response) == expected[:20]
    assert "22 mentors, cheapest first" in text(response)
    assert found(look(f"?free_on={day}&order=rate&page=2")) == expected[20:]
    assert found(look(f"?free_on={day}&order=rate&page=99")) == expected[20:]
    assert found(look(f"?free_on={day}&tag={TagFactory().name}")) == []


def test_popular_tags_are_counted_every_ten_minutes(look):
    cache.delete("mentors:popular_tags")
    assert look().context["popular_tags"] == []
    MentorProfileFactory(expertise=["rust", "go"])
    MentorProfileFactory(expertise=["go"])
    assert [tag.name for tag in look().context["popular_tags"]] == ["go", "rust"]  # nothing is not kept
    for _ in range(2):
        MentorProfileFactory(expertise=["zig"])
    Tag.objects.get(name="rust").delete()
    assert [tag.name for tag in look().context["popular_tags"]] == ["go"]
    cache.delete("mentors:popular_tags")
    assert [tag.name for tag in look().context["popular_tags"]] == ["go", "zig"]


def test_oneself_is_marked(client, max, mentor):
    client.force_login(max)
    response = client.get(URL)
    assert response.context["rows"][0].is_self
    assert ">you<" in response.content.decode()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("max_rate=abc", "max_rate"),
        ("max_rate=-1", "max_rate"),
        ("max_rate=1e999", "max_rate"),
        ("max_rate=99999999999999999999", "max_rate"),
        ("max_rate=NaN", "max_rate"),
        ("min_rating=9", "min_rating"),
        ("min_rating=nan", "min_rating"),
        ("status=asleep", "status"),
        ("free_on=2026-13-45", "free_on"),
        ("free_on=0001-01-01", "free_on"),
        ("free_on=9999-12-31", "free_on"),
        ("free_on=tomorrow", "free_on"),
        ("order=foo", "order"),
        ("tag=%00", "tag"),
        ("tag=" + "x" * 51, "tag"),
        ("tag=" + ",".join(f"t{n}" for n in range(11)), "tag"),
        ("tag=" + "%20" * 3 + "%E2%80%AE", "tag"),
        ("q=%00", "q"),
        ("q=" + "x" * 101, "q"),
        ("q=!!!", "q"),
    ],
)
def test_a_bad_filter_says_so_and_the_others_still_apply(look, query, field):
    # Where the bad one is a tag, "python" beside it still narrows; eleven tags are cut to ten, which nobody has.
    python = MentorProfileFactory(expertise=["python"])
    MentorProfileFactory(expertise=["ruby"])
    response = look(f"?tag=python&{query}")
    assert list(response.context["filters"].errors) == [field]
    assert found(response) == ([] if "t1,t2" in query else [python])
    assert escape(response.context["filters"].errors[field][0]) in response.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "?page=99999",
        "?page=-1",
        "?page=x",
        "?page=%00",
        "?nonsense=1&tag=&q=",
        "?tag=&tag=,,,",
        "?q=%ff%fe",
        "?q=%ED%A0%80",
    ],
)
def test_odd_addresses_give_a_page(look, query):
    MentorProfileFactory()
    assert look(query).status_code == 200


def test_what_was_typed_wrong_stays_in_its_box(look):
    page = look("?max_rate=abc&tag=" + "x" * 51).content.decode()
    assert 'value="abc"' in page
    assert "x" * 51 in page


def test_chips_take_one_filter_away_each(look):
    MentorProfileFactory(expertise=["python", "django"])
    response = look("?tag=python&tag=django&max_rate=80&order=rate&page=2")
    chips = dict(response.context["chips"])
    assert chips["python"] == "?tag=django&max_rate=80&order=rate"
    assert chips["at most 80 points an hour"] == "?tag=python&tag=django&order=rate"


def test_pages_of_20(look):
    for _ in range(25):
        MentorProfileFactory()
    assert len(found(look())) == 20
    assert len(found(look("?page=2"))) == 5
    assert found(look("?page=99999")) == found(look("?page=2"))


def test_the_number_of_queries_does_not_grow_with_the_rows(look):
    def queries(query):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            look(query)
        return len(captured)

    day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).date()
    addresses = ["", f"?tag=python&q=code&max_rate=90&status=available&free_on={day}&order=next_free"]

    def grow(count):
        while MentorProfile.objects.count() < count:
            works_every_day(MentorProfileFactory(expertise=["python", "django", "sql"]))
        return [queries(address) for address in addresses]

    grow(1)  # content types and the like are asked for once
    one = grow(1)
    assert grow(3) == one
    assert grow(25) == one
    assert max(one) <= 18
