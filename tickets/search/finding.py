"""Searching: from what somebody typed, and the tickets that this person may see, to a page of results.

Permission is part of the same SQL: `rows` is a queryset that lets through what the person may see, and nothing else is
counted, shown or taken as a reason for a suggestion. A search reads at most LIMIT documents (the newest that fit, and
where there are more, as many that fit by their titles), and texts only of the rows of one page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString

from mentors.models import Tag
from tickets.models import Ticket
from tickets.search import analyser
from tickets.search.dictionary import articles_counted, corrected, frequencies
from tickets.search.engines import TABLE
from tickets.search.excerpts import READ, Marker, excerpt, marked
from tickets.search.index import engine
from tickets.search.query import SMALL_WORDS, Query, Sought, parse, tag_term
from tickets.search.ranking import Candidate, ranked

LIMIT = 1_000
FEW = 5  # with fewer results a better spelling is offered
ORDERS = ("relevance", "newest", "helpful")
RAREST = 5
SIMILAR_CANDIDATES = 200
TOO_COMMON = 0.2  # a word in a greater share of the articles says nothing about a title,
COMMON_FROM = 50  # unless there are so few of them


@dataclass(frozen=True)
class Hit:
    """A ticket of the results with its title and the best part of its text, escaped, the words found in <mark>."""

    ticket: Ticket
    title: SafeString
    excerpt: SafeString


@dataclass
class Results(Sequence):
    """What a search found, for `paginate`: a slice gives Hits, of the caller's `rows` in a fixed number of queries."""

    rows: QuerySet
    query: Query
    ids: list[int] = field(default_factory=list)
    is_capped: bool = False  # there are more than these
    suggestion: str = ""  # a better spelling of the text, which finds more
    is_corrected: bool = False  # nothing was found, so these are the results of the suggestion

    @property
    def text(self):
        """What was asked for, safe to show again (escaped by the template as everything)."""
        return self.query.text

    @property
    def is_empty(self):
        """Whether nothing was asked for."""
        return self.query.is_empty

    @property
    def total_label(self):
        """`17`, or `1,000+`."""
        return number_format(len(self.ids), use_l10n=True, force_grouping=True) + ("+" if self.is_capped else "")

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, wanted):
        if not isinstance(wanted, slice):
            return self[wanted : wanted + 1 or None][0]
        return self._hits(self.ids[wanted])

    def _hits(self, ids):
        query = parse(self.suggestion) if self.is_corrected else self.query
        marker = Marker(query)
        # What was found may have been hidden or deleted since; then it is missing from the page.
        tickets = self.rows.order_by().in_bulk(ids) if ids else {}
        texts = Ticket.objects.filter(pk__in=tickets).values_list(
            "pk", Left("description", READ), Left("solution__text", READ)
        )
        texts = {pk: (description, solution or "") for pk, description, solution in texts}
        return [
            Hit(tickets[pk], marked(tickets[pk].title, marker), excerpt(texts[pk], marker))
            for pk in ids
            if pk in tickets and pk in texts
        ]


def search_tickets(rows: QuerySet, text: str, *, order: str = "relevance") -> Results:
    """Those of `rows` that `text` finds, by `order`: relevance, newest (solved or asked) or helpful (most upvotes);
    an unknown order is relevance.

    `rows` says what the asking person may see (`visible_to`, `readable_by`, with any filters) and what the rows of the
    page come with. A text that asks for nothing finds nothing. Where nothing is found and a word seems mistyped, these
    are the results of the better spelling.
    """
    order = order if order in ORDERS else "relevance"
    query = parse(text)
    results = Results(rows, query)
    results.ids, results.is_capped = _find(rows, query, order)
    if len(results.ids) < FEW and (better := corrected(query)):
        ids, is_capped = _find(rows, parse(better), order)
        if len(ids) > len(results.ids):
            results.suggestion = better
            if not results.ids:
                results.ids, results.is_capped, results.is_corrected = ids, is_capped, True
    return results


def _find(rows, query, order) -> tuple[list[int], bool]:
    """The ids in their order, at most LIMIT, and whether there are more."""
    if query.is_empty:
        return [], False
    query = query.with_tags(Tag.objects.by_spelling)
    if not all(query.groups):  # one asks for a tag that does not exist
        return [], False
    found = _candidates(rows, query, limit=LIMIT + 1, by_upvotes=order == "helpful")
    is_capped = len(found) > LIMIT
    if is_capped and order == "relevance" and query.groups:
        found |= _candidates(rows, query, in_heading=True, limit=LIMIT)
    return _ordered(found.values(), query, order)[:LIMIT], is_capped


def _ordered(candidates, query, order):
    if order == "relevance":
        return ranked(candidates, query, now=timezone.now())
    by = {"newest": lambda it: (it.at, it.pk), "helpful": lambda it: (it.upvotes, it.at, it.pk)}[order]
    return [it.pk for it in sorted(candidates, key=by, reverse=True)]


def _candidates(rows, query, *, limit, in_heading=False, by_upvotes=False) -> dict[int, Candidate]:
    """The newest (or most upvoted) of `rows` that `query` finds (in titles and tags alone), by id."""
    own = engine()
    condition, parameters = own.condition(query, in_heading=in_heading)
    try:
        allowed, allowed_parameters = (
            rows.order_by().filter(pk=RawSQL(own.of_document, ())).values("pk").query.sql_with_params()  # noqa: S611
        )
    except EmptyResultSet:
        return {}
    # CROSS, because SQLite then asks the index first and looks the tickets up; to PostgreSQL it is one more join.
    sql = (
        f"SELECT {own.of_document}, {TABLE}.title, {TABLE}.tags, found.upvote_count,"  # noqa: S608
        f" coalesce(found.resolved_at, found.created_at) FROM {TABLE} CROSS JOIN tickets_ticket found"
        f" WHERE {condition} AND found.id = {own.of_document} AND EXISTS ({allowed})"
        f" ORDER BY {'found.upvote_count DESC,' if by_upvotes else ''} {own.newest_first(query)} LIMIT {limit:d}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *allowed_parameters])
        return {pk: Candidate(pk, *fields, own.moment(at)) for pk, *fields, at in cursor.fetchall()}


# --- Articles like this one -------------------------------------------------------------------------------------------


def similar_articles(title: str, *, rows: QuerySet | None = None, limit: int = 5, without: int | None = None):
    """Articles whose titles or tags have the rarest words of `title`, most alike first, as a list; in three queries.

    `rows` says which articles come into question and what they come with, else all; `without` is an id to leave out.
    """
    rows = Ticket.objects.articles() if rows is None else rows
    return _alike(rows, _rarest(title), limit=limit, without=without)


def related_articles(ticket: Ticket, *, rows: QuerySet | None = None, limit: int = 5):
    """Articles like this ticket, which is not among them: by the words of its title, then by its tags."""
    rows = Ticket.objects.articles() if rows is None else rows
    tags = {tag_term(tag.pk): 1.0 for tag in ticket.tags.all()}
    return _alike(rows, _rarest(ticket.title), tags, limit=limit, without=ticket.pk)


def _rarest(title) -> dict[str, float]:
    """The terms of the words in `title` that say most, at most RAREST, with how much they say."""
    read = {word.text: word.term for word in analyser.words(analyser.readable(title[:300])) if not word.ends_run}
    read = {text: term for text, term in read.items() if text not in SMALL_WORDS and len(text) > 1}
    if not read:
        return {}
    known, articles = frequencies(read), articles_counted()
    most = max(COMMON_FROM, TOO_COMMON * articles)
    telling = [word for word in read if known.get(word, 0) <= most] or list(read)
    # A word that nobody counted yet is new or nowhere, so those that are known come first.
    telling.sort(key=lambda word: (word not in known, known.get(word, 0)))
    return {read[word]: 1.0 + (articles / (1 + known.get(word, 0))) ** 0.25 for word in telling[:RAREST]}


def _alike(rows, *all_weights, limit, without):
    """The best `limit` of what each of the `all_weights` finds: a common tag must not crowd a rare word out."""
    found = {}
    for weights in filter(None, all_weights):
        query = Query(groups=(tuple(Sought((term,)) for term in weights),))
        found |= _candidates(rows, query, in_heading=True, limit=SIMILAR_CANDIDATES)
    found.pop(without, None)
    weights = {term: weight for some in all_weights for term, weight in some.items()}

    def alike(pk):
        words = {*found[pk].title.split(" "), *found[pk].tags.split(" ")}
        return sum(weight for term, weight in weights.items() if term in words)

    best = sorted(found, key=lambda pk: (-alike(pk), -pk))[:limit]
    tickets = rows.order_by().in_bulk(best)
    return [tickets[pk] for pk in best if pk in tickets]
