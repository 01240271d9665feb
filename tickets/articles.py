"""Articles of the knowledge base as a reader sees them: rows of a list, and what the reader has said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.db.models.functions import Left
from django.utils.html import escape
from django.utils.safestring import SafeString

from mentorbook.markdown import plain
from tickets.models import Bookmark, Ticket, Upvote

EXCERPT_LENGTH = 220
READ_FOR_EXCERPT = 1_000


@dataclass(frozen=True)
class Row:
    """Like `tickets.search.Hit`, where nothing was searched for."""

    ticket: Ticket
    title: str
    excerpt: SafeString


@dataclass(frozen=True)
class Marks:
    """What somebody has said of an article, and whether they may."""

    can_mark: bool = False
    has_upvoted: bool = False
    has_bookmarked: bool = False


def browsed(articles, *, by_upvotes: bool):
    order = ("-upvote_count", "-resolved_at", "-id") if by_upvotes else ("-resolved_at", "-id")
    return with_beginning(articles.for_rows().order_by(*order))


def bookmarked_by(user):
    """The articles that `user` keeps, the last one first; those that can be read no longer are missing until they can
    be again."""
    mine = Ticket.objects.readable_by(user).filter(bookmarks__user=user)
    return with_beginning(mine.for_rows().order_by("-bookmarks__created_at", "-id"))


def with_beginning(articles):
    return articles.annotate(beginning=Left("description", READ_FOR_EXCERPT))


def as_row(ticket) -> Row:
    return Row(ticket, ticket.title, escape(plain(ticket.beginning, EXCERPT_LENGTH)))


def marks_of(ticket, user) -> Marks:
    """One query; none for visitors."""
    if not user.is_authenticated:
        return Marks()
    marks = Ticket.objects.filter(pk=ticket.pk).values_list(
        Exists(Upvote.objects.filter(ticket=OuterRef("pk"), user=user)),
        Exists(Bookmark.objects.filter(ticket=OuterRef("pk"), user=user)),
    )
    return Marks(ticket.can_be_voted_by(user), *marks.get())


def marked_among(tickets: Sequence[Ticket], user) -> tuple[set[int], set[int]]:
    """The ids of those that `user` has upvoted, and of those that they keep. Two queries; none for visitors."""
    if not user.is_authenticated or not tickets:
        return set(), set()
    ids = [ticket.pk for ticket in tickets]
    return tuple(
        set(marks.objects.filter(user=user, ticket__in=ids).values_list("ticket", flat=True))
        for marks in (Upvote, Bookmark)
    )
