"""Who fits a ticket, and which ticket fits a mentor: arithmetic only, no database and no clock.

A mentor's score for a ticket, between 0 and 1, is

    A · (0.55 + 0.15 Q + 0.15 R + 0.10 L + 0.05 H)

A  how much of the ticket the mentor knows (`fit`): over the tags that both have, Σ idf · proficiency, divided by Σ idf
   over the ticket's tags. `idf = ln(1 + mentors / (1 + mentors with the tag))` lets a rare tag say more than a common
   one (Spärck Jones, "A statistical interpretation of term specificity", 1972). Proficiency is 0.5 for a tag that is
   only listed and grows with the tickets solved in it, half of the way to 1 after 3; a ticket solved half a year
   (180 days) ago counts half.
Q  the Bayesian mean of the ratings (`mentors.ratings`), 1 star as 0 and 5 stars as 1
R  exp(-hours/6) of the median time to the first response, shrunken towards 6 hours as if there were 5 answers more
L  the free part of the mentor's places for tickets
H  1 for whoever has helped this student before, else 0

Because A multiplies, ratings and speed only order those who fit: whoever knows 1/0.55 = 1.8 times as much of the ticket
comes first, however loved the other one is, and whoever shares no tag has 0. The form and the weights are this
project's own; the weights are `settings.MATCHING`.

Mentors see open tickets in bands by A, longest waiting first in each (`band`).
"""

import datetime as dt
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NamedTuple

from django.conf import settings

from mentors.ratings import bayesian_mean

DAY = dt.timedelta(days=1)
# A median of fewer answers is chance, and nobody is shown by it.
RESPONSE_SHOWN_FROM = 5


# --- A: what a mentor knows of a ticket -------------------------------------------------------------------------------


def decayed(weight: float, *, since: dt.datetime, now: dt.datetime) -> float:
    """What `weight`, as it was at `since`, is worth at `now`: half of it after every 180 days (`half_life_days`).

    Never more than `weight`: a clock that runs back does not make anybody better.
    """
    return weight * 0.5 ** (max(0.0, (now - since) / DAY) / settings.MATCHING["half_life_days"])


def proficiency(proven: float) -> float:
    """How well somebody knows a tag of theirs, from 0.5 (only listed) to 1, by the solved tickets that prove it."""
    declared = settings.MATCHING["declared"]
    return declared + (1 - declared) * proven / (proven + settings.MATCHING["proven_halfway"])


def rarity(*, mentors: int, with_tag: int) -> float:
    """How much sharing a tag says (idf), when `with_tag` of `mentors` have it."""
    return math.log(1 + mentors / (1 + with_tag))


def fit(proven: Mapping[Hashable, float], rarities: Mapping[Hashable, float]) -> float:
    """A, from 0 to 1: how much of a ticket somebody knows.

    `proven` has the weight of solved tickets by each tag that both have, `rarities` the rarity of the ticket's tags.
    A tag that no mentor has is left out of both: it tells nothing about who fits better.
    """
    whole = sum(rarities.values())
    return sum(rarities[tag] * proficiency(weight) for tag, weight in proven.items()) / whole if whole else 0.0


# --- Why somebody or something is in a list: templates make words of these --------------------------------------------


@dataclass(frozen=True)
class SharedTags:
    """The names of the tags that fit, those that weigh most first."""

    names: tuple[str, ...]
    kind: ClassVar[str] = "tags"


@dataclass(frozen=True)
class HelpedBefore:
    kind: ClassVar[str] = "helped"


@dataclass(frozen=True)
class Rated:
    mean: float
    count: int
    kind: ClassVar[str] = "rating"


@dataclass(frozen=True)
class Answers:
    """The median time to the first response, of at least five."""

    minutes: int
    kind: ClassVar[str] = "response"


@dataclass(frozen=True)
class Waits:
    minutes: int
    kind: ClassVar[str] = "waits"


# --- A mentor for a ticket --------------------------------------------------------------------------------------------


class Facts(NamedTuple):
    """What counts about a mentor for one ticket. `proven` has the names of the tags that both have."""

    proven: Mapping[str, float]
    rating_count: int = 0
    rating_sum: int = 0
    answered: int = 0
    first_response_minutes: int | None = None
    assigned: int = 0
    capacity: int = 4
    has_helped: bool = False


class Parts(NamedTuple):
    """A, Q, R, L and H of the formula, each from 0 to 1."""

    fit: float
    rating: float
    response: float
    load: float
    history: float


class Match(NamedTuple):
    score: float
    parts: Parts
    reasons: tuple


def score(facts: Facts, rarities: Mapping[str, float], *, fits: float | None = None) -> Match:
    """The score of whoever has these facts, for a ticket whose tags have these rarities, its parts and the reasons.

    `fits` is A where no tags decide it.
    """
    weights = settings.MATCHING
    parts = Parts(
        fit=fit(facts.proven, rarities) if fits is None else fits,
        rating=(bayesian_mean(count=facts.rating_count, total=facts.rating_sum) - 1) / 4,
        response=_response(facts.answered, facts.first_response_minutes),
        load=max(0.0, 1 - facts.assigned / facts.capacity) if facts.capacity else 0.0,
        history=float(facts.has_helped),
    )
    rest = weights["base"] + sum(weights[name] * getattr(parts, name) for name in RANKING)
    return Match(parts.fit * rest, parts, _reasons(facts, rarities))


RANKING = ("rating", "response", "load", "history")


def _response(answered, median_minutes):
    weights = settings.MATCHING
    prior, weight = weights["response_prior_hours"], weights["response_prior_answers"]
    known = answered if median_minutes is not None else 0
    hours = (known * (median_minutes or 0) / 60 + weight * prior) / (known + weight)
    return math.exp(-hours / weights["response_hours"])


def _reasons(facts, rarities):
    reasons = []
    if facts.proven:
        reasons.append(SharedTags(strongest_first(facts.proven, rarities)))
    if facts.has_helped:
        reasons.append(HelpedBefore())
    if facts.rating_count:
        reasons.append(Rated(facts.rating_sum / facts.rating_count, facts.rating_count))
    if facts.answered >= RESPONSE_SHOWN_FROM and facts.first_response_minutes is not None:
        reasons.append(Answers(facts.first_response_minutes))
    return tuple(reasons)


def strongest_first(proven: Mapping[str, float], rarities: Mapping[str, float]) -> tuple[str, ...]:
    """The tags in the order of what each adds to the fit."""
    return tuple(sorted(proven, key=lambda tag: (-rarities[tag] * proficiency(proven[tag]), tag)))


# --- Tickets for a mentor ---------------------------------------------------------------------------------------------


class Band(IntEnum):
    """How near to the top of a mentor's queue a ticket stands."""

    STRONG = 0
    SOME = 1
    NONE = 2


def band(fit: float, *, climbed: int = 0) -> Band:
    """Where a ticket with this fit stands; each step that it has `climbed` by waiting lifts it by one band.

    With a fit of at least `strong_from` (half of the ticket in tags only listed, or less of it in proven ones) it
    stands in the first band, with any fit in the second. Within a band whoever waits longest is first, and waiting
    leads to the first band at last. So nothing starves: after two steps only older tickets stand before it.
    """
    if round(fit, 9) >= settings.MATCHING["strong_from"]:
        return Band.STRONG
    return Band(max(0, (Band.SOME if fit > 0 else Band.NONE) - climbed))


def climbed_before(now: dt.datetime) -> list[dt.datetime]:
    """The moments before which a ticket must have been opened to have climbed one step, two steps."""
    step = dt.timedelta(days=settings.MATCHING["climbs_after_days"])
    return [now - steps * step for steps in range(1, Band.NONE + 1)]
