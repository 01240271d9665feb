"""Two transactions that change one ticket at once: the index has both changes in the end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from tickets.models import Ticket
from tickets.search import engines, index_ticket, search_tickets
from tickets.tests.factories import ReplyFactory, TicketFactory

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
ROUNDS = 8


def lost_changes():
    """Rounds in which a reply and a new title, written at the same time, are not both found."""
    tickets = [TicketFactory(closed=True, title=f"before {number}") for number in range(ROUNDS)]
    for ticket in tickets:
        index_ticket(ticket)
    barrier = threading.Barrier(2)

    def retitle():
        try:
            for ticket in tickets:
                barrier.wait(timeout=30)
                with transaction.atomic():
                    Ticket.objects.filter(pk=ticket.pk).update(title="renamed")
                    index_ticket(ticket)
                    # Where it is possible at all, the other one has read what was there before and waits to write.
                    if connection.vendor == "postgresql":
                        _wait_for_the_other()
        finally:
            connection.close()

    def reply():
        try:
            for ticket in tickets:
                barrier.wait(timeout=30)
                with transaction.atomic():
                    ReplyFactory(ticket_id=ticket.pk, ticket=ticket, text="helpful", is_useful=True)
                    index_ticket(ticket)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(retitle), pool.submit(reply)]:
            done.result()
    both = search_tickets(Ticket.objects.articles(), "renamed helpful").ids
    return ROUNDS - len(both)


def _wait_for_the_other():
    with connection.cursor() as cursor:
        for _ in range(50):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")


def test_changes_at_the_same_time_are_both_found():
    assert lost_changes() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_without_the_lock_changes_are_lost(monkeypatch):
    monkeypatch.setattr(engines.Postgresql, "lock", lambda self, cursor, ids: None)
    assert lost_changes() > 0
