"""The index follows the tickets."""

import random

import pytest
from django.core.management import call_command
from django.db import connection

from mentorbook import triggers
from mentors.actions import delete_tags, merge_tags
from mentors.models import Tag
from mentors.tests.factories import TagFactory
from tickets.models import Ticket
from tickets.search import analyser, index, index_ticket, index_tickets, remove_from_index, search_tickets
from tickets.search.documents import MAX_PLACES, MAX_WORDS, document
from tickets.search.engines import TABLE, vector
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db


def found(text):
    return search_tickets(Ticket.objects.there(), text).ids


def fits():
    """Whether the index has every ticket as it is, and nothing else."""
    with connection.cursor() as cursor:
        ids = list(Ticket.objects.values_list("pk", flat=True))
        return index.differences(cursor, ids) == ([], []) and index.orphans() == []


def test_index_has_what_a_ticket_says_now():
    ticket = TicketFactory(title="first")
    index_ticket(ticket)
    Ticket.objects.filter(pk=ticket.pk).update(title="second")
    assert index_tickets([ticket.pk]) == 1
    assert index_tickets([ticket.pk]) == 0  # as it is already
    assert (found("first"), found("second")) == ([], [ticket.pk])


def test_deleted_ticket_leaves_the_index():
    ticket = TicketFactory(title="needle")
    index_ticket(ticket)
    Ticket.objects.filter(pk=ticket.pk).update(status=Ticket.Status.DELETED)
    index_ticket(ticket)
    assert fits()
    remove_from_index([ticket.pk, 999_999])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("at_once", [200, 1])
def test_merged_tags_find_all_their_tickets(ada, monkeypatch, at_once):
    monkeypatch.setattr(index, "AT_ONCE", at_once)
    first, second = TicketFactory(tags=["py"]), TicketFactory(tags=["python"])
    index_tickets([first.pk, second.pk])
    merge_tags(Tag.objects.get(name="py"), Tag.objects.get(name="python"), by=ada)
    index.index_stale_tickets()
    assert set(found("tag:py")) == set(found("tag:python")) == {first.pk, second.pk}
    assert set(found("py")) == {first.pk, second.pk}
    assert fits()
    assert index.index_stale_tickets() == 0


def test_deleted_tag_is_forgotten(ada):
    ticket = TicketFactory(tags=["obsolete", "python"])
    index_ticket(ticket)
    delete_tags([Tag.objects.get(name="obsolete")], by=ada)
    assert (found("obsolete"), found("python")) == ([], [ticket.pk])
    assert fits()


def test_new_spelling_in_the_admin_finds_the_tickets(client, ada):
    ticket, tag = TicketFactory(tags=["javascript"]), TagFactory(name="javascript")
    index_ticket(ticket)
    client.force_login(ada)
    form = {"synonyms-TOTAL_FORMS": 1, "synonyms-INITIAL_FORMS": 0, "synonyms-0-name": "ecmascript"}
    response = client.post(f"/admin/mentors/tag/{tag.pk}/change/", {**form, "synonyms-0-tag": tag.pk})
    assert response.status_code == 302
    assert found("ecmascript") == [ticket.pk]


def test_rebuild_repairs_everything_and_a_dry_run_only_tells(capsys):
    kept, lost, stale, gone = (TicketFactory(title=f"needle {number}") for number in range(4))
    index_tickets([kept.pk, stale.pk, gone.pk])
    Ticket.objects.filter(pk=stale.pk).update(title="changed")
    pk, gone_pk = stale.pk, gone.pk
    Ticket.objects.filter(pk=gone_pk).delete()
    call_command("rebuild_search", dry_run=True)
    assert "2 tickets are not in the index as they are; 1 should not be there" in capsys.readouterr().out
    assert not fits()
    call_command("rebuild_search")
    assert "2 tickets indexed anew, 1 removed" in capsys.readouterr().out
    assert fits()
    assert (found("changed"), set(found("needle"))) == ([pk], {kept.pk, lost.pk})
    call_command("rebuild_search")
    assert "0 tickets indexed anew, 0 removed" in capsys.readouterr().out


def test_index_is_checked_after_migrations(monkeypatch, capsys):
    ticket = TicketFactory(title="needle")
    call_command("migrate", verbosity=0)
    assert found("needle") == [ticket.pk]  # was missing
    monkeypatch.setattr(analyser, "VERSION", "another")
    call_command("migrate", verbosity=0)
    assert fits()
    remove_from_index([ticket.pk])
    monkeypatch.setattr(index, "REBUILT_BY_ITSELF", 0)
    call_command("migrate", verbosity=1)
    assert "rebuild_search" in capsys.readouterr().out
    assert found("needle") == []


@pytest.mark.django_db(transaction=True)
def test_flush_leaves_an_empty_index():
    index_ticket(TicketFactory(title="needle"))
    triggers.drop_all(connection)  # which forbid it to whoever is no test
    call_command("flush", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        assert cursor.fetchone() == (0,)
    ticket = TicketFactory(title="needle")
    index_ticket(ticket)
    assert found("needle") == [ticket.pk]


@pytest.mark.parametrize(
    "text",
    [
        "word " * 30_000,
        " ".join(f"w{number}" for number in range(30_000)),
        "字" * 20_000,
        "".join(chr(code) for code in range(0x20, 0xD800)),
        "".join(chr(0x20000 + number) for number in range(20_000)),
        "a.b-c:" * 10_000,
        "\\'\"" * 5_000 + "\\ 'a\\'b'",
        "🐍" * 20_000,
    ],
)
def test_longest_and_strangest_texts_are_indexed(text):
    text = text[:20_000].replace("\x00", "")
    ticket = TicketFactory(
        closed=True, title=text[:200].strip() or "t", description=text, solution_text=text + " needle"
    )
    index_ticket(ticket)
    assert found("needle") in ([ticket.pk], [])  # the end of very much text is left out
    assert fits()


def test_phrases_stay_right_however_often_a_word_stands_in_a_text():
    """PostgreSQL keeps 255 places of a word; SQLite all. Neither may find what the other does not."""
    ticket = TicketFactory(title="t", description="go " * 300 + "east go west")
    index_ticket(ticket)
    assert found('"go west"') == []
    assert found('"go go"') == [ticket.pk]
    assert found("west") == [ticket.pk]


def test_document_is_bounded():
    made = document("t", [(1, ["a", "b"])], [" ".join(f"w{number}" for number in range(40_000))] * 3)
    assert len([word for word in made.body.split() if word[0] != "~"]) <= MAX_WORDS
    assert made.tags == "a ~ b ~ @1 ~a ~b"
    assert document("go " * 300, [], []).title.split().count("go") == MAX_PLACES


def test_vector_literals_are_read_by_postgresql_as_they_are_meant():
    chance = random.Random(2)
    words = ["c++", "o'clock", "back\\slash", "'", "\\", "a:1", "日本", "🐍", "a,b", "(", "~run", "@7", "~"]
    literal = vector(" ".join(chance.choices(words, k=60)), "b ~ a")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT tsvector_to_array(%s::tsvector)", [literal])
            assert set(cursor.fetchone()[0]) <= {*words, "a", "b"}
    assert vector("a b ~ ~a", "b ~ @1") == "'a':1 'b':2,4 '~' '~a' '@1'"
