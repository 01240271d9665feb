import datetime as dt

import pytest

from mentorbook.errors import NotAllowed
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind as Told
from notifications.models import Notification, OutgoingEmail
from tickets.actions import (
    AlreadyTaken,
    AtCapacity,
    NoLongerYours,
    NotAMentor,
    OwnTicket,
    ReasonMissing,
    SameMentor,
    TextTooLong,
    accept_ticket,
    reassign_ticket,
    release_ticket,
    reply_to_ticket,
    resolve_ticket,
)
from tickets.models import REASON_LENGTH, Ticket
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ticket(ann):
    return TicketFactory(student=ann, title="KeyError at start", created_at=NOW - 5 * HOUR)


@pytest.fixture
def olga():
    return MentorProfileFactory(user__name="Olga Ott")


def history_of(ticket):
    return [(event.kind, event.from_status, event.to_status, event.mentor) for event in ticket.events.all()]


def told():
    return [(told.recipient.name, told.kind, told.title) for told in Notification.objects.order_by("id")]


# --- Taking


def test_an_accepted_ticket_is_the_mentors_to_answer(ticket, mentor, max):
    accepted = accept_ticket(ticket, by=max, now=NOW)

    ticket.refresh_from_db()
    assert accepted == ticket
    assert (ticket.status, ticket.mentor, ticket.assigned_at, ticket.first_response_at) == (
        "assigned",
        mentor,
        NOW,
        None,
    )
    assert (ticket.waiting_on, ticket.waiting_since, ticket.active_at) == ("mentor", NOW, NOW)
    assert ticket.opened_at == NOW - 5 * HOUR
    assert history_of(ticket) == [("accepted", "open", "assigned", mentor)]
    assert told() == [("Ann Archer", Told.TICKET_ACCEPTED, "Max Meyer has taken your ticket: KeyError at start")]
    assert OutgoingEmail.objects.get().to == "ann@example.org"


def test_the_second_click_of_the_same_mentor_changes_nothing(ticket, max):
    accept_ticket(ticket, by=max, now=NOW)
    again = accept_ticket(ticket, by=max, now=NOW + HOUR)
    assert (again.pk, again.assigned_at) == (ticket.pk, NOW)
    assert (ticket.events.count(), Notification.objects.count()) == (1, 1)


def test_who_comes_too_late_is_told_who_has_it(ticket, mentor, max, olga):
    accept_ticket(ticket, by=max, now=NOW)
    with pytest.raises(AlreadyTaken) as refused:
        accept_ticket(ticket, by=olga.user, now=NOW)
    assert (refused.value.status, refused.value.mentor) == (409, mentor)
    assert str(refused.value).startswith("Max Meyer has this ticket already.")


def test_a_row_read_earlier_does_not_matter(ticket, max, olga):
    seen_open = Ticket.objects.get(pk=ticket.pk)
    accept_ticket(ticket, by=max, now=NOW)
    with pytest.raises(AlreadyTaken):
        accept_ticket(seen_open, by=olga.user, now=NOW)
    release_ticket(ticket, by=max, now=NOW)
    assert accept_ticket(Ticket(pk=ticket.pk, status="assigned"), by=olga.user, now=NOW).mentor == olga


def test_a_mentor_takes_as_many_at_once_as_they_say(mentor, max, ann):
    mentor.tickets_at_once = 2
    mentor.save(update_fields=["tickets_at_once"])
    for others in ({"mentor": mentor, "resolved": True}, {"mentor": mentor, "closed": True}, {"assigned": True}):
        TicketFactory(**others)
    first, second, third = (TicketFactory(student=ann) for _ in range(3))
    accept_ticket(first, by=max, now=NOW)
    accept_ticket(second, by=max, now=NOW)
    with pytest.raises(AtCapacity) as refused:
        accept_ticket(third, by=max, now=NOW)
    assert (refused.value.status, refused.value.limit) == (409, 2)
    assert "2 tickets at a time" in str(refused.value)

    resolve_ticket(first, by=max, text="Do this", now=NOW)
    accept_ticket(third, by=max, now=NOW)
    release_ticket(second, by=max, now=NOW)
    accept_ticket(second, by=max, now=NOW)


def test_a_mentor_who_takes_none_at_the_moment_is_told_where_to_change_that(ticket, mentor, max):
    mentor.tickets_at_once = 0
    mentor.save(update_fields=["tickets_at_once"])
    with pytest.raises(AtCapacity, match="no tickets at the moment"):
        accept_ticket(ticket, by=max, now=NOW)


def test_a_full_mentor_is_told_first_that_somebody_has_it(ticket, mentor, max, olga):
    mentor.tickets_at_once = 0
    mentor.save(update_fields=["tickets_at_once"])
    accept_ticket(ticket, by=olga.user, now=NOW)
    with pytest.raises(AlreadyTaken):
        accept_ticket(ticket, by=max, now=NOW)


def test_a_deactivated_mentor_takes_nothing(ticket, max):
    type(max).objects.filter(pk=max.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        accept_ticket(ticket, by=max, now=NOW)


# --- Giving back


def test_a_released_ticket_waits_in_the_queue_from_then_on(ticket, mentor, max):
    accept_ticket(ticket, by=max, now=NOW)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW)

    release_ticket(ticket, by=max, reason="  Not my field\0 ", now=NOW + HOUR)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.mentor, ticket.assigned_at, ticket.first_response_at) == ("open", None, None, None)
    assert (ticket.waiting_on, ticket.waiting_since) == ("mentor", NOW + HOUR)
    assert ticket.opened_at == ticket.active_at == NOW + HOUR
    assert history_of(ticket)[-1] == ("released", "assigned", "open", mentor)
    assert ticket.events.last().reason == "Not my field"
    assert told()[-1] == (
        "Ann Archer",
        Told.TICKET_RELEASED,
        "Your ticket waits for a mentor again: KeyError at start",
    )
    assert "Max Meyer writes: Not my field" in Notification.objects.latest("id").body


def test_a_reason_for_releasing_may_be_missing_but_not_endless(ticket, max):
    accept_ticket(ticket, by=max, now=NOW)
    with pytest.raises(TextTooLong) as refused:
        release_ticket(ticket, by=max, reason="x" * (REASON_LENGTH + 1), now=NOW)
    assert refused.value.field == "reason"
    release_ticket(ticket, by=max, reason="\u202e \0", now=NOW)
    assert "writes:" not in Notification.objects.latest("id").body


def test_each_release_is_told(ticket, max):
    for hours in range(3):
        accept_ticket(ticket, by=max, now=NOW + hours * HOUR)
        release_ticket(ticket, by=max, now=NOW + hours * HOUR)
    assert Notification.objects.filter(kind=Told.TICKET_ACCEPTED).count() == 3
    assert Notification.objects.filter(kind=Told.TICKET_RELEASED).count() == 3
    assert ticket.events.count() == 6


def test_the_second_click_on_release_says_that_it_is_not_theirs_any_more(ticket, max):
    accept_ticket(ticket, by=max, now=NOW)
    release_ticket(ticket, by=max, now=NOW)
    with pytest.raises(NoLongerYours) as refused:
        release_ticket(ticket, by=max, now=NOW)
    assert refused.value.status == 409
    assert ticket.events.count() == 2


def test_a_mentor_who_lost_the_approval_may_still_give_back(ticket, mentor, max):
    accept_ticket(ticket, by=max, now=NOW)
    mentor.approval = "declined"
    mentor.save(update_fields=["approval"])
    assert release_ticket(ticket, by=max, now=NOW).status == "open"


# --- Handing over


def test_staff_hand_an_open_ticket_to_a_mentor(ticket, ada, olga):
    reassign_ticket(ticket, to=olga, by=ada, reason="Knows it", now=NOW)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.mentor, ticket.assigned_at) == ("assigned", olga, NOW)
    assert (ticket.waiting_on, ticket.waiting_since) == ("mentor", NOW)
    assert history_of(ticket) == [("reassigned", "open", "assigned", olga)]
    assert (ticket.events.get().actor, ticket.events.get().reason) == (ada, "Knows it")
    assert told() == [
        ("Olga Ott", Told.TICKET_ASSIGNED, "Ada Admin hands you a ticket: KeyError at start"),
        ("Ann Archer", Told.TICKET_ASSIGNED, "Olga Ott has your ticket now: KeyError at start"),
    ]


def test_staff_hand_a_ticket_from_one_mentor_to_another(ticket, mentor, max, ada, olga):
    accept_ticket(ticket, by=max, now=NOW)
    reply_to_ticket(ticket, by=max, text="Look", now=NOW)
    Notification.objects.all().delete()

    reassign_ticket(ticket, to=olga, by=ada, reason="Max is ill", now=NOW + HOUR)

    ticket.refresh_from_db()
    assert (ticket.mentor, ticket.assigned_at, ticket.first_response_at) == (olga, NOW + HOUR, None)
    assert (ticket.waiting_on, ticket.waiting_since) == ("mentor", NOW + HOUR)
    assert [(name, kind) for name, kind, _title in told()] == [
        ("Max Meyer", Told.TICKET_RELEASED),
        ("Olga Ott", Told.TICKET_ASSIGNED),
        ("Ann Archer", Told.TICKET_ASSIGNED),
    ]
    assert "Ada Admin has handed it to another mentor." in Notification.objects.earliest("id").body
    mentor.refresh_from_db()
    assert mentor.tickets_answered == 0
    with pytest.raises(NoLongerYours):
        reply_to_ticket(ticket, by=max, text="Look", now=NOW)


def test_staff_hand_over_only_to_a_mentor_who_can(ticket, ann, max, mentor, ada):
    accept_ticket(ticket, by=max, now=NOW)
    waiting, gone = MentorProfileFactory(approval="waiting"), MentorProfileFactory(user__is_active=False)
    for to, reason, refusal in [
        (waiting, "Why", NotAMentor),
        (gone, "Why", NotAMentor),
        (mentor, "Why", SameMentor),
        (MentorProfileFactory(user=ann), "Why", OwnTicket),
        (MentorProfileFactory(), " \0 ", ReasonMissing),
        (MentorProfileFactory(), "x" * (REASON_LENGTH + 1), TextTooLong),
    ]:
        with pytest.raises(refusal):
            reassign_ticket(ticket, to=to, by=ada, reason=reason, now=NOW)
    ticket.refresh_from_db()
    assert (ticket.mentor, ticket.events.count(), Notification.objects.count()) == (mentor, 1, 1)


def test_staff_may_hand_over_more_than_a_mentor_takes_by_themself(ticket, ada, olga):
    olga.tickets_at_once = 0
    olga.save(update_fields=["tickets_at_once"])
    assert reassign_ticket(ticket, to=olga, by=ada, reason="Knows it", now=NOW).mentor == olga
