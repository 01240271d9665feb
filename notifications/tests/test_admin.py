import pytest
from django.urls import reverse
from pytest_django.asserts import assertContains

from notifications.tests.factories import NotificationFactory, OutgoingEmailFactory

EMAILS = reverse("admin:notifications_outgoingemail_changelist")
NOTIFICATIONS = reverse("admin:notifications_notification_changelist")


@pytest.fixture
def ada_signed_in(client, ada):
    client.force_login(ada)
    return client


def test_lists_can_be_searched_and_cost_the_same_for_three_rows(
    ada_signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    for url in (NOTIFICATIONS, EMAILS):
        OutgoingEmailFactory()
        with django_assert_max_num_queries(20) as counted:
            assert ada_signed_in.get(url, {"q": "Max"}).status_code == 200
        OutgoingEmailFactory.create_batch(2)
        with django_assert_num_queries(len(counted)):
            ada_signed_in.get(url, {"q": "Max"})


def test_nothing_can_be_added_changed_or_deleted(ada_signed_in):
    email = OutgoingEmailFactory()
    for model, row in (("outgoingemail", email), ("notification", email.notification)):
        change = reverse(f"admin:notifications_{model}_change", args=[row.pk])
        assert ada_signed_in.get(change).status_code == 200
        assert ada_signed_in.post(change, {"to": "x@example.org"}).status_code == 403
        assert ada_signed_in.get(reverse(f"admin:notifications_{model}_add")).status_code == 403
        assert ada_signed_in.post(reverse(f"admin:notifications_{model}_delete", args=[row.pk])).status_code == 403


def test_failed_mails_are_found_and_sent_again(ada_signed_in):
    failed = OutgoingEmailFactory(status="failed", attempts=9, last_error="SMTPRecipientsRefused: 550")
    sent = OutgoingEmailFactory(status="sent")
    assertContains(ada_signed_in.get(EMAILS, {"status__exact": "failed"}), "SMTPRecipientsRefused: 550")

    response = ada_signed_in.post(
        EMAILS, {"action": "send_again", "_selected_action": [failed.pk, sent.pk]}, follow=True
    )

    assertContains(response, "1 mail is on its way again.")
    assertContains(response, "1 mail was left alone")
    failed.refresh_from_db()
    sent.refresh_from_db()
    assert (failed.status, failed.attempts) == ("waiting", 0)
    assert sent.status == "sent"


def test_a_notification_links_to_its_mail(ada_signed_in):
    email = OutgoingEmailFactory()
    NotificationFactory()
    assertContains(
        ada_signed_in.get(NOTIFICATIONS), reverse("admin:notifications_outgoingemail_change", args=[email.pk])
    )
