"""What somebody was told, for programs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.actions import mark_read
from notifications.models import Notification
from notifications.tests.factories import NotificationFactory
from tests.programs import ask, personal_token, token_of, told

pytestmark = pytest.mark.django_db

NOTIFICATIONS = "/api/notifications/"


def items(person, wish=""):
    response = ask("GET", NOTIFICATIONS + wish, by=person)
    assert response.status_code == 200, response.content
    return response.json()["items"]


def test_a_notification_says_what_its_page_says(ann):
    notification = NotificationFactory(recipient=ann)
    answer = ask("GET", NOTIFICATIONS, by=ann).json()
    assert answer["count"] == 1
    [item] = answer["items"]
    assert item.pop("created_at").endswith("Z")
    assert item == {
        "id": notification.pk,
        "kind": "appointment_confirmed",
        "title": "Max confirmed your session",
        "body": "Tue 24 Nov, 14:00",
        "url": "/bookings/17/",
        "read_at": None,
    }


def test_notifications_come_newest_first_and_in_pages(ann):
    first, second, third = NotificationFactory.create_batch(3, recipient=ann)
    assert [item["id"] for item in items(ann)] == [third.pk, second.pk, first.pk]
    page = ask("GET", f"{NOTIFICATIONS}?page=2&page_size=2", by=ann).json()
    assert (page["count"], [item["id"] for item in page["items"]]) == (3, [first.pk])


def test_unread_ones_alone_are_listed_on_request(ann):
    read, unread = NotificationFactory.create_batch(2, recipient=ann)
    mark_read(read, now=timezone.now())
    assert [item["id"] for item in items(ann, "?unread=true")] == [unread.pk]
    for wish in ("", "?unread=false"):
        assert [item["id"] for item in items(ann, wish)] == [unread.pk, read.pk]


@pytest.mark.parametrize("wish", ["unread=perhaps", "unread=", "page=0", "page_size=101", "recipient=1", "kind=x"])
def test_notifications_take_no_other_wishes(ann, wish):
    assert told(ask("GET", f"{NOTIFICATIONS}?{wish}", by=ann)) == (422, "invalid_input")


def test_marking_read_keeps_the_first_time(ann):
    notification = NotificationFactory(recipient=ann)
    first = ask("PUT", f"{NOTIFICATIONS}{notification.pk}/read", by=ann)
    assert first.status_code == 200, first.content
    assert first.json()["id"] == notification.pk
    assert first.json()["read_at"].endswith("Z")
    again = ask("PUT", f"{NOTIFICATIONS}{notification.pk}/read", by=ann)
    assert again.json() == first.json()


def test_those_of_others_and_missing_ones_answer_alike(ann, sam, ada):
    notification = NotificationFactory(recipient=sam)
    for other in (ann, ada):
        assert items(other) == []
        of_sam = ask("PUT", f"{NOTIFICATIONS}{notification.pk}/read", by=other)
        missing = ask("PUT", f"{NOTIFICATIONS}{notification.pk + 1}/read", by=other)
        assert told(of_sam) == told(missing) == (404, "not_found")
        assert of_sam.content == missing.content
    assert told(ask("PUT", f"{NOTIFICATIONS}{2**70}/read", by=ann)) == (404, "not_found")
    notification.refresh_from_db()
    assert notification.read_at is None


def test_all_are_marked_read_or_all_up_to_one(ann, sam):
    NotificationFactory(recipient=sam)
    _first, second, third = NotificationFactory.create_batch(3, recipient=ann)
    assert told(ask("PUT", f"{NOTIFICATIONS}read-all", {"up_to": second.pk}, by=ann)) == (200, {"marked": 2})
    assert list(Notification.objects.visible_to(ann).unread()) == [third]
    for marked in (1, 0):
        assert told(ask("PUT", f"{NOTIFICATIONS}read-all", by=ann)) == (200, {"marked": marked})
    assert Notification.objects.visible_to(sam).unread().count() == 1


@pytest.mark.parametrize("wish", [{}, {"up_to": None}])
def test_marking_all_read_takes_a_body_that_wishes_nothing(ann, wish):
    NotificationFactory(recipient=ann)
    assert told(ask("PUT", f"{NOTIFICATIONS}read-all", wish, by=ann)) == (200, {"marked": 1})


@pytest.mark.parametrize("wish", [{"up_to": 0}, {"up_to": "x"}, {"up_to": 2**63}, {"before": 1}, [], "5", "{"])
def test_marking_all_read_takes_nothing_else(ann, wish):
    NotificationFactory(recipient=ann)
    assert ask("PUT", f"{NOTIFICATIONS}read-all", wish, by=ann).status_code == 422
    assert Notification.objects.unread().count() == 1


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("PUT", "1/read"), ("PUT", "read-all")])
def test_every_operation_asks_who_you_are(method, rest):
    assert told(ask(method, NOTIFICATIONS + rest)) == (401, "not_signed_in")


def test_a_token_that_reads_marks_nothing_read(ann):
    notification = NotificationFactory(recipient=ann)
    reading = personal_token(ann, "read")
    for rest in (f"{notification.pk}/read", "read-all"):
        assert told(ask("PUT", NOTIFICATIONS + rest, token=reading)) == (403, "read_only_token")


def test_many_notifications_cost_as_many_queries_as_one(ann):
    token = token_of(ann)
    counts = []
    for number in (1, 2):
        NotificationFactory.create_batch(number, recipient=ann)
        with CaptureQueriesContext(connection) as queries:
            assert ask("GET", NOTIFICATIONS, token=token).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
