"""Many threads at once around the line for a full day. Each race is run a second time against a version that is broken
on purpose, to prove that the check would notice."""

import datetime as dt
import threading
import time

import pytest
from django.db import DatabaseError

from accounts.tests.factories import UserFactory
from bookings import availability
from bookings.actions import (
    NotFull,
    SlotTaken,
    book_slot,
    cancel_appointment,
    held,
    join_waiting_list,
    line,
    pass_on_lapsed_holds,
)
from bookings.models import Appointment, BusyTime, WaitingListEntry
from bookings.slots import local_day_bounds
from bookings.tests.factories import AppointmentFactory, book, rich, works_every_day
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind, Notification
from tests.test_races_bookings import A_MOMENT, at_once, booked, overlaps, problems
from tests.thoroughness import amount

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = WaitingListEntry.Status
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
QUARTER = dt.timedelta(minutes=15)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - DAY
STRANGERS = 50


def full_day(hours=1):
    """A mentor who works so many hours from ten on, all of them booked on that Friday, and the sessions."""
    mentor = MentorProfileFactory(user__timezone="UTC", timezone="UTC", hourly_rate_points=30, session_minutes=[60])
    works_every_day(mentor, 600, 600 + hours * 60)
    sessions = [book(mentor, rich(UserFactory(), 100), TEN + number * HOUR, now=NOW) for number in range(hours)]
    return mentor, sessions


def in_line(mentor, count):
    """So many people in line for that day, in order."""
    return [
        join_waiting_list(
            mentor,
            student=rich(UserFactory(), 100),
            date=TEN.date(),
            zone="UTC",
            duration_minutes=60,
            now=NOW + number * dt.timedelta(seconds=1),
        )
        for number in range(count)
    ]


def ask_for(mentor, student, now):
    return book_slot(mentor, student=student, starts_at=TEN, duration_minutes=60, title="Race", now=now)


def cancel(session):
    return cancel_appointment(session, by=session.mentor.user, now=NOW)


def holds_that_collide():
    """Held times that meet a session, or another held time, of the same mentor."""
    faults = []
    times = [
        *((row.mentor_id, row.blocked_from, row.blocked_until) for row in BusyTime.objects.all()),
        *((a.mentor_id, a.blocked_from, a.blocked_until) for a in Appointment.objects.taking_time(NOW)),
    ]
    for number, (mentor, begins, ends) in enumerate(times):
        for other, since, until in times[number + 1 :]:
            if mentor == other and begins < until and since < ends:
                faults.append(f"{begins} is taken twice")
    return faults


# --- One freed time, fifty strangers and the first in line ------------------------------------------------------------


def race_for_a_freed_time(rounds=1):
    """Fifty strangers ask again and again while the session is cancelled, and once more afterwards; every fault."""
    faults = []
    for number in range(rounds):
        mentor, (session,) = full_day()
        (entry,) = in_line(mentor, 1)
        strangers = [rich(UserFactory(), 100) for _ in range(STRANGERS)]
        is_free = threading.Event()

        def insist(stranger, mentor=mentor, is_free=is_free):
            while not is_free.is_set():
                try:
                    return ask_for(mentor, stranger, NOW)
                except SlotTaken:
                    time.sleep(A_MOMENT)
            return ask_for(mentor, stranger, NOW + dt.timedelta(minutes=1))

        def free(session=session, is_free=is_free):
            try:
                cancel(session)
            finally:
                is_free.set()

        answers = at_once([free, *(lambda stranger=stranger, ask=insist: ask(stranger) for stranger in strangers)])
        if taken := booked(answers):
            faults.append(f"round {number}: {len(taken)} strangers were let in")
            continue
        faults += [repr(a.value) for a in answers if a.value is not None and not isinstance(a.value, SlotTaken)]
        entry.refresh_from_db()
        if entry.status != Status.OFFERED or BusyTime.objects.filter(mentor=mentor).count() != 1:
            faults.append(f"round {number}: the first in line is {entry.status}")
            continue
        if number % 2:  # the first in line is there, and so are the strangers
            everybody = [entry.student, *strangers]
            answers = at_once(
                [lambda who=who, mentor=mentor: ask_for(mentor, who, NOW + QUARTER / 2) for who in everybody]
            )
            if [appointment.student_id for appointment in booked(answers)] != [entry.student_id]:
                faults.append(f"round {number}: {len(booked(answers))} were booked, and not the first in line")
        else:  # nobody used it: it is whose who is quickest
            answers = at_once([lambda who=who, mentor=mentor: ask_for(mentor, who, NOW + QUARTER) for who in strangers])
            if len(booked(answers)) != 1:
                faults.append(f"round {number}: {len(booked(answers))} were booked once the hold had lapsed")
        if BusyTime.objects.filter(mentor=mentor).exists():
            faults.append(f"round {number}: the time is still held")
    return faults + problems()


def test_a_freed_time_is_the_first_in_lines_and_then_of_one_other():
    assert race_for_a_freed_time(rounds=amount(2, 3)) == []


def test_the_race_for_a_freed_time_notices_that_nothing_is_held(monkeypatch):
    monkeypatch.setattr(line, "offer_freed_times", lambda profiles, *, now: 0)
    assert any("strangers were let in" in fault for fault in race_for_a_freed_time())


def test_strangers_do_not_jump_the_line_when_a_hold_lapses():
    mentor, (session,) = full_day()
    entries = in_line(mentor, 2)
    cancel(session)
    strangers = [rich(UserFactory(), 100) for _ in range(STRANGERS)]
    answers = at_once(
        [
            lambda: (pass_on_lapsed_holds(now=NOW + QUARTER), None)[1],
            *(lambda who=who: ask_for(mentor, who, NOW + QUARTER) for who in strangers),
        ]
    )
    assert [repr(a.value) for a in answers if a.value is not None and not isinstance(a.value, SlotTaken)] == []
    assert [WaitingListEntry.objects.get(pk=entry.pk).status for entry in entries] == [Status.PASSED, Status.OFFERED]
    assert problems() == []


def test_the_race_at_the_lapse_notices_who_does_not_look_for_it(monkeypatch):
    monkeypatch.setattr(held, "pass_on_if_lapsed", lambda mentor_id, *, now: False)
    mentor, (session,) = full_day()
    in_line(mentor, 2)
    cancel(session)
    assert ask_for(mentor, rich(UserFactory(), 100), NOW + QUARTER)


# --- Two freed times at once ------------------------------------------------------------------------------------------


def careless_offer(mentor):
    """offer_freed_times as it must not be: it looks who is first and what is free, and then writes."""
    mentor = MentorProfile.objects.get(pk=mentor.pk)
    entry = WaitingListEntry.objects.filter(mentor=mentor).in_line().first()
    calendar = availability.load_calendar(mentor, now=NOW)
    start = entry and calendar.first_free(duration_minutes=60, since=entry.since, until=entry.until)
    time.sleep(A_MOMENT)
    if start:
        line._hold(mentor, entry, start, NOW)


def careless_cancel(session):
    Appointment.objects.filter(pk=session.pk).update(status=Appointment.Status.CANCELLED)
    time.sleep(A_MOMENT)
    careless_offer(session.mentor)


def race_of_two_cancellations(cancel, rounds=1):
    faults = []
    for number in range(rounds):
        mentor, sessions = full_day(hours=2)
        entries = in_line(mentor, 2)
        answers = at_once([lambda session=session: (cancel(session), None)[1] for session in sessions])
        faults += [repr(answer.value) for answer in answers if answer.value is not None]
        held_for = {row.student_id: row.starts_at for row in BusyTime.objects.filter(mentor=mentor)}
        if len(set(held_for.values())) != 2 or set(held_for) != {entry.student_id for entry in entries}:
            faults.append(f"round {number}: {len(held_for)} times are held for two people")
        if Notification.objects.filter(kind=Kind.WAITING_OFFER, recipient__in=held_for).count() != 2:
            faults.append(f"round {number}: not everybody was told once")
    return faults + holds_that_collide()


def test_two_cancellations_at_once_hold_two_times_for_two_people():
    assert race_of_two_cancellations(cancel, rounds=amount(5, 20)) == []
    assert problems() == []


def test_the_race_of_two_cancellations_notices_a_missing_lock():
    faults = race_of_two_cancellations(careless_cancel)
    assert any("times are held for two people" in fault for fault in faults)


# --- The job, several times at once -----------------------------------------------------------------------------------


def careless_job(now):
    for entry in list(WaitingListEntry.objects.lapsed(now)):
        mentor = entry.mentor
        time.sleep(A_MOMENT)
        BusyTime.objects.filter(entry=entry).delete()
        WaitingListEntry.objects.filter(pk=entry.pk).update(status=Status.PASSED)
        careless_offer(mentor)


def race_of_the_job(job, rounds=1):
    faults = []
    for number in range(rounds):
        mentor, (session,) = full_day()
        entries = in_line(mentor, 3)
        cancel(session)
        answers = at_once([lambda: job(now=NOW + QUARTER) and None for _ in range(4)])
        faults += [repr(answer.value) for answer in answers if isinstance(answer.value, DatabaseError)]
        statuses = [WaitingListEntry.objects.get(pk=entry.pk).status for entry in entries]
        if statuses != [Status.PASSED, Status.OFFERED, Status.WAITING]:
            faults.append(f"round {number}: the line is {statuses}")
        if [row.entry_id for row in BusyTime.objects.filter(mentor=mentor)] != [entries[1].pk]:
            faults.append(f"round {number}: it is not held for the second alone")
        told = Notification.objects.filter(kind=Kind.WAITING_OVER, recipient=entries[0].student).count()
        if told != 1:
            faults.append(f"round {number}: the first was told {told} times")
    return faults + holds_that_collide()


def test_the_job_may_run_several_times_at_once():
    assert race_of_the_job(pass_on_lapsed_holds, rounds=amount(4, 15)) == []
    assert problems() == []


def test_the_race_of_the_job_notices_a_missing_lock():
    assert race_of_the_job(careless_job) != []


# --- Joining while a time frees up ------------------------------------------------------------------------------------


def careless_join(mentor, *, student, date, zone, duration_minutes, now):
    since, until = local_day_bounds(zone, date)
    calendar = availability.load_calendar(mentor, now=now, student=student)
    if calendar.free_starts(duration_minutes=duration_minutes, since=since, until=until):
        raise NotFull
    time.sleep(A_MOMENT * 6)
    return WaitingListEntry.objects.create(
        mentor=mentor,
        student=student,
        date=date,
        timezone=zone,
        since=since,
        until=until,
        duration_minutes=duration_minutes,
    )


def race_of_joining(join, rounds=1):
    """Somebody joins while the session is cancelled: told of the free time or offered it, never left waiting for it."""
    faults = []
    for number in range(rounds):
        mentor, (session,) = full_day()
        ann = rich(UserFactory(), 100)
        wish = {"student": ann, "date": TEN.date(), "zone": "UTC", "duration_minutes": 60, "now": NOW}
        _cancelled, joined = at_once(
            [lambda session=session: cancel(session), lambda mentor=mentor, wish=wish: join(mentor, **wish)]
        )
        if isinstance(joined.value, WaitingListEntry):
            joined.value.refresh_from_db()
            if joined.value.status != Status.OFFERED:
                faults.append(f"round {number}: waits for a time that is free")
        elif not isinstance(joined.value, NotFull):
            faults.append(repr(joined.value))
    return faults + overlaps()


def test_nobody_is_left_waiting_for_a_time_that_frees_up_just_then():
    assert race_of_joining(join_waiting_list, rounds=amount(8, 30)) == []


def test_the_race_of_joining_notices_a_missing_lock():
    assert any("waits for a time that is free" in fault for fault in race_of_joining(careless_join, rounds=3))


def test_one_person_joins_once_with_many_clicks():
    mentor, _sessions = full_day()
    AppointmentFactory(mentor=mentor, starts_at=TEN + DAY)
    ann = rich(UserFactory(), 100)
    wish = {"student": ann, "date": TEN.date(), "zone": "UTC", "duration_minutes": 60, "now": NOW}
    answers = at_once([lambda: join_waiting_list(mentor, **wish) for _ in range(8)])
    assert {answer.value for answer in answers} == {WaitingListEntry.objects.get()}
