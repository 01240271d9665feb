"""The formula by hand, what must hold for whatever numbers, and the reasons."""

import datetime as dt
import math

import hypothesis
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from mentors import matching
from mentors.matching import Band, Facts, band, climbed_before, decayed, fit, proficiency, rarity, score

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RARITIES = {"python": 1.0, "celery": 3.0}
NEW = Facts({"python": 0.0, "celery": 0.0})


# --- By hand ----------------------------------------------------------------------------------------------------------


def test_the_weights_of_the_formula_add_up_to_one():
    weights = settings.MATCHING
    assert sum(weights[name] for name in ["base", "rating", "response", "load", "history"]) == pytest.approx(1)


def test_a_weight_halves_in_180_days_and_never_grows():
    assert decayed(4, since=NOW - 180 * DAY, now=NOW) == pytest.approx(2)
    assert decayed(4, since=NOW - 360 * DAY, now=NOW) == pytest.approx(1)
    assert decayed(4, since=NOW, now=NOW) == 4
    assert decayed(4, since=NOW + DAY, now=NOW) == 4
    assert decayed(0, since=NOW - DAY, now=NOW) == 0


def test_a_weight_may_be_brought_forward_in_steps():
    halfway = decayed(4, since=NOW - 100 * DAY, now=NOW - 40 * DAY)
    assert decayed(halfway, since=NOW - 40 * DAY, now=NOW) == pytest.approx(decayed(4, since=NOW - 100 * DAY, now=NOW))


def test_a_listed_tag_counts_half_and_solved_tickets_prove_the_rest():
    assert [proficiency(solved) for solved in (0, 1, 3, 9)] == pytest.approx([0.5, 0.625, 0.75, 0.875])


def test_a_rare_tag_says_more():
    assert rarity(mentors=100, with_tag=99) == pytest.approx(math.log(2))
    assert rarity(mentors=100, with_tag=1) == pytest.approx(math.log(51))


def test_fit_is_the_known_part_of_the_ticket():
    assert fit({"python": 0}, RARITIES) == pytest.approx(1 * 0.5 / 4)
    assert fit({"celery": 3}, RARITIES) == pytest.approx(3 * 0.75 / 4)
    assert fit({"python": 0, "celery": 3}, RARITIES) == pytest.approx((0.5 + 2.25) / 4)
    assert fit({}, RARITIES) == 0
    assert fit({}, {}) == 0


def test_score_of_somebody_new():
    match = score(NEW, RARITIES)
    assert match.parts == pytest.approx((0.5, 0.75, math.exp(-1), 1, 0))
    assert match.score == pytest.approx(0.5 * (0.55 + 0.15 * 0.75 + 0.15 * math.exp(-1) + 0.10))


def test_score_of_somebody_known():
    facts = Facts(
        {"python": 3.0},
        rating_count=38,
        rating_sum=179,
        answered=15,
        first_response_minutes=120,
        assigned=1,
        capacity=4,
        has_helped=True,
    )
    rating = ((32 + 179) / 46 - 1) / 4
    response = math.exp(-((15 * 2 + 5 * 6) / 20) / 6)
    match = score(facts, RARITIES)
    assert match.parts == pytest.approx((0.75 / 4, rating, response, 0.75, 1))
    assert match.score == pytest.approx(
        0.75 / 4 * (0.55 + 0.15 * rating + 0.15 * response + 0.10 * 0.75 + 0.05),
    )


def test_few_answers_move_the_response_little():
    def response(answered, minutes):
        return score(NEW._replace(answered=answered, first_response_minutes=minutes), RARITIES).parts.response

    assert response(0, None) == response(3, None) == pytest.approx(math.exp(-1))
    assert response(1, 0) == pytest.approx(math.exp(-5 / 6))
    assert response(100, 0) > 0.95
    assert response(1, 600_000) > response(100, 600_000) == pytest.approx(0)


def test_whoever_takes_no_tickets_has_no_free_place():
    assert score(NEW._replace(capacity=0), RARITIES).parts.load == 0
    assert score(NEW._replace(assigned=5, capacity=4), RARITIES).parts.load == 0


# --- Whatever the numbers ---------------------------------------------------------------------------------------------

TAGS = ["python", "celery", "django", "sql", "c++"]
# The same cases in every run, however slow the machine is.
STEADILY = hypothesis.settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def tickets(draw):
    """The rarities of a ticket's tags."""
    names = draw(st.lists(st.sampled_from(TAGS), min_size=1, unique=True))
    mentors = draw(st.integers(1, 5_000))
    return {name: rarity(mentors=mentors, with_tag=draw(st.integers(1, mentors))) for name in names}


@st.composite
def anybody(draw, rarities, min_tags=0):
    tags = draw(st.lists(st.sampled_from(sorted(rarities)), min_size=min_tags, unique=True))
    count = draw(st.integers(0, 500))
    return Facts(
        {tag: draw(st.floats(0, 1_000)) for tag in tags},
        rating_count=count,
        rating_sum=draw(st.integers(count, 5 * count)),
        answered=draw(st.integers(0, 500)),
        first_response_minutes=draw(st.none() | st.integers(0, 10**7)),
        assigned=draw(st.integers(0, 50)),
        capacity=draw(st.integers(0, 50)),
        has_helped=draw(st.booleans()),
    )


@STEADILY
@given(st.data())
def test_every_part_and_the_score_stay_between_0_and_1(data):
    rarities = data.draw(tickets())
    match = score(data.draw(anybody(rarities)), rarities)
    assert all(0 <= part <= 1 + 1e-9 for part in match.parts)
    assert 0 <= match.score <= 1 + 1e-9


@STEADILY
@given(st.data())
def test_an_irrelevant_star_never_beats_whoever_shares_a_tag(data):
    rarities = data.draw(tickets())
    star = Facts({}, rating_count=500, rating_sum=2_500, answered=500, first_response_minutes=0, has_helped=True)
    anyone = data.draw(anybody(rarities, min_tags=1))
    assert score(star, rarities).score == 0 < score(anyone, rarities).score


@STEADILY
@given(st.data())
def test_nothing_makes_up_for_knowing_half_as_much(data):
    """Everything but the fit decides between 55 % of it and all of it."""
    rarities = data.draw(tickets())
    match = score(data.draw(anybody(rarities)), rarities)
    assert 0.55 * match.parts.fit - 1e-9 <= match.score <= match.parts.fit + 1e-9


@STEADILY
@given(st.data())
def test_whatever_gets_better_never_lowers_the_score(data):
    rarities = data.draw(tickets())
    before = data.draw(anybody(rarities))
    better = [before._replace(has_helped=True), before._replace(assigned=0), before._replace(capacity=50)]
    better.append(before._replace(rating_count=before.rating_count + 1, rating_sum=before.rating_sum + 5))
    if before.first_response_minutes:
        better.append(before._replace(first_response_minutes=before.first_response_minutes // 2))
    tag = data.draw(st.sampled_from(sorted(rarities)))
    better.append(before._replace(proven=before.proven | {tag: before.proven.get(tag, 0) + 1}))
    assert all(score(after, rarities).score >= score(before, rarities).score - 1e-12 for after in better)


@STEADILY
@given(st.data())
def test_a_rarer_shared_tag_fits_better_than_a_common_one(data):
    mentors = data.draw(st.integers(2, 5_000))
    common = data.draw(st.integers(2, mentors))
    rare = data.draw(st.integers(1, common - 1))
    rarities = {"rare": rarity(mentors=mentors, with_tag=rare), "common": rarity(mentors=mentors, with_tag=common)}
    assert fit({"rare": 0}, rarities) > fit({"common": 0}, rarities)


@STEADILY
@given(st.floats(0, 1e6), *[st.timedeltas(dt.timedelta(0), 4_000 * DAY)] * 2)
def test_weights_only_fade(weight, one, other):
    sooner, later = sorted([one, other])
    then = NOW - 4_000 * DAY
    assert 0 <= decayed(weight, since=then, now=then + later) <= decayed(weight, since=then, now=then + sooner)


# --- Reasons ----------------------------------------------------------------------------------------------------------


def kinds(facts):
    return [reason.kind for reason in score(facts, RARITIES).reasons]


def test_reasons_name_the_tags_that_weigh_most_first():
    assert score(NEW, RARITIES).reasons == (matching.SharedTags(("celery", "python")),)
    proven = {"python": 1000.0, "celery": 0.0}
    assert matching.strongest_first(proven, {"python": 1.0, "celery": 1.0}) == ("python", "celery")


def test_reasons_tell_ratings_and_help_where_there_are_any():
    assert kinds(NEW) == ["tags"]
    facts = NEW._replace(rating_count=38, rating_sum=179, has_helped=True)
    assert kinds(facts) == ["tags", "helped", "rating"]
    rated = score(facts, RARITIES).reasons[2]
    assert (round(rated.mean, 1), rated.count) == (4.7, 38)


def test_response_time_is_told_from_5_answers_on():
    assert "response" not in kinds(NEW._replace(answered=4, first_response_minutes=120))
    assert "response" not in kinds(NEW._replace(answered=5, first_response_minutes=None))
    facts = NEW._replace(answered=5, first_response_minutes=120)
    assert score(facts, RARITIES).reasons[-1] == matching.Answers(120)


# --- The queue's bands ------------------------------------------------------------------------------------------------


def test_half_of_the_ticket_in_listed_tags_fits_strongly():
    assert band(fit({"celery": 0}, RARITIES)) == Band.STRONG
    assert band(fit({"a": 0}, {"a": 0.1, "b": 0.1})) == Band.STRONG
    assert band(fit({"python": 0}, RARITIES)) == Band.SOME
    assert band(fit({}, RARITIES)) == Band.NONE


def test_a_proven_tag_carries_a_ticket_into_the_first_band():
    rarities = {"python": 1.0, "celery": 2.0}
    assert band(fit({"python": 0}, rarities)) == Band.SOME
    assert band(fit({"python": 9}, rarities)) == Band.STRONG


@pytest.mark.parametrize("climbed", [0, 1, 2])
def test_each_step_lifts_by_one_band_and_never_beyond_the_first(climbed):
    assert [band(share, climbed=climbed) for share in (1.0, 0.1, 0.0)] == [
        Band.STRONG,
        max(Band.STRONG, 1 - climbed),
        max(Band.STRONG, 2 - climbed),
    ]


def test_a_ticket_climbs_every_two_days():
    assert climbed_before(NOW) == [NOW - 2 * DAY, NOW - 4 * DAY]


@STEADILY
@given(st.floats(0, 1))
def test_after_two_steps_every_ticket_stands_in_the_first_band(share):
    assert band(share, climbed=len(climbed_before(NOW))) == Band.STRONG
