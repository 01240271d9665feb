"""Many threads at once on one mentor who takes chats, on one chat, and on a chat and a booking of the same minutes.
Each race is run a second time against a version that is broken on purpose."""

import datetime as dt
import threading
import time

import pytest

from accounts.tests.factories import UserFactory
from bookings.actions import (
    book_slot,
    cancel_appointment,
    confirm_appointment,
    decline_appointment,
    expire_request,
    history,
    request_chat,
)
from bookings.chats import ChatTimes, why_not
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from mentorbook.errors import Refused
from mentors.tests.factories import MentorProfileFactory
from tests.test_races_bookings import (
    A_MOMENT,
    LIVE,
    at_once,
    booked,
    careless_step,
    problems,
    without_the_database_behind,
)
from tests.thoroughness import amount
from wallets.actions import hold_points, open_escrow, wallet_of

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Appointment.Status
MINUTE = dt.timedelta(minutes=1)
NOW = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
STUDENTS = 50


def careless_chat(mentor, *, student, topic, now):
    """request_chat as it must not be: it looks and then asks, without a lock in between."""
    if why_not(mentor, student=student, now=now) is not None:
        raise Refused
    time.sleep(A_MOMENT)
    times = ChatTimes.asked(now)
    chat = AppointmentFactory(
        kind="chat",
        mentor=mentor,
        student=student,
        title=topic,
        status=Status.REQUESTED,
        starts_at=times.answer_by,
        ends_at=times.ends_by,
        blocked_from=times.asked_at,
        answer_by=times.answer_by,
        price_points=mentor.price_points(15),
        escrow=open_escrow(),
    )
    hold_points(chat.payer, chat.escrow, points=chat.price_points, by=student, subject=chat)
    history.record(chat, "", Status.REQUESTED, by=student, now=now)
    return chat


# --- One mentor, many who ask -----------------------------------------------------------------------------------------


def race_for_one_mentor(ask, students=STUDENTS):
    mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=40)
    people = [rich(UserFactory(), 100) for _ in range(students)]
    answers = at_once([lambda p=person: ask(mentor, student=p, topic="Now", now=NOW) for person in people])
    faults = problems()
    if len(booked(answers)) != 1 or Appointment.objects.count() != 1:
        faults.append(f"{len(booked(answers))} requests stand")
    if odd := [answer.value for answer in answers if not isinstance(answer.value, (Appointment, Refused))]:
        faults.append(f"no refusal: {odd[:3]}")
    if sum(wallet_of(person).balance_points for person in people) != 100 * students - 10 * len(booked(answers)):
        faults.append("points of those who were refused moved")
    return faults


def test_of_fifty_who_ask_one_mentor_one_request_stands():
    assert race_for_one_mentor(request_chat) == []


def test_the_race_for_one_mentor_notices_who_looks_and_then_asks():
    with without_the_database_behind():
        assert any("requests stand" in fault for fault in race_for_one_mentor(careless_chat, students=8))


# --- One student, many mentors ----------------------------------------------------------------------------------------


def race_of_one_student(ask):
    mentors = [MentorProfileFactory(user__timezone="UTC", hourly_rate_points=40) for _ in range(8)]
    ann = rich(UserFactory(), 100)
    at_once([lambda m=mentor: ask(m, student=ann, topic="Now", now=NOW) for mentor in mentors])
    open_ones = Appointment.objects.filter(student=ann, status=Status.REQUESTED).count()
    return problems() + ([] if open_ones == 1 else [f"{open_ones} open chats of one student"])


def test_a_student_with_eight_tabs_has_one_open_chat():
    assert race_of_one_student(request_chat) == []


def test_the_race_of_one_student_notices_who_looks_and_then_asks():
    with without_the_database_behind():
        assert any("open chats of one student" in fault for fault in race_of_one_student(careless_chat))


# --- One chat, many answers -------------------------------------------------------------------------------------------


def race_for_the_answer(steps, rounds):
    """In each round one chat that waits, and everybody acts on it at once: some just before its time is over, some at
    that moment."""
    mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=40)
    ann = rich(UserFactory(), 10 * rounds)
    chats = []
    for number in range(rounds):
        moment = NOW + number * 60 * MINUTE
        chat = request_chat(mentor, student=ann, topic="Now", now=moment)
        chats.append(chat)
        ann.refresh_from_db()
    barrier = threading.Barrier(len(steps))

    def act(step):
        def through_all():
            errors = []
            for chat in chats:
                barrier.wait(timeout=60)
                try:
                    step(Appointment.objects.get(pk=chat.pk))
                except Refused:
                    pass
                except Exception as error:
                    errors.append(repr(error))
            return errors

        return through_all

    answers = at_once([act(step) for step in steps])
    faults = problems() + [error for answer in answers for error in answer.value]
    return faults, set(Appointment.objects.values_list("status", flat=True))


ANSWERS = [
    lambda it: confirm_appointment(it, by=it.mentor.user, now=it.answer_by - MINUTE),
    lambda it: decline_appointment(it, by=it.mentor.user, now=it.answer_by - MINUTE),
    lambda it: cancel_appointment(it, by=it.student, now=it.answer_by - MINUTE),
    lambda it: expire_request(it, now=it.answer_by),
]


def test_a_chat_is_answered_once_whoever_is_quick(monkeypatch):
    # One student asks for many here, hours apart, which are all open until the race.
    monkeypatch.setattr("bookings.chats.open_chat_of", lambda student, now: None)
    monkeypatch.setattr("bookings.actions.chats._make_way", lambda mentor, student, now: None)
    rounds = amount(15, 60)
    faults, ends = race_for_the_answer(ANSWERS, rounds)
    assert faults == []
    assert Status.REQUESTED not in ends
    for chat in Appointment.objects.filter(status=Status.CONFIRMED):
        assert (chat.blocked_until - chat.blocked_from) == 15 * MINUTE
    for chat in Appointment.objects.exclude(status__in=LIVE):
        assert chat.escrow.balance_points == 0


def test_the_race_for_the_answer_notices_a_state_that_is_read_then_written(monkeypatch):
    monkeypatch.setattr("bookings.chats.open_chat_of", lambda student, now: None)
    monkeypatch.setattr("bookings.actions.chats._make_way", lambda mentor, student, now: None)
    careless = [careless_step(status, Status.REQUESTED) for status in (Status.DECLINED, Status.EXPIRED)]
    faults, _ends = race_for_the_answer(careless, rounds=4)
    assert any("→" in fault for fault in faults)


# --- A chat against a booking of the same minutes ---------------------------------------------------------------------


def race_for_the_minutes(ask, accept, rounds=3):
    """Somebody accepts a chat while others book these minutes and ask for chats of their own."""
    mentor = works_every_day(
        MentorProfileFactory(
            user__timezone="UTC",
            timezone="UTC",
            hourly_rate_points=40,
            minimum_notice_minutes=0,
            slot_step_minutes=5,
            session_minutes=[30],
        )
    )
    faults = []
    for number in range(rounds):
        now = NOW + number * 60 * MINUTE
        people = [rich(UserFactory(), 100) for _ in range(10)]
        chat = request_chat(mentor, student=people[0], topic="Now", now=now)
        calls = [lambda c=chat, n=now: accept(c, by=c.mentor.user, now=n + MINUTE)]
        for index, person in enumerate(people[1:5]):
            start = now + (5 + 5 * index) * MINUTE
            calls.append(
                lambda p=person, s=start, n=now: book_slot(
                    mentor, student=p, starts_at=s, duration_minutes=30, title="Then", now=n + MINUTE
                )
            )
        calls += [
            lambda p=person, n=now: ask(mentor, student=p, topic="Me too", now=n + 2 * MINUTE) for person in people[5:]
        ]
        at_once(calls)
        chat.refresh_from_db()
        if chat.status != Status.CONFIRMED:
            faults.append(f"the chat is {chat.status}")
    return faults + problems()


def test_a_chat_that_is_accepted_and_bookings_of_its_minutes_never_overlap():
    assert race_for_the_minutes(request_chat, confirm_appointment) == []


def test_the_race_for_the_minutes_notices_who_looks_and_then_asks():
    with without_the_database_behind():

        def careless_accept(chat, *, by, now):
            for _look in range(200):  # until somebody has booked
                if Appointment.objects.filter(title="Then").exists():
                    break
                time.sleep(A_MOMENT)
            Appointment.objects.filter(pk=chat.pk).update(
                starts_at=now, ends_at=now + 60 * MINUTE, blocked_from=now, blocked_until=now + 60 * MINUTE
            )
            return history.move(Appointment.objects.get(pk=chat.pk), Status.CONFIRMED, by=by, now=now)

        faults = race_for_the_minutes(careless_chat, careless_accept, rounds=1)
        assert any("at once" in fault for fault in faults)
