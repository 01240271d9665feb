"""A chat: a quarter of an hour with a mentor who is there, from the question to its end."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import UserFactory
from bookings.actions import (
    AlreadyDecided,
    ChatAskedAlready,
    ChatNotWelcome,
    ChatTimeGone,
    MentorBusyNow,
    MentorNotBookable,
    NotYourTicket,
    OwnMentor,
    RequestExpired,
    SlotTaken,
    StudentBusy,
    TooEarly,
    TooLateToCancel,
    TopicMissing,
    TopicTooLong,
    book_slot,
    cancel_appointment,
    complete_appointment,
    complete_past_appointments,
    confirm_appointment,
    decline_appointment,
    expire_requests,
    report_no_show,
    request_chat,
)
from bookings.chats import mentors_to_chat_with, why_none_of
from bookings.models import Appointment, BusyTime, CalendarImport
from bookings.tests.factories import AppointmentFactory, rich, works_every_day
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from tickets.tests.factories import TicketFactory
from wallets import ledger
from wallets.actions import IdempotencyMismatch, NotEnoughPoints, wallet_of

pytestmark = pytest.mark.django_db

Status = Appointment.Status
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
NOW = dt.datetime(2027, 1, 16, 22, 7, 30, 250_000, tzinfo=dt.UTC)  # Saturday night, when nobody has hours
ASKED = NOW.replace(microsecond=0)


@pytest.fixture
def ann(ann):
    return rich(ann, 100)


def ask(mentor, student, *, now=NOW, **wish):
    return request_chat(mentor, student=student, now=now, **{"topic": "Why does it hang?", **wish})


def session(mentor, starts_at, minutes=30, **fields):
    return AppointmentFactory(mentor=mentor, starts_at=starts_at, ends_at=starts_at + minutes * MINUTE, **fields)


def points(person):
    return wallet_of(person).balance_points


def told(person):
    return list(Notification.objects.filter(recipient=person).order_by("pk").values_list("kind", flat=True))


# --- Asked ------------------------------------------------------------------------------------------------------------


def test_a_chat_is_asked_for_outside_hours_grid_and_notice(mentor, ann, max):
    chat = ask(mentor, ann, description="It prints nothing. 🐌")
    assert (chat.kind, chat.status, chat.title) == ("chat", "requested", "Why does it hang?")
    assert chat.duration_minutes == 15
    assert chat.answer_by == ASKED + 5 * MINUTE
    assert (chat.blocked_from, chat.blocked_until) == (ASKED, ASKED + 20 * MINUTE)
    assert chat.price_points == 13  # 50 an hour, 12.5 rounded up
    assert points(ann) == 87
    assert told(max) == ["appointment_requested"]
    assert told(ann) == []
    assert list(ledger.problems()) == []


def test_a_chat_is_asked_for_where_the_limits_of_a_day_are_reached(mentor, ann):
    mentor.max_sessions_per_day = 1
    mentor.save()
    session(mentor, NOW - 8 * HOUR)
    assert ask(mentor, ann).is_chat


def test_who_confirms_sessions_at_once_is_asked_for_chats_all_the_same(mentor, ann):
    mentor.confirms_automatically = True
    mentor.save()
    assert ask(mentor, ann).status == Status.REQUESTED


def test_nobody_else_gets_these_minutes_meanwhile(mentor, ann, sam):
    ask(mentor, ann)
    with pytest.raises(MentorBusyNow):
        ask(mentor, rich(sam))
    works_every_day(mentor, 0, 24 * 60)
    mentor.minimum_notice_minutes = 0
    mentor.save()
    start = NOW.replace(minute=15, second=0, microsecond=0)
    mentor.slot_step_minutes, mentor.session_minutes = 15, [30]
    mentor.save()
    with pytest.raises(SlotTaken):
        book_slot(mentor, student=sam, starts_at=start, duration_minutes=30, title="Now", now=NOW)
    later = book_slot(mentor, student=sam, starts_at=start + 15 * MINUTE, duration_minutes=30, title="Then", now=NOW)
    assert later.pk


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"status": MentorProfile.Status.BUSY}, ChatNotWelcome),
        ({"status": MentorProfile.Status.AWAY}, ChatNotWelcome),
        ({"takes_chats": False}, ChatNotWelcome),
        ({"approval": MentorProfile.Approval.WAITING}, MentorNotBookable),
    ],
)
def test_who_is_not_there_is_not_asked(mentor, ann, change, refusal):
    MentorProfile.objects.filter(pk=mentor.pk).update(**change)
    with pytest.raises(refusal):
        ask(mentor, ann)  # from a page that was opened before
    assert points(ann) == 100
    assert not Appointment.objects.exists()


def test_a_closed_account_is_not_asked(mentor, ann, max):
    type(max).objects.filter(pk=max.pk).update(is_active=False)
    mentor.refresh_from_db()
    with pytest.raises(MentorNotBookable):
        ask(MentorProfile.objects.get(pk=mentor.pk), ann)


def test_a_closed_account_asks_nobody(mentor, ann):
    type(ann).objects.filter(pk=ann.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        ask(mentor, ann)


def test_nobody_chats_with_themself(mentor, max):
    with pytest.raises(OwnMentor):
        ask(mentor, rich(max))


def test_a_chat_has_a_topic_that_fits(mentor, ann):
    for nothing in ("", "  \n\0"):
        with pytest.raises(TopicMissing):
            ask(mentor, ann, topic=nothing)
    with pytest.raises(TopicTooLong):
        ask(mentor, ann, topic="x" * 201)


def test_a_chat_costs_what_the_wallet_has(mentor, sam):
    rich(sam, 12)
    with pytest.raises(NotEnoughPoints):
        ask(mentor, sam)
    assert not Appointment.objects.exists()


def test_a_chat_with_somebody_who_takes_nothing_is_free_of_charge(mentor, sam):
    MentorProfile.objects.filter(pk=mentor.pk).update(hourly_rate_points=0)
    chat = ask(mentor, sam)
    confirm_appointment(chat, by=mentor.user, now=NOW)
    complete_appointment(chat, by=mentor.user, now=NOW + MINUTE)
    assert list(ledger.problems()) == []


@pytest.mark.parametrize(("starts_in", "is_free"), [(-30, True), (-29, False), (0, False), (19, False), (20, True)])
def test_what_is_agreed_already_goes_first(mentor, ann, starts_in, is_free):
    session(mentor, ASKED + starts_in * MINUTE)
    if is_free:
        assert ask(mentor, ann).is_chat
    else:
        with pytest.raises(MentorBusyNow):
            ask(mentor, ann)


def test_the_buffer_of_what_is_agreed_holds_and_a_chat_has_none(mentor, ann):
    mentor.buffer_before_minutes = mentor.buffer_after_minutes = 60
    mentor.save()
    later = session(mentor, ASKED + 30 * MINUTE, blocked_from=ASKED + 19 * MINUTE)
    with pytest.raises(MentorBusyNow):
        ask(mentor, ann)
    Appointment.objects.filter(pk=later.pk).update(blocked_from=ASKED + 20 * MINUTE)
    assert ask(mentor, ann).blocked_from == ASKED


def test_a_busy_calendar_and_a_time_held_for_others_take_the_mentors_minutes(mentor, ann):
    calendar = CalendarImport.objects.create(mentor=mentor, url="https://calendar.example.org/max.ics")
    times = {"starts_at": ASKED + MINUTE, "ends_at": ASKED + HOUR}
    BusyTime.objects.create(
        kind="calendar",
        mentor=mentor,
        calendar=calendar,
        blocked_from=times["starts_at"],
        blocked_until=times["ends_at"],
        **times,
    )
    with pytest.raises(MentorBusyNow):
        ask(mentor, ann)


def test_a_mentor_who_learns_somewhere_else_is_busy(mentor, ann, max):
    session(MentorProfileFactory(), ASKED + 3 * MINUTE, student=max)
    with pytest.raises(MentorBusyNow):
        ask(mentor, ann)


def test_a_student_is_in_one_place_at_a_time(mentor, ann):
    session(MentorProfileFactory(), ASKED + 10 * MINUTE, student=ann)
    with pytest.raises(StudentBusy):
        ask(mentor, ann)


def test_a_student_who_mentors_now_is_busy(mentor, ann):
    session(MentorProfileFactory(user=ann), ASKED - 10 * MINUTE)
    with pytest.raises(StudentBusy):
        ask(mentor, ann)


def test_a_student_waits_for_one_chat_at_a_time(mentor, ann):
    first = ask(mentor, ann)
    other = MentorProfileFactory()
    with pytest.raises(ChatAskedAlready) as refused:
        ask(other, ann, now=NOW + MINUTE)
    assert refused.value.appointment == first
    cancel_appointment(first, by=ann, now=NOW + MINUTE)
    assert ask(other, ann, now=NOW + MINUTE).is_chat


def test_a_request_that_nobody_answered_is_in_nobodys_way(mentor, ann, sam):
    """Whether or not the job has come by."""
    first = ask(mentor, ann)
    later = first.answer_by
    second = ask(mentor, ann, now=later)
    assert Appointment.objects.get(pk=first.pk).status == Status.EXPIRED
    assert points(ann) == 87
    decline_appointment(second, by=mentor.user, now=later)
    assert ask(mentor, rich(sam), now=later).is_chat
    assert list(ledger.problems()) == []


def test_a_session_that_nobody_answered_is_in_nobodys_way(mentor, ann, sam):
    old = session(mentor, ASKED + 10 * MINUTE, status=Status.REQUESTED, answer_by=NOW - MINUTE)
    assert ask(mentor, ann).is_chat
    assert Appointment.objects.get(pk=old.pk).status == Status.EXPIRED


def test_a_chat_is_about_a_ticket_of_ones_own(mentor, ann, sam):
    ticket = TicketFactory(student=ann)
    assert ask(mentor, ann, ticket=ticket).ticket == ticket
    with pytest.raises(NotYourTicket):
        ask(mentor, sam, ticket=ticket)


def test_the_same_key_asks_once(mentor, ann):
    first = ask(mentor, ann, idempotency_key="k")
    assert ask(mentor, ann, idempotency_key="k") == first
    confirm_appointment(first, by=mentor.user, now=NOW + MINUTE)
    assert ask(mentor, ann, idempotency_key="k", now=NOW + 3 * MINUTE) == first
    with pytest.raises(IdempotencyMismatch):
        ask(mentor, ann, topic="Other", idempotency_key="k")
    assert points(ann) == 87


def test_the_database_refuses_two_chats_in_the_same_minutes_by_itself(mentor, ann, sam):
    chat = ask(mentor, ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        AppointmentFactory(kind="chat", mentor=mentor, student=sam, starts_at=chat.starts_at, ends_at=chat.ends_at)


# --- Answered ---------------------------------------------------------------------------------------------------------


def test_a_chat_begins_with_the_yes(mentor, ann, max):
    chat = ask(mentor, ann)
    accepted = NOW + 2 * MINUTE
    chat = confirm_appointment(chat, by=max, now=accepted)
    chat.refresh_from_db()
    begins = accepted.replace(microsecond=0)
    assert chat.status == Status.CONFIRMED
    assert (chat.starts_at, chat.ends_at) == (begins, begins + 15 * MINUTE)
    assert (chat.blocked_from, chat.blocked_until) == (chat.starts_at, chat.ends_at)
    assert chat.agreed_local_start == "2027-01-16T23:09"
    assert chat.cancel_free_until == begins
    assert told(ann) == ["appointment_confirmed"]
    assert chat.sequence == 1


def test_a_chat_is_not_accepted_too_late_or_by_others_or_twice(mentor, ann, max, sam, ada):
    chat = ask(mentor, ann)
    for stranger in (ann, sam, ada):
        with pytest.raises(NotAllowed):
            confirm_appointment(chat, by=stranger, now=NOW)
    with pytest.raises(RequestExpired):
        confirm_appointment(chat, by=max, now=chat.answer_by)
    confirm_appointment(chat, by=max, now=NOW)
    with pytest.raises(AlreadyDecided):
        confirm_appointment(chat, by=max, now=NOW)


def test_time_is_asked_again_when_the_mentor_accepts(mentor, ann, max):
    """Nothing of ours can take it meanwhile, but an imported calendar may say something new."""
    chat = ask(mentor, ann)
    calendar = CalendarImport.objects.create(mentor=mentor, url="https://calendar.example.org/max.ics")
    times = {"starts_at": ASKED + 4 * MINUTE, "ends_at": ASKED + HOUR}
    BusyTime.objects.create(
        kind="calendar",
        mentor=mentor,
        calendar=calendar,
        blocked_from=times["starts_at"],
        blocked_until=times["ends_at"],
        **times,
    )
    with pytest.raises(ChatTimeGone):
        confirm_appointment(chat, by=max, now=NOW + MINUTE)
    assert Appointment.objects.get(pk=chat.pk).status == Status.REQUESTED


def test_a_chat_that_is_declined_or_withdrawn_gives_all_points_back(mentor, ann, max):
    decline_appointment(ask(mentor, ann), by=max, now=NOW)
    assert points(ann) == 100
    cancel_appointment(ask(mentor, ann), by=ann, now=NOW + MINUTE)
    assert points(ann) == 100
    assert list(ledger.problems()) == []


def test_a_chat_expires_after_five_minutes(mentor, ann, max):
    chat = ask(mentor, ann)
    assert expire_requests(now=chat.answer_by - dt.timedelta(seconds=1)) == 0
    assert expire_requests(now=chat.answer_by) == 1
    assert points(ann) == 100
    assert told(ann) == told(max)[1:] == ["appointment_expired"]


def test_the_time_to_answer_is_a_setting(mentor, ann, settings):
    settings.CHAT_ANSWER_MINUTES = 2
    chat = ask(mentor, ann)
    assert chat.answer_by == ASKED + 2 * MINUTE
    assert chat.blocked_until == ASKED + 17 * MINUTE


# --- Begun ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def chat(mentor, ann, max):
    return confirm_appointment(ask(mentor, ann), by=max, now=NOW)


def test_a_chat_that_has_begun_is_not_cancelled_by_its_student(chat, ann, max):
    with pytest.raises(TooLateToCancel):
        cancel_appointment(chat, by=ann, now=NOW)
    cancel_appointment(chat, by=max, now=NOW + MINUTE)
    assert points(ann) == 100


def test_the_mentor_completes_it_at_once(chat, ann, max):
    complete_appointment(chat, by=max, now=NOW + MINUTE)
    assert (points(ann), points(max)) == (87, 13)
    assert list(ledger.problems()) == []


def test_it_is_completed_by_itself_like_a_session(chat, max):
    assert complete_past_appointments(now=chat.ends_at + 24 * HOUR) == 1
    assert points(max) == 13


def test_who_does_not_come_is_reported_after_ten_minutes(chat, max):
    with pytest.raises(TooEarly):
        report_no_show(chat, by=max, now=chat.starts_at + 9 * MINUTE)
    report_no_show(chat, by=max, now=chat.starts_at + 10 * MINUTE)
    assert points(max) == 13


def test_a_chat_can_be_disputed_from_ten_minutes_after_its_start(chat, ann):
    assert not chat.can_be_disputed_by(ann, chat.starts_at + 9 * MINUTE)
    assert chat.can_be_disputed_by(ann, chat.starts_at + 10 * MINUTE)
    assert not chat.can_be_disputed_by(ann, chat.ends_at + 48 * HOUR)


def test_a_chat_is_never_moved(mentor, ann, max):
    chat = ask(mentor, ann)
    assert not any(chat.can_be_moved_by(person, NOW) for person in (ann, max))


# --- Whom to ask ------------------------------------------------------------------------------------------------------


def test_several_mentors_are_looked_at_like_one(mentor, ann):
    free, busy, away = MentorProfileFactory(), MentorProfileFactory(), MentorProfileFactory(status="away")
    session(busy, ASKED + 19 * MINUTE)
    people = [mentor, free, busy, away]
    together = why_none_of(people, student=ann, now=NOW)
    alone = {one.pk: why_none_of([one], student=ann, now=NOW)[one.pk] for one in people}
    assert together == alone
    assert mentors_to_chat_with(iter(people), student=ann, now=NOW) == {mentor.pk, free.pk}


def test_the_number_of_queries_does_not_grow_with_the_mentors(mentor, ann):
    def queries(people):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            mentors_to_chat_with(people, student=ann, now=NOW)
        return len(asked)

    getattr(ann, "mentor_profile", None)  # asked for once a request
    one = queries([mentor])
    three = [MentorProfileFactory(), MentorProfileFactory(), mentor]
    for _number in range(3):
        session(three[0], NOW + _number * HOUR, student=UserFactory())
    assert queries(three) == one <= 6
