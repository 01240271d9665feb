"""Whatever is offered can be booked and whatever is refused was not offered, with everything that takes time: hours,
exceptions, rules, sessions alone and in groups, held moves, held places of waiting lists, imported calendars; in zones
whose clock changes. `test_slots_properties` holds the arithmetic against an oracle; this holds page and search against
the booking itself.

MENTORBOOK_HYPOTHESIS_EXAMPLES=2000 looks longer than a usual run does.
"""

import datetime as dt
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings import availability
from bookings.actions import AllTaken, SlotNotOffered, SlotTaken, StudentBusy, book_best, book_slot
from bookings.actions.scheduling import Choice
from bookings.availability import load_calendar
from bookings.models import (
    Appointment,
    BusyTime,
    CalendarImport,
    DateOverride,
    MoveProposal,
    WaitingListEntry,
    WeeklyHours,
)
from bookings.scheduling import Wanted, best_pairs
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, rich
from bookings.tests.test_slots_properties import examples
from mentors.models import SESSION_MINUTES, MentorProfile
from mentors.tests.factories import MentorProfileFactory
from tests.thoroughness import amount

pytestmark = pytest.mark.django_db

# Days on which clocks change, or next to one, after which the law is known; one zone is 45 minutes off.
AROUND = [
    ("Europe/Berlin", dt.date(2027, 3, 28)),
    ("Europe/Berlin", dt.date(2027, 10, 31)),
    ("America/New_York", dt.date(2027, 3, 14)),
    ("America/New_York", dt.date(2027, 11, 7)),
    ("Australia/Lord_Howe", dt.date(2027, 4, 4)),
    ("Australia/Lord_Howe", dt.date(2027, 10, 3)),
    ("Asia/Kathmandu", dt.date(2027, 5, 8)),
    ("Pacific/Apia", dt.date(2027, 1, 1)),
    ("Africa/Cairo", dt.date(2027, 4, 30)),
]
QUARTER = dt.timedelta(minutes=15)
DAYS = 4
TRIES = 4
TAKEN = (Reason.busy, Reason.student_busy, Reason.day_limit, Reason.week_limit)
GONE = (SlotTaken, SlotNotOffered, StudentBusy)


class World:
    """A mentor or two with everything that takes time around a day, and a student who looks for some."""

    def __init__(self, seed):
        chance = self.chance = random.Random(seed)
        self.zone, day = chance.choice(AROUND)
        self.now = dt.datetime.combine(day, dt.time(chance.randrange(24), 7), dt.UTC) - dt.timedelta(days=2)
        self.minutes = chance.choice(SESSION_MINUTES)
        self.student = rich(UserFactory(timezone=chance.choice(AROUND)[0]), 10_000)
        self.others = [UserFactory() for _ in range(3)]
        self.group = ProjectGroup.objects.create(name="Compilers", owner=self.student, members_may_pay=True)
        members = [self.student, self.others[0]]
        Membership.objects.bulk_create([Membership(group=self.group, user=user) for user in members])
        self.mentors = [self._mentor(day) for _ in range(2)]
        self.group_asks = chance.random() < 0.3
        self.until = self.now + dt.timedelta(days=DAYS)

    def _mentor(self, day):
        chance = self.chance
        mentor = MentorProfileFactory(
            timezone=self.zone,
            hourly_rate_points=chance.choice([0, 7, 60]),
            session_minutes=sorted({self.minutes, chance.choice(SESSION_MINUTES)}),
            slot_step_minutes=chance.choice([None, None, 15, 20, 30]),
            buffer_before_minutes=chance.choice([0, 0, 5, 30]),
            buffer_after_minutes=chance.choice([0, 0, 10, 45]),
            minimum_notice_minutes=chance.choice([0, 0, 60, 1500]),
            booking_horizon_days=chance.choice([28, 28, 1, 2, 3]),
            max_sessions_per_day=chance.choice([None, None, 1, 2]),
            max_sessions_per_week=chance.choice([None, None, 2, 4]),
            confirms_automatically=chance.random() < 0.5,
            status=MentorProfile.Status.AWAY if chance.random() < 0.05 else MentorProfile.Status.AVAILABLE,
        )
        WeeklyHours.objects.bulk_create(
            [
                WeeklyHours(mentor=mentor, weekday=weekday, start_minute=start, end_minute=end)
                for weekday in range(1, 8)
                for start, end in self._windows()
            ]
        )
        for offset in chance.sample(range(-2, 4), chance.choice([0, 0, 1, 2])):
            windows = [] if chance.random() < 0.5 else self._windows()
            DateOverride.objects.create(mentor=mentor, date=day + dt.timedelta(days=offset), windows=windows)
        for _ in range(chance.randrange(6)):
            self._take_time(mentor)
        return mentor

    def _windows(self):
        return self.chance.choice(
            [
                [(0, 1440)],
                [(540, 1020)],
                [(480, 720), (780, 1080)],
                [(1200, 240)],
                [(60, 200), (1300, 1440)],
                [(30, 230)],
            ]
        )

    def _take_time(self, mentor):
        chance = self.chance
        start = (self.now + QUARTER * chance.randrange(-96, 96 * (DAYS + 1))).replace(minute=0)
        start += QUARTER * chance.randrange(4)
        end = start + dt.timedelta(minutes=chance.choice([15, 30, 60, 90, 240]))
        before, after = QUARTER * chance.choice([0, 0, 1]), QUARTER * chance.choice([0, 0, 2])
        times = {"starts_at": start, "ends_at": end, "blocked_from": start - before, "blocked_until": end + after}
        someone = chance.choice([self.student, *self.others])
        kind = chance.choice(["session", "session", "expired", "group", "attends", "student", *BusyTime.Kind.values])
        with suppress_overlap():
            if kind == "session":
                AppointmentFactory(mentor=mentor, student=someone, **times)
            elif kind == "expired":  # nobody answered, and nobody has tidied it up
                AppointmentFactory(
                    mentor=mentor,
                    student=someone,
                    status=Appointment.Status.REQUESTED,
                    answer_by=self.now - QUARTER,
                    created_at=self.now - 2 * dt.timedelta(days=1),
                    **times,
                )
            elif kind == "group":
                AppointmentFactory(mentor=mentor, student=self.student, group=self.group, **times)
            elif kind == "attends":
                AppointmentFactory(student=mentor.user, **times)
            elif kind == "student":
                AppointmentFactory(student=self.student, **times)
            else:
                self._hold(kind, mentor, someone, times)

    def _hold(self, kind, mentor, someone, times):
        lapses = self.now + QUARTER * self.chance.choice([-1, 1])
        row = {"kind": kind, "mentor": mentor, **times}
        if kind == BusyTime.Kind.CALENDAR:
            calendar, _new = CalendarImport.objects.get_or_create(
                mentor=mentor, url="https://calendar.example.org/a.ics"
            )
            row |= {"calendar": calendar, "blocked_from": times["starts_at"], "blocked_until": times["ends_at"]}
        elif kind == BusyTime.Kind.MOVE:
            moved = AppointmentFactory(mentor=mentor, student=someone, starts_at=times["starts_at"] - 9 * QUARTER * 96)
            row |= {
                "student": someone,
                "expires_at": lapses,
                "proposal": MoveProposal.objects.create(
                    appointment=moved,
                    proposed_by=someone,
                    by_mentor=False,
                    starts_at=times["starts_at"],
                    ends_at=times["ends_at"],
                    price_points=0,
                    answer_by=lapses,
                ),
            }
        else:
            place = {"mentor": mentor, "student": someone, "date": times["starts_at"].date()}
            if WaitingListEntry.objects.filter(**place, duration_minutes=self.minutes).exists():
                return  # nobody waits twice for the same day
            row |= {
                "student": someone,
                "expires_at": lapses,
                "entry": WaitingListEntry.objects.create(
                    **place,
                    timezone="UTC",
                    since=times["starts_at"],
                    until=times["ends_at"],
                    duration_minutes=self.minutes,
                    status=WaitingListEntry.Status.OFFERED,
                    offered_starts_at=times["starts_at"],
                    offered_until=lapses,
                ),
            }
        BusyTime.objects.create(**row)

    def wish(self):
        more = {"group": self.group, "pay_from": "wallet"} if self.group_asks else {}
        return {"student": self.student, "duration_minutes": self.minutes, "title": "?", "now": self.now, **more}

    def can_be_booked(self, mentor, start):
        with undone():
            try:
                book_slot(mentor, starts_at=start, **self.wish())
            except GONE as refusal:
                return type(refusal).__name__
            return True

    def wanted(self):
        zone = self.student.timezone
        hours = self.chance.choice(
            [{}, {"from_minute": 600, "to_minute": 1200}, {"from_minute": 1200, "to_minute": 300}]
        )
        first = self.now.astimezone(ZoneInfo(zone)).date()
        return Wanted(
            duration_minutes=self.minutes,
            first=first,
            last=first + dt.timedelta(days=DAYS),
            zone=zone,
            highest_price_points=200,
            group=self.group if self.group_asks else None,
            **hours,
        )


@contextmanager
def undone():
    """A savepoint from which nothing stays."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def suppress_overlap():
    """What overlaps is not there: the database refuses it."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "bookings_no_overlap" not in str(error) and "bookings_waiting_once" not in str(error):
            raise


def faults(seed, seen):
    """What is offered and cannot be booked, or refused though it was offered, in the world of that number."""
    wrong = []
    with undone():
        world = World(seed)
        for mentor in world.mentors:
            calendar = load_calendar(mentor, now=world.now, student=world.student)
            question = {"duration_minutes": world.minutes, "since": world.now, "until": world.until}
            offered = calendar.free_starts(**question)
            assert offered == [slot.starts_at for slot in calendar.offer(**question).slots]
            for start in world.chance.sample(offered, min(TRIES, len(offered))):
                if (answer := world.can_be_booked(mentor, start)) is not True:
                    wrong.append(f"{mentor.pk} offers {start}: {answer}")
                seen["booked"] += 1
            grid = (world.now + number * QUARTER / 3 for number in range(DAYS * 96 * 3))
            grid = [start.replace(minute=start.minute - start.minute % 5, second=0) for start in grid]
            closed = sorted(set(grid) - set(offered))
            # Most of it is outside the hours; what somebody has taken is the half to look at.
            taken = [start for start in closed if calendar.refusal(start, duration_minutes=world.minutes) in TAKEN]
            half = TRIES // 2
            tried = world.chance.sample(taken, min(half, len(taken))) + world.chance.sample(closed, half)
            for start in tried:
                if (answer := world.can_be_booked(mentor, start)) is True:
                    wrong.append(f"{mentor.pk} does not offer {start}, and it was booked")
                seen[answer] += 1
        wrong += _proposed_and_not_bookable(world, seen)
    return wrong


def _proposed_and_not_bookable(world, seen):
    wanted = world.wanted()
    pairs = best_pairs(wanted, student=world.student, now=world.now)
    for pair in pairs:
        for start in (pair.starts_at, *pair.more):
            with undone():
                try:
                    chosen = Choice(pair.mentor.pk, start, pair.price_points)
                    book_best(wanted, student=world.student, chosen=chosen, title="?", pairs=[], now=world.now)
                except AllTaken as refusal:
                    yield f"{pair.mentor.pk} was proposed at {start}: {refusal.first!r}"
            seen["proposed"] += 1
    # Who has a free start in the wanted hours is proposed.
    stretches = wanted.stretches()
    for mentor in set(world.mentors) - {pair.mentor for pair in pairs}:
        if mentor.status == MentorProfile.Status.AWAY or mentor.price_points(world.minutes) > 200:
            continue
        calendar = load_calendar(mentor, now=world.now, student=world.student)
        for since, until in stretches:
            if calendar.free_starts(duration_minutes=world.minutes, since=since, until=until):
                yield f"{mentor.pk} has time and was not proposed"
                break


def test_whatever_is_offered_can_be_booked_and_whatever_is_refused_was_not():
    seen = Counter()

    @examples(amount(12, 60))
    @given(st.integers(0, 2**32))
    def look(seed):
        assert faults(seed, seen) == []

    look()
    # Enough happened, and of each kind.
    assert seen["booked"] >= 25
    assert seen["proposed"] >= 15
    assert {"SlotTaken", "StudentBusy", "SlotNotOffered"} <= seen.keys()


@pytest.mark.parametrize("forgets", ["others", "sessions"])
def test_a_page_that_forgets_what_takes_time_is_noticed(monkeypatch, forgets):
    """The page looks at a calendar without busy times; the booking knows them."""
    whole = load_calendar

    def forgetful(mentor, **question):
        return replace(whole(mentor, **question), busy=(), session_starts=())

    if forgets == "others":
        monkeypatch.setattr(f"{__name__}.load_calendar", forgetful)
    else:
        monkeypatch.setattr(f"{__name__}.best_pairs", lambda *args, **more: _blind_pairs(*args, **more))
    assert any(faults(seed, Counter()) for seed in range(25))


def _blind_pairs(wanted, *, student, now):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(availability._Sessions, "busy_of_mentor", lambda self, mentor: ())
        return best_pairs_as_they_are(wanted, student=student, now=now)


best_pairs_as_they_are = best_pairs
