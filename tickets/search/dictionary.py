"""The words of the knowledge base with the number of articles that have each: for "did you mean", and to know which
words of a title say most. Made from articles alone, so that nobody learns a word of somebody else's private ticket; and
a correction is offered only where it finds something that the asking person may see.
"""

import json
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction

from tickets.models import Ticket
from tickets.search import analyser
from tickets.search.engines import TABLE
from tickets.search.index import engine, get_state, set_state
from tickets.search.query import SMALL_WORDS, Query
from tickets.search.spelling import could_be, distance, letters, mistakes_allowed

MOST_WORDS = 50_000
MOST_MEANT = 30_000  # so many of them, the most frequent, are kept in memory as what people may have meant
STATE = "words"
AT_LEAST_EVERY = timedelta(minutes=10)
SHARE_OF_TIME = 0.02  # counting all words anew may take at most this share of the time
RARE = 2  # a word in more articles is taken to be right;
SURELY_BETTER = 10  # and in fewer, unless another one is so much more frequent


class Dictionary:
    """The most frequent words, to find what somebody may have meant."""

    def __init__(self, version: str, documents: dict[str, int]):
        self.version = version
        self.documents = documents
        self._of_length = defaultdict(list)
        for word in documents:
            self._of_length[len(word)].append(word)
        self._letters: dict[int, list[tuple[int, str]]] = {}

    def correction(self, word: str, own_count: int) -> str | None:
        """The word of the knowledge base that somebody who typed `word`, which is in `own_count` articles, most
        probably meant; None where it is right.

        Of the nearest the most frequent. A word that only differs in its inflection is not wrong.
        """
        if own_count > RARE or word in SMALL_WORDS:
            return None
        own_stem = analyser.stem(word)
        for mistakes in range(1, mistakes_allowed(word) + 1):
            near = self._apart(word, mistakes)
            if any(analyser.stem(other) == own_stem for other in near):
                return None
            if near:
                best = min(near, key=lambda other: (-self.documents[other], other))
                return best if self.documents[best] >= SURELY_BETTER * own_count else None
        return None

    def _apart(self, word, mistakes):
        """The words that are exactly so many mistakes away, none being nearer."""
        bits = letters(word)
        return [
            other
            for length in range(len(word) - mistakes, len(word) + mistakes + 1)
            for other_bits, other in self._with_letters(length)
            if (bits ^ other_bits).bit_count() <= 2 * mistakes
            and could_be(bits, other_bits, mistakes)
            and distance(word, other, mistakes) == mistakes
        ]

    def _with_letters(self, length):
        """Made when words of that length are first asked for: most never are."""
        if length not in self._letters:
            self._letters[length] = [(letters(word), word) for word in self._of_length.get(length, ())]
        return self._letters[length]


_latest = Dictionary("", {})


def dictionary() -> Dictionary:
    """As last counted by any process; one query where this process has it already."""
    global _latest
    version = _state().get("version", "")
    if _latest.version != version:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT word, documents FROM tickets_search_words ORDER BY documents DESC LIMIT %s", [MOST_MEANT]
            )
            _latest = Dictionary(
                version, {word: n for word, n in cursor.fetchall() if len(word) > 2 and word.isalpha()}
            )
    return _latest


def _state() -> dict:
    return json.loads(get_state(STATE) or "{}")


def corrected(query: Query) -> str | None:
    """The text of `query` with its probable typing mistakes put right; None where there seem to be none."""
    if not query.typed:
        return None
    counts = frequencies({typed.word for typed in query.typed})
    known, text = dictionary(), query.text
    for typed in reversed(query.typed):
        if better := known.correction(typed.word, counts.get(typed.word, 0)):
            text = text[: typed.start] + better + text[typed.end :]
    return text if text != query.text else None


def frequencies(words: Iterable[str]) -> dict[str, int]:
    """In how many articles each of these words is, for those known; one query."""
    words = list(words)
    places = ", ".join(["%s"] * len(words))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT word, documents FROM tickets_search_words WHERE word IN ({places or 'NULL'})",  # noqa: S608
            words,
        )
        return dict(cursor.fetchall())


def articles_counted() -> int:
    """How many articles there were when words were counted, 1 at least."""
    return max(1, _state().get("articles", 0))


def refresh_search_words(*, now: datetime, dry_run: bool = False) -> int:
    """The job: count again, where the last count is old enough; 1 if it was done."""
    if state := _state():
        pause = max(AT_LEAST_EVERY, timedelta(seconds=state["seconds"] / SHARE_OF_TIME))
        if now < datetime.fromisoformat(state["at"]) + pause:
            return 0
    if not dry_run:
        count_words(now=now)
    return 1


def count_words(*, now: datetime) -> int:
    """Count the words of all articles anew; how many are kept: the most frequent ones."""
    began = time.monotonic()
    articles, counts = {"sqlite": _count_here, "postgresql": _count_there}[connection.vendor]()
    kept = sorted(counts.items(), key=lambda it: (-it[1], it[0]))[:MOST_WORDS]
    with transaction.atomic(), connection.cursor() as cursor:
        # The first statement takes turns with another process that does the same.
        state = {"version": uuid.uuid4().hex, "articles": articles, "at": now.isoformat()}
        state["seconds"] = round(time.monotonic() - began, 2)
        set_state(STATE, json.dumps(state))
        cursor.execute("DELETE FROM tickets_search_words")
        cursor.executemany("INSERT INTO tickets_search_words (word, documents) VALUES (%s, %s)", kept)
    return len(kept)


def articles_condition() -> tuple[str, tuple]:
    """SQL that lets the articles' documents through."""
    rows = Ticket.objects.articles().order_by().values("pk")
    return rows.query.sql_with_params()


def _count_here():
    """In Python: the words of one document after the other."""
    allowed, parameters = articles_condition()
    counts, articles = Counter(), 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT title, tags, body FROM {TABLE} WHERE rowid IN ({allowed})", parameters)  # noqa: S608
        while rows := cursor.fetchmany(500):
            articles += len(rows)
            for title, tags, body in rows:
                counts.update({word for word in f"{title} {tags} {body}".split() if word[0] not in "~@"})
    return articles, counts


def _count_there():
    """In the database, whose vectors have each word of a document once."""
    allowed, parameters = articles_condition()
    articles = Ticket.objects.articles().count()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT word, count(*) FROM {TABLE}, unnest(tsvector_to_array(terms)) AS word"  # noqa: S608
            f" WHERE {engine().id_column} IN ({allowed}) AND left(word, 1) NOT IN ('~', '@') GROUP BY word"
            f" ORDER BY count(*) DESC, word LIMIT {MOST_WORDS}",
            parameters,
        )
        return articles, dict(cursor.fetchall())
