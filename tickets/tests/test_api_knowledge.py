"""The knowledge base for programs: looked through, read, upvoted, kept."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.programs import ask, personal_token, token_of, told
from tickets.models import Bookmark, Upvote
from tickets.search import index_tickets
from tickets.search.dictionary import count_words
from tickets.tests.factories import AttachmentFactory, BookmarkFactory, ReplyFactory, TicketFactory, UpvoteFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PATH = "/api/knowledge/"


@pytest.fixture
def article(ann, mentor):
    ticket = TicketFactory(
        student=ann,
        mentor=mentor,
        closed=True,
        created_at=NOW,
        title="Why is this query slow?",
        description="Each *author* costs a <b>query</b>.",
        solution_text="Use `prefetch_related`.",
        tags=["django", "sql"],
    )
    index_tickets([ticket.pk])
    return ticket


def articles(number, **fields):
    tickets = TicketFactory.create_batch(number, closed=True, **fields)
    index_tickets([ticket.pk for ticket in tickets])
    return tickets


def ids(response):
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["count"] == len(answer["items"])
    return [item["id"] for item in answer["items"]]


def path_of(ticket, step=""):
    return f"{PATH}{ticket.pk}{step}"


def queries(path, token):
    with CaptureQueriesContext(connection) as context:
        response = ask("GET", path, token=token)
    assert response.status_code == 200, response.content
    return len(context)


def facts(article, **changed):
    return {
        "id": article.pk,
        "title": "Why is this query slow?",
        "slug": "why-is-this-query-slow",
        "url": f"http://127.0.0.1:8000/knowledge/{article.pk}/why-is-this-query-slow/",
        "tags": ["django", "sql"],
        "mentor_id": article.mentor_id,
        "mentor_name": "Max Meyer",
        "upvotes": 0,
        "upvoted": False,
        "bookmarked": False,
        "solved_at": "2027-01-15T16:00:00Z",
    } | changed


# --- Looking ----------------------------------------------------------------------------------------------------------


def test_an_article_is_listed_with_what_the_reader_has_said_of_it(article, sam, settings):
    settings.BASE_URL = "http://127.0.0.1:8000"
    UpvoteFactory(ticket=article, user=sam)
    BookmarkFactory(ticket=article, user=sam)
    row = facts(article, excerpt_html="Each author costs a &lt;b&gt;query&lt;/b&gt;.", upvotes=1)
    own = row | {"upvoted": True, "bookmarked": True}
    around = {"count": 1, "suggestion": None, "is_corrected": False}
    assert told(ask("GET", PATH, by=sam)) == (200, {"items": [own], **around})
    settings.KNOWLEDGE_IS_PUBLIC = True
    assert told(ask("GET", PATH)) == (200, {"items": [row], **around})


def test_what_is_found_is_marked_and_safe(article, sam):
    item = ask("GET", f"{PATH}?q=prefetch_related+query", by=sam).json()["items"][0]
    assert "<mark>" in item["excerpt_html"]
    assert "<b>" not in item["excerpt_html"]
    assert item["title"] == "Why is this query slow?"


def test_a_typing_mistake_is_forgiven_and_told(sam):
    articles(3, title="Migrations conflict in branches")
    count_words(now=NOW)
    answer = ask("GET", f"{PATH}?q=migratoins", by=sam).json()
    assert (answer["suggestion"], answer["is_corrected"], answer["count"]) == ("migrations", True, 3)


def test_articles_are_narrowed_and_ordered(article, sam):
    other, third = articles(2, created_at=NOW + HOUR, tags=["django"])
    UpvoteFactory(ticket=article)
    newest = [third.pk, other.pk, article.pk]
    token = token_of(sam)
    assert ids(ask("GET", PATH, token=token)) == newest
    assert ids(ask("GET", f"{PATH}?sort=newest", token=token)) == newest
    assert ids(ask("GET", f"{PATH}?sort=helpful", token=token)) == [article.pk, third.pk, other.pk]
    assert ids(ask("GET", f"{PATH}?tag=Django", token=token)) == newest
    assert ids(ask("GET", f"{PATH}?tag=django&tag=sql", token=token)) == [article.pk]
    assert ids(ask("GET", f"{PATH}?tag=unheard-of", token=token)) == []
    assert ids(ask("GET", f"{PATH}?q=query+-author", token=token)) == []
    assert ids(ask("GET", f"{PATH}?q=KeyError&sort=newest", token=token)) == [third.pk, other.pk]
    second = ask("GET", f"{PATH}?page=2&page_size=2", token=token).json()
    assert ([item["id"] for item in second["items"]], second["count"]) == ([article.pk], 3)


def test_what_is_no_article_is_not_there(ann, mentor, ada, sam):
    hidden = {"hidden_at": NOW, "hidden_by": ada, "hidden_reason": "Wrong"}
    none = [
        TicketFactory(student=ann),
        TicketFactory(student=ann, mentor=mentor, closed=True, is_public=False),
        TicketFactory(student=ann, mentor=mentor, closed=True, **hidden),
        TicketFactory(student=ann, deleted=True),
    ]
    for person in (sam, ann, ada):
        token = token_of(person)
        assert ids(ask("GET", PATH, token=token)) == []
        missing = ask("GET", f"{PATH}999999", token=token).json()
        for ticket in none:
            assert ask("GET", path_of(ticket), token=token).json() == missing
            for step in ("/upvote", "/bookmark"):
                for method in ("PUT", "DELETE"):
                    assert told(ask(method, path_of(ticket, step), token=token)) == (404, "not_found")


@pytest.mark.parametrize("query", ["sort=best", "x=1", "page=0", "tag=a,b", "q=" + "x" * 501])
def test_a_list_refuses_what_it_does_not_know(sam, query):
    assert told(ask("GET", f"{PATH}?{query}", by=sam)) == (422, "invalid_input")


# --- Who may look -----------------------------------------------------------------------------------------------------


def test_visitors_read_where_the_setting_says_so_and_say_nothing(article, settings):
    for path in (PATH, path_of(article)):
        settings.KNOWLEDGE_IS_PUBLIC = True
        assert ask("GET", path).status_code == 200
        assert told(ask("GET", path, token="nonsense")) == (401, "bad_token")
        settings.KNOWLEDGE_IS_PUBLIC = False
        assert told(ask("GET", path)) == (401, "not_signed_in")
    settings.KNOWLEDGE_IS_PUBLIC = True
    for method in ("PUT", "DELETE"):
        for step in ("/upvote", "/bookmark"):
            assert told(ask(method, path_of(article, step))) == (401, "not_signed_in")
    assert told(ask("GET", f"{PATH}bookmarks")) == (401, "not_signed_in")


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_an_article_is_read_in_full_and_does_not_name_who_asked(article, ann, max, sam, settings):
    settings.BASE_URL = "http://127.0.0.1:8000"
    ReplyFactory(ticket=article, text="Not useful")
    ReplyFactory(ticket=article, text="It was *that*.", is_useful=True, created_at=NOW + HOUR)
    ReplyFactory(ticket=article, author=max, text="Good.", is_useful=True, created_at=NOW + HOUR)
    file = AttachmentFactory(ticket=article)
    (related,) = articles(1, title="What does a query cost?", tags=["sql"])
    response = ask("GET", path_of(article), by=sam)
    assert told(response) == (
        200,
        facts(
            article,
            question_html="<p>Each <em>author</em> costs a &lt;b&gt;query&lt;/b&gt;.</p>\n",
            solution_html="<p>Use <code>prefetch_related</code>.</p>\n",
            attachments=[
                {
                    "name": "trace.txt",
                    "content_type": "text/plain",
                    "size_bytes": 35,
                    "url": f"http://127.0.0.1:8000{file.get_absolute_url()}",
                }
            ],
            replies=[
                {
                    "body_html": "<p>It was <em>that</em>.</p>\n",
                    "is_by_asker": True,
                    "created_at": "2027-01-15T13:00:00Z",
                    "attachments": [],
                },
                {
                    "body_html": "<p>Good.</p>\n",
                    "is_by_asker": False,
                    "created_at": "2027-01-15T13:00:00Z",
                    "attachments": [],
                },
            ],
            related=[
                {
                    "id": related.pk,
                    "title": "What does a query cost?",
                    "slug": "what-does-a-query-cost",
                    "url": f"http://127.0.0.1:8000{related.get_article_url()}",
                }
            ],
        ),
    )
    assert "Ann" not in response.content.decode()
    assert "student" not in response.content.decode()


# --- Marking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "marks"), [("/upvote", Upvote), ("/bookmark", Bookmark)])
def test_a_mark_is_set_and_taken_back_and_the_second_time_changes_nothing(article, sam, step, marks):
    token = token_of(sam)
    for _twice in range(2):
        assert told(ask("PUT", path_of(article, step), token=token)) == (204, None)
        assert marks.objects.filter(ticket=article, user=sam).count() == 1
    article.refresh_from_db()
    assert article.upvote_count == (marks is Upvote)
    for _twice in range(2):
        assert told(ask("DELETE", path_of(article, step), token=token)) == (204, None)
        assert not marks.objects.exists()
    article.refresh_from_db()
    assert article.upvote_count == 0


@pytest.mark.parametrize("step", ["/upvote", "/bookmark"])
def test_nobody_marks_an_article_of_their_own(article, ann, max, step):
    for person in (ann, max):
        assert told(ask("PUT", path_of(article, step), by=person)) == (403, "own_work")
    assert told(ask("PUT", path_of(article, step), token=personal_token(ann, scope="read"))) == (403, "read_only_token")


def test_bookmarks_are_ones_own_and_the_last_one_is_first(article, sam, ada, ann):
    other, third = articles(2)
    for ticket, user, at in ((article, sam, NOW), (other, sam, NOW + HOUR), (third, ada, NOW)):
        BookmarkFactory(ticket=ticket, user=user, created_at=at)
    BookmarkFactory(ticket=article, user=ada, created_at=NOW + 2 * HOUR)
    assert ids(ask("GET", f"{PATH}bookmarks", by=sam)) == [other.pk, article.pk]
    assert ids(ask("GET", f"{PATH}bookmarks", by=ann)) == []
    other.is_public = False
    other.save(update_fields=["is_public"])
    answer = ask("GET", f"{PATH}bookmarks", by=sam).json()
    assert [(item["id"], item["bookmarked"], item["upvoted"]) for item in answer["items"]] == [
        (article.pk, True, False)
    ]


# --- Queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?sort=helpful", "?q=KeyError", "?q=KeyError&tag=python", "bookmarks"])
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(sam, query):
    token = token_of(sam)
    BookmarkFactory(ticket=articles(1)[0], user=sam)
    queries(PATH + query, token)
    before = queries(PATH + query, token)
    for ticket in articles(2):
        BookmarkFactory(ticket=ticket, user=sam)
        UpvoteFactory(ticket=ticket, user=sam)
    assert queries(PATH + query, token) == before


def test_an_article_takes_as_many_queries_with_three_replies_and_neighbours_as_with_one(article, sam):
    token = token_of(sam)

    def more(number):
        for reply in ReplyFactory.create_batch(number, ticket=article, is_useful=True):
            AttachmentFactory(reply=reply)
        AttachmentFactory.create_batch(number, ticket=article)
        articles(number, title="What does a query cost?", tags=["sql"])

    more(1)
    queries(path_of(article), token)
    before = queries(path_of(article), token)
    more(2)
    assert queries(path_of(article), token) == before


def test_an_article_has_so_many_replies_and_renders_so_much_of_them(article, sam, monkeypatch):
    for number in range(3):
        ReplyFactory(ticket=article, text=f"*{number}*", is_useful=True)
    monkeypatch.setattr("tickets.api.knowledge.MAX_IN_ARTICLE", 2)
    monkeypatch.setattr("mentorbook.markdown.MAX_CHARACTERS_TOGETHER", 3)
    shown = [reply["body_html"] for reply in ask("GET", path_of(article), by=sam).json()["replies"]]
    assert shown[0] == "<p><em>0</em></p>\n"
    assert "<code>*1*</code>" in shown[1]
    assert len(shown) == 2
