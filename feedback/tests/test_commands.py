import datetime as dt
from io import StringIO

import pytest
from django.core.management import call_command

from feedback.tests.factories import ReviewFactory


def publish_reviews(**options):
    out = StringIO()
    call_command("publish_reviews", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_publish_reviews_counts_then_publishes_and_bears_being_run_twice():
    review = ReviewFactory(created_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC), waiting=True)
    assert publish_reviews(dry_run=True) == "1 due\n"
    assert publish_reviews() == "1 published\n"
    assert publish_reviews() == "0 published\n"
    review.recipient.mentor_profile.refresh_from_db()
    assert review.recipient.mentor_profile.rating_count == 1
