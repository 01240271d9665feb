"""Many programs at once on the same ticket, through the API. What must never be is written in test_races_tickets."""

from collections import Counter

import pytest

from accounts.tests.factories import UserFactory
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind as Told
from notifications.models import Notification
from tests.programs import ask, token_of
from tests.test_races_tickets import (
    MENTORS,
    at_once,
    broken_histories,
    careless_accept,
    open_ticket,
    taken_ticket,
)
from tickets import actions
from tickets.models import Reply

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TIMES = 20


def race_for_one_ticket():
    """50 programs of 50 mentors; what is wrong with their answers, and with the ticket afterwards."""
    ticket = open_ticket()
    mentors = [MentorProfileFactory() for _ in range(MENTORS)]
    tokens = [token_of(mentor.user) for mentor in mentors]
    path = f"/api/tickets/{ticket.pk}/accept"
    answers = at_once([lambda token=token: ask("PUT", path, token=token) for token in tokens])
    ticket.refresh_from_db()
    faults = broken_histories()
    if (counted := Counter(answer.status_code for answer in answers)) != {200: 1, 409: MENTORS - 1}:
        faults.append(f"the answers were {counted}")
    told = Counter(
        (answer.json()["code"], answer.json()["mentor_id"], str(ticket.mentor) in answer.json()["detail"])
        for answer in answers
        if answer.status_code == 409
    )
    if told != {("ticket_not_open", ticket.mentor_id, True): MENTORS - 1}:
        faults.append(f"the others were told {told}")
    winners = [answer.json()["assigned_mentor_id"] for answer in answers if answer.status_code == 200]
    if winners != [ticket.mentor_id]:
        faults.append(f"{len(winners)} mentors have it")
    if (count := Notification.objects.filter(kind=Told.TICKET_ACCEPTED).count()) != 1:
        faults.append(f"the student was told {count} times")
    return faults


def test_of_fifty_programs_that_take_one_ticket_one_gets_it():
    assert race_for_one_ticket() == []


def test_the_race_for_one_ticket_notices_a_look_before_the_write(monkeypatch):
    monkeypatch.setattr(actions, "accept_ticket", careless_accept)
    faults = race_for_one_ticket()
    assert any("mentors have it" in fault for fault in faults)
    assert any("the answers were" in fault for fault in faults)


def race_for_one_reply(client_ids):
    """One program sends its reply 20 times at once; what is wrong with the answers, and what is written."""
    student, mentor = UserFactory(), MentorProfileFactory()
    ticket = taken_ticket(mentor, student=student)
    token, path = token_of(student), f"/api/tickets/{ticket.pk}/replies"
    answers = at_once(
        [lambda key=key: ask("POST", path, {"body": "Here", "client_id": key}, token=token) for key in client_ids]
    )
    faults = []
    if (counted := Counter(answer.status_code for answer in answers)) != {201: 1, 200: TIMES - 1}:
        faults.append(f"the answers were {counted}")
    if (count := Reply.objects.count()) != 1:
        faults.append(f"{count} replies are there")
    if len(ids := {answer.json().get("id") for answer in answers}) != 1:
        faults.append(f"{len(ids)} replies were answered")
    if (count := Notification.objects.filter(kind=Told.TICKET_REPLY).count()) != 1:
        faults.append(f"the mentor was told {count} times")
    return faults


def test_one_client_id_writes_one_reply():
    assert race_for_one_reply(["b7c1"] * TIMES) == []


def test_the_race_for_one_reply_notices_when_it_is_written_twice():
    assert len(race_for_one_reply([f"b7c{number}" for number in range(TIMES)])) == 4
