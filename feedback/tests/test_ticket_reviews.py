"""The review that a student writes of a mentor once a ticket is closed."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.template import Context, Template
from django.urls import reverse
from django.utils import timezone

from feedback.actions import (
    AlreadyReviewed,
    NotClosed,
    ReviewFinal,
    edit_review,
    hide_review,
    publish_due_reviews,
    review_ticket,
    unhide_review,
)
from feedback.models import EDITABLE_FOR, Review, tickets_to_review
from feedback.tests.factories import ReviewFactory, held
from mentorbook.errors import NotAllowed
from notifications.models import Notification
from tickets.tests.factories import TicketFactory

NOW = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def ticket(ann, mentor):
    return TicketFactory(closed=True, student=ann, mentor=mentor, title="Why is my query slow?")


def section(name, user, **context):
    return Template("{% load feedback %}{% " + name + " %}").render(Context({"user": user, **context}))


def test_a_ticket_review_is_told_at_once_and_shown_when_it_is_final(ticket, ann, mentor, max):
    review = review_ticket(ticket, author=ann, rating=4, comment="Clear.", now=NOW)
    assert (review.recipient, review.about, review.shown_at) == (max, Review.About.MENTOR, NOW + EDITABLE_FOR)
    told = Notification.objects.get(recipient=max, kind="review_received")
    assert told.title == "Ann Archer has reviewed your help"
    assert "4" not in told.title
    assert told.url == ticket.get_absolute_url()
    mentor.refresh_from_db()
    assert mentor.rating_count == 0
    assert publish_due_reviews(now=NOW + EDITABLE_FOR - MINUTE) == 0
    assert publish_due_reviews(now=NOW + EDITABLE_FOR) == 1
    assert publish_due_reviews(now=NOW + EDITABLE_FOR) == 0
    mentor.refresh_from_db()
    assert (mentor.rating_count, mentor.rating_sum) == (1, 4)


def test_reviews_of_sessions_and_tickets_count_together(ticket, ann, mentor):
    ReviewFactory(appointment=held(mentor, ann, -900), rating=5, published_at=None)
    review_ticket(ticket, author=ann, rating=2, now=NOW)
    assert publish_due_reviews(now=NOW + EDITABLE_FOR) == 2
    mentor.refresh_from_db()
    assert (mentor.rating_count, mentor.rating_sum) == (2, 7)


def test_only_its_student_reviews_once_and_after_the_end(ticket, ann, max, sam, ada, mentor):
    for other in (max, sam, ada):
        with pytest.raises(NotAllowed):
            review_ticket(ticket, author=other, rating=5, now=NOW)
    resolved = TicketFactory(resolved=True, student=ann, mentor=mentor)
    for early in (resolved, TicketFactory(student=ann)):
        with pytest.raises(NotClosed):
            review_ticket(early, author=ann, rating=5, now=NOW)
    review_ticket(ticket, author=ann, rating=5, now=NOW)
    with pytest.raises(AlreadyReviewed):
        review_ticket(ticket, author=ann, rating=1, now=NOW)
    assert Review.objects.get().rating == 5


def test_it_can_be_changed_until_it_is_shown(ticket, ann, max):
    review = review_ticket(ticket, author=ann, rating=5, now=NOW)
    edit_review(review, by=ann, rating=3, comment="On second thought", now=NOW + EDITABLE_FOR - MINUTE)
    with pytest.raises(ReviewFinal):
        edit_review(review, by=ann, rating=1, now=NOW + EDITABLE_FOR)
    with pytest.raises(NotAllowed):
        edit_review(review, by=max, rating=5, now=NOW)
    review.refresh_from_db()
    assert (review.rating, review.comment) == (3, "On second thought")


def test_staff_hide_it_and_show_it_again(ticket, ann, ada, mentor):
    review = review_ticket(ticket, author=ann, rating=5, now=NOW)
    later = NOW + EDITABLE_FOR
    publish_due_reviews(now=later)
    hide_review(review, by=ada, reason="spam", now=later)
    mentor.refresh_from_db()
    assert mentor.rating_count == 0
    unhide_review(review, by=ada, now=later)
    mentor.refresh_from_db()
    assert mentor.rating_count == 1


@pytest.mark.parametrize(
    "wrong", [{"appointment": None, "ticket": None}, {"about": Review.About.STUDENT}], ids=["of nothing", "of student"]
)
def test_the_database_refuses_what_makes_no_sense(ticket, ann, max, wrong):
    right = {"ticket": ticket, "author": ann, "recipient": max, "about": "mentor", "rating": 5, "shown_at": NOW}
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(**right | wrong)
    Review.objects.create(**right)
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(**right)


def test_the_page_saves_refuses_and_keeps_what_was_typed(client, ticket, ann, max, sam):
    page = reverse("feedback:create_for_ticket", args=[ticket.pk])
    client.force_login(ann)
    assert "How did Max Meyer help you?" in client.get(page).content.decode()
    response = client.post(page, {"comment": "Kept 🦄"})
    assert response.status_code == 422
    assert "Kept 🦄" in response.content.decode()
    response = client.post(page, {"rating": "5", "comment": "Kept 🦄"})
    review = Review.objects.get()
    assert response.url == f"{ticket.get_absolute_url()}#reviews" == review.get_absolute_url()
    assert client.post(page, {"rating": "1"}).status_code == 409
    assert client.get(page).status_code == 302
    edit = reverse("feedback:edit", args=[review.pk])
    Review.objects.update(created_at=timezone.now(), shown_at=timezone.now() + EDITABLE_FOR)
    assert client.get(edit).status_code == 200
    for person, status in ((max, 403), (sam, 404)):
        client.force_login(person)
        assert client.get(page).status_code == status


def test_closed_tickets_are_asked_about_for_a_month(ticket, ann, mentor, django_assert_num_queries):
    ticket.closed_at = NOW
    ticket.save(update_fields=["closed_at"])
    assert list(tickets_to_review(ann, NOW + dt.timedelta(days=29))) == [ticket]
    assert not tickets_to_review(ann, NOW + dt.timedelta(days=31))
    assert not tickets_to_review(mentor.user, NOW)
    review_ticket(ticket, author=ann, rating=5, now=NOW)
    assert not tickets_to_review(ann, NOW)


def test_the_sections_ask_show_and_hide(ticket, ann, max, sam, mentor, django_assert_num_queries):
    ticket.closed_at = timezone.now()
    ticket.save(update_fields=["closed_at"])
    assert "How did Max Meyer help you with “Why is my query slow?”" in section("dashboard_reviews", ann)
    assert "Write a review" in section("ticket_reviews ticket", ann, ticket=ticket)
    assert not section("ticket_reviews ticket", max, ticket=ticket).strip()
    review_ticket(ticket, author=ann, rating=5, comment="Lovely", now=timezone.now())
    with django_assert_num_queries(1):
        assert "Change it" in section("ticket_reviews ticket", ann, ticket=ticket)
    assert "Lovely" not in section("ticket_reviews ticket", max, ticket=ticket)
    Review.objects.update(shown_at=timezone.now())
    assert "Lovely" in section("ticket_reviews ticket", max, ticket=ticket)
    assert "“Why is my query slow?”" in section("dashboard_reviews", max)
    for number in (1, 2):
        TicketFactory(closed=True, student=ann, mentor=mentor, closed_at=timezone.now(), title=f"More {number}")
    with django_assert_num_queries(3):
        assert section("dashboard_reviews", ann).count("More") >= 2
