import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from feedback.models import Review
from feedback.tests.factories import ReviewFactory

REVIEWS = reverse("admin:feedback_review_changelist")


@pytest.fixture
def ada_signed_in(client, ada):
    client.force_login(ada)
    return client


def test_reviews_are_searched_and_cost_the_same_for_three_rows(
    ada_signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    ReviewFactory()
    with django_assert_max_num_queries(20) as counted:
        assert ada_signed_in.get(REVIEWS, {"q": "Explained"}).status_code == 200
    ReviewFactory.create_batch(2)
    with django_assert_num_queries(len(counted)):
        ada_signed_in.get(REVIEWS, {"q": "Explained"})


def test_nobody_edits_the_words_of_others(ada_signed_in):
    review = ReviewFactory()
    change = reverse("admin:feedback_review_change", args=[review.pk])
    assertContains(ada_signed_in.get(change), review.comment)
    assert ada_signed_in.post(change, {"comment": "x"}).status_code == 403
    assert ada_signed_in.get(reverse("admin:feedback_review_add")).status_code == 403
    assert ada_signed_in.post(reverse("admin:feedback_review_delete", args=[review.pk])).status_code == 403


def test_hiding_takes_a_reason_and_is_logged(ada_signed_in, ada):
    review = ReviewFactory()
    chosen = {"action": "hide", "_selected_action": [review.pk]}
    assertContains(ada_signed_in.post(REVIEWS, chosen, follow=True), "Say why")
    review.refresh_from_db()
    assert not review.is_hidden

    assertContains(ada_signed_in.post(REVIEWS, {**chosen, "reason": "Insults"}, follow=True), "1 review changed.")
    review.refresh_from_db()
    assert (review.hidden_by, review.hidden_reason) == (ada, "Insults")
    assert "Insults" in LogEntry.objects.get().get_change_message()

    ada_signed_in.post(REVIEWS, {"action": "unhide", "_selected_action": [review.pk]})
    review.refresh_from_db()
    assert not review.is_hidden


def test_a_review_that_waits_is_not_read_by_whom_it_is_about(ada_signed_in, ada):
    waiting = ReviewFactory(
        appointment__mentor__user=ada, comment="She is late", shown_at=timezone.now() + dt.timedelta(days=1)
    )
    change = reverse("admin:feedback_review_change", args=[waiting.pk])
    assertNotContains(ada_signed_in.get(REVIEWS), "She is late")
    assertNotContains(ada_signed_in.get(change, follow=True), "She is late")
    Review.objects.update(shown_at=timezone.now())
    assertContains(ada_signed_in.get(change), "She is late")
