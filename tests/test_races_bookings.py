"""Many threads at once on the same hours. Each race is run a second time against a version that is broken on purpose,
to prove that the check would notice."""

import datetime as dt
import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.tests.factories import UserFactory
from bookings import availability
from bookings.actions import (
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    book_slot,
    cancel_appointment,
    complete_appointment,
    confirm_appointment,
    decline_appointment,
    history,
    report_no_show,
)
from bookings.models import Appointment, AppointmentEvent
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from mentorbook import triggers
from mentorbook.errors import Refused
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.thoroughness import amount
from wallets import ledger
from wallets.actions import IdempotencyMismatch, NotEnoughPoints, hold_points, open_escrow, wallet_of
from wallets.models import Transaction, Transfer, Wallet

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Appointment.Status
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - DAY
# A careless version looks, thinks this long, and then writes.
A_MOMENT = 0.05


# --- Doing things at once ---------------------------------------------------------------------------------------------


@dataclass
class Answer:
    value: object  # what the call returned or raised
    seconds: float


def at_once(calls):
    """Run `calls` each in a thread and on a connection of its own, started together; their answers in order."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            began = time.monotonic()
            try:
                value = call()
            except (Refused, DatabaseError) as error:
                value = error
            return Answer(value, time.monotonic() - began)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def booked(answers):
    return [answer.value for answer in answers if isinstance(answer.value, Appointment)]


# --- What must never be -----------------------------------------------------------------------------------------------


def overlaps(blocking=Appointment.BLOCKING):
    """Pairs of sessions in which one person is in two places: as a mentor with the buffers, as a student without."""
    times = {}
    for appointment in Appointment.objects.filter(status__in=blocking).select_related("mentor"):
        plain = (appointment.starts_at, appointment.ends_at, appointment.pk)
        buffered = (appointment.blocked_from, appointment.blocked_until, appointment.pk)
        times.setdefault(appointment.student_id, []).append(plain)
        times.setdefault(appointment.mentor.user_id, []).append(buffered)
    pairs = []
    for person, mine in times.items():
        latest_end, latest = None, None
        for begins, ends, pk in sorted(mine):
            if latest_end is not None and begins < latest_end:
                pairs.append(f"person {person} is in {latest} and {pk} at once")
            if latest_end is None or ends > latest_end:
                latest_end, latest = ends, pk
    return pairs


STEPS = {
    "": {"requested", "confirmed"},
    "requested": {"confirmed", "declined", "expired", "cancelled"},
    "confirmed": {"cancelled", "completed", "no_show"},
}
LIVE = {"requested", "confirmed"}


def broken_histories():
    """Appointments whose history is no path of the table, or whose points did not follow it exactly once."""
    faults = []
    settlements = Counter(
        Transaction.objects.filter(reason__in=["release", "capture"]).values_list("subject_id", flat=True)
    )
    for appointment in Appointment.objects.prefetch_related("events"):
        events = list(appointment.events.all())
        state = ""
        for event in events:
            if event.from_status != state or event.to_status not in STEPS.get(state, ()):
                faults.append(f"{appointment.pk}: {event.from_status} → {event.to_status} after {state}")
            state = event.to_status
        if state != appointment.status:
            faults.append(f"{appointment.pk} is {appointment.status}, its history says {state}")
        moved = sum(event.points_returned + event.points_paid for event in events)
        if moved != (0 if state in LIVE else appointment.price_points):
            faults.append(f"{appointment.pk}: {moved} of {appointment.price_points} points went out")
        if settlements[appointment.pk] != (0 if state in LIVE or not appointment.price_points else 1):
            faults.append(f"{appointment.pk} was settled {settlements[appointment.pk]} times")
    return faults


def problems():
    return [*overlaps(), *broken_histories(), *(problem for _name, problem in ledger.problems())]


# --- Broken on purpose ------------------------------------------------------------------------------------------------


@contextmanager
def without_the_database_behind():
    """Inside, the database itself refuses no overlap. What was booked there is gone afterwards."""
    guards = [c for c in Appointment._meta.constraints if c.name.startswith("bookings_no_overlap")]
    with connection.schema_editor() as editor:
        if connection.vendor == "postgresql":
            for guard in guards:
                editor.remove_constraint(Appointment, guard)
        else:
            for trigger in triggers.registered(connection.vendor):
                if trigger.name.startswith("bookings_no_overlap"):
                    editor.execute(f"DROP TRIGGER {trigger.name}")
    try:
        yield
    finally:
        triggers.drop_all(connection)  # history only grows; after the test they are made again
        AppointmentEvent.objects.all().delete()
        Appointment.objects.all().delete()
        if connection.vendor == "postgresql":
            with connection.schema_editor() as editor:
                for guard in guards:
                    editor.add_constraint(Appointment, guard)


def careless_hold(payer, escrow, *, points, by, subject):
    """hold_points as it must not be: the balance is read, then written."""
    balance = Wallet.objects.get(pk=payer.pk).balance_points
    if balance < points:
        raise NotEnoughPoints
    time.sleep(A_MOMENT)
    held = Transaction.objects.create(reason=Transaction.Reason.HOLD, actor=by, subject=subject)
    Transfer.objects.create(transaction=held, source=payer, destination=escrow, points=points)
    Wallet.objects.filter(pk=payer.pk).update(balance_points=balance - points)
    Wallet.objects.filter(pk=escrow.pk).update(balance_points=points)


def careless_book(mentor, *, student, starts_at, duration_minutes, title, now, idempotency_key=None, hold=None):
    """book_slot as it must not be: it looks and then books, without a lock in between."""
    calendar = availability.load_calendar(mentor, now=now, student=student)
    if reason := calendar.refusal(starts_at, duration_minutes=duration_minutes):
        raise {Reason.busy: SlotTaken, Reason.student_busy: StudentBusy}.get(reason, SlotNotOffered)(reason=reason)
    time.sleep(A_MOMENT)
    appointment = AppointmentFactory(
        mentor=mentor,
        student=student,
        starts_at=starts_at,
        status=Status.REQUESTED,
        price_points=mentor.hourly_rate_points,
        escrow=open_escrow(),
    )
    hold = hold or hold_points
    hold(appointment.payer, appointment.escrow, points=appointment.price_points, by=student, subject=appointment)
    history.record(appointment, "", Status.REQUESTED, by=student, now=now)
    return appointment


# --- One slot, many takers --------------------------------------------------------------------------------------------

TAKERS = 50
# Nobody may hang until a lock times out. How quick a refusal is depends on what else the machine does.
HANGING_SECONDS = 15


def race_for_one_slot(book, rounds=1):
    """50 students want the same hour; every fault found. The slowest refusal is that of the best round, because a
    machine that does other things at the same time is not what is measured."""
    mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=30))
    students = [rich(UserFactory(), 100) for _ in range(TAKERS)]
    faults, slowest = [], []
    for number in range(rounds):
        start = TEN + number * DAY
        answers = at_once(
            [
                lambda student=student, start=start: book(
                    mentor, student=student, starts_at=start, duration_minutes=60, title="Race", now=start - DAY
                )
                for student in students
            ]
        )
        if len(booked(answers)) != 1:
            faults.append(f"round {number}: {len(booked(answers))} were booked")
        faults += [repr(a.value) for a in answers if not isinstance(a.value, (Appointment, SlotTaken))]
        slowest.append(max(answer.seconds for answer in answers))
        spent = 100 * TAKERS - sum(wallet_of(student).balance_points for student in students)
        held = 30 * Appointment.objects.filter(status__in=LIVE).count()
        if spent != held:
            faults.append(f"round {number}: {spent} points are gone from wallets, {held} are held")
    return faults + problems(), min(slowest)


def test_of_fifty_who_want_one_slot_one_gets_it():
    faults, slowest = race_for_one_slot(book_slot, rounds=amount(1, 3))
    assert faults == []
    assert slowest < HANGING_SECONDS


def test_the_race_for_one_slot_notices_a_missing_lock():
    with without_the_database_behind():
        faults, _slowest = race_for_one_slot(careless_book)
        assert any("were booked" in fault for fault in faults)
        assert any("at once" in fault for fault in faults)


# --- One wallet, many mentors -----------------------------------------------------------------------------------------


def race_for_one_wallet(book):
    """Ann has 100 points and asks 40 mentors at 30 at once, for 40 different hours."""
    ann = rich(UserFactory(), 100)
    wishes = []
    for number in range(40):
        mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=30))
        wishes.append((mentor, TEN + (number % 5) * HOUR + (number // 5) * DAY))
    answers = at_once(
        [
            lambda mentor=mentor, start=start: book(
                mentor, student=ann, starts_at=start, duration_minutes=60, title="Race", now=NOW
            )
            for mentor, start in wishes
        ]
    )
    faults = problems()
    if len(booked(answers)) != 3:
        faults.append(f"{len(booked(answers))} sessions at 30 were paid from 100 points")
    if wallet_of(ann).balance_points != 10:
        faults.append(f"{wallet_of(ann).balance_points} points are left")
    faults += [repr(a.value) for a in answers if not isinstance(a.value, (Appointment, NotEnoughPoints))]
    return faults


def test_a_wallet_of_100_books_three_of_forty_mentors_at_30():
    assert race_for_one_wallet(book_slot) == []


def test_the_race_for_one_wallet_notices_a_balance_that_is_read_then_written():
    faults = race_for_one_wallet(lambda *args, **wish: careless_book(*args, **wish, hold=careless_hold))
    assert any("were paid from 100 points" in fault for fault in faults)


# --- One appointment, many endings ------------------------------------------------------------------------------------


def race_for_the_end(steps, rounds):
    """In each round one appointment, half of them requested and half confirmed, and everybody acts on it at once."""
    mentor = MentorProfileFactory(user__timezone="UTC", hourly_rate_points=50)
    ann = rich(UserFactory(), 50 * rounds)
    appointments = []
    for number in range(rounds):
        with transaction.atomic():
            appointment = AppointmentFactory(
                mentor=mentor,
                student=ann,
                starts_at=TEN + number * HOUR,
                price_points=50,
                status=(Status.REQUESTED, Status.CONFIRMED)[number % 2],
                escrow=open_escrow(),
            )
            hold_points(appointment.payer, appointment.escrow, points=50, by=ann, subject=appointment)
            history.record(appointment, "", appointment.status, by=ann, now=NOW)
        appointments.append(appointment)

    barrier = threading.Barrier(len(steps))

    def act(step):
        def through_all():
            errors = []
            for appointment in appointments:
                barrier.wait(timeout=60)
                try:
                    step(Appointment.objects.get(pk=appointment.pk))
                except Refused:
                    pass
                except DatabaseError as error:
                    errors.append(repr(error))
            return errors

        return through_all

    answers = at_once([act(step) for step in steps])
    faults = problems() + list(itertools.chain.from_iterable(answer.value for answer in answers))
    ends = Counter(Appointment.objects.values_list("status", flat=True))
    return faults, ends


STEPS_AT_ONCE = [
    lambda it: confirm_appointment(it, by=it.mentor.user, now=it.starts_at - HOUR),
    lambda it: decline_appointment(it, by=it.mentor.user, now=it.starts_at - HOUR),
    lambda it: cancel_appointment(it, by=it.student, now=it.starts_at - HOUR),
    lambda it: cancel_appointment(it, by=it.mentor.user, now=it.starts_at - HOUR),
    lambda it: complete_appointment(it, by=it.mentor.user, now=it.starts_at + HOUR),
    lambda it: report_no_show(it, by=it.mentor.user, now=it.starts_at + HOUR),
]


def careless_step(status, *allowed):
    """A step as it must not be: the state is read, then written."""

    def step(appointment):
        if appointment.status not in allowed:
            return
        time.sleep(A_MOMENT)
        history.move(appointment, status, by=None, returned=50, now=NOW)

    return step


def test_every_appointment_has_one_end_and_is_settled_once():
    rounds = amount(40, 200)
    faults, ends = race_for_the_end(STEPS_AT_ONCE, rounds)
    assert faults == []
    assert sum(ends.values()) == rounds
    assert not set(ends) & LIVE
    assert len(ends) >= 3, f"too little happened: {ends}"


def test_the_race_for_the_end_notices_a_state_that_is_read_then_written():
    faults, _ends = race_for_the_end(
        [
            careless_step(Status.CANCELLED, Status.REQUESTED, Status.CONFIRMED),
            careless_step(Status.DECLINED, Status.REQUESTED),
            careless_step(Status.COMPLETED, Status.CONFIRMED),
        ],
        rounds=6,
    )
    assert any("→" in fault for fault in faults)
    assert any("points went out" in fault for fault in faults)


# --- One key, many tries ----------------------------------------------------------------------------------------------


def race_with_one_key(book):
    """The same wish with the same key 20 times at once and 5 times later, then with other content."""
    mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=30))
    ann = rich(UserFactory(), 1_000)

    def wish(title="Race"):
        return book(
            mentor, student=ann, starts_at=TEN, duration_minutes=60, title=title, now=NOW, idempotency_key="abc"
        )

    answers = at_once([wish] * 20) + [Answer(wish(), 0) for _ in range(5)]
    faults = problems()
    if (count := Appointment.objects.count()) != 1:
        faults.append(f"{count} appointments from one key")
    if len({appointment.pk for appointment in booked(answers)}) != 1 or len(booked(answers)) != 25:
        faults.append("not everybody got the same answer")
    if wallet_of(ann).balance_points != 970:
        faults.append("paid more than once")
    try:
        wish("Other")
        faults.append("the key was good for other content")
    except IdempotencyMismatch:
        pass
    return faults


def test_one_key_books_once_however_often_it_comes():
    assert race_with_one_key(book_slot) == []


def test_the_race_with_one_key_notices_that_keys_are_ignored():
    def careless(mentor, **wish):
        try:
            return careless_book(mentor, **wish)
        except StudentBusy:
            return Appointment.objects.first()

    with without_the_database_behind():
        faults = race_with_one_key(careless)
        assert any("appointments from one key" in fault for fault in faults)
        assert "the key was good for other content" in faults


# --- One day, one session ---------------------------------------------------------------------------------------------


def race_for_one_day(book, rounds=1):
    """A mentor takes one session a day; 8 students want 8 different hours at once. No constraint can count that."""
    mentor = works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=0, max_sessions_per_day=1))
    students = [UserFactory() for _ in range(8)]
    faults = []
    for number in range(rounds):
        answers = at_once(
            [
                lambda student=student, start=TEN + number * DAY + (hour - 1) * HOUR: book(
                    mentor, student=student, starts_at=start, duration_minutes=60, title="Race", now=NOW
                )
                for hour, student in enumerate(students)
            ]
        )
        if len(booked(answers)) != 1:
            faults.append(f"{len(booked(answers))} sessions on a day of one")
        refusals = [answer.value for answer in answers if not isinstance(answer.value, Appointment)]
        faults += [
            repr(refusal)
            for refusal in refusals
            if not isinstance(refusal, SlotNotOffered) or refusal.reason != Reason.day_limit
        ]
    return faults + problems()


def test_a_day_of_one_session_gets_one():
    assert race_for_one_day(book_slot, rounds=amount(2, 3)) == []


def test_the_race_for_one_day_notices_a_missing_lock():
    assert any("sessions on a day of one" in fault for fault in race_for_one_day(careless_book))


# --- One person, two roles --------------------------------------------------------------------------------------------


def race_for_one_person(book, rounds=1):
    """Max is booked as a mentor and books as a student, the same hour at once. No constraint sees both."""
    faults = []
    for _ in range(rounds):
        mentor, other = (
            works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=0)) for _ in range(2)
        )
        ann = UserFactory()
        pairs = [(mentor, ann), (other, mentor.user)]
        answers = at_once(
            [
                lambda whom=whom, who=who: book(
                    whom, student=who, starts_at=TEN, duration_minutes=60, title="Race", now=NOW
                )
                for whom, who in pairs
            ]
        )
        if len(booked(answers)) != 1:
            faults.append(f"{len(booked(answers))} of two were booked")
        faults += [repr(a.value) for a in answers if not isinstance(a.value, (Appointment, SlotTaken, StudentBusy))]
    return faults + problems()


def test_a_person_is_in_one_place_whatever_the_role():
    assert race_for_one_person(book_slot, rounds=amount(4, 8)) == []


def test_the_race_for_one_person_notices_a_missing_lock():
    faults = race_for_one_person(careless_book)
    assert "2 of two were booked" in faults
    assert any("at once" in fault for fault in faults)


# --- The database alone -----------------------------------------------------------------------------------------------


def race_for_the_database(count, threads=4):
    """Write random sessions of 10 people with 10 mentors without asking anybody; who was let in."""
    chance = random.Random(20270115)
    mentors = [MentorProfileFactory() for _ in range(10)]
    students = [UserFactory() for _ in range(10)]
    payer = wallet_of(students[0])
    escrows = Wallet.objects.bulk_create([Wallet(kind=Wallet.Kind.ESCROW) for _ in range(count)])
    wishes = []
    for escrow in escrows:
        start = TEN + chance.randrange(4 * 24 * 14) * HOUR / 4
        end = start + chance.choice([2, 3, 4, 6, 8]) * HOUR / 4
        student = chance.choice(students)
        wishes.append(
            Appointment(
                mentor=chance.choice(mentors),
                student=student,
                title="Race",
                status=chance.choice(Appointment.BLOCKING),
                starts_at=start,
                ends_at=end,
                blocked_from=start - chance.choice([0, 0, 1]) * HOUR / 4,
                blocked_until=end + chance.choice([0, 0, 1]) * HOUR / 4,
                agreed_timezone="UTC",
                agreed_local_start="",
                price_points=0,
                cancel_free_until=start,
                late_refund_percent=0,
                answer_by=start,
                payer=payer,
                escrow=escrow,
                booked_by=student,
            )
        )

    def write(mine):
        let_in, refused = 0, 0
        for wish in mine:
            try:
                wish.save(force_insert=True)
                let_in += 1
            except IntegrityError:
                refused += 1
            except DatabaseError as error:
                # Two that wait for each other's row: PostgreSQL lets one go and refuses the other.
                assert getattr(error.__cause__, "sqlstate", "") == "40P01"  # noqa: PT017
                refused += 1
        return let_in, refused

    answers = at_once([lambda part=part: write(wishes[part::threads]) for part in range(threads)])
    return [sum(counts) for counts in zip(*(answer.value for answer in answers), strict=True)]


def count_touching():
    ends = set(Appointment.objects.values_list("mentor_id", "blocked_until"))
    return sum(begin in ends for begin in Appointment.objects.values_list("mentor_id", "blocked_from"))


def test_the_database_alone_lets_nothing_overlap():
    count = amount(2_000, 5_000)
    let_in, refused = race_for_the_database(count)
    assert let_in + refused == count
    assert overlaps() == []
    assert let_in > 500, "too little happened"
    assert refused > 500, "nothing was in the way"
    assert count_touching() > 50, "sessions back to back must be let in"


def test_the_check_for_overlaps_notices_them_without_the_database_behind():
    with without_the_database_behind():
        race_for_the_database(500)
        assert len(overlaps()) > 100
        assert MentorProfile.objects.count() == 10
