import datetime as dt
import threading

import pytest
from django.db import connection, transaction

from notifications.actions import AlreadySent, mark_all_read, mark_read, notify, send_again, withdraw
from notifications.models import Kind, Notification, OutgoingEmail
from notifications.tests.factories import NotificationFactory, OutgoingEmailFactory

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
WORDS = {"mentor": "Max Meyer", "title": "Forms", "starts_at": dt.datetime(2026, 11, 24, 13, tzinfo=dt.UTC)}


def confirmed(recipient, occasion="appointment:1", **words):
    return notify(
        recipient,
        kind=Kind.APPOINTMENT_CONFIRMED,
        occasion=occasion,
        url="/bookings/1/",
        context={**WORDS, **words},
    )


def test_notify_tells_in_the_page_and_by_mail(ann, settings):
    settings.BASE_URL = "https://mentors.example.edu"
    told = confirmed(ann)

    assert told.title == "Max Meyer confirmed “Forms”"
    assert told.url == "/bookings/1/"
    assert told.read_at is None
    assert told.email.to == "ann@example.org"
    assert told.email.subject == told.title
    assert f"https://mentors.example.edu/notifications/{told.pk}/" in told.email.body
    assert told.email.message_id.endswith("@mentors.example.edu>")


def test_notify_speaks_the_time_zone_and_the_language_of_the_recipient(ann, sam):
    ann.timezone, ann.language = "Asia/Kathmandu", "de"
    assert confirmed(ann).body == "Ja: Di 24 Nov, 18:45, Asia/Kathmandu"
    assert confirmed(sam).body == "Yes: Tue 24 Nov, 13:00, Europe/London"


def test_notify_does_not_escape_because_it_is_plain_text(ann):
    assert confirmed(ann, title="Tom & Jerry's <b>").title == "Max Meyer confirmed “Tom & Jerry's <b>”"
    assert "Tom & Jerry's" in confirmed(ann).email.subject


def test_notify_tells_the_same_occasion_once(ann, sam):
    first = confirmed(ann)
    assert confirmed(ann, title="Something else") == first
    assert confirmed(ann, occasion="appointment:2") != first
    assert confirmed(sam) != first
    other_kind = notify(ann, kind=Kind.APPOINTMENT_EXPIRED, occasion="appointment:1", url="/bookings/1/")
    assert other_kind != first
    assert Notification.objects.count() == OutgoingEmail.objects.count() == 4


def test_notify_leaves_nothing_when_the_caller_rolls_back(ann):
    with transaction.atomic():
        confirmed(ann)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    assert not OutgoingEmail.objects.exists()


def test_notify_sends_no_mail_to_a_deactivated_account(ann):
    ann.is_active = False
    ann.save(update_fields=["is_active"])
    assert confirmed(ann)
    assert not OutgoingEmail.objects.exists()


def test_notify_makes_one_line_of_a_title_that_tries_to_be_a_header(ann):
    told = confirmed(ann, title="x\r\nBcc: everybody@example.org\r\n\r\nBuy")
    assert "\n" not in told.title
    assert "\r" not in told.title
    assert told.email.subject == told.title


def test_notify_cuts_a_title_that_is_too_long(ann):
    title = confirmed(ann, title="x" * 300).title
    assert len(title) == 200
    assert title.endswith("x…")


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example/", "/\\evil.example", "bookings/1/", "/a\n/b"]
)
def test_notify_refuses_to_point_elsewhere(ann, url):
    with pytest.raises(ValueError, match="of this site"):
        notify(ann, kind=Kind.APPOINTMENT_EXPIRED, occasion="1", url=url)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_notify_tells_once_when_many_tell_the_same_at_once(ann):
    threads, told, start = 12, [], threading.Barrier(12)

    def tell():
        try:
            start.wait()
            with transaction.atomic():
                # What the caller wrote before must survive a lost race.
                mine = NotificationFactory(recipient=ann, occasion=f"own:{threading.get_ident()}")
                told.append((confirmed(ann).pk, mine.pk))
        finally:
            connection.close()

    workers = [threading.Thread(target=tell) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(told) == threads
    assert len({pk for pk, _ in told}) == 1
    assert Notification.objects.filter(pk__in=[mine for _, mine in told]).count() == threads
    assert OutgoingEmail.objects.count() == 1


def test_mark_read_keeps_the_first_time(ann):
    told = confirmed(ann)
    mark_read(told, now=NOW)
    mark_read(told, now=NOW + dt.timedelta(hours=1))
    told.refresh_from_db()
    assert told.read_at == NOW


def test_mark_all_read_marks_ones_own_that_were_seen(ann, sam):
    first, second, _later = (NotificationFactory(recipient=ann) for _ in range(3))
    NotificationFactory(recipient=sam)
    assert mark_all_read(ann, now=NOW, up_to=second.pk) == 2
    assert mark_all_read(ann, now=NOW) == 1
    assert Notification.objects.unread().get().recipient == sam
    first.refresh_from_db()
    assert first.read_at == NOW


def test_send_again_gives_a_failed_mail_a_fresh_start_at_todays_address(ann):
    email = OutgoingEmailFactory(notification__recipient=ann, status=OutgoingEmail.Status.FAILED, attempts=9)
    ann.email = "ann@new.example.org"
    ann.save(update_fields=["email"])

    send_again(email, now=NOW)

    email.refresh_from_db()
    assert (email.status, email.attempts, email.next_attempt_at) == ("waiting", 0, NOW)
    assert email.to == "ann@new.example.org"


@pytest.mark.parametrize("status", ["sent", "sending", "skipped"])
def test_send_again_refuses_what_went_out(ann, status):
    with pytest.raises(AlreadySent):
        send_again(OutgoingEmailFactory(notification__recipient=ann, status=status), now=NOW)


def test_withdraw_takes_back_what_was_told_about_one_page_and_its_mail(ann, sam):
    for url in ("/tickets/1/", "/tickets/1/#reply-7", "/tickets/12/", "/tickets/1/edit/"):
        for person in (ann, sam):
            notify(person, kind=Kind.APPOINTMENT_CONFIRMED, occasion=url, url=url, context=WORDS)

    assert withdraw("/tickets/1/") == 4

    assert set(Notification.objects.values_list("url", flat=True)) == {"/tickets/12/", "/tickets/1/edit/"}
    assert OutgoingEmail.objects.count() == 4
    assert withdraw("/tickets/1/") == 0
