"""What was solved before."""

from typing import Literal

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status
from ninja.errors import AuthenticationError
from pydantic import Field

from accounts.bearer import Bearer, visitors_too
from mentorbook.markdown import render, render_each
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Id, Instant, Listed, Output, Paging, example, part_of, words
from tickets import actions
from tickets.actions import NotAnArticle, OwnWork
from tickets.api.shapes import FILE, AttachmentOut, TagName
from tickets.articles import as_row, bookmarked_by, browsed, marked_among, marks_of
from tickets.forms.knowledge import HELPFUL, QUERY_LENGTH, KnowledgeFilters
from tickets.models import MAX_IN_ARTICLE, MAX_TAGS, Ticket, knowledge_is_open_to
from tickets.search import related_articles, search_tickets

knowledge = Router(tags=["knowledge base"])

# For members, and where the installation says so for everybody; `_open_to` asks which.
READERS = [Bearer(), visitors_too]
RELATED = {
    "id": 12,
    "title": "What does prefetch_related do?",
    "slug": "what-does-prefetch-related-do",
    "url": "https://mentors.example.org/knowledge/12/what-does-prefetch-related-do/",
}
FACTS = {
    "id": 17,
    "title": "Why is this query slow?",
    "slug": "why-is-this-query-slow",
    "url": "https://mentors.example.org/knowledge/17/why-is-this-query-slow/",
    "tags": ["django", "sql"],
    "mentor_id": 3,
    "mentor_name": "Max Meyer",
    "upvotes": 4,
    "upvoted": False,
    "bookmarked": True,
    "solved_at": "2026-11-20T12:00:00Z",
}
ROW = {**FACTS, "excerpt_html": "It takes a minute for every <mark>query</mark> …"}


# --- Shapes -----------------------------------------------------------------------------------------------------------


class ArticleLink(Output):
    model_config = example(**RELATED)

    id: Id
    title: str
    slug: str
    url: str = Field(description="The article's page.")

    @staticmethod
    def resolve_url(ticket):
        return settings.BASE_URL + ticket.get_article_url()


class ArticleFacts(Output):
    """Whoever asked is not named."""

    model_config = example(**FACTS)

    id: Id
    title: str
    slug: str
    url: str = Field(description="The article's page.")
    tags: list[str]
    mentor_id: Id = Field(description="Who solved it.")
    mentor_name: str
    upvotes: int
    upvoted: bool = Field(description="By you.")
    bookmarked: bool = Field(description="By you.")
    solved_at: Instant


class ArticleRow(ArticleFacts):
    model_config = example(**ROW)

    excerpt_html: str = Field(description="The part that fits best, escaped, the words found in <mark>.")


class ArticlesFound(Listed[ArticleRow]):
    model_config = example(items=[ROW], count=1, suggestion=None, is_corrected=False)

    suggestion: str | None = Field(description="A better spelling of `q`, which finds more.")
    is_corrected: bool = Field(description="Nothing was found for `q`: these are the results of the suggestion.")


class UsefulReply(Output):
    model_config = example(body_html="<p>It was the index.</p>\n", is_by_asker=True, created_at="2026-11-20T13:00:00Z")

    body_html: str
    is_by_asker: bool
    created_at: Instant
    attachments: list[AttachmentOut] = []


class Article(ArticleFacts):
    model_config = example(
        **FACTS,
        question_html="<p>It takes a minute.</p>\n",
        solution_html="<p>Use <code>prefetch_related</code>.</p>\n",
        attachments=[FILE],
        replies=[
            {
                "body_html": "<p>It was the index.</p>\n",
                "is_by_asker": True,
                "created_at": "2026-11-20T13:00:00Z",
                "attachments": [],
            }
        ],
        related=[RELATED],
    )

    question_html: str
    solution_html: str
    attachments: list[AttachmentOut] = Field(description="Of the question and of the solution.")
    replies: list[UsefulReply] = Field(description="What is useful besides the solution.")
    related: list[ArticleLink]


class ArticleFilters(Paging):
    model_config = example(q='"slow query" -mysql', tag=["django"], sort="relevance")

    q: words(QUERY_LENGTH) = Field("", description='Words, "phrases", -without; typing mistakes are forgiven.')
    tag: list[TagName] = Field([], max_length=MAX_TAGS, description="Tags or synonyms, all of which it must have.")
    sort: Literal["relevance", "newest", "helpful"] | None = Field(
        None, description="Left out: `relevance` with `q`, else `newest`."
    )


# --- Reading ----------------------------------------------------------------------------------------------------------


@knowledge.get("/", response=ArticlesFound, auth=READERS, summary="Look for articles")
@refuses()
def list_articles(request, wish: Query[ArticleFilters]):
    """Solved tickets whose students let others learn from them. Where the installation keeps the knowledge base for
    members, visitors get 401. A search finds 1,000 at most."""
    _open_to(request.user)
    filters = KnowledgeFilters(request.GET)
    articles = filters.rows(Ticket.objects.readable_by(request.user))
    found = search_tickets(articles.for_rows(), filters.text, order=filters.sort)
    if found.is_empty:
        part = part_of(browsed(articles, by_upvotes=filters.sort == HELPFUL), wish)
        rows = [as_row(ticket) for ticket in part["items"]]
    else:
        part = part_of(found, wish)
        rows = part["items"]
    corrections = {"suggestion": found.suggestion or None, "is_corrected": found.is_corrected}
    return {"items": _told(rows, request.user), "count": part["count"]} | corrections


@knowledge.get("/bookmarks", response=Listed[ArticleRow], summary="List bookmarks")
@refuses()
def list_bookmarks(request, wish: Query[Paging]):
    """The articles that you keep, the last one first."""
    part = part_of(bookmarked_by(request.user), wish)
    return {"items": _told([as_row(ticket) for ticket in part["items"]], request.user), "count": part["count"]}


@knowledge.get("/{int:article_id}", response=Article, auth=READERS, summary="Read an article")
@refuses()
def get_article(request, article_id: int):
    """With the question, the solution, and what is useful beside it: the first 100 such replies. Of these, what comes
    after 200,000 characters has no Markdown, but stands as it was typed. Its id is that of the ticket it was written
    from."""
    _open_to(request.user)
    user = request.user
    readable = Ticket.objects.readable_by(user).with_people().select_related("solution")
    ticket = get_object_or_404(readable.prefetch_related("tags", "attachments", "solution__attachments"), pk=article_id)
    useful = list(ticket.replies.public().prefetch_related("attachments")[:MAX_IN_ARTICLE])
    marks = marks_of(ticket, user)
    return {
        **_facts(ticket, upvoted=marks.has_upvoted, bookmarked=marks.has_bookmarked),
        "question_html": render(ticket.description),
        "solution_html": render(ticket.solution.text),
        "attachments": [*ticket.attachments.all(), *ticket.solution.attachments.all()],
        "replies": [
            {
                "body_html": html,
                "is_by_asker": reply.author_id == ticket.student_id,
                "created_at": reply.created_at,
                "attachments": list(reply.attachments.all()),
            }
            for reply, html in zip(useful, render_each(reply.text for reply in useful), strict=True)
        ],
        "related": related_articles(ticket, rows=Ticket.objects.readable_by(user).only("title")),
    }


# --- Marking ----------------------------------------------------------------------------------------------------------


@knowledge.put("/{int:article_id}/upvote", response={204: None}, summary="Upvote an article")
@refuses(OwnWork, NotAnArticle)
def upvote(request, article_id: int):
    """Say that it helped you. The second time changes nothing."""
    actions.upvote_article(_find(request, article_id), by=request.user, now=timezone.now())
    return Status(204, None)


@knowledge.delete("/{int:article_id}/upvote", response={204: None}, summary="Take an upvote back")
@refuses()
def remove_upvote(request, article_id: int):
    """Without an upvote, nothing happens."""
    actions.remove_upvote(_find(request, article_id), by=request.user)
    return Status(204, None)


@knowledge.put("/{int:article_id}/bookmark", response={204: None}, summary="Bookmark an article")
@refuses(OwnWork, NotAnArticle)
def bookmark(request, article_id: int):
    """Keep it for later. The second time changes nothing."""
    actions.bookmark_article(_find(request, article_id), by=request.user, now=timezone.now())
    return Status(204, None)


@knowledge.delete("/{int:article_id}/bookmark", response={204: None}, summary="Remove a bookmark")
@refuses()
def remove_bookmark(request, article_id: int):
    """Without a bookmark, nothing happens."""
    actions.remove_bookmark(_find(request, article_id), by=request.user)
    return Status(204, None)


def _open_to(user):
    """Send visitors to the sign-in where the knowledge base is for members."""
    if not knowledge_is_open_to(user):
        raise AuthenticationError


def _find(request, article_id):
    return get_object_or_404(Ticket.objects.readable_by(request.user), pk=article_id)


def _told(rows, user):
    """Rows of a list, with what `user` has said of each."""
    upvoted, bookmarked = marked_among([row.ticket for row in rows], user)
    return [
        _facts(row.ticket, upvoted=row.ticket.pk in upvoted, bookmarked=row.ticket.pk in bookmarked)
        | {"excerpt_html": row.excerpt}
        for row in rows
    ]


def _facts(ticket, *, upvoted, bookmarked):
    return {
        "id": ticket.pk,
        "title": ticket.title,
        "slug": ticket.slug,
        "url": settings.BASE_URL + ticket.get_article_url(),
        "tags": [tag.name for tag in ticket.tags.all()],
        "mentor_id": ticket.mentor_id,
        "mentor_name": str(ticket.mentor),
        "upvotes": ticket.upvote_count,
        "upvoted": upvoted,
        "bookmarked": bookmarked,
        "solved_at": ticket.resolved_at,
    }
