"""How long searching takes, from the text to the page's rows, beside the engine's own ranked query.

A database of its own, filled by `benchmarks.articles`: `python -m benchmarks.search --tickets 1000000`.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator

from benchmarks.__main__ import bench_database, machine, set_up

TARGETS = {100_000: (50, 250, 60), 1_000_000: (150, 1_000, 150)}
REPEATS = 60
PAGE = 20


def prepare(number):
    vendor = set_up(bench_database(f"search_{number}"))
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.articles import fill
    from tickets.models import Ticket

    if not Ticket.objects.exists():
        fill(number)
        call_command("rebuild_search")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return vendor


def run(number) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, figure, target), as they come. Raises AssertionError where too little is found."""
    from accounts.models import User
    from tickets.models import Ticket
    from tickets.search import related_articles, search_tickets, similar_articles
    from tickets.search.dictionary import dictionary

    assert Ticket.objects.count() == number
    chance = random.Random(1)
    # What people search for: of the words that at most a fifth of the articles have, the more frequent the more often.
    known = dictionary().documents
    articles_there = Ticket.objects.articles().count()
    usual = {word: count for word, count in known.items() if count <= articles_there / 5 and len(word) > 3}
    words, weights = list(usual), list(usual.values())
    long_words = [word for word in words if word.isalpha() and len(word) > 6]
    share = 0.38 * articles_there
    common = sorted(known, key=lambda word: abs(known[word] - share))[:3]
    titles = list(Ticket.objects.filter(pk__in=chance.sample(range(1, number), 200)).values_list("title", flat=True))
    articles = Ticket.objects.readable_by(User.objects.get(email="student@example.org")).for_rows()
    few, much, typing = TARGETS.get(number, ("–", "–", "–"))

    def three():
        return chance.choices(words, weights, k=3)

    def page(text):
        results = search_tickets(articles, text)
        return len([hit.excerpt for hit in results[:PAGE]])

    def similar():
        title = chance.choice(titles)
        return len(similar_articles(title[: chance.randrange(10, 100)]))

    def related():
        return len(related_articles(Ticket.objects.get(pk=chance.randrange(1, number)), rows=articles))

    def measured(what, ask, target="–", raw=None):
        return _measure(f"search in {number:,} tickets: {what}", ask, target, raw)

    yield measured("three words", lambda: page(" ".join(three())), few, raw=lambda: _raw(three()))
    yield measured("three words of a title", lambda: page(" ".join(chance.choice(titles).split()[:3])), few)
    yield measured(
        f"a word in {known[common[0]] / articles_there:.0%} of the articles",
        lambda: page(chance.choice(common)),
        much,
        raw=lambda: _raw([chance.choice(common)]),
    )
    yield measured("two very common words", lambda: page(" ".join(chance.sample(common, 2))), much)
    yield measured("phrase of two common words", lambda: page(f'"{common[0]} {common[1]}"'))
    yield measured("beginning of a word", lambda: page(f"{chance.choice(words)[:4]}*"))
    yield measured("without a common word", lambda: page(f"-{chance.choice(common)} {chance.choice(words)}"))
    yield measured("mistyped word", lambda: page(_mistyped(chance, long_words)))
    yield measured("suggestion while typing", similar, typing)
    yield measured("related articles", related)


def _mistyped(chance, words):
    word = chance.choice(words)
    at = chance.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _raw(words):
    """The engine's own ranking over everything, without permission, texts or excerpts."""
    from django.db import connection

    from tickets.search.engines import ENGINES, TABLE
    from tickets.search.query import parse

    own = ENGINES[connection.vendor]
    condition, parameters = own.condition(parse(" ".join(words)))
    rank = {"sqlite": "rank", "postgresql": f"ts_rank({TABLE}.terms, %s::tsquery) DESC"}[connection.vendor]
    asked = parameters if connection.vendor == "sqlite" else parameters * 2
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {own.of_document} FROM {TABLE} WHERE {condition} ORDER BY {rank} LIMIT {PAGE}",
            asked,
        )
        return len(cursor.fetchall())


def _measure(what, ask, target, raw=None):
    ask()
    taken, shown = _timed(ask)
    assert shown >= REPEATS / 2, f"{what}: only {shown} rows in {REPEATS} searches"
    figure = f"p50 {statistics.median(taken):.0f} ms, p95 {_p95(taken):.0f} ms, {shown} rows"
    if raw:
        raw()
        bare, found = _timed(raw)
        assert found
        figure += f" (engine's own ranking: p50 {statistics.median(bare):.0f} ms, p95 {_p95(bare):.0f} ms)"
    return what, figure, f"p95 ≤ {target} ms" if isinstance(target, int) else target


def _timed(ask):
    taken, shown = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        shown += ask()
        taken.append((time.perf_counter() - began) * 1_000)
    return taken, shown


def _p95(taken):
    return statistics.quantiles(taken, n=20)[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--rows-only", action="store_true", help="without the head of the table")
    options = parser.parse_args()
    vendor = prepare(options.tickets)
    if not options.rows_only:
        print(f"\n{machine(vendor)}\n\n| what | measured | target |\n|---|---|---|", flush=True)
    for row in run(options.tickets):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
