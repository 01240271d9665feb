"""Many threads at once on the same disputes, and on the points that they are about. Each race is run a second time
against a version that is broken on purpose, to prove that the check would notice."""

import datetime as dt
import itertools
import threading
import time
from collections import Counter

import pytest
from django.db import DatabaseError, transaction

from accounts.tests.factories import UserFactory
from bookings.actions import (
    cancel_appointment,
    complete_appointment,
    decide_dispute,
    dispute_appointment,
    history,
    report_no_show,
)
from bookings.models import Appointment, AppointmentEvent, Dispute
from bookings.tests.factories import AppointmentFactory, rich
from mentorbook.errors import Refused
from mentorbook.locks import Busy
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.test_races_bookings import at_once
from tests.thoroughness import amount
from wallets import ledger
from wallets.actions import NotEnoughPoints, hold_points, open_escrow, transfer_points, wallet_of
from wallets.models import Transaction, Transfer, Wallet

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Appointment.Status
HOUR = dt.timedelta(hours=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
PRICE = 50
A_MOMENT = 0.05  # a careless version looks, thinks this long, and then writes


# --- What must never be -----------------------------------------------------------------------------------------------

STEPS = {
    "": {"confirmed"},
    "confirmed": {"completed", "no_show", "cancelled", "disputed"},
    "completed": {"disputed"},
    "disputed": {"disputed"},
}


def faults_of_disputes():
    """Histories that are no path of the table, decisions that came twice or too early, and what the ledger says."""
    faults = [problem for _name, problem in ledger.problems()]
    for appointment in Appointment.objects.prefetch_related("events").select_related("dispute"):
        state, decisions = "", 0
        for event in appointment.events.all():
            decided = event.what == AppointmentEvent.What.DISPUTE_DECIDED
            decisions += decided
            if event.from_status != state or event.to_status not in STEPS.get(state, ()):
                faults.append(f"{appointment.pk}: {event.from_status} → {event.to_status} after {state}")
            elif state == event.to_status and not decided:
                faults.append(f"{appointment.pk}: disputed twice")
            state = event.to_status
        dispute = getattr(appointment, "dispute", None)
        if state != appointment.status:
            faults.append(f"{appointment.pk} is {appointment.status}, its history says {state}")
        if decisions != (1 if dispute and dispute.is_decided else 0):
            faults.append(f"{appointment.pk} was decided {decisions} times")
    counted = Counter(Appointment.objects.filter(status=Status.COMPLETED).values_list("mentor", flat=True)) + Counter(
        Dispute.objects.filter(points_paid__gt=0).values_list("appointment__mentor", flat=True)
    )
    return faults + [
        f"{mentor.sessions_completed} sessions of {counted[mentor.pk]} are counted"
        for mentor in MentorProfile.objects.all()
        if mentor.sessions_completed != counted[mentor.pk]
    ]


def agree(mentor, student, number, status=Status.CONFIRMED):
    """A session that is promised and whose points are held, an hour after the one before."""
    with transaction.atomic():
        appointment = AppointmentFactory(
            mentor=mentor,
            student=student,
            starts_at=TEN + number * HOUR,
            price_points=PRICE,
            status=status,
            escrow=open_escrow(),
        )
        hold_points(appointment.payer, appointment.escrow, points=PRICE, by=student, subject=appointment)
        history.record(appointment, "", status, by=student, now=TEN)
    return appointment


def through(appointments, steps):
    """Everybody takes their step on one session after the other, at the same time; what the database complained of."""
    barrier = threading.Barrier(len(steps))

    def act(step):
        def through_all():
            errors = []
            for appointment in appointments:
                barrier.wait(timeout=60)
                try:
                    step(Appointment.objects.get(pk=appointment.pk))
                except Busy as error:
                    errors.append(repr(error))
                except Refused:
                    pass
                except DatabaseError as error:
                    errors.append(repr(error))
            return errors

        return through_all

    answers = at_once([act(step) for step in steps])
    return list(itertools.chain.from_iterable(answer.value for answer in answers))


# --- One session, everything at once ----------------------------------------------------------------------------------


def race_about_a_session(steps, rounds):
    mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=PRICE)
    ann = rich(UserFactory(), PRICE * rounds)
    appointments = [agree(mentor, ann, number) for number in range(rounds)]
    complaints = through(appointments, steps(UserFactory(is_staff=True, is_superuser=True)))
    total = wallet_of(ann).balance_points + wallet_of(mentor.user).balance_points
    held = sum(Wallet.objects.filter(kind=Wallet.Kind.ESCROW).values_list("balance_points", flat=True))
    faults = complaints + faults_of_disputes()
    if total + held != PRICE * rounds:
        faults.append(f"{total} and {held} points of {PRICE * rounds} are there")
    return faults, Counter(Appointment.objects.values_list("status", flat=True))


def everything(ada):
    return [
        lambda it: dispute_appointment(it, by=it.student, reason="Nobody came.", now=it.ends_at),
        lambda it: dispute_appointment(it, by=it.student, reason="Nobody came at all.", now=it.ends_at),
        lambda it: complete_appointment(it, by=None, now=it.ends_at + 24 * HOUR),
        lambda it: complete_appointment(it, by=it.mentor.user, now=it.ends_at),
        lambda it: report_no_show(it, by=it.mentor.user, now=it.ends_at),
        lambda it: cancel_appointment(it, by=it.mentor.user, now=it.ends_at),
        lambda it: decide_dispute(it, by=ada, returned_points=20, note="So.", now=it.ends_at),
        lambda it: decide_dispute(it, by=ada, returned_points=50, note="No, so.", now=it.ends_at),
    ]


def careless(status, *allowed):
    """A step as it must not be: the state is read, then written."""

    def step(appointment):
        if appointment.status not in allowed:
            return
        time.sleep(A_MOMENT)
        history.move(appointment, status, by=None, now=TEN)

    return step


def test_a_session_ends_in_one_way_whoever_does_what_at_once():
    faults, ends = race_about_a_session(everything, rounds=amount(20, 60))
    assert faults == []
    assert Status.CONFIRMED not in ends
    assert len(ends) >= 2, f"too little happened: {ends}"


def test_the_race_about_a_session_notices_a_state_that_is_read_then_written():
    faults, _ends = race_about_a_session(
        lambda ada: [
            careless(Status.DISPUTED, Status.CONFIRMED),
            careless(Status.DISPUTED, Status.CONFIRMED),
            careless(Status.COMPLETED, Status.CONFIRMED),
        ],
        rounds=4,
    )
    assert any("disputed twice" in fault or "→" in fault for fault in faults)


# --- One dispute, many decisions --------------------------------------------------------------------------------------


def race_to_decide(decide, rounds):
    """Four of staff decide the same dispute differently, half of the sessions having been paid before."""
    mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=PRICE)
    ann = rich(UserFactory(), PRICE * rounds)
    appointments = []
    for number in range(rounds):
        appointment = agree(mentor, ann, number)
        if number % 2:
            complete_appointment(appointment, by=mentor.user, now=appointment.ends_at)
        dispute_appointment(appointment, by=ann, reason="It broke off.", now=appointment.ends_at)
        appointments.append(appointment)
    staff = [UserFactory(is_staff=True, is_superuser=True) for _ in range(4)]
    complaints = through(
        appointments,
        [
            lambda it, ada=ada, back=back: decide(it, by=ada, returned_points=back, note="So.", now=it.ends_at)
            for ada, back in zip(staff, (0, 20, 30, 50), strict=True)
        ],
    )
    faults = complaints + faults_of_disputes()
    returned = sum(Dispute.objects.values_list("points_returned", flat=True))
    if wallet_of(ann).balance_points != returned:
        faults.append(f"{wallet_of(ann).balance_points} points came back, decided were {returned}")
    if undecided := Dispute.objects.undecided().count():
        faults.append(f"{undecided} are undecided")
    return faults


def careless_decide(appointment, *, by, returned_points, note, now):
    """decide_dispute as it must not be: whether it is decided is read, then written."""
    dispute = Dispute.objects.get(appointment=appointment)
    if dispute.is_decided:
        return
    time.sleep(A_MOMENT)
    with transaction.atomic():
        history.record(
            appointment,
            Status.DISPUTED,
            Status.DISPUTED,
            what=AppointmentEvent.What.DISPUTE_DECIDED,
            by=by,
            reason=note,
            now=now,
        )
        Dispute.objects.filter(pk=dispute.pk).update(
            decided_at=now,
            decided_by=by,
            decision=note,
            points_returned=returned_points,
            points_paid=PRICE - returned_points,
        )


def test_a_dispute_is_decided_once():
    assert race_to_decide(decide_dispute, rounds=amount(8, 30)) == []


def test_the_race_to_decide_notices_that_it_is_read_then_written():
    faults = race_to_decide(careless_decide, rounds=2)
    assert any("was decided" in fault for fault in faults)
    assert any("is decided, its escrow" in fault for fault in faults)


# --- The mentor spends while it is clawed back ------------------------------------------------------------------------


def careless_transfer(source, destination, *, points, by, reason, note):
    """transfer_points as it must not be: the balance is read, then written."""
    balance = Wallet.objects.get(pk=source.pk).balance_points
    if balance < points:
        raise NotEnoughPoints
    time.sleep(A_MOMENT)
    with transaction.atomic():
        spent = Transaction.objects.create(reason=reason, actor=by, note=note)
        Transfer.objects.create(transaction=spent, source=source, destination=destination, points=points)
        there = Wallet.objects.get(pk=destination.pk).balance_points
        Wallet.objects.filter(pk=source.pk).update(balance_points=balance - points)
        Wallet.objects.filter(pk=destination.pk).update(balance_points=there + points)


def race_for_spent_points(spend, rounds):
    """The mentor has what five sessions brought. All five are disputed while the mentor gives the points away, to the
    very students who get them back; then, at once again, they are decided."""
    ada = UserFactory(is_staff=True, is_superuser=True)
    faults = []
    for number in range(rounds):
        mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=PRICE)
        students = [rich(UserFactory(), PRICE) for _ in range(5)]
        sessions = [agree(mentor, student, number * 6 + place) for place, student in enumerate(students)]
        for session in sessions:
            complete_appointment(session, by=mentor.user, now=session.ends_at)
        purse = wallet_of(mentor.user)

        def give(student, points, purse=purse, by=mentor.user):
            return spend(
                purse, wallet_of(student), points=points, by=by, reason=Transaction.Reason.TRANSFER, note="Thanks"
            )

        gifts = [lambda student=student: give(student, 40) for student in students]
        answers = at_once(
            [
                *(
                    lambda it=it: dispute_appointment(it, by=it.student, reason="It broke off.", now=it.ends_at)
                    for it in sessions
                ),
                *gifts,
            ]
        )
        faults += complaints(answers)
        answers = at_once(
            [
                *(
                    lambda it=it: decide_dispute(it, by=ada, returned_points=30, note="So.", now=it.ends_at)
                    for it in sessions
                ),
                *(
                    lambda it=it: decide_dispute(it, by=ada, returned_points=0, note="So.", now=it.ends_at)
                    for it in sessions
                ),
                *gifts,
            ]
        )
        faults += complaints(answers)
        wallets = [purse, *(wallet_of(student) for student in students), *(session.escrow for session in sessions)]
        there = sum(Wallet.objects.filter(pk__in=[w.pk for w in wallets]).values_list("balance_points", flat=True))
        if there != 5 * PRICE:
            faults.append(f"{there} points of {5 * PRICE} are there")
    return faults + faults_of_disputes()


def complaints(answers):
    """What the database complained of; a refusal is an answer, but not that somebody waited in a circle."""
    return [repr(answer.value) for answer in answers if isinstance(answer.value, (DatabaseError, Busy))]


def test_points_that_are_spent_while_they_are_clawed_back_are_somewhere_once():
    assert race_for_spent_points(transfer_points, rounds=amount(2, 12)) == []
    disputes = Dispute.objects.filter(decided_at__isnull=False)
    assert disputes.count() >= 3, "too little happened"


def test_the_race_for_spent_points_notices_a_balance_that_is_read_then_written():
    faults = race_for_spent_points(careless_transfer, rounds=2)
    assert any("points of" in fault or "says" in fault or "wallets_never_below_zero" in fault for fault in faults)
