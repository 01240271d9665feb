"""Sending what was promised: each mail once, late rather than never, without holding anybody up.

A worker claims one mail by a conditional update that moves its `next_attempt_at` past the time a delivery can take, so
that of any number of workers one sends it, and a worker that dies loses nothing: another takes over when the claim is
stale. The mail carries the same Message-ID at every attempt, by which mail programs drop a double.
"""

import atexit
import datetime as dt
import logging
import smtplib
import threading
from collections import Counter
from email.encoders import encode_base64
from email.message import Message
from email.mime.base import MIMEBase

from django.conf import settings
from django.core import mail
from django.db import connections
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone, translation

from notifications.models import OutgoingEmail

logger = logging.getLogger(__name__)

BACK_OFF = [dt.timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 360, 480)]  # about a day in all
CLAIM_HOLDS = dt.timedelta(minutes=15)
MAILS_A_CONNECTION = 50


def drain(*, now=timezone.now, until=lambda: False) -> Counter:
    """Send what is due and return how many mails ended in which state.

    Stops early when the mail server itself is in trouble (the rest stays due for the next time), and between two mails
    when `until()` says so. `now` is a clock, because a drain may take long.
    """
    outcomes = Counter()
    server_answers = True
    while server_answers and not until():
        due = OutgoingEmail.objects.due(now()).order_by("next_attempt_at", "id")
        batch = list(due.values_list("pk", flat=True)[:MAILS_A_CONNECTION])
        if not batch:
            break
        connection = mail.get_connection()
        try:
            for pk in batch:
                if until():
                    break
                email = claim(pk, now())
                if email is None:
                    continue
                outcome, server_answers = _deliver(email, connection, now)
                outcomes[outcome] += 1
                if not server_answers:
                    break
        finally:
            _close(connection)
    return outcomes


def sweep(*, now: dt.datetime, dry_run: bool = False) -> int:
    """The periodic job: send what is due, or count it."""
    if dry_run:
        return OutgoingEmail.objects.due(now).count()
    began = timezone.now()
    return drain(now=lambda: now + (timezone.now() - began)).total()


def claim(pk, now) -> OutgoingEmail | None:
    """Take the mail for one attempt; None when another worker has it, it is not due any more or was withdrawn."""
    claimed = (
        OutgoingEmail.objects.due(now)
        .filter(pk=pk)
        .update(status=OutgoingEmail.Status.SENDING, attempts=F("attempts") + 1, next_attempt_at=now + CLAIM_HOLDS)
    )
    return OutgoingEmail.objects.select_related("notification__recipient").filter(pk=pk).first() if claimed else None


def _deliver(email, connection, now):
    """Make one attempt. Returns the state the mail is in after it, and whether the mail server can be reached."""
    if email.notification and not email.notification.recipient.is_active:
        return _record(email, OutgoingEmail.Status.SKIPPED, last_error="The account is deactivated."), True
    try:
        message = _message(email, connection)
        connection.open()
        if not connection.send_messages([message]):
            raise smtplib.SMTPException("The mail backend sent nothing.")
    except Exception as error:
        _close(connection)  # after an error its state is unknown; the next mail opens it afresh
        described = f"{type(error).__name__}: {error}"[:2000]
        if _is_permanent(error) or email.attempts > len(BACK_OFF):
            logger.error("Mail %s to %s failed for good: %s", email.pk, email.to, described)
            return _record(email, OutgoingEmail.Status.FAILED, last_error=described), _server_answers(error)
        delay = BACK_OFF[email.attempts - 1]
        logger.warning("Mail %s to %s will be tried again in %s: %s", email.pk, email.to, delay, described)
        state = _record(email, OutgoingEmail.Status.WAITING, last_error=described, next_attempt_at=now() + delay)
        return state, _server_answers(error)
    return _record(email, OutgoingEmail.Status.SENT, last_error="", sent_at=now()), True


def _record(email, status, **fields):
    # Only while the claim is still ours: a worker that was away for too long must not undo another's result.
    OutgoingEmail.objects.filter(pk=email.pk, status=OutgoingEmail.Status.SENDING, attempts=email.attempts).update(
        status=status, **fields
    )
    return status


def _message(email, connection):
    message = mail.EmailMultiAlternatives(
        subject=email.subject,
        body=email.body,
        to=[email.to],
        connection=connection,
        headers={"Message-ID": email.message_id, "Auto-Submitted": "auto-generated"},
    )
    if email.notification:
        message.attach_alternative(_html(email.notification), "text/html")
    if email.attachment_name:
        message.attach(_attachment(email))
    return message


def _html(notification):
    language = notification.recipient.language
    with translation.override(language):
        return render_to_string(
            "notifications/email.html",
            {
                "notification": notification,
                "language": language,
                "link": settings.BASE_URL + notification.get_absolute_url(),
                "site_name": settings.SITE_NAME,
                "site_url": settings.BASE_URL,
            },
        )


def _attachment(email):
    """The file as a MIME part; its type may have parameters (`text/calendar; method=REQUEST`)."""
    head = Message()
    head["Content-Type"] = email.attachment_type
    part = MIMEBase(head.get_content_maintype(), head.get_content_subtype())
    for name, value in head.get_params()[1:]:
        part.set_param(name, value)
    part.set_param("charset", "utf-8")
    part.set_payload(email.attachment_text.encode())
    encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=email.attachment_name)
    return part


def _is_permanent(error):
    """Whether the server refuses this very mail for good (5xx), or it cannot be written as a mail at all.

    A refused sender or sign-in is a mistake in the settings: it can be mended, so those are tried again.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(500 <= code < 600 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return 500 <= error.smtp_code < 600
    return isinstance(error, mail.BadHeaderError | UnicodeError)


def _server_answers(error):
    """Whether the error is about one mail, so that the next one may do better."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code != 421 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code != 421
    return not isinstance(error, OSError)  # what smtplib raises is an OSError too


def _close(connection):
    try:
        connection.close()
    except Exception:
        logger.debug("The mail connection did not close.", exc_info=True)


# --- In the background of a web process -------------------------------------------------------------------------------


class _Postman(threading.Thread):
    """The one thread of a process that drains the outbox when it is woken."""

    def __init__(self):
        super().__init__(name="outbox", daemon=True)
        self.woken = threading.Event()
        self.leaving = threading.Event()

    def run(self):
        while not self.leaving.is_set():
            self.woken.wait()
            self.woken.clear()
            try:
                drain(until=self.leaving.is_set)
            except Exception:
                logger.exception("The outbox could not be drained; the next round tries again.")
            finally:
                connections.close_all()

    def leave(self):
        """Finish the mail at hand, so that a process that ends leaves none half sent."""
        self.leaving.set()
        self.woken.set()
        self.join(timeout=15)


_postman: _Postman | None = None
_postman_lock = threading.Lock()


def wake():
    """Have what is due sent soon by this process's background thread, if it is meant to have one."""
    global _postman
    if not settings.SEND_MAIL_IN_BACKGROUND:
        return
    with _postman_lock:
        if _postman is None or not _postman.is_alive():  # the first time, or after a fork
            _postman = _Postman()
            _postman.start()
            atexit.register(_postman.leave)
        _postman.woken.set()
