import datetime as dt
from io import StringIO

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from mentorbook import jobs
from notifications.tests.factories import OutgoingEmailFactory

pytestmark = pytest.mark.django_db


def send_mail(**options):
    out = StringIO()
    call_command("send_mail", stdout=out, **options)
    return out.getvalue()


def test_send_mail_sends_what_is_due_and_bears_being_run_twice():
    OutgoingEmailFactory.create_batch(2)
    OutgoingEmailFactory(next_attempt_at=timezone.now() + dt.timedelta(hours=1))
    assert send_mail() == "2 sent\n"
    assert send_mail() == "Nothing to send.\n"
    assert len(mail.outbox) == 2


def test_send_mail_only_lists_on_a_dry_run():
    OutgoingEmailFactory(to="ann@example.org", subject="Max confirmed")
    assert send_mail(dry_run=True) == "ann@example.org: Max confirmed\n"
    assert mail.outbox == []


def test_the_periodic_job_sends_what_is_due():
    OutgoingEmailFactory()
    [job] = [job for job in jobs.registered() if job.name == "send_mail"]
    assert job.sweep(now=timezone.now(), dry_run=True) == 1
    assert job.sweep(now=timezone.now()) == 1
    assert len(mail.outbox) == 1
