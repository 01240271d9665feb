"""The ticket's page: what each person sees of it, its buttons and their refusals, and how it looks for news."""

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mentors.tests.factories import MentorProfileFactory
from tests.hostile import TEXTS
from tickets import actions
from tickets.models import Reply, Ticket
from tickets.tests.factories import AttachmentFactory, ReplyFactory, TicketFactory

Status = Ticket.Status
Kind = Reply.Kind
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
HTMX = {"HX-Request": "true"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(time_machine):
    def move(moment):
        time_machine.move_to(moment, tick=False)
        return moment

    move(NOW)
    return move


@pytest.fixture
def open_ticket(clock, ann):
    """Ann asked with code."""
    return actions.create_ticket(
        ann,
        title="Why is my query slow 🐌",
        description="It **takes** a minute:\n\n```python\nfor author in authors:\n    print(author.books.count())\n```",
        tags=["python", "django"],
        now=NOW,
    )


@pytest.fixture
def taken(open_ticket, max):
    """Max took it."""
    return actions.accept_ticket(open_ticket, by=max, now=NOW)


@pytest.fixture
def answered(taken, max):
    actions.reply_to_ticket(taken, by=max, text="How many authors are there?", now=NOW + HOUR)
    return fresh(taken)


@pytest.fixture
def solved(taken, max):
    return actions.resolve_ticket(taken, by=max, text="Use `prefetch_related`.", now=NOW + HOUR)


@pytest.fixture
def closed(solved, ann):
    return actions.close_ticket(solved, by=ann, now=NOW + HOUR)


@pytest.fixture
def other_mentor(db):
    return MentorProfileFactory(user__name="Olga Other").user


def fresh(ticket):
    return Ticket.objects.with_people().get(pk=ticket.pk)


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def url(name, ticket, *more):
    return reverse(f"tickets:{name}", args=[ticket.pk, *more])


def page(client, person, ticket):
    client.force_login(person)
    return html(client.get(ticket.get_absolute_url()))


def token_in(text):
    return re.search(r"\?seen=([0-9a-f.]+)", text)[1]


# --- Who may do what --------------------------------------------------------------------------------------------------

GET, POST = "get", "post"
ASKED = {"reason": "It fails with two authors."}
WORDS = {"text": "Some words."}
#        what           method  sent   ticket        ann  max  other_mentor  ada
POLICY = [
    ("detail", GET, {}, "open_ticket", 200, 200, 200, 200),
    ("detail", GET, {}, "taken", 200, 200, 200, 200),
    ("detail", GET, {}, "solved", 200, 200, 404, 200),
    ("detail", GET, {}, "closed", 200, 200, 404, 200),
    ("detail", POST, {}, "taken", 405, 405, 405, 405),
    ("conversation", GET, {}, "taken", 302, 302, 302, 302),
    ("accept", GET, {}, "open_ticket", 405, 405, 405, 405),
    ("accept", POST, {}, "open_ticket", 403, 302, 302, 403),
    ("accept", POST, {}, "taken", 403, 302, 409, 403),
    ("accept", POST, {}, "closed", 403, 409, 404, 403),
    ("release", GET, {}, "open_ticket", 403, 403, 403, 403),
    ("release", GET, {}, "taken", 403, 200, 403, 403),
    ("release", POST, {}, "taken", 403, 302, 403, 403),
    ("release", POST, {}, "solved", 403, 409, 404, 403),
    ("reply", POST, WORDS, "open_ticket", 302, 403, 403, 302),
    ("reply", POST, {}, "open_ticket", 422, 403, 403, 422),
    ("reply", POST, WORDS, "taken", 302, 302, 403, 302),
    ("reply", POST, {}, "taken", 422, 422, 403, 422),
    ("reply", POST, WORDS, "closed", 409, 409, 404, 302),
    ("resolve", GET, {}, "taken", 403, 302, 403, 403),
    ("resolve", GET, {}, "solved", 403, 409, 404, 403),
    ("resolve", POST, WORDS, "taken", 403, 302, 403, 403),
    ("resolve", POST, {}, "taken", 403, 422, 403, 403),
    ("resolve", POST, WORDS, "solved", 403, 409, 404, 403),
    ("reopen", GET, {}, "taken", 409, 403, 403, 403),
    ("reopen", GET, {}, "solved", 200, 403, 404, 403),
    ("reopen", POST, ASKED, "solved", 302, 403, 404, 403),
    ("reopen", POST, {}, "solved", 422, 403, 404, 403),
    ("reopen", POST, ASKED, "closed", 409, 403, 404, 403),
    ("close", POST, {}, "taken", 409, 403, 403, 403),
    ("close", POST, {}, "solved", 302, 403, 404, 403),
    ("close", POST, {}, "closed", 409, 403, 404, 403),
    ("publish", POST, {}, "open_ticket", 302, 403, 403, 403),
    ("publish", POST, {}, "closed", 302, 403, 404, 403),
    ("note", POST, WORDS, "taken", 403, 403, 403, 302),
    ("note", POST, {}, "closed", 403, 403, 404, 422),
]
PEOPLE = ["ann", "max", "other_mentor", "ada"]


def answers(client, request, method, address, sent):
    """What each of PEOPLE is answered, as if they were the only one to ask."""
    codes = {}
    for person in PEOPLE:
        point = transaction.savepoint()
        client.force_login(request.getfixturevalue(person))
        codes[person] = getattr(client, method)(address, sent).status_code
        transaction.savepoint_rollback(point)
    return codes


@pytest.mark.parametrize(
    ("name", "method", "sent", "state", "expected"),
    [
        pytest.param(*row[:4], dict(zip(PEOPLE, row[4:], strict=True)), id=f"{row[1]} {row[0]} {row[3]} {len(row[2])}")
        for row in POLICY
    ],
)
def test_policy(client, request, ann, max, other_mentor, ada, name, method, sent, state, expected):
    ticket = request.getfixturevalue(state)
    assert answers(client, request, method, url(name, ticket), sent) == expected


REPLY_POLICY = [
    ("edit_reply", GET, {}, 200, 403, 403, 403),
    ("edit_reply", POST, WORDS, 302, 403, 403, 403),
    ("edit_reply", POST, {}, 422, 403, 403, 403),
    ("useful", GET, {}, 405, 405, 405, 405),
    ("useful", POST, {"is_useful": "true"}, 302, 302, 403, 302),
]


@pytest.mark.parametrize(
    ("name", "method", "sent", "expected"),
    [
        pytest.param(*row[:3], dict(zip(PEOPLE, row[3:], strict=True)), id=f"{row[1]} {row[0]} {len(row[2])}")
        for row in REPLY_POLICY
    ],
)
def test_policy_of_a_reply(client, request, taken, ann, max, other_mentor, ada, name, method, sent, expected):
    reply = actions.reply_to_ticket(taken, by=ann, text="Two thousand.", now=NOW)
    assert answers(client, request, method, url(name, taken, reply.pk), sent) == expected


def test_strangers_and_visitors_learn_nothing(client, closed, sam):
    addresses = {(method, url(name, ticket)) for name, method, *_rest in POLICY for ticket in (closed, TicketFactory())}
    addresses |= {(method, url(name, closed, closed.solution_id)) for name, method, *_rest in REPLY_POLICY}
    for method, address in addresses:
        assert "/accounts/login/" in getattr(client, method)(address).url
    client.force_login(sam)
    for method, address in addresses:
        assert getattr(client, method)(address, {**WORDS, **ASKED}, headers=HTMX).status_code in (404, 405)


@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
@pytest.mark.parametrize("name", ["detail", "conversation", "release", "resolve", "reopen"])
def test_what_does_not_exist_is_404(client, ann, pk, name):
    client.force_login(ann)
    assert client.get(reverse(f"tickets:{name}", args=[pk]), headers=HTMX).status_code == 404


@pytest.mark.parametrize("pk", [0, 2**63, 10**30])
def test_a_reply_of_another_ticket_is_404_there(client, taken, ann, pk):
    elsewhere = ReplyFactory(ticket__student=ann)
    client.force_login(ann)
    for reply_pk in (pk, elsewhere.pk):
        assert client.get(url("edit_reply", taken, reply_pk)).status_code == 404
        assert client.post(url("useful", taken, reply_pk)).status_code == 404


def test_a_deleted_ticket_is_gone_for_everybody(client, open_ticket, ann, ada):
    actions.delete_ticket(open_ticket, by=ann, now=NOW)
    for person in (ann, ada):
        client.force_login(person)
        assert client.get(open_ticket.get_absolute_url()).status_code == 404


# --- The headline -----------------------------------------------------------------------------------------------------


def headline(text):
    return re.sub("<[^>]+>", "", re.search(r'id="next-heading".*?>(.*?)</h2>', text)[1]).strip()


def test_the_headline_says_who_is_awaited_and_until_when(client, clock, open_ticket, ann, max, other_mentor):
    assert headline(page(client, ann, open_ticket)) == "Waiting for a mentor since Mon 11 Jan, 09:00"
    assert headline(page(client, max, open_ticket)) == "Ann has been waiting for a mentor since Mon 11 Jan, 09:00"
    actions.accept_ticket(open_ticket, by=max, now=NOW)
    assert headline(page(client, ann, open_ticket)) == "Max has until Thu 14 Jan, 09:00 to write"
    assert headline(page(client, max, open_ticket)) == "Ann waits for you: write until Thu 14 Jan, 09:00"
    assert headline(page(client, other_mentor, open_ticket)).startswith("Max has until")
    assert "Then others can take it." in page(client, ann, open_ticket)
    clock(NOW + 3 * DAY)
    assert headline(page(client, ann, open_ticket)) == "Max had until Thu 14 Jan, 09:00 to write"
    assert headline(page(client, max, open_ticket)).startswith("Your time to write is over since")


def test_the_headline_of_a_conversation(client, answered, ann, max, ada):
    assert headline(page(client, ann, answered)) == "Max has written: your turn"
    assert headline(page(client, max, answered)) == "Waiting for Ann since Mon 11 Jan, 10:00"
    actions.reply_to_ticket(answered, by=ann, text="Two thousand.", now=NOW + 2 * HOUR)
    assert headline(page(client, max, answered)) == "Ann waits for you: write until Thu 14 Jan, 11:00"


def test_the_headline_of_a_solved_ticket(client, solved, ann, max):
    text = page(client, ann, solved)
    assert headline(text) == "Max has a solution: did it help?"
    assert "closes by itself on" in text
    assert "Mon 18 Jan, 10:00" in text
    assert headline(page(client, max, solved)) == "Solved: Ann says whether it helped"
    actions.reply_to_ticket(solved, by=ann, text="Nearly.", now=NOW + 2 * HOUR)
    assert headline(page(client, ann, solved)) == "Max reads what you wrote after the solution"
    assert headline(page(client, max, solved)) == "Ann wrote after your solution"


def test_the_page_says_why_it_is_open_again(client, taken, ann, max):
    actions.release_ticket(taken, by=max, reason="Not my <b>field</b>.", now=NOW + HOUR)
    text = page(client, ann, taken)
    assert "Max gave it back." in text
    assert "Not my &lt;b&gt;field&lt;/b&gt;." in text


@pytest.mark.parametrize("state", ["open_ticket", "taken", "answered", "solved", "closed"])
def test_every_state_has_a_page_for_everybody_in_it(client, request, state, ann, max, ada):
    ticket = request.getfixturevalue(state)
    for person in (ann, max, ada):
        assert ticket.get_status_display() in page(client, person, ticket)


# --- The question and the conversation --------------------------------------------------------------------------------


def test_the_question_is_rendered_with_tags_and_code(client, open_ticket, ann):
    text = page(client, ann, open_ticket)
    assert "Why is my query slow 🐌" in text
    assert "It <strong>takes</strong> a minute" in text
    assert 'class="code-block"' in text
    assert ">python</a>" in text
    assert ">django</a>" in text


def test_files_are_shown_as_pictures_and_as_downloads(client, taken, ann):
    reply = actions.reply_to_ticket(taken, by=ann, text="See.", now=NOW)
    picture = AttachmentFactory(
        ticket=taken, uploaded_by=ann, name="Seen <here>.png", content_type="image/png", width=40, height=20
    )
    log = AttachmentFactory(reply=reply, name="trace.txt", size_bytes=2048)
    text = page(client, ann, taken)
    assert re.search(
        rf'<img src="{picture.get_absolute_url()}" alt="Seen &lt;here&gt;.png" width="40" height="20"', text
    )
    assert f'href="{log.get_absolute_url()}"' in text
    assert re.search("2.0.KB", text)


def test_the_solution_is_framed_and_reachable_from_the_top(client, solved, ann):
    text = page(client, ann, solved)
    assert f'href="#reply-{solved.solution_id}" id="to-solution"' in text
    assert re.search(rf'id="reply-{solved.solution_id}" class="post post-solution"', text)


def test_a_solution_before_a_reopening_is_labelled_as_earlier(client, solved, ann, max):
    earlier = solved.solution_id
    actions.reopen_ticket(solved, by=ann, reason="It fails with two.", now=NOW + 2 * HOUR)
    text = page(client, max, solved)
    assert re.search(rf'id="reply-{earlier}" class="post post-earlier"', text)
    assert "It fails with two." in text
    assert "to-solution" not in text
    actions.resolve_ticket(solved, by=max, text="Then `select_related` as well.", now=NOW + 3 * HOUR)
    text = page(client, ann, solved)
    assert text.count("post-solution") == 1
    assert re.search(rf'id="reply-{fresh(solved).solution_id}" class="post post-solution"', text)
    assert re.search(rf'id="reply-{earlier}" class="post post-earlier"', text)


def test_authors_are_told_apart(client, taken, ann, max, ada):
    before = MentorProfileFactory(user__name="Berta Before").user
    for author in (ann, max, ada, before):
        ReplyFactory(ticket=taken, author=author)
    roles = re.findall(r'([A-Z]\w+ \w+) <span class="post-role">(.*?)</span>', page(client, ann, taken))
    assert roles == [
        ("Ann Archer", "asked"),
        ("Ann Archer", "asked"),
        ("Max Meyer", "mentor"),
        ("Ada Admin", "staff"),
        ("Berta Before", "mentor before"),
    ]


SECRET = "Between us: he pays late"


def test_notes_of_staff_are_for_staff_only(client, taken, ann, max, other_mentor, ada):
    note = actions.add_note(taken, by=ada, text=SECRET, now=NOW + HOUR)
    for person in (ann, max, other_mentor):
        text = page(client, person, taken)
        assert SECRET not in text
        assert f"reply-{note.pk}" not in text
        assert "Note among staff" not in text
    text = page(client, ada, taken)
    assert SECRET in text
    assert f'id="reply-{note.pk}" class="post post-note"' in text


@pytest.mark.parametrize("person", ["ann", "max"])
def test_a_note_is_unknown_to_others_whatever_they_ask(client, request, taken, person, ada):
    client.force_login(request.getfixturevalue(person))
    token = token_in(html(client.get(taken.get_absolute_url())))
    note = actions.add_note(taken, by=ada, text=SECRET, now=NOW + HOUR)
    # Neither the page that is open nor a fresh one notices anything.
    assert client.get(url("conversation", taken), {"seen": token}, headers=HTMX).status_code == 204
    assert token_in(html(client.get(taken.get_absolute_url()))) == token
    assert SECRET not in html(client.get(url("conversation", taken), headers=HTMX))
    assert client.get(url("edit_reply", taken, note.pk)).status_code == 404
    assert client.post(url("useful", taken, note.pk), {"is_useful": "true"}).status_code == 404
    # A refusal shows the whole page again.
    assert SECRET not in html(client.post(url("note", taken), {"text": "Let me in"}))
    assert SECRET not in html(client.post(url("reply", taken), {"text": ""}))


def test_staff_write_notes(client, taken, ada):
    client.force_login(ada)
    assert "note_text" in html(client.get(taken.get_absolute_url()))
    response = client.post(url("note", taken), {"text": SECRET})
    note = Reply.objects.get(kind=Kind.NOTE)
    assert response.url == note.get_absolute_url()
    too_long = html(client.post(url("note", taken), {"text": "y" * 20_001}))
    assert "y" * 20_001 in too_long
    assert too_long.count("y" * 20_001) == 1


# --- The buttons ------------------------------------------------------------------------------------------------------


def buttons(text):
    return set(re.findall(r'id="((?:ticket|reply)-[a-z]+)"', text)) - {
        *("ticket-badge", "ticket-facts", "ticket-history", "reply-place", "reply-buttons")
    }


@pytest.mark.parametrize(
    ("state", "person", "expected"),
    [
        ("open_ticket", "ann", {"ticket-edit", "ticket-delete", "ticket-publish", "reply-send"}),
        ("open_ticket", "max", {"ticket-accept"}),
        ("open_ticket", "ada", {"reply-send"}),
        ("taken", "ann", {"ticket-publish", "ticket-talk", "reply-send"}),
        ("taken", "max", {"ticket-release", "reply-send", "reply-solve"}),
        ("taken", "other_mentor", set()),
        ("solved", "ann", {"ticket-close", "ticket-reopen", "ticket-publish", "ticket-talk", "reply-send"}),
        ("solved", "max", {"reply-send"}),
        ("closed", "ann", {"ticket-publish", "ticket-talk"}),
        ("closed", "max", set()),
        ("closed", "ada", {"reply-send"}),
    ],
)
def test_each_sees_the_buttons_that_are_theirs(client, request, state, person, expected):
    ticket = request.getfixturevalue(state)
    shown = buttons(page(client, request.getfixturevalue(person), ticket)) - {"ticket-article"}
    assert shown == expected


def test_taking_a_question(client, open_ticket, max):
    client.force_login(max)
    response = client.post(url("accept", open_ticket), follow=True)
    assert "It is yours. Ann has been told." in html(response)
    assert fresh(open_ticket).mentor.user == max


def test_who_comes_second_is_told_who_has_it(client, taken, other_mentor):
    client.force_login(other_mentor)
    response = client.post(url("accept", taken))
    assert response.status_code == 409
    assert "Max Meyer has this ticket already." in html(response)
    assert "ticket-accept" not in html(response)


def test_who_comes_far_too_late_is_told_who_has_it_as_well(client, open_ticket, max, other_mentor, monkeypatch):
    """The ticket is solved by the time of the answer, and out of the other mentor's sight."""
    accept = actions.accept_ticket

    def meanwhile(ticket, *, by, now):
        actions.resolve_ticket(accept(ticket, by=max, now=now), by=max, text="Solved.", now=now)
        return accept(ticket, by=by, now=now)

    monkeypatch.setattr(actions, "accept_ticket", meanwhile)
    client.force_login(other_mentor)
    response = client.post(url("accept", open_ticket))
    assert response.status_code == 409
    assert "Max Meyer has this ticket already." in html(response)
    assert "Solved." not in html(response)


def test_a_mentor_with_enough_to_do_is_told_so(client, open_ticket, mentor):
    TicketFactory.create_batch(4, assigned=True, mentor=mentor)
    client.force_login(mentor.user)
    response = client.post(url("accept", open_ticket))
    assert response.status_code == 409
    assert "You work on 4 tickets at a time" in html(response)
    assert fresh(open_ticket).status == Status.OPEN


def test_giving_back_asks_first_and_tells_why(client, taken, max, ann):
    client.force_login(max)
    assert "Ann is told, and what you both wrote stays." in html(client.get(url("release", taken)))
    response = client.post(url("release", taken), {"reason": "Holidays 🏖️"}, follow=True)
    assert "Given back. Ann has been told." in html(response)
    assert fresh(taken).status == Status.OPEN
    assert "Holidays 🏖️" in page(client, ann, taken)


def test_who_has_lost_the_ticket_keeps_what_they_typed(client, taken, max, ada, other_mentor):
    actions.reassign_ticket(taken, to=other_mentor.mentor_profile, by=ada, reason="Ill", now=NOW)
    client.force_login(max)
    response = client.post(url("reply", taken), {"text": "An hour of <typing>"})
    assert response.status_code == 409
    assert "You do not have this ticket any more." in html(response)
    assert "An hour of &lt;typing&gt;</textarea>" in html(response)


def test_replying(client, taken, max, ann):
    client.force_login(max)
    response = client.post(url("reply", taken), {"text": "Try **this** 🐢", "client_key": "abc"})
    reply = Reply.objects.get()
    assert response.url == f"/tickets/{taken.pk}/#reply-{reply.pk}"
    assert (reply.author, reply.kind, reply.text) == (max, Kind.REPLY, "Try **this** 🐢")
    assert "Try <strong>this</strong> 🐢" in page(client, ann, taken)


def test_a_double_click_sends_once(client, taken, ann):
    client.force_login(ann)
    key = re.search(r'name="client_key" value="([^"]+)"', html(client.get(taken.get_absolute_url())))[1]
    first = client.post(url("reply", taken), {"text": "Two thousand.", "client_key": key})
    second = client.post(url("reply", taken), {"text": "Two thousand.", "client_key": key})
    assert first.url == second.url
    assert Reply.objects.count() == 1
    # A browser brought the page back, and something else is written there.
    client.post(url("reply", taken), {"text": "And forty.", "client_key": key})
    assert Reply.objects.count() == 2


def test_a_double_click_solves_once(client, taken, max):
    client.force_login(max)
    sent = {"text": "Use `prefetch_related`.", "client_key": "abc"}
    first, second = client.post(url("resolve", taken), sent), client.post(url("resolve", taken), sent)
    assert first.url == second.url == fresh(taken).solution.get_absolute_url()
    assert Reply.objects.count() == 1


def test_every_form_has_a_key_of_its_own(client, taken, ann):
    keys = [re.search(r'name="client_key" value="([^"]+)"', page(client, ann, taken))[1] for _round in range(2)]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("name", ["reply", "resolve"])
def test_what_is_wrong_stands_beside_the_field_and_what_was_typed_stays(client, taken, max, name):
    client.force_login(max)
    response = client.post(url(name, taken), {"text": "x" * 20_001, "client_key": "abc"})
    assert response.status_code == 422
    text = html(response)
    assert "20001 characters" in text
    assert "x" * 20_001 in text
    assert 'name="client_key" value="abc"' in text
    assert Reply.objects.count() == 0
    empty = client.post(url(name, taken), {"text": " \n "})
    assert empty.status_code == 422
    assert "Write something first." in html(empty)


def test_the_preview_works_without_scripts_and_sends_nothing(client, taken, ann):
    client.force_login(ann)
    log = SimpleUploadedFile("one.txt", b"one")
    sent = {"text": "It is *slow* <b>now</b>", "client_key": "abc", "do": "preview", "files": [log]}
    response = client.post(url("reply", taken), sent)
    assert response.status_code == 200
    text = html(response)
    assert "<em>slow</em> &lt;b&gt;now&lt;/b&gt;" in text
    assert "It is *slow* &lt;b&gt;now&lt;/b&gt;</textarea>" in text
    assert 'name="client_key" value="abc"' in text
    assert "Choose the files again" in text
    assert Reply.objects.count() == 0
    reply = actions.reply_to_ticket(taken, by=ann, text="Slow.", now=NOW)
    text = html(client.post(url("edit_reply", taken, reply.pk), {"text": "Very *slow*.", "do": "preview"}))
    assert "Very <em>slow</em>." in text
    assert Reply.objects.get().text == "Slow."


def test_files_are_sent_along(client, taken, ann):
    client.force_login(ann)
    files = [SimpleUploadedFile("one.txt", b"one"), SimpleUploadedFile("two.log", b"two")]
    client.post(url("reply", taken), {"text": "See these.", "files": files})
    assert [attachment.name for attachment in Reply.objects.get().attachments.all()] == ["one.txt", "two.log"]


def test_a_file_that_is_not_taken_is_refused_and_the_text_stays(client, taken, ann):
    client.force_login(ann)
    program = SimpleUploadedFile("run.exe", b"MZ\x00\x01")
    response = client.post(url("reply", taken), {"text": "See this.", "files": [program]})
    assert response.status_code == 422
    assert "run.exe" in html(response)
    assert "See this.</textarea>" in html(response)
    assert "Choose the files again" in html(response)
    assert Reply.objects.count() == 0
    # Nothing of one form reaches the next.
    client.post(url("reply", taken), {"text": "Without."})
    assert Reply.objects.get().attachments.count() == 0


def test_solving_with_a_new_text(client, taken, max):
    client.force_login(max)
    log = SimpleUploadedFile("plan.txt", b"SELECT 1")
    response = client.post(url("resolve", taken), {"text": "Use `prefetch_related`.", "files": [log]}, follow=True)
    ticket = fresh(taken)
    assert ticket.status == Status.RESOLVED
    assert ticket.solution.attachments.get().name == "plan.txt"
    assert "Solved. Ann is asked whether it helped." in html(response)


def test_solving_with_a_reply_that_was_written_before(client, answered, max):
    reply = Reply.objects.get()
    client.force_login(max)
    assert f"{url('resolve', answered)}?reply={reply.pk}" in html(client.get(answered.get_absolute_url()))
    asked = html(client.get(url("resolve", answered), {"reply": reply.pk}))
    assert "How many authors are there?" in asked
    assert client.post(url("resolve", answered), {"reply": reply.pk}).status_code == 302
    assert fresh(answered).solution == reply


def test_only_own_replies_become_the_solution(client, answered, ann, max, ada):
    others = [
        actions.reply_to_ticket(answered, by=ann, text="Mine.", now=NOW),
        ReplyFactory(author=max),
        actions.add_note(answered, by=ada, text=SECRET, now=NOW),
    ]
    client.force_login(max)
    for pk in [*(reply.pk for reply in others), 0, 2**63, "x", "\x00", ""]:
        assert client.get(url("resolve", answered), {"reply": pk}).status_code == 404
    for pk in [*(reply.pk for reply in others), 0, 2**63, "x", "\x00"]:
        response = client.post(url("resolve", answered), {"reply": pk})
        assert response.status_code == 422
    assert "That is not a reply of yours" in html(client.post(url("resolve", answered), {"reply": others[0].pk}))
    assert fresh(answered).status == Status.ASSIGNED


def test_reopening_needs_a_reason_and_keeps_it(client, solved, ann):
    client.force_login(ann)
    assert "Max gets it back and is told why." in html(client.get(url("reopen", solved)))
    response = client.post(url("reopen", solved), {"reason": "x" * 501})
    assert response.status_code == 422
    assert "x" * 501 in html(response)
    response = client.post(url("reopen", solved), {"reason": "Still slow."}, follow=True)
    assert "Reopened. Max has been told." in html(response)
    assert "Still slow." in html(response)
    assert fresh(solved).status == Status.ASSIGNED


def test_closing_asks_for_a_review(client, solved, ann):
    client.force_login(ann)
    response = client.post(url("close", solved), follow=True)
    assert "Closed. Max has been told." in html(response)
    assert reverse("feedback:create_for_ticket", args=[solved.pk]) in html(response)


def test_refusals_stand_on_top_of_the_page(client, closed, ann):
    client.force_login(ann)
    response = client.post(url("close", closed))
    assert response.status_code == 409
    assert 'role="alert">This ticket is closed.' in html(response)


def test_the_student_says_whether_others_may_learn_from_it(client, solved, ann):
    client.force_login(ann)
    assert 'aria-checked="true"' in html(client.get(solved.get_absolute_url()))
    response = client.post(url("publish", solved), follow=True)
    assert not fresh(solved).is_public
    assert 'aria-checked="false"' in html(response)
    client.post(url("publish", solved), {"is_public": "true"})
    assert fresh(solved).is_public


def test_changing_ones_own_words_within_a_quarter_of_an_hour(client, clock, taken, ann):
    reply = actions.reply_to_ticket(taken, by=ann, text="Two thousnad.", now=NOW)
    client.force_login(ann)
    assert url("edit_reply", taken, reply.pk) in html(client.get(taken.get_absolute_url()))
    assert "Two thousnad.</textarea>" in html(client.get(url("edit_reply", taken, reply.pk)))
    response = client.post(url("edit_reply", taken, reply.pk), {"text": "Two thousand."})
    assert response.url == reply.get_absolute_url()
    text = html(client.get(taken.get_absolute_url()))
    assert "Two thousand." in text
    assert "changed" in text
    clock(NOW + dt.timedelta(minutes=15))
    assert url("edit_reply", taken, reply.pk) not in html(client.get(taken.get_absolute_url()))
    assert client.get(url("edit_reply", taken, reply.pk)).status_code == 409
    late = client.post(url("edit_reply", taken, reply.pk), {"text": "Three thousand."})
    assert late.status_code == 409
    assert "Three thousand.</textarea>" in html(late)
    assert Reply.objects.get().text == "Two thousand."


def test_marking_a_reply_as_useful_and_not(client, answered, ann, max):
    reply = Reply.objects.get()
    client.force_login(ann)
    assert 'aria-pressed="false"' in html(client.get(answered.get_absolute_url()))
    response = client.post(url("useful", answered, reply.pk), {"is_useful": "true"})
    assert response.url == reply.get_absolute_url()
    assert 'aria-pressed="true"' in html(client.get(answered.get_absolute_url()))
    client.post(url("useful", answered, reply.pk))
    assert not Reply.objects.get().is_useful


def test_a_solution_is_not_marked_as_useful(client, solved, ann):
    client.force_login(ann)
    assert client.post(url("useful", solved, solved.solution_id), {"is_useful": "true"}).status_code == 409


# --- The page looks for news ------------------------------------------------------------------------------------------


@pytest.fixture
def ann_looks(client, ann, answered):
    """Ann's page is open; asks as it would, from the token that it has."""
    client.force_login(ann)
    seen = {"token": token_in(html(client.get(answered.get_absolute_url()))), "place": "form"}

    def look():
        response = client.get(
            f"{url('conversation', answered)}?seen={seen['token']}&place={seen['place']}", headers=HTMX
        )
        if response.status_code == 200:
            seen["token"] = token_in(html(response))
        return response

    look.seen = seen
    return look


def test_nothing_new_is_204(ann_looks):
    response = ann_looks()
    assert response.status_code == 204
    assert response.content == b""
    assert "HX-Request" in response["Vary"]


def test_a_new_reply_comes_alone_and_once(ann_looks, answered, max):
    reply = actions.reply_to_ticket(answered, by=max, text="Still there?", now=NOW + 2 * HOUR)
    text = html(ann_looks())
    assert '<ol hx-swap-oob="beforeend:#conversation">' in text
    assert "Still there?" in text
    assert "How many authors" not in text
    assert f'id="reply-{reply.pk}"' in text
    assert "Max Meyer has written." in text
    assert ann_looks().status_code == 204


def test_what_is_being_typed_is_never_replaced(ann_looks, answered, max):
    actions.resolve_ticket(answered, by=max, text="Use `prefetch_related`.", now=NOW + 2 * HOUR)
    text = html(ann_looks())
    assert 'id="next-step"' in text
    assert "did it help?" in text
    assert "<textarea" not in text
    assert 'id="reply-buttons" hx-swap-oob="true"' in text


def test_a_form_comes_to_a_page_that_had_none(client, open_ticket, max):
    client.force_login(max)
    text = html(client.get(open_ticket.get_absolute_url()))
    assert '&amp;place="' in text
    actions.accept_ticket(open_ticket, by=max, now=NOW)
    text = html(client.get(f"{url('conversation', open_ticket)}?seen={token_in(text)}", headers=HTMX))
    assert '<div hx-swap-oob="innerHTML:#reply-place">' in text
    assert "<textarea" in text
    assert '&amp;place=form"' in text


def test_a_form_that_takes_nothing_any_more_says_so(client, solved, ann):
    client.force_login(ann)
    token = token_in(html(client.get(solved.get_absolute_url())))
    actions.close_ticket(solved, by=ann, now=NOW + HOUR)
    text = html(client.get(f"{url('conversation', solved)}?seen={token}&place=form", headers=HTMX))
    assert "What you typed is still here, to copy." in text
    assert "reply-send" not in text
    assert '&amp;place=form"' in text


@pytest.mark.parametrize("change", ["edited", "marked", "released"])
def test_other_changes_show_the_conversation_anew(ann_looks, answered, max, change):
    reply = Reply.objects.get()
    if change == "edited":
        actions.edit_reply(reply, by=max, text="How many rows?", now=NOW + HOUR)
    elif change == "marked":
        actions.mark_useful(reply, by=max, is_useful=True, now=NOW + HOUR)
    else:
        actions.release_ticket(answered, by=max, now=NOW + HOUR)
    text = html(ann_looks())
    assert 'id="conversation" hx-swap-oob="true"' in text
    assert f'id="reply-{reply.pk}"' in text
    assert ("next-step" in text) is (change == "released")
    assert ann_looks().status_code == 204


@pytest.mark.parametrize("seen", ["", "x", "1.2.3", "9" * 19 + ".0000000000000000.0000000000000000", "\x00", "²." * 9])
def test_a_token_that_is_none_gives_everything(client, answered, ann, seen):
    client.force_login(ann)
    response = client.get(url("conversation", answered), {"seen": seen}, headers=HTMX)
    assert response.status_code == 200
    assert "How many authors" in html(response)


def test_looking_without_htmx_leads_to_the_page(client, answered, ann):
    client.force_login(ann)
    assert client.get(url("conversation", answered)).url == f"/tickets/{answered.pk}/#conversation"


def test_looking_stops_being_answered_when_the_ticket_is_out_of_sight(client, taken, other_mentor, max):
    client.force_login(other_mentor)
    token = token_in(html(client.get(taken.get_absolute_url())))
    actions.resolve_ticket(taken, by=max, text="Use `prefetch_related`.", now=NOW)
    assert client.get(url("conversation", taken), {"seen": token}, headers=HTMX).status_code == 404


# --- Cost, and what people send who mean no good ----------------------------------------------------------------------


def queries(client, address, **options):
    client.get(address, **options)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, **options).status_code in (200, 204)
    return len(captured)


@pytest.mark.parametrize("person", ["ann", "max", "ada"])
def test_the_page_takes_the_same_queries_for_one_reply_and_for_three(client, request, taken, ann, max, ada, person):
    def add():
        for author in (ann, max):
            reply = ReplyFactory(ticket=taken, author=author)
            AttachmentFactory(reply=reply)
        AttachmentFactory(ticket=taken)
        ReplyFactory(ticket=taken, author=ada, kind=Kind.NOTE)
        actions.release_ticket(taken, by=max, now=NOW)
        actions.accept_ticket(taken, by=max, now=NOW)

    client.force_login(request.getfixturevalue(person))
    add()
    one = queries(client, taken.get_absolute_url())
    news = queries(client, url("conversation", taken), headers=HTMX)
    add()
    add()
    assert queries(client, taken.get_absolute_url()) == one
    assert queries(client, url("conversation", taken), headers=HTMX) == news


def test_looking_for_nothing_is_cheap(client, answered, ann, django_assert_max_num_queries):
    client.force_login(ann)
    token = token_in(html(client.get(answered.get_absolute_url())))
    with django_assert_max_num_queries(6):
        assert client.get(url("conversation", answered), {"seen": token}, headers=HTMX).status_code == 204


NASTY = {
    name: TEXTS[name] for name in ("script", "image", "attribute", "comment", "template", "turned around", "emoji")
}


class LiveParts(HTMLParser):
    """What a browser would run, and what htmx would ask for."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found |= {f"{tag} {name}" for name in attributes if name.startswith("on")}
        if tag in ("script", "img") and not (attributes.get("src") or "").startswith("/static/"):
            self.found.add(f"{tag} {attributes}")
        if (attributes.get("hx-get") or "/tickets/").startswith("/tickets/") is False:
            self.found.add(f"{tag} {attributes}")


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_nothing_that_people_write_is_live(client, taken, ann, max, text):
    client.force_login(ann)
    refused = html(client.post(url("reply", taken), {"text": text + "x" * 20_000}))
    assert client.post(url("reply", taken), {"text": text}).status_code == 302
    client.force_login(max)
    assert client.post(url("release", taken), {"reason": text}).status_code == 302
    client.force_login(ann)
    news = html(client.get(url("conversation", taken), headers=HTMX))
    for shown in (refused, html(client.get(taken.get_absolute_url())), news):
        assert LiveParts(shown).found == set()


def test_the_check_for_live_parts_finds_them():
    assert LiveParts(TEXTS["image"]).found
    assert LiveParts(TEXTS["script"]).found


@pytest.mark.parametrize("name", ["reply", "resolve", "note", "release", "reopen", "publish", "close", "accept"])
@pytest.mark.parametrize("text", ["\x00", "\ud800".encode("utf-8", "surrogatepass"), "x" * 100_000])
def test_nothing_that_is_sent_is_a_fault(client, taken, ada, max, name, text):
    for person in (max, ada):
        client.force_login(person)
        sent = dict.fromkeys(("text", "reason", "client_key", "reply", "is_public", "files"), text)
        assert client.post(url(name, taken), sent).status_code < 500
        assert client.get(taken.get_absolute_url()).status_code == 200
