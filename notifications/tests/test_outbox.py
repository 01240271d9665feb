import datetime as dt
import smtplib
import socket
import socketserver
import threading
import time

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction

from notifications import outbox
from notifications.actions import notify
from notifications.models import OutgoingEmail
from notifications.tests.factories import OutgoingEmailFactory

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


class FakeServer:
    """A mail server that answers with what the test puts into `answers`, and then accepts."""

    def __init__(self):
        self.answers, self.accepted, self.tried, self.seconds = [], [], 0, 0
        self.lock = threading.Lock()

    def take(self, message):
        time.sleep(self.seconds)
        with self.lock:
            self.tried += 1
            answer = self.answers.pop(0) if self.answers else None
            if answer is not None:
                raise answer
            self.accepted.append(message)


class FakeBackend(BaseEmailBackend):
    server: FakeServer

    def send_messages(self, messages):
        for message in messages:
            message.message()  # what a real backend does: write it out
            self.server.take(message)
        return len(messages)


@pytest.fixture
def server(settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.FakeBackend"
    monkeypatch.setattr(FakeBackend, "server", FakeServer(), raising=False)
    return FakeBackend.server


@pytest.fixture
def clock():
    return Clock()


class Clock:
    def __init__(self):
        self.time = NOW

    def __call__(self):
        return self.time

    def passes(self, **delta):
        self.time += dt.timedelta(**delta)


def promised(**fields):
    return OutgoingEmailFactory(next_attempt_at=NOW, **fields)


def refuses(code):
    return smtplib.SMTPRecipientsRefused({"ann@example.org": (code, b"no")})


@pytest.mark.django_db
def test_a_mail_goes_out_as_text_and_html_with_its_message_id(clock, settings):
    settings.BASE_URL = "https://mentors.example.edu"
    email = promised(notification__title="Tom & Jerry", notification__body="<b>Tue</b>\n14:00")

    assert outbox.drain(now=clock) == {"sent": 1}

    [message] = mail.outbox
    assert message.subject == "Tom & Jerry"
    assert message.to == [email.to]
    assert message.message()["Message-ID"] == email.message_id
    assert message.message()["Auto-Submitted"] == "auto-generated"
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    assert "Tom &amp; Jerry" in html
    assert "&lt;b&gt;Tue&lt;/b&gt;<br>14:00" in html
    assert f'href="https://mentors.example.edu/notifications/{email.notification_id}/"' in html
    email.refresh_from_db()
    assert (email.status, email.attempts, email.sent_at) == ("sent", 1, NOW)


@pytest.mark.django_db
def test_a_sent_mail_is_not_sent_again(clock):
    promised()
    outbox.drain(now=clock)
    clock.passes(days=30)
    assert outbox.drain(now=clock) == {}
    assert len(mail.outbox) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        smtplib.SMTPServerDisconnected("gone"),
        smtplib.SMTPAuthenticationError(535, b"bad password"),
        smtplib.SMTPSenderRefused(550, b"who are you", "mentorbook@localhost"),
        smtplib.SMTPDataError(451, b"try later"),
        refuses(451),
        refuses(421),
        RuntimeError("a backend that we do not know"),
    ],
    ids=lambda trouble: f"{type(trouble).__name__}-{trouble}"[:40],
)
def test_a_mail_is_tried_again_after_trouble_that_passes(server, clock, trouble):
    email = promised()
    server.answers = [trouble]

    assert outbox.drain(now=clock) == {"waiting": 1}
    email.refresh_from_db()
    assert type(trouble).__name__ in email.last_error
    assert email.next_attempt_at == NOW + dt.timedelta(minutes=1)
    assert outbox.drain(now=clock) == {}

    clock.passes(minutes=1)
    assert outbox.drain(now=clock) == {"sent": 1}
    email.refresh_from_db()
    assert (email.status, email.attempts, email.last_error) == ("sent", 2, "")
    assert server.accepted[0].message()["Message-ID"] == email.message_id


@pytest.mark.django_db
@pytest.mark.parametrize("answer", [refuses(550), smtplib.SMTPDataError(554, b"no such content")])
def test_a_mail_that_is_refused_for_good_fails_at_once(server, clock, answer):
    email, other = promised(), promised()
    server.answers = [answer]

    assert outbox.drain(now=clock) == {"failed": 1, "sent": 1}

    email.refresh_from_db()
    other.refresh_from_db()
    assert email.status == "failed"
    assert "55" in email.last_error
    assert other.status == "sent"


@pytest.mark.django_db
def test_a_mail_fails_for_good_after_about_a_day(server, clock):
    email = promised()
    server.answers = [ConnectionRefusedError()] * 20
    while email.status != "failed":
        outbox.drain(now=clock)
        email.refresh_from_db()
        clock.time = email.next_attempt_at if email.status == "waiting" else clock.time
    assert email.attempts == len(outbox.BACK_OFF) + 1
    assert dt.timedelta(hours=23) < clock.time - NOW < dt.timedelta(hours=26)
    clock.passes(days=7)
    assert outbox.drain(now=clock) == {}


@pytest.mark.django_db
def test_a_server_in_trouble_is_asked_once_a_round_and_all_arrives_when_it_is_back(server, clock):
    for _ in range(30):
        promised()
    server.answers = [TimeoutError("hangs")] * 3
    for _ in range(3):
        assert outbox.drain(now=clock) == {"waiting": 1}
    assert server.tried == 3  # not thirty times ten seconds

    clock.passes(minutes=1)
    assert outbox.drain(now=clock) == {"sent": 30}
    assert len({message.message()["Message-ID"] for message in server.accepted}) == 30


@pytest.mark.django_db
def test_a_mail_left_behind_by_a_dead_worker_is_taken_over_with_the_same_message_id(clock):
    email = promised()
    assert outbox.claim(email.pk, clock())  # and then the worker dies
    clock.passes(minutes=14)
    assert outbox.drain(now=clock) == {}
    clock.passes(minutes=1)
    assert outbox.drain(now=clock) == {"sent": 1}
    assert mail.outbox[0].message()["Message-ID"] == email.message_id


@pytest.mark.django_db
def test_a_worker_that_was_away_does_not_undo_what_another_did(clock):
    email = promised()
    slow = outbox.claim(email.pk, clock())
    clock.passes(minutes=20)
    assert outbox.drain(now=clock) == {"sent": 1}
    outbox._record(slow, OutgoingEmail.Status.WAITING, last_error="late")
    email.refresh_from_db()
    assert (email.status, email.last_error) == ("sent", "")


@pytest.mark.django_db
def test_an_account_that_was_deactivated_meanwhile_gets_no_mail(clock):
    email = promised(notification__recipient__is_active=False)
    assert outbox.drain(now=clock) == {"skipped": 1}
    assert mail.outbox == []
    email.refresh_from_db()
    assert email.status == "skipped"


@pytest.mark.django_db
def test_a_subject_that_would_be_a_header_fails_and_does_not_go_out(clock):
    promised(subject="Hello\nBcc: everybody@example.org")
    promised()
    assert outbox.drain(now=clock) == {"failed": 1, "sent": 1}


@pytest.mark.django_db
def test_a_drain_that_is_told_to_end_leaves_the_rest_due(clock):
    for _ in range(3):
        promised()
    assert outbox.drain(now=clock, until=lambda: len(mail.outbox) == 2) == {"sent": 2}
    assert OutgoingEmail.objects.due(NOW).count() == 1


def drain_with(workers):
    start = threading.Barrier(workers)

    def work():
        try:
            start.wait()
            outbox.drain(now=Clock())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_mail_once(server):
    for _ in range(40):
        promised()
    server.seconds = 0.002
    drain_with(4)
    assert len(server.accepted) == 40
    assert len({message.message()["Message-ID"] for message in server.accepted}) == 40
    assert OutgoingEmail.objects.filter(status="sent", attempts=1).count() == 40


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_without_the_claim_mails_would_double(server, monkeypatch):
    """The negative control of the test above: it sees the fault when there is one."""

    def look_and_take(pk, now):
        email = OutgoingEmail.objects.select_related("notification__recipient").get(pk=pk)
        if email.status != OutgoingEmail.Status.WAITING:
            return None
        time.sleep(0.005)
        OutgoingEmail.objects.filter(pk=pk).update(status=OutgoingEmail.Status.SENDING)
        return email

    monkeypatch.setattr(outbox, "claim", look_and_take)
    for _ in range(20):
        promised()
    drain_with(4)
    assert len(server.accepted) > 20


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_leaves_in_the_background_without_holding_up(server, settings, ann):
    settings.SEND_MAIL_IN_BACKGROUND = True
    server.seconds = 0.3
    began = time.monotonic()
    with transaction.atomic():
        told = notify(ann, kind="appointment_expired", occasion="1", url="/")
        time.sleep(0.1)
        assert server.tried == 0
    assert time.monotonic() - began < 0.3

    deadline = time.monotonic() + 10
    while told.email.status != "sent" and time.monotonic() < deadline:
        time.sleep(0.05)
        told.email.refresh_from_db()
    assert told.email.status == "sent"
    [message] = server.accepted
    assert message.message()["Message-ID"] == told.email.message_id
    outbox._postman.leave()
    assert not outbox._postman.is_alive()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_sent(server, settings, ann):
    settings.SEND_MAIL_IN_BACKGROUND = True
    with transaction.atomic():
        notify(ann, kind="appointment_expired", occasion="1", url="/")
        transaction.set_rollback(True)
    time.sleep(0.2)
    assert server.tried == 0


class SmtpConversation(socketserver.StreamRequestHandler):
    """Enough of a mail server to be refused by: answers RCPT with what the test says, or not at all."""

    def handle(self):
        self.say("220 ready")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT" and self.server.recipient_answer is None:
                return self.server.hanging.wait(10)
            if verb == b"DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            self.say(self.server.recipient_answer if verb == b"RCPT" else "250 fine")
            if verb == b"QUIT":
                return None
        return None

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


@pytest.fixture
def smtp(settings):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SmtpConversation) as smtp:
        smtp.daemon_threads = True
        smtp.hanging = threading.Event()
        threading.Thread(target=smtp.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = smtp.server_address
        settings.EMAIL_TIMEOUT = 0.3
        yield smtp
        smtp.hanging.set()
        smtp.shutdown()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        ("250 fine", {"sent": 2}),
        ("550 no such person", {"failed": 2}),
        ("451 greylisted", {"waiting": 2}),
        ("421 closing", {"waiting": 1}),
        (None, {"waiting": 1}),
    ],
)
def test_what_a_real_mail_server_says_decides(smtp, clock, answer, outcomes):
    smtp.recipient_answer = answer
    promised()
    promised()
    assert outbox.drain(now=clock) == outcomes


@pytest.mark.django_db
def test_a_server_that_is_not_there_delays(settings, clock):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    email = promised()
    assert outbox.drain(now=clock) == {"waiting": 1}
    email.refresh_from_db()
    assert "ConnectionRefusedError" in email.last_error
