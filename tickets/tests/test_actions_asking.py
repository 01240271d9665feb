import datetime as dt

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from mentorbook.errors import NotAllowed
from mentors.models import Tag, TagSynonym
from mentors.tests.factories import TagFactory
from notifications.models import Notification
from tickets.actions import (
    DescriptionMissing,
    TagsWrong,
    TextTooLong,
    TicketDeleted,
    TitleMissing,
    TooManyOpen,
    accept_ticket,
    bookmark_article,
    create_ticket,
    delete_ticket,
    discard_draft,
    edit_ticket,
    release_ticket,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
    save_draft,
    set_public,
    upvote_article,
)
from tickets.models import TEXT_LENGTH, TITLE_LENGTH, Attachment, Draft, Reply, Ticket, TicketEvent
from tickets.search import search_tickets
from tickets.tests.factories import AttachmentFactory, DraftFactory, TicketFactory
from tickets.uploads import FileRefused

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
Kind = TicketEvent.Kind


def ask(student, *, now=NOW, **words):
    words = {"title": "KeyError at start", "description": "It says so.", "tags": ["python"], **words}
    return create_ticket(student, **words, now=now)


def change(ticket, *, by, now=NOW + HOUR, **words):
    words = {"title": "Other title", "description": "Other text", "tags": ["django"], "is_public": True, **words}
    return edit_ticket(ticket, by=by, **words, now=now)


def names(ticket):
    return sorted(tag.name for tag in ticket.tags.all())


def history_of(ticket):
    return [(event.kind, event.from_status, event.to_status) for event in ticket.events.all()]


def found(user, text):
    return [hit.ticket for hit in search_tickets(Ticket.objects.visible_to(user).for_rows(), text)[:10]]


def text_file(name="trace.txt", content=b"Traceback"):
    return ContentFile(content, name=name)


# --- Asking


def test_a_new_ticket_waits_for_a_mentor(ann, ada):
    ticket = ask(ann, tags=["Python", "C#", "python"])

    ticket.refresh_from_db()
    assert (ticket.student, ticket.mentor, ticket.status, ticket.is_public) == (ann, None, "open", True)
    assert (ticket.title, ticket.description) == ("KeyError at start", "It says so.")
    assert (ticket.waiting_on, ticket.waiting_since) == ("mentor", NOW)
    assert ticket.created_at == ticket.opened_at == ticket.active_at == NOW
    assert names(ticket) == ["c#", "python"]
    assert history_of(ticket) == [("created", "", "open")]
    assert ticket.events.get().actor == ann
    assert found(ada, "keyerror") == [ticket]
    assert not Notification.objects.exists()


def test_a_synonym_finds_its_tag_and_does_not_count_twice(ann):
    python = TagFactory(name="python")
    TagSynonym.objects.create(name="py", tag=python)
    assert names(ask(ann, tags=["py", "python", "a", "b", "c", "d"])) == ["a", "b", "c", "d", "python"]


@pytest.mark.parametrize(
    ("words", "refusal", "field"),
    [
        ({"title": " \0\n"}, TitleMissing, "title"),
        ({"title": "x" * (TITLE_LENGTH + 1)}, TextTooLong, "title"),
        ({"description": "\r\n \0"}, DescriptionMissing, "description"),
        ({"description": "x" * (TEXT_LENGTH + 1)}, TextTooLong, "description"),
        ({"tags": []}, TagsWrong, "tags"),
        ({"tags": ["a", "b", "c", "d", "e", "f"]}, TagsWrong, "tags"),
        ({"tags": ["a,b"]}, TagsWrong, "tags"),
        ({"tags": ["a\0b"]}, TagsWrong, "tags"),
        ({"tags": ["x" * 51]}, TagsWrong, "tags"),
        ({"files": [ContentFile(b"MZ\x90\x00\x03", name="setup.exe")]}, FileRefused, "files"),
    ],
)
def test_a_malformed_question_is_refused_beside_its_field_and_leaves_nothing(ann, words, refusal, field):
    with pytest.raises(refusal) as refused:
        ask(ann, **words)
    assert (refused.value.field, refused.value.status) == (field, 422)
    assert not Ticket.objects.exists()
    assert not TicketEvent.objects.exists()
    assert not Tag.objects.exists()

    ticket = ask(ann)
    with pytest.raises(refusal):
        change(ticket, by=ann, **words)
    ticket.refresh_from_db()
    assert (ticket.title, ticket.edited_at, names(ticket)) == ("KeyError at start", None, ["python"])


def test_texts_are_kept_as_a_database_can_store_them(ann):
    ticket = ask(ann, title=" One\0 \n two \ud800", description="a\r\nb\rc\0\udfff\n")
    ticket.refresh_from_db()
    assert (ticket.title, ticket.description) == ("One two", "a\nb\nc")


def test_a_title_cannot_turn_the_words_around_it(ann):
    """It stands in the middle of sentences of ours: in notifications, in the history, in lists."""
    ticket = ask(ann, title="\u202eeno \u2066two\u2069", description="a = '\u202e'")
    ticket.refresh_from_db()
    assert (ticket.title, ticket.description) == ("eno two", "a = '\u202e'")
    assert change(ticket, by=ann, title="\u202eon").title == "on"
    with pytest.raises(TitleMissing):
        ask(ann, title="\u202e")
    assert save_draft(ann, title="\u202ewol", now=NOW).title == "wol"


def test_the_longest_title_and_text_fit(ann):
    ticket = ask(ann, title="ü" * TITLE_LENGTH, description="ü" * (TEXT_LENGTH - 2) + "\r\nx")
    assert len(ticket.title) == TITLE_LENGTH
    assert len(ticket.description) == TEXT_LENGTH


def test_a_deactivated_account_asks_nothing(ann):
    type(ann).objects.filter(pk=ann.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        ask(ann)


def test_so_many_questions_wait_at_once_and_no_more(ann, max, settings):
    settings.OPEN_TICKETS_PER_STUDENT = 2
    first = ask(ann)
    ask(ann)
    with pytest.raises(TooManyOpen) as refused:
        ask(ann)
    assert (refused.value.status, refused.value.limit) == (409, 2)
    assert "2 questions of yours" in str(refused.value)
    assert Ticket.objects.count() == 2

    accept_ticket(first, by=max, now=NOW)
    third = ask(ann)
    delete_ticket(third, by=ann, now=NOW)
    ask(ann)
    ask(UserFactory())
    with pytest.raises(TooManyOpen):
        ask(ann)


def test_a_double_click_asks_once_even_at_the_limit(ann, settings):
    settings.OPEN_TICKETS_PER_STUDENT = 1
    first = ask(ann, idempotency_key="abc")
    assert ask(ann, idempotency_key="abc", title="Typed on") == first
    assert Ticket.objects.get().title == "KeyError at start"
    assert TicketEvent.objects.count() == 1
    with pytest.raises(TooManyOpen):
        ask(ann, idempotency_key="abd")


def test_a_key_is_one_persons_own_and_may_be_anything(ann, sam):
    for key in ["abc", "x" * 5_000, "a\0b", "\ud800", "  "]:
        tickets = {ask(person, idempotency_key=key) for person in (ann, sam, ann, sam)}
        assert {ticket.student for ticket in tickets} == {ann, sam}
        assert len(tickets) == 2
        for ticket in tickets:
            delete_ticket(ticket, by=ticket.student, now=NOW)


def test_without_a_key_each_is_one(ann):
    assert len({ask(ann, idempotency_key=key) for key in (None, "", None)}) == 3


# --- With files and drafts


def test_files_hang_on_the_ticket(ann):
    ticket = ask(ann, files=[text_file("a.txt"), text_file("b.txt")])
    assert [attachment.name for attachment in ticket.attachments.all()] == ["a.txt", "b.txt"]
    assert {attachment.uploaded_by for attachment in ticket.attachments.all()} == {ann}


def test_a_draft_hands_its_files_over_and_is_gone(ann):
    draft = save_draft(ann, title="Half", files=[text_file("early.txt")], now=NOW)
    key = draft.attachments.get().key

    ticket = ask(ann, draft=draft, files=[text_file("late.txt")])

    assert [attachment.name for attachment in ticket.attachments.all()] == ["early.txt", "late.txt"]
    assert ticket.attachments.first().key == key
    assert ticket.attachments.first().file.read() == b"Traceback"
    assert not Draft.objects.exists()


def test_a_draft_that_is_gone_by_now_is_no_mistake(ann):
    draft = save_draft(ann, title="Half", now=NOW)
    discard_draft(ann)
    assert ask(ann, draft=draft).status == "open"


def test_nobody_takes_somebody_elses_draft(ann, sam):
    AttachmentFactory(draft=DraftFactory(student=sam))
    ticket = ask(ann, draft=sam.ticket_draft)
    assert not ticket.attachments.exists()
    assert Draft.objects.get().attachments.count() == 1


def test_a_draft_keeps_what_was_typed_however_unfinished(ann):
    draft = save_draft(ann, title="", description="", tags="c#, , ,\0 <b>", is_public=False, now=NOW)
    draft.refresh_from_db()
    assert (draft.title, draft.description, draft.tags, draft.is_public) == ("", "", "c#, , , <b>", False)

    again = save_draft(ann, title="T" * 900, description="D" * 30_000, tags=["a"] * 400, now=NOW + HOUR)
    again.refresh_from_db()
    assert again == draft
    assert (len(again.title), len(again.description), len(again.tags)) == (TITLE_LENGTH, TEXT_LENGTH, 500)
    assert (again.is_public, again.saved_at) == (True, NOW + HOUR)


def test_files_of_a_draft_come_and_go(ann, sam, django_capture_on_commit_callbacks):
    strange = AttachmentFactory(draft=DraftFactory(student=sam))
    draft = save_draft(ann, files=[text_file("a.txt"), text_file("b.txt")], now=NOW)
    first = draft.attachments.first()
    with django_capture_on_commit_callbacks(execute=True):
        save_draft(ann, files=[text_file("c.txt")], remove=[first, strange], now=NOW)
    assert [attachment.name for attachment in draft.attachments.all()] == ["b.txt", "c.txt"]
    assert Attachment.objects.filter(pk=strange.pk).exists()
    assert not first.file.storage.exists(first.file.name)

    kept = list(draft.attachments.all())
    with django_capture_on_commit_callbacks(execute=True):
        discard_draft(ann)
        discard_draft(ann)
    assert list(Draft.objects.all()) == [sam.ticket_draft]
    assert not any(attachment.file.storage.exists(attachment.file.name) for attachment in kept)


# --- Changing


def test_an_open_ticket_is_set_anew(ann, ada, django_capture_on_commit_callbacks):
    ticket = ask(ann, files=[text_file("a.txt"), text_file("b.txt")])
    strange = AttachmentFactory()
    first = ticket.attachments.first()

    with django_capture_on_commit_callbacks(execute=True):
        change(ticket, by=ann, is_public=False, files=[text_file("c.txt")], remove=[first, strange])

    ticket.refresh_from_db()
    assert (ticket.title, ticket.description, ticket.is_public) == ("Other title", "Other text", False)
    assert names(ticket) == ["django"]
    assert [attachment.name for attachment in ticket.attachments.all()] == ["b.txt", "c.txt"]
    assert not first.file.storage.exists(first.file.name)
    assert Attachment.objects.filter(pk=strange.pk).exists()
    assert ticket.edited_at == ticket.active_at == NOW + HOUR
    assert (ticket.opened_at, ticket.waiting_since) == (NOW, NOW)
    assert history_of(ticket) == [("created", "", "open"), ("edited", "open", "open")]
    assert found(ada, "keyerror") == []
    assert found(ada, "tag:django") == [ticket]


def test_what_others_may_learn_from_is_said_at_any_time_and_written_down_once(ann):
    ticket = TicketFactory(student=ann, closed=True)
    for wish in (False, False, True, True):
        ticket = set_public(ticket, by=ann, is_public=wish, now=NOW)
        assert Ticket.objects.articles().exists() is wish
    assert history_of(ticket) == [("unpublished", "closed", "closed"), ("published", "closed", "closed")]


# --- Taking it back


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return lambda: [path for path in tmp_path.rglob("*") if path.is_file()]


def traces_of(word):
    """Where in the database somebody could still read it."""
    traces = []
    for app in ("tickets", "notifications", "mentors"):
        for model in apps.get_app_config(app).get_models(include_auto_created=True):
            traces += [model._meta.label for row in model.objects.values_list() if word in repr(row)]
    return traces


def test_a_deleted_ticket_leaves_nothing_visible(ann, max, sam, ada, media, django_capture_on_commit_callbacks, client):
    """Not even after it was solved, found helpful, reopened and released."""
    word = "xylophone"
    ticket = ask(ann, title=f"My {word}", description=f"A {word}.", files=[text_file(f"{word}.txt")])
    accept_ticket(ticket, by=max, now=NOW)
    reply_to_ticket(ticket, by=max, text=f"Which {word}?", files=[text_file(f"{word}2.txt")], now=NOW)
    resolve_ticket(ticket, by=max, text=f"Tune the {word}.", now=NOW)
    upvote_article(ticket, by=sam, now=NOW)
    bookmark_article(ticket, by=sam, now=NOW)
    reopen_ticket(ticket, by=ann, reason="No", now=NOW)
    release_ticket(ticket, by=max, now=NOW)
    attachment = ticket.attachments.get()
    assert len(media()) == 2
    assert {"tickets.Ticket", "tickets.Reply", "notifications.Notification"} < set(traces_of(word))

    with django_capture_on_commit_callbacks(execute=True):
        delete_ticket(ticket, by=ann, now=NOW + HOUR)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.title, ticket.description, ticket.upvote_count) == ("deleted", "", "", 0)
    assert traces_of(word) == []
    assert media() == []
    assert names(ticket) == []
    assert not ticket.upvotes.exists()
    assert not ticket.bookmarks.exists()
    assert not Reply.objects.exists()
    for person in (ann, max, sam, ada):
        assert not Ticket.objects.visible_to(person).exists()
        assert not Attachment.objects.visible_to(person).exists()
        assert found(person, word) == []
        client.force_login(person)
        assert client.get(ticket.get_absolute_url()).status_code == 404
        assert client.get(attachment.get_absolute_url()).status_code == 404
    assert [event.kind for event in ticket.events.all()][-2:] == ["released", "deleted"]


def test_deleting_one_leaves_the_others_alone(ann, sam, max, mentor):
    doomed, other = ask(ann), ask(sam)
    for ticket in (doomed, other):
        accept_ticket(ticket, by=max, now=NOW)
        reply_to_ticket(ticket, by=max, text="Look", files=[text_file()], now=NOW)
    release_ticket(doomed, by=max, now=NOW)
    delete_ticket(doomed, by=ann, now=NOW)
    assert (other.replies.count(), other.tags.count()) == (1, 1)
    assert Attachment.objects.get().reply.ticket == other
    assert Notification.objects.filter(recipient=sam).count() == 2
    with pytest.raises(TicketDeleted):
        delete_ticket(doomed, by=ann, now=NOW)
    assert doomed.events.filter(kind=Kind.DELETED).count() == 1


# --- Queries


def number_of_queries(action):
    with CaptureQueriesContext(connection) as queries:
        action()
    return len(queries)


def test_asking_and_changing_take_a_fixed_number_of_queries(ann, settings):
    settings.OPEN_TICKETS_PER_STUDENT = 10
    for name in ["python", *"abcd"]:
        TagFactory(name=name)
    first = number_of_queries(lambda: ask(ann))
    ask(ann)
    assert number_of_queries(lambda: ask(ann)) == first
    assert number_of_queries(lambda: ask(ann, tags=["python", *"abcd"])) == first
    one, other, *_more = Ticket.objects.order_by("id")
    assert number_of_queries(lambda: change(one, by=ann, tags=["a"])) == number_of_queries(
        lambda: change(other, by=ann, tags=["a", "b", "c"])
    )


def test_deleting_takes_a_fixed_number_of_queries(ann, sam, max):
    numbers = set()
    for count in (1, 3):
        ticket = ask(ann)
        accept_ticket(ticket, by=max, now=NOW)
        for _number in range(count):
            reply_to_ticket(ticket, by=max, text="Look", files=[text_file(f"{n}.txt") for n in range(count)], now=NOW)
        release_ticket(ticket, by=max, now=NOW)
        numbers.add(number_of_queries(lambda ticket=ticket: delete_ticket(ticket, by=ann, now=NOW)))
    assert len(numbers) == 1


def test_a_description_that_begins_with_code_keeps_its_indent(ann):
    ticket = create_ticket(
        ann, title=" Spaces ", description="\n \n    for x in y:\n        pass\n\n", tags=["python"], now=NOW
    )
    assert (ticket.title, ticket.description) == ("Spaces", "    for x in y:\n        pass")
