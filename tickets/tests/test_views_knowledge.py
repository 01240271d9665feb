"""The knowledge base's pages: who reads what, whose name is shown, what readers say of an article."""

import datetime as dt

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mentors.models import TagSynonym
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.models import Bookmark, Reply, Ticket, Upvote
from tickets.search import index_ticket
from tickets.tests.factories import AttachmentFactory, BookmarkFactory, ReplyFactory, TicketFactory

pytestmark = pytest.mark.django_db

LIST = "/knowledge/"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _forget_popular_tags():
    cache.delete("tickets:popular_tags")


@pytest.fixture
def article(ann, mentor):
    ticket = TicketFactory(
        closed=True,
        student=ann,
        mentor=mentor,
        title="Why does my loop never end?",
        description="It **hangs** in `while True`.",
        solution_text="Change the *condition* inside.",
        tags=["python", "c++"],
    )
    index_ticket(ticket)
    return ticket


def titles(response):
    return [row.ticket.title for row in response.context["rows"]]


def test_an_article_shows_question_solution_and_useful_replies_without_the_students_name(
    client, article, ann, max, mentor
):
    ReplyFactory(ticket=article, author=ann, text="It was the **indent**", is_useful=True)
    former = MentorProfileFactory(user__name="Olga Once").user
    ReplyFactory(ticket=article, author=former, text="Look at the loop", is_useful=True)
    ReplyFactory(ticket=article, author=max, text="Just small talk")
    ReplyFactory(ticket=article, author=max, text="Staff only", kind=Reply.Kind.NOTE, is_useful=True)
    AttachmentFactory(ticket=article, name="trace.txt")
    page = client.get(article.get_article_url())
    html = page.content.decode()
    assert page.status_code == 200
    for words in ("Why does my loop never end?", "<strong>hangs</strong>", "<em>condition</em>", "trace.txt"):
        assert words in html
    assert "<strong>indent</strong>" in html
    assert "Whoever asked" in html
    assert "Olga Once" in html  # who had the ticket before Max
    assert "Max Meyer" in html
    assert "Ann" not in html
    assert ann.email not in html
    assert "small talk" not in html
    assert "Staff only" not in html
    assert f'<link rel="canonical" href="http://127.0.0.1:8000{article.get_article_url()}">' in html


def test_an_article_shows_the_first_of_very_many_replies(client, article, monkeypatch):
    monkeypatch.setattr("tickets.views.knowledge.MAX_IN_ARTICLE", 2)
    for number in range(3):
        ReplyFactory(ticket=article, text=f"reply-{number}", is_useful=True)
    html = client.get(article.get_article_url()).content.decode()
    assert [f"reply-{number}" in html for number in range(3)] == [True, True, False]


def test_an_article_renders_so_much_of_its_replies(client, article, monkeypatch):
    monkeypatch.setattr("mentorbook.markdown.MAX_CHARACTERS_TOGETHER", 3)
    for number in range(2):
        ReplyFactory(ticket=article, text=f"*{number}*", is_useful=True)
    html = client.get(article.get_article_url()).content.decode()
    assert "<em>0</em>" in html
    assert "<code>*1*</code>" in html


@pytest.mark.parametrize("slug", ["", "/wrong", "/why-does-my-loop", "/%00"])
def test_another_address_leads_to_the_right_one(client, article, slug):
    response = client.get(f"/knowledge/{article.pk}{slug}/")
    assert (response.status_code, response.url) == (301, article.get_article_url())


def test_titles_of_any_script_have_an_address(client):
    for title in ("日本語の質問", "🦄", "Ünïcode — ¿qué?", "...", "x" * 200):
        ticket = TicketFactory(closed=True, title=title)
        assert client.get(ticket.get_article_url()).status_code == 200


@pytest.mark.parametrize(
    "state",
    [
        {"resolved": True, "is_public": False},
        {"closed": True, "hidden_at": "2026-01-01T00:00Z"},
        {"assigned": True},
        {},
        {"deleted": True},
    ],
    ids=["private", "hidden", "in work", "open", "deleted"],
)
def test_what_is_no_article_is_nowhere_to_be_read(client, ann, sam, state):
    ticket = TicketFactory(student=ann, **{"title": "Secret words here", **state})
    if ticket.status != Ticket.Status.DELETED:
        index_ticket(ticket)
    client.force_login(sam)
    assert client.get(f"/knowledge/{ticket.pk}/").status_code == 404
    assert client.get(f"/knowledge/{ticket.pk}/{ticket.slug}/").status_code == 404
    for path in (LIST, f"{LIST}?q=secret+words", f"{LIST}?tag=python"):
        assert titles(client.get(path)) == []
    for verb in ("upvote", "bookmark"):
        assert client.post(f"/knowledge/{ticket.pk}/{verb}/").status_code == 404
    client.force_login(ann)
    gone = ticket.status == Ticket.Status.DELETED
    response = client.get(f"/knowledge/{ticket.pk}/")
    assert response.status_code == 404 if gone else response.url == ticket.get_absolute_url()


def test_members_only_where_the_installation_says_so(client, article, sam, settings):
    assert client.get(LIST).status_code == 200
    settings.KNOWLEDGE_IS_PUBLIC = False
    for path in (f"{LIST}?q=loop", article.get_article_url()):
        response = client.get(path)
        assert response.status_code == 302
        assert response.url.startswith("/accounts/login/?next=/knowledge/")
    client.force_login(sam)
    assert client.get(article.get_article_url()).status_code == 200
    assert titles(client.get(LIST)) == [article.title]


def test_the_list_is_filtered_by_tags_and_their_synonyms(client, article):
    TicketFactory(closed=True, title="Other", tags=["latex"])
    TagSynonym.objects.create(name="py", tag=TagFactory(name="python"))
    assert titles(client.get(LIST)) == ["Other", article.title]
    for query in ("tag=python", "tag=py", "tag=C%2B%2B", "tag=python&tag=c%2B%2B", "tag=python,c%2B%2B"):
        assert titles(client.get(f"{LIST}?{query}")) == [article.title], query
    response = client.get(f"{LIST}?tag=nobody-knows")
    assert titles(response) == []
    assert "Nobody here knows the tag" in response.content.decode()
    assert titles(client.get(f"{LIST}?tag=python&tag=latex")) == []


def test_the_list_is_sorted(client):
    old = TicketFactory(closed=True, title="Old and loved", upvote_count=9, created_at=LONG_AGO)
    TicketFactory(closed=True, title="New", upvote_count=0)
    assert titles(client.get(LIST)) == ["New", old.title]
    assert titles(client.get(f"{LIST}?sort=helpful")) == [old.title, "New"]
    assert titles(client.get(f"{LIST}?sort=-password")) == ["New", old.title]


def test_a_search_marks_what_it_found(client, article):
    html = client.get(f"{LIST}?q=condition").content.decode()
    assert "1 answer for “condition”" in html
    assert "<mark>condition</mark>" in html


def test_a_search_offers_a_better_spelling(client, article):
    response = client.get(f"{LIST}?q=lopo")
    html = response.content.decode()
    if response.context["found"].is_corrected:
        assert "Nothing found for “lopo”. These are the answers for “loop”." in html
        assert titles(response) == [article.title]


def test_an_empty_result_leads_to_the_question_with_what_was_typed(client, article):
    html = client.get(f"{LIST}?q=zzz+qqq&tag=python").content.decode()
    assert "0 answers for “zzz qqq”" in html
    assert "Nobody has asked that yet" in html
    assert "/tickets/new/?title=zzz+qqq&amp;tag=python" in html


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=" + "%22" * 300,
        "q=-&sort=relevance",
        "q=%ED%A0%80",
        "tag=%00&tag=" + "x" * 5000,
        "tag=,,,",
        "page=99999999999999999999",
        "q=" + "a+OR+" * 400,
        "q=<script>alert(1)</script>",
    ],
)
def test_nothing_typed_is_an_error(client, article, query):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()


def test_readers_say_that_it_helped_once_and_take_it_back(client, article, sam):
    client.force_login(sam)
    page = reverse("knowledge:upvote", args=[article.pk])
    for _again in range(2):
        assert client.post(page).url == article.get_article_url()
    article.refresh_from_db()
    assert (article.upvote_count, Upvote.objects.count()) == (1, 1)
    html = client.get(article.get_article_url()).content.decode()
    assert 'aria-pressed="true"' in html
    assert "Helped 1 person" in html
    fragment = client.post(page, {"on": "no"}, headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    assert "<html" not in fragment.content.decode()
    article.refresh_from_db()
    assert (article.upvote_count, Upvote.objects.count()) == (0, 0)


def test_nobody_praises_their_own_work(client, article, ann, max):
    for person in (ann, max):
        client.force_login(person)
        assert client.post(reverse("knowledge:upvote", args=[article.pk])).status_code == 403
        assert client.post(reverse("knowledge:bookmark", args=[article.pk])).status_code == 403
        html = client.get(article.get_article_url()).content.decode()
        assert "This helped me" not in html
        assert article.get_absolute_url() in html
    assert not Upvote.objects.exists()


def test_visitors_are_asked_to_sign_in_before_they_mark(client, article):
    for verb in ("upvote", "bookmark"):
        response = client.post(f"/knowledge/{article.pk}/{verb}/")
        assert response.url.startswith("/accounts/login/")
        assert client.get(f"/knowledge/{article.pk}/{verb}/").status_code in (302, 405)
    assert "This helped me" not in client.get(article.get_article_url()).content.decode()


def test_bookmarks_are_kept_newest_first_and_only_mine(client, article, ann, sam):
    client.force_login(sam)
    assert "You have not kept anything yet" in client.get("/knowledge/bookmarks/").content.decode()
    other = TicketFactory(closed=True, title="Kept later")
    for ticket in (article, other):
        client.post(reverse("knowledge:bookmark", args=[ticket.pk]))
    BookmarkFactory(user=ann)
    response = client.get("/knowledge/bookmarks/")
    assert titles(response) == ["Kept later", article.title]
    client.post(reverse("knowledge:bookmark", args=[other.pk]), {"on": "no"})
    Ticket.objects.filter(pk=article.pk).update(is_public=False)
    assert titles(client.get("/knowledge/bookmarks/")) == []
    assert Bookmark.objects.filter(user=sam).count() == 1


def test_lists_take_one_number_of_queries(client, sam, mentor):
    client.force_login(sam)
    first = TicketFactory(closed=True, mentor=mentor, title="Loops")
    related = TicketFactory(closed=True, title="Loops again")
    for ticket in (first, related):
        index_ticket(ticket)
    BookmarkFactory(user=sam, ticket=first)
    ReplyFactory(ticket=first, is_useful=True)
    paths = [LIST, f"{LIST}?q=loops", f"{LIST}?q=loops&tag=python", "/knowledge/bookmarks/", first.get_article_url()]

    def counts():
        found = []
        for path in paths:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path).status_code == 200
            found.append(len(captured))
        return found

    counts()
    before = counts()
    for number in range(2):
        ticket = TicketFactory(closed=True, title=f"Loops {number}", tags=["python", f"t{number}"])
        index_ticket(ticket)
        BookmarkFactory(user=sam, ticket=ticket)
        ReplyFactory(ticket=first, is_useful=True)
    cache.delete("tickets:popular_tags")
    client.get(LIST)
    assert counts() == before
