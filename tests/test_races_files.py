"""Files sent at the same moment: what is counted over all of a person's files is counted one form after the other."""

import threading

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from tickets.actions.attachments import QuotaReached, store_attachments
from tickets.models import Attachment
from tickets.tests.factories import TicketFactory

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PEOPLE = 8


def test_forms_at_once_do_not_pass_the_quota_together(ann, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.UPLOAD_QUOTA_BYTES = 25
    outcomes, start = [], threading.Barrier(PEOPLE)
    tickets = [TicketFactory(student=ann) for _ in range(PEOPLE)]

    def send(ticket):
        try:
            connection.ensure_connection()
            start.wait()
            store_attachments([ContentFile(b"ten bytes.", name="a.txt")], by=ann, ticket=ticket, now=timezone.now())
            outcomes.append("stored")
        except QuotaReached:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[ticket]) for ticket in tickets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * (PEOPLE - 2) + ["stored"] * 2
    assert Attachment.objects.count() == 2
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2
