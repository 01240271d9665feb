import datetime as dt

import pytest

from mentorbook.errors import NotAllowed
from mentors.actions import delete_tags, merge_tags
from mentors.models import Tag
from mentors.tests.factories import TagFactory
from notifications.models import Kind as Told
from notifications.models import Notification
from tickets.actions import (
    NotAssigned,
    NotResolved,
    ReasonMissing,
    accept_ticket,
    close_ticket,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
)
from tickets.models import REASON_LENGTH, Reply, Ticket
from tickets.search import search_tickets
from tickets.tests.factories import ReplyFactory, TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ticket(ann, mentor):
    """Taken by Max two hours ago."""
    return TicketFactory(
        student=ann,
        mentor=mentor,
        assigned=True,
        assigned_at=NOW - 2 * HOUR,
        title="KeyError",
        tags=["python", "django"],
    )


def history_of(ticket):
    return [(event.kind, event.from_status, event.to_status, event.mentor) for event in ticket.events.all()]


def told():
    return [(told.recipient.name, told.kind, told.title) for told in Notification.objects.order_by("id")]


def skills_of(mentor):
    return dict(mentor.proven_skills.values_list("tag__name", "weight"))


def found(text, user):
    return [hit.ticket for hit in search_tickets(Ticket.objects.readable_by(user).for_rows(), text)[:10]]


# --- Solved


def test_a_solution_in_words_solves_the_ticket(ticket, ann, mentor, max, sam):
    resolve_ticket(ticket, by=max, text=" Use a bassoon\r\n", now=NOW)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.resolved_at, ticket.closed_at) == ("resolved", NOW, None)
    assert (ticket.waiting_on, ticket.waiting_since, ticket.active_at) == ("student", NOW, NOW)
    assert ticket.first_response_at == NOW
    assert (ticket.solution.kind, ticket.solution.author, ticket.solution.text) == ("solution", max, "Use a bassoon")
    assert history_of(ticket) == [("resolved", "assigned", "resolved", mentor)]
    assert told() == [("Ann Archer", Told.TICKET_RESOLVED, "Max Meyer has solved your ticket: KeyError")]
    assert Notification.objects.get().body.startswith("Use a bassoon\n\nDoes it help?")
    assert skills_of(mentor) == {"python": 1.0, "django": 1.0}
    assert list(Ticket.objects.articles()) == [ticket]
    assert found("bassoon", sam) == [ticket]


def test_the_first_response_stays_what_it_was(ticket, max):
    reply_to_ticket(ticket, by=max, text="Which version?", now=NOW - HOUR)
    resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    ticket.refresh_from_db()
    assert ticket.first_response_at == NOW - HOUR
    assert (ticket.waiting_on, ticket.waiting_since) == ("student", NOW)


def test_a_reply_of_the_mentor_can_be_the_solution(ticket, max):
    reply = reply_to_ticket(ticket, by=max, text="Upgrade", now=NOW - HOUR)
    Reply.objects.filter(pk=reply.pk).update(is_useful=True)
    resolve_ticket(ticket, by=max, reply=reply, text="not this", now=NOW)
    ticket.refresh_from_db()
    reply.refresh_from_db()
    assert (ticket.solution, reply.kind, reply.is_useful, reply.text) == (reply, "solution", False, "Upgrade")
    assert ticket.replies.count() == 1


def test_only_the_mentors_own_words_in_this_ticket_are_a_solution(ticket, ann, mentor, max):
    for reply in (
        ReplyFactory(ticket=ticket, author=ann),
        ReplyFactory(ticket=ticket, author=max, kind="note"),
        ReplyFactory(ticket=TicketFactory(mentor=mentor, assigned=True), author=max),
    ):
        with pytest.raises(NotAllowed):
            resolve_ticket(ticket, by=max, reply=reply, now=NOW)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.solution) == ("assigned", None)


def test_a_double_click_solves_once(ticket, mentor, max):
    for _twice in range(2):
        assert resolve_ticket(ticket, by=max, text="Upgrade", client_key="k", now=NOW).status == "resolved"
    with pytest.raises(NotAssigned):
        resolve_ticket(ticket, by=max, text="Upgrade", client_key="l", now=NOW)
    with pytest.raises(NotAssigned):
        resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    assert (Reply.objects.count(), Notification.objects.count(), ticket.events.count()) == (1, 1, 1)
    assert skills_of(mentor) == {"python": 1.0, "django": 1.0}


def test_the_key_of_a_reply_or_of_a_solution_that_did_not_hold_solves_all_the_same(ticket, ann, max):
    reply_to_ticket(ticket, by=max, text="Upgrade", client_key="k", now=NOW)
    assert resolve_ticket(ticket, by=max, text="Upgrade Django", client_key="k", now=NOW).status == "resolved"
    reopen_ticket(ticket, by=ann, reason="No", now=NOW)
    resolve_ticket(ticket, by=max, text="Downgrade", client_key="l", now=NOW)
    reopen_ticket(ticket, by=ann, reason="No", now=NOW)
    solved = resolve_ticket(ticket, by=max, text="Write it anew", client_key="l", now=NOW)
    assert (solved.status, solved.solution.text) == ("resolved", "Write it anew")
    assert ticket.replies.count() == 4


def test_a_private_ticket_is_solved_without_becoming_an_article(ticket, max, sam):
    ticket.is_public = False
    ticket.save(update_fields=["is_public"])
    resolve_ticket(ticket, by=max, text="Use a bassoon", now=NOW)
    assert not Ticket.objects.articles().exists()
    assert found("bassoon", sam) == []


# --- Reopened


def test_a_reopened_ticket_is_the_same_mentors_again(ticket, ann, mentor, max, sam):
    reply_to_ticket(ticket, by=max, text="Hm", now=NOW - HOUR)
    resolve_ticket(ticket, by=max, text="Use a bassoon", now=NOW)
    solution = ticket.replies.get(kind="solution")

    reopen_ticket(ticket, by=ann, reason=" It still fails\0 ", now=NOW + HOUR)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.mentor, ticket.solution, ticket.resolved_at) == ("assigned", mentor, None, None)
    assert (ticket.waiting_on, ticket.waiting_since, ticket.active_at) == ("mentor", NOW + HOUR, NOW + HOUR)
    assert (ticket.assigned_at, ticket.first_response_at) == (NOW - 2 * HOUR, NOW - HOUR)
    solution.refresh_from_db()
    assert solution.kind == "solution"
    assert history_of(ticket)[-1] == ("reopened", "resolved", "assigned", mentor)
    assert ticket.events.last().reason == "It still fails"
    assert told()[-1] == ("Max Meyer", Told.TICKET_REOPENED, "Ann Archer has reopened a ticket: KeyError")
    assert "Ann Archer writes: It still fails" in Notification.objects.latest("id").body
    assert not Ticket.objects.articles().exists()
    assert found("bassoon", sam) == []


def test_reopening_needs_a_reason(ticket, ann, max):
    resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    for reason in ("", " \0\r\n"):
        with pytest.raises(ReasonMissing) as refused:
            reopen_ticket(ticket, by=ann, reason=reason, now=NOW)
        assert (refused.value.field, refused.value.status) == ("reason", 422)
    reopen_ticket(ticket, by=ann, reason="x" * REASON_LENGTH, now=NOW)


def test_solved_and_reopened_again_and_again_it_counts_what_holds(ticket, ann, mentor, max):
    for number in range(3):
        moment = NOW + number * HOUR
        resolve_ticket(ticket, by=max, text=f"Try {number}", now=moment)
        assert ticket.__class__.objects.get().solution.text == f"Try {number}"
        assert skills_of(mentor) == pytest.approx({"python": 1.0, "django": 1.0})
        if number < 2:
            reopen_ticket(ticket, by=ann, reason="No", now=moment + HOUR / 2)
            assert skills_of(mentor) == pytest.approx({"python": 0.0, "django": 0.0}, abs=1e-9)
    mentor.refresh_from_db()
    assert mentor.tickets_solved == 1
    assert ticket.replies.filter(kind="solution").count() == 3
    assert [kind for kind, *_ in history_of(ticket)] == ["resolved", "reopened"] * 2 + ["resolved"]
    assert Notification.objects.filter(kind=Told.TICKET_RESOLVED).count() == 3
    assert Notification.objects.filter(kind=Told.TICKET_REOPENED).count() == 2


def test_reopening_takes_off_no_more_than_that_solution_was_worth(ticket, ann, mentor, max):
    other = TicketFactory(mentor=mentor, assigned=True, tags=["python"])
    resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    later = NOW + dt.timedelta(days=180)
    resolve_ticket(other, by=max, text="Upgrade", now=later)
    assert skills_of(mentor)["python"] == pytest.approx(1.5)
    reopen_ticket(ticket, by=ann, reason="No", now=later)
    assert skills_of(mentor)["python"] == pytest.approx(1.0)


def test_tags_that_staff_merged_or_deleted_meanwhile_do_not_disturb(ticket, ann, mentor, max, ada):
    resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    merge_tags(Tag.objects.get(name="python"), TagFactory(name="python3"), by=ada)
    delete_tags([Tag.objects.get(name="django")], by=ada)
    reopen_ticket(ticket, by=ann, reason="No", now=NOW)
    assert skills_of(mentor) == pytest.approx({"python3": 0.0}, abs=1e-9)


# --- Closed


def test_its_student_closes_a_solved_ticket(ticket, ann, mentor, max):
    resolve_ticket(ticket, by=max, text="Upgrade", now=NOW)
    close_ticket(ticket, by=ann, now=NOW + HOUR)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.closed_at, ticket.resolved_at) == ("closed", NOW + HOUR, NOW)
    assert (ticket.waiting_on, ticket.active_at) == ("", NOW + HOUR)
    assert history_of(ticket)[-1] == ("closed", "resolved", "closed", mentor)
    assert ticket.events.last().actor == ann
    assert told()[1:] == [("Max Meyer", Told.TICKET_CLOSED, "Ticket closed: KeyError")]
    assert "Your solution helped: Ann Archer has closed it." in Notification.objects.latest("id").body
    assert list(Ticket.objects.articles()) == [ticket]
    with pytest.raises(NotResolved):
        close_ticket(ticket, by=ann, now=NOW + HOUR)
    with pytest.raises(NotResolved):
        reopen_ticket(ticket, by=ann, reason="No", now=NOW + HOUR)


def test_what_has_no_solution_is_neither_closed_nor_reopened(ticket, ann):
    with pytest.raises(NotResolved):
        close_ticket(ticket, by=ann, now=NOW)
    with pytest.raises(NotResolved):
        reopen_ticket(ticket, by=ann, reason="No", now=NOW)


def test_the_row_in_hand_may_be_old(ann, max):
    ticket = TicketFactory(student=ann)
    old = Ticket.objects.get()
    accept_ticket(old, by=max, now=NOW)
    resolve_ticket(old, by=max, text="Upgrade", now=NOW)
    assert close_ticket(old, by=ann, now=NOW).status == "closed"
    assert old.status == "open"
    ticket.refresh_from_db()
    assert [kind for kind, *_ in history_of(ticket)] == ["accepted", "resolved", "closed"]
