"""Which of the tickets found come first: a formula that can be read, the same on both databases.

For each thing asked for: 1 where the title has it, 0.6 where the tags have it, 0.25 where only the text has it; the
mean of these, and up to 0.1 more where the title says little else. Then two gentle factors: readers' upvotes add up to
a fifth, age takes away up to a tenth (half of it in two years).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tickets.search.documents import GAP
from tickets.search.query import Query, Sought

IN_TITLE, IN_TAGS, IN_TEXT = 1.0, 0.6, 0.25
SAYS_LITTLE_ELSE = 0.1
UPVOTES, MANY_UPVOTES = 0.2, 100
AGE, HALF_LIFE_YEARS, YEAR = 0.1, 2, 365.25 * 24 * 3600


@dataclass
class Candidate:
    """A ticket that was found, with what its place depends on; title and tags as the index has them."""

    pk: int
    title: str
    tags: str
    upvotes: int
    at: datetime


def ranked(candidates: Iterable[Candidate], query: Query, *, now: datetime) -> list[int]:
    """The ids, best first; of equals the newest."""
    groups = [tuple(needle for sought in group for needle in _needles(sought)) for group in query.groups]
    scored = [(-_score(it, groups, now), -it.pk) for it in candidates]
    return [-negative_pk for _, negative_pk in sorted(scored)]


def _score(candidate, groups, now) -> float:
    """How well `candidate`, which was found, answers what each of the groups asks for; about 1.3 at most."""
    title, tags = f" {candidate.title} ", f" {candidate.tags} "
    worth = in_title = 0.0
    for needles in groups:
        if any(needle in title for needle in needles):
            worth += IN_TITLE
            in_title += 1
        elif any(needle in tags for needle in needles):
            worth += IN_TAGS
        else:
            worth += IN_TEXT
    relevance = (worth or IN_TEXT) / (len(groups) or 1)
    if in_title:
        length = title.count(" ", 0, title.find(f" {GAP} ") + 1)
        relevance += SAYS_LITTLE_ELSE * min(1.0, in_title / max(1, length))
    upvotes = UPVOTES * min(1.0, math.log1p(candidate.upvotes) / math.log1p(MANY_UPVOTES))
    years = max(0.0, (now - candidate.at).total_seconds()) / YEAR
    return relevance * (1 + upvotes) * (1 - AGE * (1 - 0.5 ** (years / HALF_LIFE_YEARS)))


def _needles(sought: Sought) -> list[str]:
    """What to look for in the words of a document that have a space on either side."""
    found = [f" {' '.join(sought.words)}" + ("" if sought.is_prefix else " ")]
    return [*found, f" {sought.joined} "] if sought.joined else found
