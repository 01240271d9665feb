import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from feedback.models import Review
from feedback.ratings import rating_of, reviews_of_mentor
from feedback.tests.factories import ReviewFactory, held

NOW = dt.datetime(2027, 1, 15, 13, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=30)


# Who sees which review: shown or not yet, hidden or not, of the mentor or of the student.
@pytest.mark.parametrize(
    ("traits", "seen_by"),
    [
        ({}, "ann max sam ada"),
        ({"of_student": True}, "ann max ada"),
        ({"waiting": True}, "ann ada"),
        ({"of_student": True, "waiting": True}, "max ada"),
        ({"hidden_at": NOW}, "ann ada"),
        ({"of_student": True, "hidden_at": NOW}, "max ada"),
    ],
    ids=str,
)
def test_reviews_are_visible_to(ann, max, sam, ada, mentor, traits, seen_by):
    ReviewFactory(appointment=held(mentor, ann), **traits)
    people = {"ann": ann, "max": max, "sam": sam, "ada": ada}
    assert [name for name, user in people.items() if Review.objects.visible_to(user, NOW).exists()] == seen_by.split()


def test_a_waiting_review_is_visible_once_its_time_has_come(ann, sam, mentor):
    ReviewFactory(appointment=held(mentor, ann), waiting=True)
    assert not Review.objects.visible_to(sam, NOW).exists()
    assert Review.objects.visible_to(sam, LATER).exists()


def test_what_everybody_reads_of_a_mentor_is_the_same_for_staff(ann, mentor):
    shown = ReviewFactory(appointment=held(mentor, ann))
    ReviewFactory(appointment=shown.appointment, of_student=True)
    ReviewFactory(appointment=held(mentor, ann, 1), waiting=True)
    ReviewFactory(appointment=held(mentor, ann, 2), hidden_at=NOW)
    ReviewFactory()
    assert list(reviews_of_mentor(mentor, NOW)) == [shown]


@pytest.mark.parametrize("rating", [0, 6])
def test_the_database_keeps_ratings_within_1_and_5(ann, mentor, rating):
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewFactory(appointment=held(mentor, ann), rating=rating)


def test_the_database_keeps_one_review_a_person_and_session_and_none_of_oneself(ann, mentor):
    review = ReviewFactory(appointment=held(mentor, ann))
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewFactory(appointment=review.appointment)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewFactory(recipient=ann, author=ann)


def test_a_rating_adds_up(ann, mentor):
    for number, stars in enumerate([5, 5, 4, 1]):
        ReviewFactory(appointment=held(mentor, ann, number), rating=stars)
    rating = rating_of(mentor, LATER)
    assert (rating.count, rating.mean) == (4, 3.75)
    assert rating.rows == [(5, 2, 50), (4, 1, 25), (3, 0, 0), (2, 0, 0), (1, 1, 25)]


def test_a_rating_of_nothing_is_none(mentor):
    rating = rating_of(mentor, NOW)
    assert (rating.count, rating.mean) == (0, None)
    assert {count for _stars, count, _percent in rating.rows} == {0}
