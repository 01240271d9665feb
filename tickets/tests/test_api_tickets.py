"""Tickets for programs: asked, listed, taken, answered, solved."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mentors.tests.factories import MentorProfileFactory, TagFactory
from notifications.models import Notification
from tests.programs import ask, personal_token, token_of, told
from tickets.models import Reply, Ticket
from tickets.search import index_tickets
from tickets.tests.factories import AttachmentFactory, ReplyFactory, TicketFactory
from tickets.tests.test_sharing import group_of

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
QUESTION = {"title": "Why", "description": "It is *slow*.", "tags": ["Python", "SQL"]}
ROW = {
    "id",
    "title",
    "status",
    "tags",
    "student_id",
    "assigned_mentor_id",
    "is_public",
    "project_group_id",
    "created_at",
    "accepted_at",
    "first_response_at",
    "resolved_at",
    "closed_at",
}


@pytest.fixture
def taken(ann, mentor):
    return TicketFactory(student=ann, mentor=mentor, assigned=True)


@pytest.fixture
def solved(ann, mentor):
    return TicketFactory(student=ann, mentor=mentor, resolved=True)


def path_of(ticket, step=""):
    return f"/api/tickets/{ticket.pk}{step}"


def ids(response):
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["count"] == len(answer["items"])
    return [item["id"] for item in answer["items"]]


def queries(path, token):
    with CaptureQueriesContext(connection) as context:
        response = ask("GET", path, token=token)
    assert response.status_code == 200, response.content
    return len(context)


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_a_question_is_asked_and_read_in_full(ann, time_machine):
    time_machine.move_to(NOW, tick=False)
    response = ask("POST", "/api/tickets/", QUESTION, by=ann)
    ticket = Ticket.objects.get()
    expected = {
        "id": ticket.pk,
        "title": "Why",
        "description": "It is *slow*.",
        "description_html": "<p>It is <em>slow</em>.</p>\n",
        "status": "open",
        "tags": ["python", "sql"],
        "student_id": ann.pk,
        "assigned_mentor_id": None,
        "is_public": True,
        "project_group_id": None,
        "solution_id": None,
        "attachments": [],
        "created_at": "2027-01-15T12:00:00Z",
        "accepted_at": None,
        "first_response_at": None,
        "resolved_at": None,
        "closed_at": None,
    }
    assert told(response) == (201, expected)
    assert told(ask("GET", path_of(ticket), by=ann)) == (200, expected)
    assert ticket.events.get().actor == ann


def test_a_question_with_an_idempotency_key_is_asked_once(ann):
    token = token_of(ann)
    for _twice in range(2):
        response = ask("POST", "/api/tickets/", QUESTION, token=token, **{"Idempotency-Key": "k"})
        assert response.status_code == 201
    assert Ticket.objects.count() == 1


def test_a_question_is_safe_to_show(ann):
    words = "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    html = ask("POST", "/api/tickets/", QUESTION | {"description": words}, by=ann).json()["description_html"]
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html


def test_a_question_is_shared_with_a_group_of_ones_own_and_with_no_other(ann, sam):
    own, other = group_of(ann), group_of(sam)
    response = ask("POST", "/api/tickets/", QUESTION | {"project_group_id": own.pk}, by=ann)
    assert (response.status_code, response.json()["project_group_id"]) == (201, own.pk)
    answers = [
        ask("POST", "/api/tickets/", QUESTION | {"project_group_id": pk}, by=ann).json() for pk in (other.pk, 999_999)
    ]
    assert answers[0] == answers[1]  # another's group is like none
    assert (answers[0]["code"], answers[0]["field"]) == ("not_your_group", "project_group_id")
    pk = Ticket.objects.get().pk
    assert ask("PUT", f"/api/tickets/{pk}", {"project_group_id": other.pk}, by=ann).status_code == 403
    assert ask("PUT", f"/api/tickets/{pk}", {"project_group_id": None}, by=ann).json()["project_group_id"] is None


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"title": "x" * 201}, "invalid_input", "title"),
        ({"title": None}, "invalid_input", "title"),
        ({"title": "\u200b"}, "title_missing", "title"),
        ({"description": "x" * 20_001}, "invalid_input", "description"),
        ({"description": "a\0b"}, "invalid_input", "description"),
        ({"tags": "python"}, "invalid_input", "tags"),
        ({"tags": ["a", "b", "c", "d", "e", "f"]}, "tags_wrong", "tags"),
        ({"tags": ["a,b"]}, "tags_wrong", "tags"),
        ({"status": "closed"}, "invalid_input", "status"),
        ({"student_id": 1}, "invalid_input", "student_id"),
        ({"project_group_id": 2**63}, "invalid_input", "project_group_id"),
        ({"is_public": None}, "invalid_input", "is_public"),
    ],
)
def test_a_question_that_is_none_is_refused_with_its_field(ann, changed, code, field):
    response = ask("POST", "/api/tickets/", QUESTION | changed, by=ann)
    assert told(response) == (422, code)
    assert response.json()["field"] == field
    assert not Ticket.objects.exists()


def test_a_question_is_changed_in_what_is_sent_and_nothing_else(ann):
    ticket = TicketFactory(student=ann, is_public=False)
    before = ask("GET", path_of(ticket), by=ann).json()
    assert told(ask("PUT", path_of(ticket), {"title": "How"}, by=ann)) == (200, before | {"title": "How"})
    after = before | {"title": "How", "tags": ["go"], "is_public": True}
    assert told(ask("PUT", path_of(ticket), {"tags": ["Go"], "is_public": True}, by=ann)) == (200, after)
    assert told(ask("PUT", path_of(ticket), {}, by=ann)) == (200, after)


@pytest.mark.parametrize("name", ["title", "description", "tags", "is_public"])
def test_null_is_no_change_of_a_question(ann, name):
    ticket = TicketFactory(student=ann)
    assert told(ask("PUT", path_of(ticket), {name: None}, by=ann)) == (422, "invalid_input")


def test_a_question_is_taken_back(ann):
    ticket = TicketFactory(student=ann)
    assert told(ask("DELETE", path_of(ticket), by=ann)) == (204, None)
    assert told(ask("GET", path_of(ticket), by=ann)) == (404, "not_found")
    assert told(ask("DELETE", path_of(ticket), by=ann)) == (404, "not_found")


# --- Who sees what ----------------------------------------------------------------------------------------------------


OPERATIONS = [
    ("GET", "", None),
    ("PUT", "", {"title": "Why"}),
    ("DELETE", "", None),
    ("PUT", "/accept", None),
    ("PUT", "/release", {}),
    ("PUT", "/resolve", {"solution": "So"}),
    ("PUT", "/reopen", {"reason": "No"}),
    ("PUT", "/close", None),
    ("GET", "/replies", None),
    ("POST", "/replies", {"body": "Hm"}),
    ("GET", "/matches", None),
]


@pytest.mark.parametrize(("method", "step", "body"), OPERATIONS)
def test_to_a_stranger_a_ticket_is_missing(solved, sam, method, step, body):
    token = token_of(sam)
    strange = ask(method, path_of(solved, step), body, token=token)
    missing = ask(method, f"/api/tickets/999999{step}", body, token=token)
    assert (strange.status_code, strange.json()) == (missing.status_code, missing.json())
    assert told(strange) == (404, "not_found")
    assert told(ask(method, path_of(solved, step), body)) == (401, "not_signed_in")


@pytest.mark.parametrize(("method", "step", "body"), [each for each in OPERATIONS if each[0] != "GET"])
def test_a_token_that_reads_changes_nothing(taken, ann, method, step, body):
    token = personal_token(ann, scope="read")
    assert told(ask(method, path_of(taken, step), body, token=token)) == (403, "read_only_token")


@pytest.mark.parametrize("number", [0, 2**63, 2**64])
def test_a_number_that_no_ticket_has_is_missing(ann, number):
    assert told(ask("GET", f"/api/tickets/{number}", by=ann)) == (404, "not_found")


# --- Its life ---------------------------------------------------------------------------------------------------------


def test_a_ticket_goes_from_open_to_closed(ann, max, mentor, time_machine):
    time_machine.move_to(NOW, tick=False)
    ticket = TicketFactory(student=ann, created_at=NOW - HOUR)
    accepted = ask("PUT", path_of(ticket, "/accept"), by=max).json()
    assert (accepted["status"], accepted["assigned_mentor_id"]) == ("assigned", mentor.pk)
    assert accepted["accepted_at"] == "2027-01-15T12:00:00Z"
    assert told(ask("PUT", path_of(ticket, "/accept"), by=max)) == (200, accepted)

    solved = ask("PUT", path_of(ticket, "/resolve"), {"solution": "Use an *index*."}, by=max).json()
    assert (solved["status"], solved["resolved_at"]) == ("resolved", "2027-01-15T12:00:00Z")
    assert Reply.objects.get(pk=solved["solution_id"]).text == "Use an *index*."

    reopened = ask("PUT", path_of(ticket, "/reopen"), {"reason": "Still slow"}, by=ann).json()
    assert (reopened["status"], reopened["solution_id"], reopened["resolved_at"]) == ("assigned", None, None)

    ask("PUT", path_of(ticket, "/resolve"), {"solution": "And analyse."}, by=max)
    closed = ask("PUT", path_of(ticket, "/close"), by=ann).json()
    assert (closed["status"], closed["closed_at"]) == ("closed", "2027-01-15T12:00:00Z")
    assert [event.reason for event in ticket.events.all() if event.reason] == ["Still slow"]


@pytest.mark.parametrize("body", [None, {}, {"reason": "Away"}])
def test_a_ticket_is_given_back_with_or_without_a_reason(taken, max, body):
    response = ask("PUT", path_of(taken, "/release"), body, by=max)
    assert (response.status_code, response.json()["status"]) == (200, "open")
    assert response.json()["assigned_mentor_id"] is None
    assert taken.events.get().reason == (body or {}).get("reason", "")


def test_who_comes_too_late_is_told_who_has_it(taken, mentor):
    response = ask("PUT", path_of(taken, "/accept"), by=MentorProfileFactory().user)
    assert told(response) == (409, "ticket_not_open")
    answer = response.json()
    assert (answer["mentor_id"], answer["mentor_name"]) == (mentor.pk, "Max Meyer")
    assert "Max Meyer has this ticket already" in answer["detail"]


def test_a_wrong_state_is_told_with_the_one_it_has(solved, ann, max):
    response = ask("PUT", path_of(solved, "/resolve"), {"solution": "So"}, by=max)
    assert told(response) == (409, "ticket_not_assigned")
    assert response.json()["ticket_status"] == "resolved"


def test_a_solution_without_words_names_its_field(taken, max):
    response = ask("PUT", path_of(taken, "/resolve"), {"solution": "  "}, by=max)
    assert told(response) == (422, "text_missing")
    assert response.json()["field"] == "solution"
    assert told(ask("PUT", path_of(taken, "/resolve"), {}, by=max)) == (422, "invalid_input")
    assert told(ask("PUT", path_of(taken, "/resolve"), by=max)) == (422, "invalid_input")


# --- Replies ----------------------------------------------------------------------------------------------------------


def test_a_reply_is_written_and_read_in_full(taken, ann, max, time_machine):
    time_machine.move_to(NOW, tick=False)
    response = ask("POST", path_of(taken, "/replies"), {"body": "How *many*?", "client_id": "b7c1"}, by=max)
    reply = Reply.objects.get()
    AttachmentFactory(reply=reply)
    expected = {
        "id": reply.pk,
        "ticket_id": taken.pk,
        "author_id": max.pk,
        "author_name": "Max Meyer",
        "kind": "reply",
        "is_internal": False,
        "is_useful": False,
        "body": "How *many*?",
        "body_html": "<p>How <em>many</em>?</p>\n",
        "client_id": "b7c1",
        "attachments": [],
        "created_at": "2027-01-15T12:00:00Z",
        "edited_at": None,
    }
    assert told(response) == (201, expected)
    seen = ask("GET", path_of(taken, "/replies"), by=ann).json()["items"][0]
    file = seen.pop("attachments")[0]
    assert seen == {name: value for name, value in expected.items() if name != "attachments"} | {"client_id": None}
    assert (file["name"], file["content_type"], file["size_bytes"]) == ("trace.txt", "text/plain", 35)
    assert file["url"].endswith(reply.attachments.get().get_absolute_url())
    assert ask("GET", path_of(taken), by=ann).json()["first_response_at"] == "2027-01-15T12:00:00Z"


def test_the_same_client_id_is_the_same_reply(taken, ann, max, ada):
    token, path = token_of(ann), path_of(taken, "/replies")
    first = ask("POST", path, {"body": "Hm", "client_id": "k"}, token=token)
    again = ask("POST", path, {"body": "Hm, hm", "client_id": "k"}, token=token)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    # Another person's is another one, and so is that in another ticket.
    assert ask("POST", path, {"body": "Hm", "client_id": "k"}, by=max).status_code == 201
    other = TicketFactory(student=ann, assigned=True)
    assert ask("POST", path_of(other, "/replies"), {"body": "Hm", "client_id": "k"}, token=token).status_code == 201
    # Without one, each is a reply of its own.
    for _twice in range(2):
        assert ask("POST", path, {"body": "Hm"}, token=token).status_code == 201
    note = {"body": "Watch this", "client_id": "k", "is_internal": True}
    assert [ask("POST", path, note, by=ada).status_code for _twice in range(2)] == [201, 200]
    assert Reply.objects.filter(ticket=taken).count() == 5
    assert Notification.objects.filter(recipient=max).count() == 3


def test_notes_of_staff_are_for_staff(taken, ann, max, ada):
    note = ask("POST", path_of(taken, "/replies"), {"body": "Watch this", "is_internal": True}, by=ada)
    assert (note.status_code, note.json()["kind"], note.json()["is_internal"]) == (201, "note", True)
    assert ids(ask("GET", path_of(taken, "/replies"), by=ada)) == [note.json()["id"]]
    for person in (ann, max):
        assert ids(ask("GET", path_of(taken, "/replies"), by=person)) == []
        refused = ask("POST", path_of(taken, "/replies"), {"body": "Hm", "is_internal": True}, by=person)
        assert told(refused) == (403, "not_allowed")
    assert not Notification.objects.exists()


def test_an_answer_renders_so_much_of_many_replies(taken, ann, monkeypatch):
    for _ in range(3):
        ReplyFactory(ticket=taken, text="*a*")
    monkeypatch.setattr("mentorbook.markdown.MAX_CHARACTERS_TOGETHER", 6)
    path, token = path_of(taken, "/replies"), token_of(ann)
    shown = [item["body_html"] for item in ask("GET", path, token=token).json()["items"]]
    assert shown[:2] == ["<p><em>a</em></p>\n"] * 2
    assert "<code>*a*</code>" in shown[2]
    (last,) = ask("GET", f"{path}?page=2&page_size=2", token=token).json()["items"]
    assert last["body_html"] == shown[0]


def test_replies_are_oldest_first_and_go_on_after_an_id(taken, ann):
    replies = [ReplyFactory(ticket=taken).pk for _ in range(4)]
    path, token = path_of(taken, "/replies"), token_of(ann)
    assert ids(ask("GET", path, token=token)) == replies
    assert ids(ask("GET", f"{path}?after={replies[1]}", token=token)) == replies[2:]
    assert ids(ask("GET", f"{path}?after={replies[-1]}", token=token)) == []
    answer = ask("GET", f"{path}?page=2&page_size=3", token=token).json()
    assert ([item["id"] for item in answer["items"]], answer["count"]) == (replies[3:], 4)
    for wrong in ("after=x", "after=-1", f"after={2**63}", "before=3", "page=0"):
        assert told(ask("GET", f"{path}?{wrong}", token=token)) == (422, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [{}, {"body": None}, {"body": "x" * 20_001}, {"body": "x", "client_id": ""}, {"body": "x", "client_id": "é"}],
)
def test_a_reply_that_is_none_is_refused(taken, ann, body):
    assert told(ask("POST", path_of(taken, "/replies"), body, by=ann)) == (422, "invalid_input")


# --- Matches ----------------------------------------------------------------------------------------------------------


def test_matches_have_a_score_and_reasons(ann, mentor, ada):
    mentor.expertise.add(TagFactory(name="python"))
    ticket = TicketFactory(student=ann)
    for person in (ann, ada):
        answer = ask("GET", path_of(ticket, "/matches"), by=person).json()
        match = answer["items"][0]
        score = match.pop("score")
        assert 0 < score < 1
        assert match == {
            "mentor_id": mentor.pk,
            "name": "Max Meyer",
            "headline": mentor.headline,
            "hourly_rate": 50,
            "reasons": [{"kind": "tags", "tags": ["python"], "rating": None, "rating_count": None, "minutes": None}],
        }
        assert answer["count"] == 1


def test_only_whoever_asked_sees_matches(ann, max):
    assert told(ask("GET", path_of(TicketFactory(student=ann), "/matches"), by=max)) == (403, "not_allowed")


# --- Lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(ann, max, mentor, sam):
    """Ann's and Sam's in all states, the youngest last."""
    ages = iter(range(20, 0, -1))

    def one(**fields):
        return TicketFactory(created_at=NOW - next(ages) * HOUR, **fields)

    return {
        "open": one(student=ann, title="Slow query"),
        "taken": one(student=ann, mentor=mentor, assigned=True),
        "solved": one(student=ann, mentor=mentor, resolved=True),
        "closed": one(student=ann, mentor=mentor, closed=True),
        "gone": one(student=ann, deleted=True),
        "sams": one(student=sam, title="Slow build", tags=["make"]),
        "other": one(student=sam, assigned=True),
        "own": one(student=max),
    }


def names(response, many):
    by_id = {ticket.pk: name for name, ticket in many.items()}
    return [by_id[pk] for pk in ids(response)]


@pytest.mark.parametrize(
    ("who", "query", "expected"),
    [
        ("ann", "", {"open", "taken", "solved", "closed"}),
        ("ann", "?scope=mine&status=closed", {"closed"}),
        ("ann", "?scope=assigned", {"taken"}),
        ("ann", "?scope=resolved", {"solved", "closed"}),
        ("ann", "?scope=all", {"open", "taken", "solved", "closed"}),
        ("max", "", {"open", "sams"}),
        ("max", "?scope=queue&status=assigned", set()),
        ("max", "?scope=queue&status=open&tag=Make", {"sams"}),
        ("max", "?scope=queue&tag=make&tag=python", set()),
        ("max", "?scope=queue&tag=unheard-of", set()),
        ("max", "?scope=queue&q=slow", {"open", "sams"}),
        ("max", "?scope=queue&q=slow+build", {"sams"}),
        ("max", "?scope=mine", {"own"}),
        ("max", "?scope=assigned", {"taken"}),
        ("max", "?scope=resolved&status=resolved", {"solved"}),
        ("max", "?scope=all", {"open", "taken", "solved", "closed", "sams", "other", "own"}),
        ("ada", "", set()),
        ("ada", "?scope=all&status=assigned", {"taken", "other"}),
        ("ada", "?scope=all&q=slow", {"open", "sams"}),
        ("sam", "?scope=all&q=slow", {"sams"}),
    ],
)
def test_a_list_has_what_its_scope_says(request, many, who, query, expected):
    index_tickets([ticket.pk for ticket in many.values()])
    response = ask("GET", f"/api/tickets/{query}", by=request.getfixturevalue(who))
    assert set(names(response, many)) == expected
    assert all(set(item) == ROW for item in response.json()["items"])


def test_the_queue_stands_as_on_its_page(client, many, max, mentor):
    """What fits comes first, longest waiting first in each band."""
    mentor.expertise.add(TagFactory(name="make"))
    client.force_login(max)
    page = client.get("/tickets/queue/?tab=all").context["page"]
    shown = [row.ticket.pk for row in page]
    assert ids(ask("GET", "/api/tickets/", by=max)) == shown
    assert names(ask("GET", "/api/tickets/", by=max), many)[0] == "sams"


def test_a_mentor_who_lost_the_approval_still_finds_the_own_work(taken, max, mentor):
    mentor.approval = "waiting"
    mentor.save(update_fields=["approval"])
    assert ids(ask("GET", "/api/tickets/?scope=assigned", by=max)) == [taken.pk]
    assert ids(ask("GET", "/api/tickets/", by=max)) == []


def test_the_queue_is_for_mentors(ann, ada):
    for person in (ann, ada):
        assert told(ask("GET", "/api/tickets/?scope=queue", by=person)) == (403, "mentors_only")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("scope=all&ordering=created_at", ["open", "taken", "solved", "closed"]),
        ("scope=all&ordering=-created_at", ["closed", "solved", "taken", "open"]),
        ("scope=all&ordering=-created_at&q=settings", ["closed", "solved", "taken"]),
        ("scope=resolved", ["closed", "solved"]),
    ],
)
def test_a_list_is_in_the_order_that_was_asked_for(many, ann, query, expected):
    index_tickets([ticket.pk for ticket in many.values()])
    assert names(ask("GET", f"/api/tickets/?{query}", by=ann), many) == expected


def test_pages_of_a_list_follow_each_other(ann, max):
    tickets = [TicketFactory(student=ann, created_at=NOW - HOUR).pk for _ in range(5)]
    for query, by in (("scope=mine", ann), ("scope=queue", max), ("scope=all&ordering=created_at", max)):
        token, found = token_of(by), []
        for page in (1, 2, 3, 4):
            answer = ask("GET", f"/api/tickets/?{query}&page={page}&page_size=2", token=token).json()
            assert answer["count"] == 5
            found += [item["id"] for item in answer["items"]]
        assert sorted(found) == tickets


@pytest.mark.parametrize(
    "query", ["scope=none", "status=deleted", "ordering=title", "page_size=101", "x=1", "tag=a,b", "q=" + "x" * 501]
)
def test_a_list_refuses_what_it_does_not_know(ann, query):
    assert told(ask("GET", f"/api/tickets/?{query}", by=ann)) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("who", "query"),
    [
        ("ann", ""),
        ("ann", "?scope=all&status=open&q=KeyError"),
        ("max", ""),
        ("max", "?scope=queue&q=KeyError&ordering=created_at"),
        ("max", "?scope=assigned&tag=python"),
        ("max", "?scope=resolved"),
        ("max", "?scope=all"),
        ("ada", "?scope=all"),
    ],
)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(request, ann, max, mentor, who, query):
    token = token_of(request.getfixturevalue(who))

    def ask_some(number):
        for fields in ({}, {"assigned": True, "mentor": mentor}, {"closed": True, "mentor": mentor}):
            index_tickets([it.pk for it in TicketFactory.create_batch(number, student=ann, **fields)])

    ask_some(1)
    queries(f"/api/tickets/{query}", token)
    before = queries(f"/api/tickets/{query}", token)
    ask_some(2)
    assert queries(f"/api/tickets/{query}", token) == before


def test_a_tickets_lists_take_as_many_queries_for_three_rows_as_for_one(taken, ann):
    token = token_of(ann)

    def more(number):
        for _ in range(number):
            AttachmentFactory(reply=ReplyFactory(ticket=taken))
            MentorProfileFactory().expertise.add(TagFactory(name="python"))

    more(1)
    paths = [path_of(taken, "/replies"), path_of(taken, "/matches")]
    before = [queries(path, token) for path in paths]
    more(2)
    assert [queries(path, token) for path in paths] == before


def test_times_are_told_in_utc_whatever_the_zone_of_the_caller(ann):
    ticket = TicketFactory(student=ann, created_at=NOW)
    assert ann.timezone == "Europe/Madrid"
    assert ask("GET", path_of(ticket), by=ann).json()["created_at"] == "2027-01-15T12:00:00Z"
