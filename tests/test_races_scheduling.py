"""Many people who want the same best time at once, and one person who presses many times. Each race is run a second
time against a version that is broken on purpose."""

import pytest

from accounts.tests.factories import UserFactory
from bookings.actions import AllTaken, book_best, book_slot
from bookings.actions import scheduling as actions
from bookings.actions.scheduling import Choice
from bookings.models import Appointment
from bookings.scheduling import Wanted, best_pairs
from bookings.tests.factories import rich, works_every_day
from mentorbook.locks import Busy
from mentors.tests.factories import MentorProfileFactory
from tests.test_races_bookings import (
    LIVE,
    NOW,
    TEN,
    at_once,
    booked,
    careless_book,
    problems,
    without_the_database_behind,
)
from wallets.actions import IdempotencyMismatch, wallet_of

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TAKERS, MENTORS, PRICE = 50, 10, 30


def ten_o_clock(**wish):
    """That hour and no other."""
    return Wanted(
        duration_minutes=60,
        first=TEN.date(),
        last=TEN.date(),
        zone="UTC",
        highest_price_points=PRICE,
        from_minute=10 * 60,
        to_minute=11 * 60,
        **wish,
    )


def mentors(count):
    return [works_every_day(MentorProfileFactory(user__timezone="UTC", hourly_rate_points=PRICE)) for _ in range(count)]


def choice(pair):
    return Choice(pair.mentor.pk, pair.starts_at, pair.price_points)


# --- Everybody wants the best -----------------------------------------------------------------------------------------


def race_for_the_best(takers):
    """All press the first button of one list; every fault found."""
    mentors(MENTORS)
    students = [rich(UserFactory(), 100) for _ in range(takers)]
    pairs = best_pairs(ten_o_clock(), student=students[0], now=NOW)
    assert len(pairs) == MENTORS

    def press(student):
        return book_best(ten_o_clock(), student=student, chosen=choice(pairs[0]), title="Race", pairs=pairs, now=NOW)

    answers = at_once([lambda student=student: press(student) for student in students])
    got = booked(answers)
    faults = []
    # Whoever is told that all have gone has tried them all; a machine with no time left says Busy to some instead.
    left = MENTORS - len({appointment.mentor_id for appointment in got})
    if len(got) > MENTORS or (left and any(isinstance(answer.value, AllTaken) for answer in answers)):
        faults.append(f"{len(got)} were booked, and {left} mentors were left")
    if len({appointment.student_id for appointment in got}) != len(got):
        faults.append("somebody got two")
    faults += [repr(a.value) for a in answers if not isinstance(a.value, (Appointment, AllTaken, Busy))]
    if not got:
        faults.append("nobody was booked")
    spent = 100 * takers - sum(wallet_of(student).balance_points for student in students)
    held = PRICE * Appointment.objects.filter(status__in=LIVE).count()
    if spent != held:
        faults.append(f"{spent} points are gone from wallets, {held} are held")
    return faults + problems()


def test_of_fifty_who_want_the_best_each_gets_another_or_a_clean_refusal():
    assert race_for_the_best(TAKERS) == []


def test_the_race_for_the_best_notices_a_missing_lock(monkeypatch):
    def careless(wish, mentor, *, now):
        student = UserFactory._meta.model.objects.get(pk=wish.student_id)
        return careless_book(
            mentor, student=student, starts_at=wish.starts_at, duration_minutes=60, title=wish.title, now=now
        )

    monkeypatch.setattr(actions, "book_wish", careless)
    with without_the_database_behind():
        faults = race_for_the_best(TAKERS)
        assert any("were booked" in fault for fault in faults)
        assert any("at once" in fault for fault in faults)


# --- One person presses many times ------------------------------------------------------------------------------------


def race_with_one_key():
    """The first choice is gone, and the same press arrives twenty times at once and twice later; every fault found."""
    ann, sam = rich(UserFactory(), 100), rich(UserFactory(), 100)
    mentors(4)
    pairs = best_pairs(ten_o_clock(), student=ann, now=NOW)
    book_slot(pairs[0].mentor, student=sam, starts_at=TEN, duration_minutes=60, title="Faster", now=NOW)

    def press():
        return book_best(
            ten_o_clock(),
            student=ann,
            chosen=choice(pairs[0]),
            title="Again",
            pairs=pairs,
            idempotency_key="one",
            now=NOW,
        )

    answers = at_once([press] * 20) + at_once([press] * 2)
    faults = [repr(a.value) for a in answers if not isinstance(a.value, Appointment)]
    if len({appointment.pk for appointment in booked(answers)}) != 1:
        faults.append(f"{len({appointment.pk for appointment in booked(answers)})} different answers")
    if wallet_of(ann).balance_points != 100 - PRICE:
        faults.append(f"{100 - wallet_of(ann).balance_points} points were taken")
    return faults + problems()


def test_one_key_books_once_though_the_first_choice_was_taken():
    assert race_with_one_key() == []


def test_the_race_with_one_key_notices_that_each_try_is_its_own_request(monkeypatch):
    """Each try with a fingerprint of its own, as if it were another request."""
    original = actions.book_wish

    def forgetful(wish, mentor, *, now):
        return original(actions.replace(wish, asked_for=None), mentor, now=now)

    monkeypatch.setattr(actions, "book_wish", forgetful)
    assert any(IdempotencyMismatch.__name__ in fault for fault in race_with_one_key())
