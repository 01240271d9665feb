"""Which of the tickets found come first: a formula that can be read, the same on both databases.

For each thing asked for: 1 where the title has it, 0.6 where the tags have it, 0.25 where only the text has it; the
mean of these, and up to 0.1 more where the title says little else. Then two gentle factors: readers' upvotes add up to
a fifth, age takes away up to a tenth (half of it in two years).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tickets.search.query import Query, Sought

IN_TITLE, IN_TAGS, IN_TEXT = 1.0, 0.6, 0.25
SAYS_LITTLE_ELSE = 0.1
UPVOTES, MANY_UPVOTES = 0.2, 100
AGE, HALF_LIFE = 0.1, timedelta(days=730)


@dataclass(frozen=True)
class Candidate:
    """A ticket that was found, with what its place depends on; title and tags as the index has them."""

    pk: int
    title: str
    tags: str
    upvotes: int
    at: datetime


def ranked(candidates: Sequence[Candidate], query: Query, *, now: datetime) -> list[int]:
    """The ids, best first; of equals the newest."""
    scored = [(-score(it, query, now=now), -it.pk) for it in candidates]
    return [-negative_pk for _, negative_pk in sorted(scored)]


def score(candidate: Candidate, query: Query, *, now: datetime) -> float:
    """How well `candidate`, which was found by `query`, answers it; above 0, about 1.4 at most."""
    title, tags = _Field(candidate.title), _Field(candidate.tags)
    worth = in_title = 0.0
    for group in query.groups:
        if any(title.has(sought) for sought in group):
            worth += IN_TITLE
            in_title += 1
        elif any(tags.has(sought) for sought in group):
            worth += IN_TAGS
        else:
            worth += IN_TEXT
    asked = len(query.groups) or 1
    relevance = (worth or IN_TEXT) / asked + SAYS_LITTLE_ELSE * min(1.0, in_title / max(1, title.length))
    upvotes = UPVOTES * min(1.0, math.log1p(candidate.upvotes) / math.log1p(MANY_UPVOTES))
    age = AGE * (1 - 0.5 ** (max(timedelta(0), now - candidate.at) / HALF_LIFE))
    return relevance * (1 + upvotes) * (1 - age)


class _Field:
    """Title or tags of a document, to ask what is in it."""

    def __init__(self, words: str):
        self.words = words.split(" ")
        self.known = set(self.words)
        self.length = next((at for at, word in enumerate(self.words) if word == "~"), len(self.words))

    def has(self, sought: Sought) -> bool:
        if sought.joined and sought.joined in self.known:
            return True
        *inner, last = sought.words
        if not inner and not sought.is_prefix:
            return last in self.known
        if not self.known.issuperset(inner):
            return False
        for at in range(len(self.words) - len(inner)):
            word = self.words[at + len(inner)]
            if (word == last or (sought.is_prefix and word.startswith(last))) and self.words[
                at : at + len(inner)
            ] == inner:
                return True
        return False
