import datetime as dt

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mentorbook.errors import NotAllowed
from notifications.models import Kind as Told
from notifications.models import Notification
from tickets.actions import (
    AlreadyClosed,
    NoLongerYours,
    NotAReply,
    TextMissing,
    TextTooLong,
    TooLateToEdit,
    accept_ticket,
    add_note,
    close_ticket,
    edit_reply,
    mark_useful,
    release_ticket,
    reply_to_ticket,
    resolve_ticket,
)
from tickets.models import TEXT_LENGTH, Attachment, Reply, Ticket
from tickets.search import search_tickets
from tickets.tests.factories import ReplyFactory, TicketFactory
from tickets.uploads import FileRefused

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def ticket(ann, mentor):
    """Max's, whose turn it has been for two hours."""
    return TicketFactory(student=ann, mentor=mentor, assigned=True, assigned_at=NOW - 2 * HOUR, title="KeyError")


def waits(ticket):
    ticket.refresh_from_db()
    return ticket.waiting_on, ticket.waiting_since


def told():
    return [(told.recipient.name, told.kind, told.title) for told in Notification.objects.order_by("id")]


# --- Whose turn it is


def test_the_turn_passes_with_each_word_of_the_other_side_and_keeps_its_beginning(ticket, ann, max, ada):
    assert waits(ticket) == ("mentor", NOW - 2 * HOUR)
    for minute, author, expected in [
        (0, ann, ("mentor", NOW - 2 * HOUR)),  # a student who writes once more resets no clock
        (1, ada, ("mentor", NOW - 2 * HOUR)),  # staff are no side
        (2, max, ("student", NOW + 2 * MINUTE)),
        (3, max, ("student", NOW + 2 * MINUTE)),
        (4, ada, ("student", NOW + 2 * MINUTE)),
        (5, ann, ("mentor", NOW + 5 * MINUTE)),
        (6, ann, ("mentor", NOW + 5 * MINUTE)),
        (7, max, ("student", NOW + 7 * MINUTE)),
    ]:
        reply_to_ticket(ticket, by=author, text="Word", now=NOW + minute * MINUTE)
        assert waits(ticket) == expected, f"after {minute} minutes"
        assert ticket.active_at == NOW + minute * MINUTE


def test_an_open_ticket_waits_for_a_mentor_whatever_its_student_adds(ann):
    ticket = TicketFactory(student=ann, created_at=NOW - HOUR)
    reply_to_ticket(ticket, by=ann, text="By the way", now=NOW)
    assert waits(ticket) == ("mentor", NOW - HOUR)
    assert told() == []


def test_after_the_solution_a_question_waits_for_the_mentor(ann, mentor, max):
    ticket = TicketFactory(student=ann, mentor=mentor, resolved=True)
    assert waits(ticket) == ("student", ticket.resolved_at)
    reply_to_ticket(ticket, by=ann, text="And now?", now=NOW)
    assert waits(ticket) == ("mentor", NOW)
    reply_to_ticket(ticket, by=max, text="Now that", now=NOW + HOUR)
    assert waits(ticket) == ("student", NOW + HOUR)
    assert ticket.status == "resolved"


def test_the_first_response_is_the_first_word_of_the_mentor(ticket, ann, max, ada):
    for author, expected in [(ann, None), (ada, None), (max, NOW), (max, NOW)]:
        moment = NOW if expected is None or ticket.first_response_at is None else NOW + HOUR
        reply_to_ticket(ticket, by=author, text="Word", now=moment)
        ticket.refresh_from_db()
        assert ticket.first_response_at == expected
    add_note(ticket, by=ada, text="Word", now=NOW)


def test_staff_who_ask_or_mentor_are_that_side(mentor, max, ada):
    ticket = TicketFactory(student=ada, mentor=mentor, assigned=True, assigned_at=NOW - HOUR)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW)
    reply_to_ticket(ticket, by=ada, text="I see", now=NOW + HOUR)
    assert waits(ticket) == ("mentor", NOW + HOUR)


# --- Replies


def test_a_reply_is_kept_and_told_to_the_other_side(ticket, ann, max):
    reply = reply_to_ticket(ticket, by=max, text=" Look\r\nhere \0", now=NOW)

    reply.refresh_from_db()
    assert (reply.author, reply.kind, reply.text, reply.created_at) == (max, "reply", "Look\nhere", NOW)
    assert (reply.edited_at, reply.is_useful) == (None, False)
    assert told() == [("Ann Archer", Told.TICKET_REPLY, "Max Meyer writes in: KeyError")]
    assert Notification.objects.get().url == f"{ticket.get_absolute_url()}#reply-{reply.pk}"
    assert Notification.objects.get().body == "Look\nhere"
    assert not ticket.events.exists()

    reply_to_ticket(ticket, by=ann, text="I see", now=NOW)
    assert told()[1:] == [("Max Meyer", Told.TICKET_REPLY, "Ann Archer writes in: KeyError")]


def test_what_staff_write_is_told_to_both(ticket, ada):
    reply_to_ticket(ticket, by=ada, text="Be kind", now=NOW)
    assert {name for name, _kind, _title in told()} == {"Ann Archer", "Max Meyer"}


def test_staff_write_after_the_end_too(ann, ada, max):
    ticket = TicketFactory(student=ann, closed=True)
    reply_to_ticket(ticket, by=ada, text="Reopened by mail", now=NOW)
    assert waits(ticket)[0] == ""


def test_a_long_reply_is_told_in_short(ticket, max):
    reply_to_ticket(ticket, by=max, text="x" * TEXT_LENGTH, now=NOW)
    assert len(Notification.objects.get().body) == 2_000


@pytest.mark.parametrize(
    ("text", "refusal"), [("", TextMissing), (" \r\n\0", TextMissing), ("x" * (TEXT_LENGTH + 1), TextTooLong)]
)
def test_a_reply_without_words_or_with_too_many_is_refused(ticket, ann, max, ada, text, refusal):
    reply = ReplyFactory(ticket=ticket, author=max, created_at=NOW)
    for write, field in (
        (lambda: reply_to_ticket(ticket, by=ann, text=text, now=NOW), "text"),
        (lambda: edit_reply(reply, by=max, text=text, now=NOW), "text"),
        (lambda: add_note(ticket, by=ada, text=text, now=NOW), "text"),
        (lambda: resolve_ticket(ticket, by=max, text=text, now=NOW), "solution"),
    ):
        with pytest.raises(refusal) as refused:
            write()
        assert (refused.value.field, refused.value.status) == (field, 422)
    assert list(Reply.objects.all()) == [reply]


def test_the_same_key_is_the_same_reply(ticket, ann, max):
    first = reply_to_ticket(ticket, by=ann, text="Once", client_key="k", now=NOW)
    for text in ("Once", "Typed on"):
        assert reply_to_ticket(ticket, by=ann, text=text, client_key="k", now=NOW + HOUR) == first
    assert (Reply.objects.count(), Notification.objects.count()) == (1, 1)
    assert waits(ticket) == ("mentor", NOW - 2 * HOUR)

    reply_to_ticket(ticket, by=max, text="Mine", client_key="k", now=NOW)
    other = TicketFactory(student=ann)
    reply_to_ticket(other, by=ann, text="There", client_key="k", now=NOW)
    reply_to_ticket(ticket, by=ann, text="No key", now=NOW)
    reply_to_ticket(ticket, by=ann, text="No key", client_key="", now=NOW)
    assert Reply.objects.count() == 5


@pytest.mark.parametrize("key", ["k" * 3_000, "a\0b", "\ud800"])
def test_a_key_may_be_anything(ticket, ann, key):
    assert len({reply_to_ticket(ticket, by=ann, text="Once", client_key=key, now=NOW).pk for _ in range(2)}) == 1


def test_a_repeated_reply_finds_its_first_even_when_the_ticket_was_closed_meanwhile(ann, mentor):
    ticket = TicketFactory(student=ann, mentor=mentor, resolved=True)
    first = reply_to_ticket(ticket, by=ann, text="Thanks", client_key="k", now=NOW)
    close_ticket(ticket, by=ann, now=NOW)
    assert reply_to_ticket(ticket, by=ann, text="Thanks", client_key="k", now=NOW) == first
    with pytest.raises(AlreadyClosed):
        reply_to_ticket(ticket, by=ann, text="Thanks", client_key="l", now=NOW)


def test_files_hang_on_the_reply(ticket, ann):
    reply = reply_to_ticket(ticket, by=ann, text="See", files=[ContentFile(b"x", name="a.txt")], now=NOW)
    assert [(file.name, file.uploaded_by) for file in reply.attachments.all()] == [("a.txt", ann)]


def test_a_refused_file_or_a_refused_reply_leaves_neither(ticket, ann, sam, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    sound, broken = ContentFile(b"x", name="a.txt"), ContentFile(b"", name="b.txt")
    with pytest.raises(FileRefused):
        reply_to_ticket(ticket, by=ann, text="See", files=[sound, broken], now=NOW)
    with pytest.raises(NotAllowed):
        reply_to_ticket(ticket, by=sam, text="See", files=[sound], now=NOW)
    assert not Reply.objects.exists()
    assert not Attachment.objects.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_who_loses_the_ticket_while_writing_is_told_so(ann, max):
    ticket = TicketFactory(student=ann)
    accept_ticket(ticket, by=max, now=NOW)
    reply = reply_to_ticket(ticket, by=max, text="Lok", now=NOW)
    release_ticket(ticket, by=max, now=NOW)
    for act in (
        lambda: reply_to_ticket(ticket, by=max, text="Look", now=NOW),
        lambda: edit_reply(reply, by=max, text="Look", now=NOW),
        lambda: resolve_ticket(ticket, by=max, text="Look", now=NOW),
    ):
        with pytest.raises(NoLongerYours):
            act()


# --- Corrections


def test_a_reply_can_be_corrected_for_a_quarter_of_an_hour(ticket, ann):
    reply = reply_to_ticket(ticket, by=ann, text="Lok", now=NOW)
    edit_reply(reply, by=ann, text="Look", now=NOW + 15 * MINUTE - SECOND)
    reply.refresh_from_db()
    assert (reply.text, reply.edited_at) == ("Look", NOW + 15 * MINUTE - SECOND)
    with pytest.raises(TooLateToEdit) as refused:
        edit_reply(reply, by=ann, text="Later", now=NOW + 15 * MINUTE)
    assert (refused.value.status, refused.value.editable_until) == (409, NOW + 15 * MINUTE)
    reply.refresh_from_db()
    assert reply.text == "Look"
    assert Notification.objects.count() == 1


def test_correcting_nothing_leaves_no_mark(ticket, ann):
    reply = reply_to_ticket(ticket, by=ann, text="Look", now=NOW)
    assert edit_reply(reply, by=ann, text=" Look\n", now=NOW + MINUTE).edited_at is None


def test_nobody_corrects_what_others_wrote(ticket, ann, max, ada):
    reply = reply_to_ticket(ticket, by=ann, text="Look", now=NOW)
    for other in (max, ada):
        with pytest.raises(NotAllowed):
            edit_reply(reply, by=other, text="Mine", now=NOW)


def test_a_corrected_solution_is_found_by_its_new_words(ticket, max, ada):
    resolve_ticket(ticket, by=max, text="Use a trombone", now=NOW)
    solution = Reply.objects.get()
    edit_reply(solution, by=max, text="Use a bassoon", now=NOW)

    def found(word):
        return len(search_tickets(Ticket.objects.visible_to(ada).for_rows(), word))

    assert (found("trombone"), found("bassoon")) == (0, 1)


# --- Notes and useful replies


def test_a_note_shows_no_sign_of_itself(ticket, ann, max, ada):
    before = Ticket.objects.values().get()
    note = add_note(ticket, by=ada, text="Watch this", now=NOW)
    assert (note.kind, note.author) == ("note", ada)
    assert Ticket.objects.values().get() == before
    assert not Notification.objects.exists()
    assert not ticket.events.exists()
    assert not Reply.objects.visible_to(ann).exists()
    assert not Reply.objects.visible_to(max).exists()
    assert Reply.objects.visible_to(ada).get() == note


def test_useful_replies_are_shown_and_found_and_can_be_taken_out_again(ticket, ann, sam, max):
    reply = reply_to_ticket(ticket, by=ann, text="Mind the oboe", now=NOW)
    resolve_ticket(ticket, by=max, text="Do this", now=NOW)

    def found():
        return len(search_tickets(Ticket.objects.readable_by(sam).for_rows(), "oboe"))

    assert found() == 0
    mark_useful(reply, by=max, is_useful=True, now=NOW)
    mark_useful(reply, by=ann, is_useful=True, now=NOW)
    assert list(Reply.objects.public()) == [reply]
    assert found() == 1
    mark_useful(reply, by=ann, is_useful=False, now=NOW)
    assert not Reply.objects.public().exists()
    assert found() == 0


@pytest.mark.parametrize("kind", ["note", "solution"])
def test_only_replies_are_useful(ticket, ada, kind):
    reply = ReplyFactory(ticket=ticket, author=ada, kind=kind)
    with pytest.raises(NotAReply):
        mark_useful(reply, by=ada, is_useful=True, now=NOW)


# --- Queries


def test_a_reply_takes_a_fixed_number_of_queries(ticket, ann, max):
    numbers = []
    for _number in range(3):
        for author in (max, ann):
            with CaptureQueriesContext(connection) as queries:
                reply_to_ticket(ticket, by=author, text="Word", now=NOW)
            numbers.append(len(queries))
    assert numbers[2:4] == numbers[4:6]
    assert numbers[3] == numbers[1]
