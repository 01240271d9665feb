"""What the page of another time offers can be proposed and agreed on, and what is refused was not offered: for random
mentors, sessions, lengths and proposers."""

import datetime as dt
import random

import pytest
from django.db import transaction

from bookings.actions import SameTime, SlotNotOffered, SlotTaken, StudentBusy, accept_move, propose_move
from bookings.forms import TimesQuery
from bookings.models import Appointment, MoveProposal
from bookings.moves import MoveTimetable
from bookings.tests.factories import AppointmentFactory, WeeklyHoursFactory, rich
from bookings.timetable import address_of
from mentorbook.errors import Refused
from mentors.tests.factories import MentorProfileFactory
from tests.thoroughness import amount
from wallets import ledger
from wallets.actions import hold_points, open_escrow

# The days around the Sunday on which the clocks go forward in Berlin.
FRIDAY = dt.datetime(2027, 3, 26, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TRIES = 12

pytestmark = pytest.mark.django_db


def tried(call):
    """What `call` returns or refuses with; what it did is undone."""
    with transaction.atomic():
        try:
            result = call()
        except Refused as refusal:
            result = refusal
        transaction.set_rollback(True)
    return result


def scene(chance, ann, sam):
    """A mentor with some hours, and a session of Ann among others of both."""
    mentor = MentorProfileFactory(
        user__timezone="Europe/Berlin",
        timezone="Europe/Berlin",
        hourly_rate_points=chance.choice([0, 7, 50]),
        session_minutes=chance.choice([[30, 60, 90], [60], [45, 120]]),
        slot_step_minutes=chance.choice([None, 15, 30]),
        buffer_before_minutes=chance.choice([0, 0, 10]),
        buffer_after_minutes=chance.choice([0, 0, 15]),
        minimum_notice_minutes=chance.choice([0, 240]),
        max_sessions_per_day=chance.choice([None, None, 1, 2]),
        confirms_automatically=chance.random() < 0.3,
        cancellation_notice_hours=chance.choice([0, 24]),
    )
    for weekday in chance.sample(range(1, 8), 5):
        start = chance.randrange(0, 18 * 60, 15)
        WeeklyHoursFactory(mentor=mentor, weekday=weekday, start_minute=start, end_minute=min(24 * 60, start + 6 * 60))
    other = MentorProfileFactory(user__timezone="UTC")
    taken = FRIDAY + chance.randrange(4 * 96) * HOUR / 4
    AppointmentFactory(mentor=mentor, student=sam, starts_at=taken)
    AppointmentFactory(mentor=other, student=ann, starts_at=taken + 2 * HOUR)
    with transaction.atomic():
        appointment = AppointmentFactory(
            mentor=mentor,
            student=ann,
            starts_at=taken + chance.choice([-3, 4, 5, 30]) * HOUR,
            price_points=mentor.hourly_rate_points,
            status=chance.choice(["requested", "confirmed"]),
            escrow=open_escrow(),
        )
        hold_points(appointment.payer, appointment.escrow, points=appointment.price_points, by=ann, subject=appointment)
    return appointment


def offered(appointment, by, minutes, now):
    """The starts that the page shows over three weeks, and the timetable of the first."""
    starts, timetable, day = [], None, None
    for _week in range(3):
        query = TimesQuery(
            {"duration": minutes, "timezone": "UTC", **({"day": day} if day else {})},
            mentor=appointment.mentor,
            viewer=by,
            lengths=appointment.lengths_to_move_to(),
            usual_minutes=appointment.duration_minutes,
        )
        shown = MoveTimetable(appointment, query, by=by, now=now)
        timetable = timetable or shown
        starts += [time.value for day in shown.days for part in day.parts for time in part.times]
        day = (shown.last + dt.timedelta(days=1)).isoformat()
    return sorted(set(starts)), timetable


@pytest.mark.parametrize("seed", range(amount(6, 40)))
def test_what_is_offered_can_be_had_and_what_is_refused_was_not_offered(seed, ann, sam):
    chance = random.Random(seed)
    appointment = scene(chance, rich(ann), sam)
    by = chance.choice([ann, appointment.mentor.user])
    answers = appointment.mentor.user if by == ann else ann
    now = appointment.starts_at - chance.choice([30, 60]) * HOUR
    minutes = chance.choice(appointment.lengths_to_move_to())
    starts, timetable = offered(appointment, by, minutes, now)
    chosen = chance.sample(starts, min(TRIES, len(starts)))
    others = [FRIDAY + chance.randrange(6 * 96) * HOUR / 4 for _ in range(TRIES)]

    def propose(start):
        return propose_move(appointment, by=by, starts_at=start, duration_minutes=minutes, now=now)

    def agree(start):
        proposal = propose(start)
        assert (proposal.status == "accepted") == timetable.at_once
        if proposal.status == MoveProposal.Status.OPEN:
            accept_move(proposal, by=answers, now=now)
        return Appointment.objects.get(pk=appointment.pk), [problem for _name, problem in ledger.problems()]

    for value in chosen:
        start = dt.datetime.fromisoformat(value)
        moved, problems = tried(lambda start=start: agree(start))
        assert (moved.starts_at, moved.duration_minutes) == (start, minutes)
        assert moved.price_points == timetable.price_points
        assert problems == []

    for start in others:
        result = tried(lambda start=start: propose(start))
        if address_of(start) in starts:
            assert isinstance(result, MoveProposal), (start, result)
        elif start <= dt.datetime.fromisoformat(starts[-1]):
            assert isinstance(result, (SlotTaken, SlotNotOffered, StudentBusy, SameTime)), (start, result)
            assert {address_of(near) for near in result.facts.get("nearest", [])} <= set(starts), start
