import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.tests.factories import UserFactory
from mentors.models import MentorProfile, Tag, TagSynonym
from mentors.tests.factories import MentorProfileFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("rate", "minutes", "points"),
    [
        (50, 60, 50),
        (50, 30, 25),
        (25, 30, 13),
        (1, 30, 1),
        (1, 45, 1),
        (0, 120, 0),
        (3, 30, 2),
        (50, 90, 75),
        (1, 90, 2),
    ],
)
def test_price_is_the_share_of_the_hour_rounded_half_up_and_at_least_1(rate, minutes, points):
    assert MentorProfile(hourly_rate_points=rate).price_points(minutes) == points


def test_prices_are_listed_shortest_first():
    assert MentorProfile(hourly_rate_points=40, session_minutes=[90, 30]).prices == [(30, 20), (90, 60)]


def test_visible_to_shows_the_unapproved_to_owner_and_staff_only(ann, ada, sam):
    hidden = MentorProfileFactory(user=ann, approval="waiting")
    gone = MentorProfileFactory(user__is_active=False)
    shown = MentorProfileFactory()
    assert set(MentorProfile.objects.visible_to(sam)) == {shown}
    assert set(MentorProfile.objects.visible_to(ann)) == {shown, hidden}
    assert set(MentorProfile.objects.visible_to(ada)) == {shown, hidden, gone}
    assert set(MentorProfile.objects.listed()) == {shown}


def test_with_expertise_asks_for_all_tags():
    both = MentorProfileFactory(expertise=["python", "django"])
    MentorProfileFactory(expertise=["python"])
    python, django = TagFactory(name="python"), TagFactory(name="django")
    assert list(MentorProfile.objects.with_expertise(python, django)) == [both]
    assert MentorProfile.objects.with_expertise(python).count() == 2
    assert MentorProfile.objects.with_expertise().count() == 2


def test_rated_at_least_uses_the_plain_mean_exactly():
    exact = MentorProfileFactory(rating_count=10, rating_sum=45)
    MentorProfileFactory(rating_count=1000, rating_sum=4499)
    MentorProfileFactory()
    assert list(MentorProfile.objects.rated_at_least(45)) == [exact]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rating_count": 1, "rating_sum": 6},
        {"rating_count": 2, "rating_sum": 1},
        {"slot_step_minutes": 4},
        {"max_sessions_per_day": 0},
        {"max_sessions_per_week": 0},
    ],
)
def test_the_database_refuses_what_can_never_be(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        MentorProfileFactory(**wrong)


def test_one_profile_a_person():
    person = UserFactory()
    MentorProfileFactory(user=person)
    with pytest.raises(IntegrityError), transaction.atomic():
        MentorProfileFactory(user=person)


def test_a_tag_and_a_synonym_never_share_a_spelling():
    python = TagFactory(name="python")
    TagSynonym.objects.create(name="py", tag=python)
    with pytest.raises(ValidationError):
        Tag(name=" PY ").full_clean()
    with pytest.raises(ValidationError):
        TagSynonym(name="Python", tag=TagFactory(name="ruby")).full_clean()
    synonym = TagSynonym(name="Python 3", tag=python)
    synonym.full_clean()
    assert synonym.name == "python-3"


def test_tags_complete_by_synonym_too_the_most_used_first():
    MentorProfileFactory(expertise=["python", "pytest"])
    MentorProfileFactory(expertise=["python"])
    TagSynonym.objects.create(name="parseltongue", tag=TagFactory(name="python"))
    assert [tag.name for tag in Tag.objects.beginning_with("py")] == ["python", "pytest"]
    assert [tag.name for tag in Tag.objects.beginning_with("parsel")] == ["python"]
    assert [tag.mentor_count for tag in Tag.objects.beginning_with("p")] == [2, 1]
