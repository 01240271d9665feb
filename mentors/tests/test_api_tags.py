"""The vocabulary of tags for programs, and what of it is one's own expertise."""

import datetime as dt

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mentors import actions
from mentors.actions import decline_mentor, merge_tags, update_profile
from mentors.models import MAX_EXPERTISE, MentorProfile, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tests.programs import ask, token_of, told

pytestmark = pytest.mark.django_db

TAGS, EXPERTISE = "/api/tags/", "/api/mentors/me/expertise"


@pytest.fixture(autouse=True)
def _no_tags_counted_yet():
    cache.clear()


def names(response):
    assert response.status_code == 200, response.content
    return [item["name"] for item in response.json()["items"]]


# --- Own expertise


def test_own_expertise_is_listed_by_name(mentor, max):
    tags = [TagFactory(name=name) for name in ("sql", "go")]
    mentor.expertise.set(tags)
    assert told(ask("GET", EXPERTISE, by=max)) == (
        200,
        {"items": [{"id": tags[1].pk, "name": "go"}, {"id": tags[0].pk, "name": "sql"}], "count": 2},
    )


def test_own_expertise_is_listed_in_so_many_queries(mentor, max):
    token = token_of(max)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert len(names(ask("GET", EXPERTISE, token=token))) == mentor.expertise.count()
        return len(captured)

    update_profile(mentor, expertise=["go"])
    queries()
    one = queries()
    update_profile(mentor, expertise=["go", "sql", "zig"])
    assert queries() == one


def test_adding_twice_is_no_error(mentor, max):
    status, answer = told(ask("POST", EXPERTISE, {"tag": " Node.JS "}, by=max))
    assert (status, answer) == (201, {"id": Tag.objects.get().pk, "name": "node.js"})
    assert told(ask("POST", EXPERTISE, {"tag": "node.js"}, by=max)) == (200, answer)
    assert MentorProfile.objects.matching("node").exists()  # the directory finds it


def test_adding_a_synonym_adds_its_tag(mentor, max, ada):
    merge_tags(TagFactory(name="py"), TagFactory(name="python"), by=ada)
    assert ask("POST", EXPERTISE, {"tag": "PY"}, by=max).json()["name"] == "python"
    assert ask("POST", EXPERTISE, {"tag": "python"}, by=max).status_code == 200


def test_a_full_profile_takes_no_more(mentor, max):
    update_profile(mentor, expertise=[f"tag-{number}" for number in range(MAX_EXPERTISE)])
    response = ask("POST", EXPERTISE, {"tag": "one-more"}, by=max)
    assert (told(response), response.json()["field"]) == ((409, "too_much_expertise"), "tag")
    assert response.json()["limit"] == MAX_EXPERTISE
    assert not Tag.objects.filter(name="one-more").exists()
    assert ask("POST", EXPERTISE, {"tag": "tag-3"}, by=max).status_code == 200


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "x" * 51, "nul\x00", "\u202e", "\ud800", 7, None, ["python"]])
def test_what_cannot_be_a_tag_is_refused(max, tag):
    response = ask("POST", EXPERTISE, {"tag": tag}, by=max)
    assert (told(response), response.json()["field"]) == ((422, "invalid_input"), "tag")


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("c++", "c%2B%2B"),
        ("c++", "C++"),
        ("c#", "c%23"),
        (".net", ".net"),
        ("ci/cd", "ci%2Fcd"),
        ("日本", "%E6%97%A5本"),
    ],
)
def test_taking_a_tag_away_whatever_characters_it_has(mentor, max, tag, written):
    update_profile(mentor, expertise=[tag, "python"])
    for _twice in range(2):
        response = ask("DELETE", f"{EXPERTISE}/{written}", by=max)
        assert (response.status_code, response.content) == (204, b"")
    assert [tag.name for tag in mentor.expertise.all()] == ["python"]
    assert not MentorProfile.objects.matching(tag).exists()


def test_taking_a_synonym_away_takes_its_tag(mentor, max, ada):
    merge_tags(TagFactory(name="py"), TagFactory(name="python"), by=ada)
    update_profile(mentor, expertise=["python", "go"])
    assert ask("DELETE", f"{EXPERTISE}/py", by=max).status_code == 204
    assert names(ask("GET", EXPERTISE, by=max)) == ["go"]


def test_the_last_tag_stays(mentor, max):
    update_profile(mentor, expertise=["python"])
    assert told(ask("DELETE", f"{EXPERTISE}/python", by=max)) == (409, "last_expertise")
    assert ask("DELETE", f"{EXPERTISE}/ruby", by=max).status_code == 204
    assert names(ask("GET", EXPERTISE, by=max)) == ["python"]


def test_a_declined_profile_that_learns_something_waits_again(mentor, max, ada):
    decline_mentor(mentor, by=ada, now=mentor.created_at)
    assert ask("POST", EXPERTISE, {"tag": "python"}, by=max).status_code == 201
    assert MentorProfile.objects.waiting().get() == mentor


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [("GET", EXPERTISE, None), ("POST", EXPERTISE, {"tag": "go"}), ("DELETE", f"{EXPERTISE}/go", None)],
)
def test_who_is_no_mentor_has_no_expertise(ann, method, address, body):
    assert told(ask(method, address, body, by=ann)) == (404, "not_found")
    assert not Tag.objects.exists()


# --- The vocabulary


def test_all_tags_by_name_in_pages(ann):
    for name in ("sql", "c++", "go"):
        TagFactory(name=name)
    status, answer = told(ask("GET", TAGS, by=ann))
    assert (status, answer["count"]) == (200, 3)
    assert answer["items"][0] == {"id": Tag.objects.get(name="c++").pk, "name": "c++"}
    assert names(ask("GET", TAGS, by=ann)) == ["c++", "go", "sql"]
    assert names(ask("GET", f"{TAGS}?page=2&page_size=2", by=ann)) == ["sql"]


def test_tags_complete_what_was_typed_the_most_used_first(ann, ada):
    MentorProfileFactory(expertise=["django", "docker"])
    MentorProfileFactory(expertise=["docker"])
    merge_tags(TagFactory(name="dotnet"), TagFactory(name=".net"), by=ada)
    TagFactory(name="go")
    assert names(ask("GET", f"{TAGS}?q=%20D", by=ann)) == ["docker", "django", ".net"]
    assert names(ask("GET", f"{TAGS}?q=do&page=2&page_size=1", by=ann)) == [".net"]
    assert names(ask("GET", f"{TAGS}?q=a,b", by=ann)) == []
    assert names(ask("GET", f"{TAGS}?q=%20", by=ann)) == [".net", "django", "docker", "go"]


def test_tags_are_listed_in_so_many_queries(ann):
    token = token_of(ann)

    def queries(query):
        with CaptureQueriesContext(connection) as captured:
            names(ask("GET", f"{TAGS}{query}", token=token))
        return len(captured)

    MentorProfileFactory(expertise=["tag-a"])
    queries("")
    one = [queries(""), queries("?q=t")]
    MentorProfileFactory(expertise=["tag-b", "tag-c"])
    assert [queries(""), queries("?q=t")] == one


def test_a_new_tag_comes_back_in_its_one_spelling(ann):
    status, answer = told(ask("POST", TAGS, {"name": "  Node.JS  Streams "}, by=ann))
    assert (status, answer) == (201, {"id": Tag.objects.get().pk, "name": "node.js-streams"})
    assert told(ask("POST", TAGS, {"name": "NODE.js streams"}, by=ann)) == (200, answer)


def test_a_synonym_gives_the_tag_it_belongs_to(ann, ada):
    python = TagFactory(name="python")
    merge_tags(TagFactory(name="py"), python, by=ada)
    assert told(ask("POST", TAGS, {"name": "Py"}, by=ann)) == (200, {"id": python.pk, "name": "python"})


def test_one_person_makes_so_many_new_tags_a_day_and_finds_as_many_as_they_like(ann, sam, time_machine, monkeypatch):
    monkeypatch.setattr(actions, "NEW_TAGS_A_DAY", 2)
    time_machine.move_to(dt.datetime(2027, 2, 1, 22, 30, tzinfo=dt.UTC), tick=False)
    makes = [ask("POST", TAGS, {"name": name}, by=ann).status_code for name in ("go", "GO", "sql", "sql", "go")]
    assert makes == [201, 200, 201, 200, 200]
    refused = ask("POST", TAGS, {"name": "zig"}, by=ann)
    assert (told(refused), refused.json()["field"]) == ((429, "too_many_tags"), "name")
    assert refused.json()["retry_after_seconds"] == 90 * 60
    assert refused["Retry-After"] == "5400"
    assert not Tag.objects.filter(name="zig").exists()
    assert ask("POST", TAGS, {"name": "sql"}, by=ann).status_code == 200
    assert ask("POST", TAGS, {"name": "zig"}, by=sam).status_code == 201
    time_machine.move_to(dt.datetime(2027, 2, 2, tzinfo=dt.UTC), tick=False)
    assert ask("POST", TAGS, {"name": "rust"}, by=ann).status_code == 201


@pytest.mark.parametrize("name", ["", " ", "a,b", "x" * 51, "x" * 5000, "nul\x00", "\u202e", "\ud800", 7, None])
def test_what_cannot_be_a_tag_is_not_made(ann, name):
    response = ask("POST", TAGS, {"name": name}, by=ann)
    assert (told(response), response.json()["field"]) == ((422, "invalid_input"), "name")
    assert not Tag.objects.exists()


@pytest.mark.parametrize("query", ["page=0", "q=%00", "q=" + "x" * 101, "name=go"])
def test_a_bad_question_for_tags_is_refused(ann, query):
    assert told(ask("GET", f"{TAGS}?{query}", by=ann)) == (422, "invalid_input")


def test_tags_are_for_those_who_signed_in(db):
    for method, body in [("GET", None), ("POST", {"name": "go"})]:
        assert told(ask(method, TAGS, body)) == (401, "not_signed_in")
