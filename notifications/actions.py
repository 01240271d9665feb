"""Telling people what happened, and what they do with what they were told."""

from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import make_msgid
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.template import Context
from django.template.loader import get_template, render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import Refused
from mentorbook.pieces import zone_name
from notifications import outbox
from notifications.models import Notification, OutgoingEmail


class AlreadySent(Refused):
    code = "already_sent"
    message = _("This mail has been sent, or is being sent right now. It does not go out twice.")


class Attachment(NamedTuple):
    """A text file that goes with a mail."""

    name: str
    type: str
    text: str


def notify(
    recipient, *, kind: str, occasion: str, url: str, context: dict | None = None, attachment: Attachment | None = None
) -> Notification:
    """Tell `recipient` what happened, in the page and by mail, as part of the caller's transaction.

    The same `occasion` of the same `kind` is told a person once: the second call returns the first notification and
    sends nothing. The words are those of `notifications/<kind>.txt`: its first line the title, the rest the body;
    plain text (nothing is escaped), in the recipient's language, its times in the recipient's zone, whose name is
    `zone`. `url` is the path of the page it is about. The mail leaves after the commit, and never when that fails;
    `attachment` goes with it.
    """
    if not is_local_path(url):
        raise ValueError(f"A notification points to a page of this site, not to {url!r}.")
    with speaking_to(recipient):
        title, body = _words(kind, {"recipient": recipient, "zone": recipient.timezone, **(context or {})})
        try:
            with transaction.atomic():
                # A race for the same occasion waits here for the other transaction and then finds what that one wrote.
                notification = Notification.objects.create(
                    recipient=recipient, kind=kind, occasion=occasion, title=title, body=body, url=url
                )
                if recipient.is_active:
                    _promise_mail(notification, attachment)
                return notification
        except IntegrityError:
            told = Notification.objects.filter(recipient=recipient, kind=kind, occasion=occasion).first()
            if told is None:
                raise
            return told


def withdraw(url: str) -> int:
    """Take back whatever was told about the page at the path `url` or a place on it; how many notifications.

    Mails about it that have not left yet do not leave any more.
    """
    about = Q(url=url) | Q(url__startswith=f"{url}#")
    _number, by_model = Notification.objects.filter(about).delete()
    return by_model.get(Notification._meta.label, 0)


def mark_read(notification, *, now):
    """Mark it read; a second time keeps the first time."""
    Notification.objects.filter(pk=notification.pk).unread().update(read_at=now)


def mark_all_read(recipient, *, now, up_to: int | None = None) -> int:
    """Mark everything of `recipient` read, or only what has no greater id than `up_to`.

    Nearly what was there when that one was the newest, but not to the instant: an id is given out before its
    transaction commits, so one with a smaller id can appear a moment later, and is marked with the others.
    """
    unread = Notification.objects.visible_to(recipient).unread()
    if up_to is not None:
        unread = unread.filter(pk__lte=up_to)
    return unread.update(read_at=now)


def send_again(email, *, now):
    """Give a mail that failed a fresh start, to the address that its recipient has today."""
    address = email.notification.recipient.email if email.notification else email.to
    with transaction.atomic():
        restarted = OutgoingEmail.objects.filter(
            pk=email.pk, status__in=[OutgoingEmail.Status.FAILED, OutgoingEmail.Status.WAITING]
        ).update(
            status=OutgoingEmail.Status.WAITING,
            to=address,
            attempts=0,
            next_attempt_at=now,
        )
        if not restarted:
            raise AlreadySent
        transaction.on_commit(lambda: outbox.wake(), robust=True)


def is_local_path(url: str) -> bool:
    """Whether a redirect to `url` stays on this site."""
    return url.startswith("/") and not url.startswith("//") and "\\" not in url and url.isprintable()


@contextmanager
def speaking_to(person):
    """Inside the block, the language and the time zone are this person's."""
    with translation.override(person.language), timezone.override(ZoneInfo(person.timezone)):
        yield


def _words(kind, context):
    text = get_template(f"notifications/{kind}.txt").template.render(Context(context, autoescape=False))
    title, _newline, body = text.replace("\r\n", "\n").replace("\0", "").strip().partition("\n")
    # One printable line: it becomes the subject of a mail.
    title = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    longest = Notification._meta.get_field("title").max_length
    return (title if len(title) <= longest else title[: longest - 1] + "…"), body.strip()


def mail_stranger(address: str, *, kind: str, link: str, context: dict | None = None) -> OutgoingEmail:
    """Mail somebody who has no account here, as part of the caller's transaction, in the words of
    `notifications/<kind>.txt`. `link` is the path of the page it leads to. Not once, but as often as it is called: the
    caller sees to it that nobody is pestered."""
    title, body = _words(kind, {"zone": zone_name(), **(context or {})})
    return _promise(address, subject=title, body=_mail_text(title, body, settings.BASE_URL + link, has_account=False))


def _promise_mail(notification, attachment):
    link = settings.BASE_URL + notification.get_absolute_url()
    return _promise(
        notification.recipient.email,
        notification=notification,
        subject=notification.title,
        body=_mail_text(notification.title, notification.body, link),
        attachment=attachment,
    )


def _mail_text(title, body, link, *, has_account=True):
    context = {"title": title, "body": body, "link": link, "has_account": has_account}
    return render_to_string(
        "notifications/email.txt", context | {"site_name": settings.SITE_NAME, "site_url": settings.BASE_URL}
    )


def _promise(address, *, subject, body, notification=None, attachment=None):
    email = OutgoingEmail.objects.create(
        notification=notification,
        to=address,
        subject=subject,
        body=body,
        attachment_name=attachment.name if attachment else "",
        attachment_type=attachment.type if attachment else "",
        attachment_text=attachment.text if attachment else "",
        message_id=make_msgid(domain=urlsplit(settings.BASE_URL).hostname),
    )
    transaction.on_commit(lambda: outbox.wake(), robust=True)
    return email
