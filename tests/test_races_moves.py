"""Many threads at once on another time for a session. Each race is run a second time against a version that is broken
on purpose, to prove that the check would notice."""

import datetime as dt
import itertools
import threading
import time
from collections import Counter

import pytest
from django.db import DatabaseError, transaction

from accounts.tests.factories import UserFactory
from bookings.actions import (
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    accept_move,
    book_slot,
    cancel_appointment,
    decline_move,
    expire_proposal,
    history,
    propose_move,
    withdraw_move,
)
from bookings.availability import load_calendar
from bookings.models import Appointment, BusyTime, MoveProposal
from bookings.tests.factories import AppointmentFactory, book_confirmed, rich, works_every_day
from mentorbook.errors import Refused
from mentors.tests.factories import MentorProfileFactory
from tests.test_races_bookings import A_MOMENT, at_once, careless_book, overlaps, without_the_database_behind
from tests.thoroughness import amount
from wallets import ledger
from wallets.actions import hold_points, open_escrow, release_hold, wallet_of

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - DAY
Status = MoveProposal.Status


def problems():
    faults = [*overlaps(), *(problem for _name, problem in ledger.problems())]
    held = Counter(BusyTime.objects.values_list("proposal", flat=True))
    for proposal in MoveProposal.objects.select_related("appointment"):
        is_open = proposal.status == Status.OPEN
        if held[proposal.pk] != int(is_open):
            faults.append(f"proposal {proposal.pk} is {proposal.status} and has {held[proposal.pk]} holds")
        if is_open and not proposal.appointment.is_live:
            faults.append(f"proposal {proposal.pk} outlived its session")
    return faults


# --- One proposal, many answers ---------------------------------------------------------------------------------------


def prepare(rounds):
    """A session of an hour for 50 points in each round, and for every second one half an hour more is proposed."""
    mentor = works_every_day(
        MentorProfileFactory(
            user__timezone="UTC", hourly_rate_points=50, session_minutes=[30, 60, 90], slot_step_minutes=30
        ),
        0,
        24 * 60,
    )
    ann = rich(UserFactory(), 100 * rounds)
    proposals = []
    for number in range(rounds):
        start = TEN + number // 6 * DAY + number % 6 * 2 * HOUR
        now = start - DAY
        with transaction.atomic():
            appointment = AppointmentFactory(
                mentor=mentor, student=ann, starts_at=start, price_points=50, escrow=open_escrow()
            )
            hold_points(appointment.payer, appointment.escrow, points=50, by=ann, subject=appointment)
            history.record(appointment, "", appointment.status, by=ann, now=now)
        minutes = (30, 90)[number % 2]
        proposals.append(propose_move(appointment, by=mentor.user, starts_at=start, duration_minutes=minutes, now=now))
    return proposals


ANSWERS = {
    "accept": lambda it, now: accept_move(it, by=it.appointment.student, now=now),
    "decline": lambda it, now: decline_move(it, by=it.appointment.student, now=now),
    "withdraw": lambda it, now: withdraw_move(it, by=it.appointment.mentor.user, now=now),
    "cancel": lambda it, now: cancel_appointment(it.appointment, by=it.appointment.student, now=now),
    "expire": lambda it, now: expire_proposal(it, now=it.answer_by),
}


def race_for_the_answer(answers, rounds):
    proposals = prepare(rounds)
    barrier = threading.Barrier(len(answers))

    def act(answer):
        def through_all():
            errors = []
            for proposal in proposals:
                barrier.wait(timeout=60)
                now = proposal.appointment.starts_at - DAY
                try:
                    answer(MoveProposal.objects.select_related("appointment").get(pk=proposal.pk), now)
                except Refused:
                    pass
                except DatabaseError as error:
                    errors.append(repr(error))
            return errors

        return through_all

    answered = at_once([act(answer) for answer in answers])
    faults = problems() + list(itertools.chain.from_iterable(answer.value for answer in answered))
    outcomes = Counter(MoveProposal.objects.values_list("status", flat=True))
    for proposal in MoveProposal.objects.select_related("appointment"):
        appointment = proposal.appointment
        moves = Counter(appointment.events.exclude(what="state").values_list("what", flat=True))
        ends = sum(moves[what] for what in ("moved", "move_declined", "move_withdrawn", "move_expired"))
        if ends != (0 if proposal.status == Status.OVERTAKEN else 1):
            faults.append(f"proposal {proposal.pk} is {proposal.status} and was answered {ends} times")
        has_moved = appointment.price_points != 50
        if has_moved != (proposal.status == Status.ACCEPTED):
            faults.append(f"proposal {proposal.pk} is {proposal.status}, its session costs {appointment.price_points}")
    return faults, outcomes


def test_a_proposal_has_one_outcome_whoever_answers_at_once():
    faults, outcomes = race_for_the_answer(list(ANSWERS.values()), rounds := amount(40, 100))
    assert faults == []
    assert sum(outcomes.values()) == rounds
    assert not outcomes[Status.OPEN]
    assert len(outcomes) >= 3, f"too little happened: {outcomes}"


def careless_accept(proposal, now):
    """accept_move as it must not be: the state is read, then written."""
    if proposal.status != Status.OPEN:
        return
    time.sleep(A_MOMENT)
    appointment = Appointment.objects.get(pk=proposal.appointment_id)
    extra = proposal.price_points - appointment.price_points
    if extra > 0:
        hold_points(appointment.payer, appointment.escrow, points=extra, by=None, subject=appointment)
    elif extra:
        release_hold(appointment.escrow, by=None, subject=appointment, points=-extra)
    history.record(appointment, "confirmed", "confirmed", by=None, what="moved", now=now)
    Appointment.objects.filter(pk=appointment.pk).update(
        ends_at=proposal.ends_at, blocked_until=proposal.ends_at, price_points=proposal.price_points
    )
    MoveProposal.objects.filter(pk=proposal.pk).update(status=Status.ACCEPTED)
    BusyTime.objects.filter(proposal=proposal).delete()


def careless_decline(proposal, now):
    if proposal.status != Status.OPEN:
        return
    time.sleep(A_MOMENT)
    history.record(proposal.appointment, "confirmed", "confirmed", by=None, what="move_declined", now=now)
    MoveProposal.objects.filter(pk=proposal.pk).update(status=Status.DECLINED)
    BusyTime.objects.filter(proposal=proposal).delete()


def test_the_race_for_the_answer_notices_a_state_that_is_read_then_written():
    faults, _outcomes = race_for_the_answer([careless_accept, careless_decline], rounds=4)
    assert any("was answered 2 times" in fault for fault in faults)


# --- One time, moved to and booked ------------------------------------------------------------------------------------

TAKERS = 8


def race_for_a_time(propose, book, rounds=1):
    """Ann's and Sam's sessions are to be moved to an hour that eight others book at the same time. One gets it."""
    mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=10), 0, 24 * 60)
    movers = [rich(UserFactory(), 10 * rounds) for _ in range(2)]
    others = [rich(UserFactory(), 10 * rounds) for _ in range(TAKERS)]
    faults, won = [], Counter()
    for number in range(rounds):
        wanted = TEN + number * DAY
        now = wanted - DAY
        sessions = [
            book_confirmed(mentor, mover, wanted + (3 + which) * HOUR, now=now) for which, mover in enumerate(movers)
        ]
        calls = [lambda it=it, wanted=wanted, now=now: propose(it, starts_at=wanted, now=now) for it in sessions] + [
            lambda student=student, wanted=wanted, now=now: book(
                mentor, student=student, starts_at=wanted, duration_minutes=60, title="Race", now=now
            )
            for student in others
        ]
        values = [answer.value for answer in at_once(calls)]
        got = [value for value in values if isinstance(value, (Appointment, MoveProposal))]
        won.update(type(value).__name__ for value in got)
        if len(got) != 1:
            faults.append(f"round {number}: {len(got)} got the same hour")
        faults += [repr(value) for value in values if value not in got and not isinstance(value, SlotTaken)]
        for proposal in got:
            if isinstance(proposal, MoveProposal):
                try:
                    answers = proposal.appointment.student if proposal.by_mentor else mentor.user
                    accept_move(proposal, by=answers, now=now)
                except Refused as refusal:
                    faults.append(f"what was held could not be had: {refusal}")
    return faults + problems(), won


def either_side(appointment, *, starts_at, now):
    """Ann's side proposes for one, Max for the other."""
    by = appointment.student if appointment.pk % 2 else appointment.mentor.user
    return propose_move(appointment, by=by, starts_at=starts_at, duration_minutes=60, now=now)


def careless_propose(appointment, *, starts_at, now):
    """propose_move as it must not be: it looks and then holds, without a lock in between."""
    calendar = load_calendar(appointment.mentor, now=now, student=appointment.student, without=appointment)
    if reason := calendar.refusal(starts_at, duration_minutes=60):
        raise SlotTaken(reason=reason)
    time.sleep(A_MOMENT)
    proposal = MoveProposal.objects.create(
        appointment=appointment,
        proposed_by=appointment.student,
        by_mentor=False,
        starts_at=starts_at,
        ends_at=starts_at + HOUR,
        price_points=10,
        answer_by=starts_at,
    )
    BusyTime.objects.create(
        kind=BusyTime.Kind.MOVE,
        mentor=appointment.mentor,
        student=appointment.student,
        proposal=proposal,
        starts_at=starts_at,
        ends_at=starts_at + HOUR,
        blocked_from=starts_at,
        blocked_until=starts_at + HOUR,
        expires_at=starts_at,
    )
    return proposal


def test_an_hour_that_is_booked_and_moved_to_at_once_has_one_owner():
    faults, won = race_for_a_time(either_side, book_slot, rounds=amount(6, 20))
    assert faults == []
    assert won


def test_the_race_for_a_time_notices_a_missing_lock():
    with without_the_database_behind():
        faults, _won = race_for_a_time(careless_propose, careless_book)
        MoveProposal.objects.all().delete()
        assert any("got the same hour" in fault for fault in faults)


# --- A person, moved to and booked elsewhere --------------------------------------------------------------------------


def race_for_a_student(propose, rounds=1):
    """Ann's session moves to an hour for which she books another mentor in the same moment."""
    mentors = [
        works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=10), 0, 24 * 60) for _ in range(2)
    ]
    ann = rich(UserFactory(), 20 * rounds)
    faults = []
    for number in range(rounds):
        wanted = TEN + number * DAY
        now = wanted - DAY
        session = book_confirmed(mentors[0], ann, wanted + 3 * HOUR, now=now)
        values = [
            answer.value
            for answer in at_once(
                [
                    lambda it=session, wanted=wanted, now=now: propose(it, starts_at=wanted, now=now),
                    lambda wanted=wanted, now=now: book_slot(
                        mentors[1], student=ann, starts_at=wanted, duration_minutes=60, title="Race", now=now
                    ),
                ]
            )
        ]
        got = [value for value in values if isinstance(value, (Appointment, MoveProposal))]
        if len(got) != 1:
            faults.append(f"round {number}: she got {len(got)}")
        faults += [
            repr(value)
            for value in values
            if value not in got and not isinstance(value, (StudentBusy, SlotTaken, SlotNotOffered))
        ]
    return faults + problems()


def test_a_student_is_not_moved_to_where_she_is_booked_elsewhere():
    assert race_for_a_student(either_side, rounds=amount(6, 20)) == []


def test_the_race_for_a_student_notices_a_missing_lock():
    def slow(appointment, **when):
        time.sleep(A_MOMENT)
        return careless_propose_blind(appointment, **when)

    def careless_propose_blind(appointment, *, starts_at, now):
        proposal = MoveProposal.objects.create(
            appointment=appointment,
            proposed_by=appointment.student,
            by_mentor=False,
            starts_at=starts_at,
            ends_at=starts_at + HOUR,
            price_points=10,
            answer_by=starts_at,
        )
        return proposal

    faults = race_for_a_student(slow)
    assert any("she got 2" in fault for fault in faults)
    assert any("has 0 holds" in fault for fault in faults)


# --- Two tabs ---------------------------------------------------------------------------------------------------------


def test_both_sides_propose_at_once_and_one_is_open():
    """One of the two comes first; the other is told to answer that. Points stay where they are."""
    mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=10), 0, 24 * 60)
    ann = rich(UserFactory(), 1_000)
    for number in range(amount(6, 20)):
        start = TEN + number * DAY
        now = start - DAY
        session = book_confirmed(mentor, ann, start, now=now)
        at_once(
            [
                lambda by=by, hours=hours, it=session, now=now: propose_move(
                    it, by=by, starts_at=it.starts_at + hours * HOUR, duration_minutes=60, now=now
                )
                for by, hours in ((ann, 2), (ann, 3), (mentor.user, 4), (mentor.user, 5))
            ]
        )
        assert session.proposals.open().count() == 1
        assert BusyTime.objects.filter(proposal__appointment=session).count() == 1
    assert problems() == []
    assert wallet_of(ann).balance_points == 1_000 - 10 * Appointment.objects.count()
