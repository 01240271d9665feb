import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from accounts.models import User
from bookings.actions import (
    AlreadyDecided,
    LengthNotOffered,
    MentorNotBookable,
    NotConfirmedYet,
    OwnMentor,
    RequestExpired,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    TitleMissing,
    TooEarly,
    TooLateToCancel,
    cancel_appointment,
    complete_appointment,
    complete_past_appointments,
    confirm_appointment,
    decline_appointment,
    expire_requests,
    refresh_next_free_times,
    report_no_show,
)
from bookings.models import Appointment, AppointmentEvent, Dispute
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, book, book_confirmed, rich, works_every_day
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from wallets import ledger
from wallets.actions import IdempotencyMismatch, NotEnoughPoints, wallet_of
from wallets.models import Transaction

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)  # a Friday, 11:00 in Berlin and Madrid
NOW = TEN - DAY
Status = Appointment.Status


@pytest.fixture
def mentor(mentor):
    """Works from 9:00 to 17:00 every day, Berlin time."""
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 100)


@pytest.fixture
def sam(sam):
    return rich(sam, 100)


@pytest.fixture(autouse=True)
def _books_are_right(db):
    yield
    assert list(ledger.problems()) == []


def points(person):
    return wallet_of(person).balance_points


def told(person):
    return list(Notification.objects.filter(recipient=person).order_by("id").values_list("kind", flat=True))


def history(appointment):
    return [(event.from_status, event.to_status) for event in appointment.events.all()]


# --- Booking ----------------------------------------------------------------------------------------------------------


def test_booking_requests_a_session_and_holds_its_price(ann, mentor, max):
    mentor.buffer_before_minutes, mentor.buffer_after_minutes = 10, 20
    mentor.meeting_url = "https://meet.example.org/max"
    mentor.save()

    appointment = book(mentor, ann, TEN, title="  Forms \n and   views ", description=" Why? ")

    appointment.refresh_from_db()
    assert appointment.status == Status.REQUESTED
    assert (appointment.title, appointment.description) == ("Forms and views", "Why?")
    assert (appointment.starts_at, appointment.ends_at) == (TEN, TEN + HOUR)
    assert appointment.blocked_from == TEN - dt.timedelta(minutes=10)
    assert appointment.blocked_until == TEN + HOUR + dt.timedelta(minutes=20)
    assert (appointment.agreed_timezone, appointment.agreed_local_start) == ("Europe/Berlin", "2027-01-15T11:00")
    assert (appointment.price_points, appointment.late_refund_percent) == (50, 50)
    assert appointment.cancel_free_until == TEN - 24 * HOUR
    assert appointment.meeting_url == "https://meet.example.org/max"
    assert (points(ann), appointment.escrow.balance_points, points(max)) == (50, 50, 0)
    assert history(appointment) == [("", "requested")]
    assert (told(max), told(ann)) == (["appointment_requested"], [])


def test_booking_takes_few_statements(ann, mentor, django_assert_max_num_queries):
    ContentType.objects.get_for_model(Appointment)  # which Django asks once a process
    # In a test the transaction is a savepoint, two more than else; one more on PostgreSQL, for waiting not too long.
    with django_assert_max_num_queries(27):
        book(mentor, ann, TEN, idempotency_key="abc")


def test_booking_is_confirmed_at_once_by_a_mentor_who_says_so(ann, mentor, max):
    mentor.confirms_automatically = True
    mentor.save()
    appointment = book(mentor, ann, TEN)
    assert appointment.status == Status.CONFIRMED
    assert history(appointment) == [("", "confirmed")]
    assert (told(max), told(ann)) == (["appointment_confirmed"], ["appointment_confirmed"])


def test_terms_stay_as_they_were_at_booking(ann, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN, now=TEN - 3 * DAY)
    MentorProfile.objects.update(hourly_rate_points=90, cancellation_notice_hours=72)
    cancelled = cancel_appointment(appointment, by=ann, now=TEN - 25 * HOUR)
    assert (cancelled.price_points, points(ann)) == (50, 100)


@pytest.mark.parametrize(("rate", "minutes", "price"), [(50, 60, 50), (45, 30, 23), (1, 30, 1), (0, 90, 0)])
def test_price_is_the_share_of_the_hourly_rate(ann, mentor, rate, minutes, price):
    mentor.hourly_rate_points, mentor.session_minutes = rate, [minutes]
    mentor.save()
    TEN_ON_GRID = dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)
    assert book(mentor, ann, TEN_ON_GRID, duration_minutes=minutes).price_points == price


def test_a_session_without_a_price_moves_no_points(ann, mentor, max):
    MentorProfile.objects.update(hourly_rate_points=0)
    before = Transaction.objects.count()
    first, second = book_confirmed(mentor, ann, TEN), book_confirmed(mentor, ann, TEN + HOUR)
    complete_appointment(first, by=max, now=TEN + HOUR)
    cancelled = cancel_appointment(second, by=ann, now=TEN)
    assert Transaction.objects.count() == before
    assert cancelled.events.last().points_returned == 0


@pytest.mark.parametrize(
    ("booked", "answer_by"),
    [(TEN - 3 * DAY, TEN - 2 * DAY), (TEN - 2 * HOUR, TEN)],
    ids=["after a day", "at the start at the latest"],
)
def test_a_request_must_be_answered_in_time(ann, mentor, booked, answer_by):
    assert book(mentor, ann, TEN, now=booked).answer_by == answer_by


def test_a_taken_time_is_refused_with_the_nearest_free_ones(ann, sam, mentor):
    book(mentor, sam, TEN)
    with pytest.raises(SlotTaken) as refusal:
        book(mentor, ann, TEN)
    assert refusal.value.nearest == [TEN + n * HOUR for n in (-2, -1, 1, 2, 3)]
    assert "Nearest free: 08:00, 09:00, 11:00" in str(refusal.value.message)
    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (409, "slot_taken", "starts_at")
    assert points(ann) == 100


def test_nearest_free_times_are_in_the_future_and_free_for_the_student_too(ann, sam, mentor):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    book(other, ann, TEN + HOUR)
    book(mentor, sam, TEN)
    with pytest.raises(SlotTaken) as refusal:
        book(mentor, ann, TEN, now=TEN - dt.timedelta(minutes=30))
    assert refusal.value.nearest[:2] == [TEN + 2 * HOUR, TEN + 3 * HOUR]


def test_sessions_may_touch(ann, sam, mentor):
    book(mentor, sam, TEN)
    book(mentor, ann, TEN + HOUR)
    assert Appointment.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "starts_at", "reason"),
    [
        ({"status": "away"}, TEN, Reason.away),
        ({"minimum_notice_minutes": 25 * 60}, TEN, Reason.notice),
        ({}, TEN - 2 * DAY, Reason.notice),
        ({"booking_horizon_days": 7}, TEN + 8 * DAY, Reason.horizon),
        ({}, dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC), Reason.horizon),
        ({}, dt.datetime(1, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), Reason.notice),
        ({}, TEN + 8 * HOUR, Reason.outside_hours),
        ({}, TEN + dt.timedelta(minutes=7), Reason.off_grid),
        ({}, TEN + dt.timedelta(microseconds=1), Reason.off_grid),
    ],
)
def test_what_is_not_offered_is_refused_with_the_reason(ann, mentor, changes, starts_at, reason):
    MentorProfile.objects.update(**changes)
    with pytest.raises(SlotNotOffered) as refusal:
        book(mentor, ann, starts_at, now=NOW)
    assert refusal.value.reason == reason
    assert str(refusal.value.message)
    assert all(start >= NOW for start in refusal.value.nearest)


def test_day_limit_is_refused(ann, sam, mentor):
    MentorProfile.objects.update(max_sessions_per_day=1)
    book(mentor, sam, TEN)
    with pytest.raises(SlotNotOffered) as refusal:
        book(mentor, ann, TEN + 2 * HOUR, now=NOW)
    assert refusal.value.reason == Reason.day_limit


def test_a_busy_mentor_takes_bookings(ann, mentor):
    MentorProfile.objects.update(status=MentorProfile.Status.BUSY)
    assert book(mentor, ann, TEN)


def test_a_student_is_in_one_place_at_a_time(ann, mentor):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    mine = book(other, ann, TEN, title="Sorting")
    with pytest.raises(StudentBusy) as refusal:
        book(mentor, ann, TEN)
    assert refusal.value.appointment == mine
    assert "“Sorting” from 10:00 to 11:00" in str(refusal.value.message)


def test_the_same_booking_twice_without_a_key_names_the_first(ann, mentor):
    first = book(mentor, ann, TEN)
    with pytest.raises(StudentBusy) as refusal:
        book(mentor, ann, TEN)
    assert refusal.value.appointment == first


def test_a_mentor_who_attends_a_session_elsewhere_cannot_be_booked_then(ann, mentor, max):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    book(other, rich(max), TEN)
    with pytest.raises(SlotTaken):
        book(mentor, ann, TEN)


def test_a_student_who_mentors_then_cannot_book(ann, mentor, max):
    book(mentor, ann, TEN)
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    with pytest.raises(StudentBusy):
        book(other, rich(max), TEN)


def test_nobody_books_themself(mentor, max):
    with pytest.raises(OwnMentor):
        book(mentor, max, TEN)


def test_mentors_who_are_not_listed_cannot_be_booked(ann, mentor, max):
    MentorProfile.objects.update(approval=MentorProfile.Approval.WAITING)
    with pytest.raises(MentorNotBookable):
        book(mentor, ann, TEN)
    MentorProfile.objects.update(approval=MentorProfile.Approval.APPROVED)
    max.is_active = False
    max.save()
    with pytest.raises(MentorNotBookable):
        book(mentor, ann, TEN)


def test_a_deactivated_student_books_nothing(ann, mentor):
    type(ann).objects.filter(pk=ann.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        book(mentor, ann, TEN)


def test_only_lengths_on_offer_can_be_booked(ann, mentor):
    with pytest.raises(LengthNotOffered) as refusal:
        book(mentor, ann, TEN, duration_minutes=90)
    assert (refusal.value.offered, refusal.value.field) == ([60], "duration_minutes")


def test_a_booking_needs_a_title(ann, mentor):
    with pytest.raises(TitleMissing):
        book(mentor, ann, TEN, title=" \0 \n")


def test_a_wallet_without_enough_points_books_nothing(sam, mentor, max):
    MentorProfile.objects.update(hourly_rate_points=130)
    with pytest.raises(NotEnoughPoints) as refusal:
        book(mentor, sam, TEN)
    assert (refusal.value.status, refusal.value.missing_points) == (402, 30)
    assert (Appointment.objects.count(), Notification.objects.count(), points(sam)) == (0, 0, 100)
    assert MentorProfile.objects.get().next_free_at is None


def test_the_same_key_gives_the_same_appointment(ann, mentor, max):
    first = book(mentor, ann, TEN, idempotency_key="abc")
    again = book(mentor, ann, TEN, idempotency_key="abc", now=NOW + HOUR)
    assert again == first
    assert (points(ann), told(max)) == (50, ["appointment_requested"])


def test_the_same_key_still_answers_after_the_session_was_cancelled(ann, mentor):
    first = book(mentor, ann, TEN, idempotency_key="abc")
    cancel_appointment(first, by=ann, now=NOW)
    assert book(mentor, ann, TEN, idempotency_key="abc") == first


def test_the_same_key_still_answers_when_the_mentor_takes_no_bookings_any_more(ann, mentor):
    first = book(mentor, ann, TEN, idempotency_key="abc")
    MentorProfile.objects.update(approval=MentorProfile.Approval.DECLINED)
    assert book(mentor, ann, TEN, idempotency_key="abc") == first
    with pytest.raises(MentorNotBookable):
        book(mentor, ann, TEN, idempotency_key="def")


@pytest.mark.parametrize("other", [{"title": "Other"}, {"description": "Other"}, {"duration_minutes": 30}])
def test_the_same_key_with_other_content_is_refused(ann, mentor, other):
    book(mentor, ann, TEN, idempotency_key="abc")
    with pytest.raises(IdempotencyMismatch):
        book(mentor, ann, TEN, idempotency_key="abc", **other)


def test_keys_of_different_people_have_nothing_to_do_with_each_other(ann, sam, mentor):
    book(mentor, ann, TEN, idempotency_key="abc")
    assert book(mentor, sam, TEN + HOUR, idempotency_key="abc").student == sam


def test_booking_flips_requests_that_ran_out_and_are_in_the_way(ann, sam, mentor):
    old = book(mentor, sam, TEN + 2 * DAY, now=NOW)
    new = book(mentor, ann, TEN + 2 * DAY, now=NOW + 25 * HOUR)
    old.refresh_from_db()
    assert (old.status, new.status) == (Status.EXPIRED, Status.REQUESTED)
    assert (points(sam), points(ann)) == (100, 50)


def test_booking_flips_requests_that_ran_out_and_reach_into_its_buffers(ann, sam, mentor):
    old = book(mentor, sam, TEN + 2 * DAY, now=NOW)
    mentor.buffer_before_minutes = 30
    mentor.slot_step_minutes = 60
    mentor.save()
    book(mentor, ann, TEN + 2 * DAY + HOUR, now=NOW + 25 * HOUR)
    old.refresh_from_db()
    assert old.status == Status.EXPIRED


def test_booking_returns_first_what_the_students_unanswered_requests_hold(ann, mentor):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    for hour in (0, 1):
        book(mentor, ann, TEN + 2 * DAY + hour * HOUR, now=NOW)
    assert points(ann) == 0
    other.hourly_rate_points = 100
    other.save()
    book(other, ann, TEN + 3 * DAY, now=NOW + 25 * HOUR)
    assert points(ann) == 0


def test_booking_flips_the_students_own_request_elsewhere(ann, mentor):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    old = book(other, ann, TEN + 2 * DAY, now=NOW)
    book(mentor, ann, TEN + 2 * DAY, now=NOW + 25 * HOUR)
    old.refresh_from_db()
    assert (old.status, points(ann)) == (Status.EXPIRED, 50)


def test_the_database_behind_the_locks_gives_the_same_refusals(ann, sam, mentor, monkeypatch):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    book(mentor, sam, TEN)
    book(other, ann, TEN + 2 * HOUR)
    monkeypatch.setattr("bookings.availability.Calendar.refusal", lambda *args, **kwargs: None)
    with pytest.raises(SlotTaken):
        book(mentor, ann, TEN)
    with pytest.raises(StudentBusy):
        book(mentor, ann, TEN + 2 * HOUR)
    assert points(ann) == 50


def test_booking_and_cancelling_keep_the_next_free_time(ann, mentor):
    MentorProfile.objects.update(booking_horizon_days=1)
    appointment = book(mentor, ann, TEN - HOUR, now=TEN - 2 * HOUR)
    mentor.refresh_from_db()
    assert mentor.next_free_at == TEN - 2 * HOUR
    mentor.next_free_at = None
    mentor.save()
    cancel_appointment(appointment, by=ann, now=TEN - HOUR)
    mentor.refresh_from_db()
    assert mentor.next_free_at == TEN - HOUR


def test_the_next_free_time_is_anybodys_not_the_students(ann, mentor):
    other = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    book(other, ann, TEN, now=TEN - HOUR / 2)
    book(mentor, ann, TEN + HOUR, now=TEN - HOUR / 2)
    mentor.refresh_from_db()
    assert mentor.next_free_at == TEN


def test_booking_notes_the_next_free_time_of_a_student_who_mentors_too(mentor):
    busy = works_every_day(MentorProfileFactory(user__timezone="Europe/Berlin"))
    book(mentor, rich(busy.user), TEN, now=TEN - dt.timedelta(minutes=30))
    busy.refresh_from_db()
    assert busy.next_free_at == TEN + HOUR


# --- What the mentor answers ------------------------------------------------------------------------------------------


def test_confirming_promises_the_session(ann, mentor, max):
    appointment = confirm_appointment(book(mentor, ann, TEN), by=max, now=NOW)
    assert (appointment.status, appointment.sequence) == (Status.CONFIRMED, 1)
    assert history(appointment) == [("", "requested"), ("requested", "confirmed")]
    assert (points(ann), points(max), told(ann)) == (50, 0, ["appointment_confirmed"])


def test_confirming_twice_is_refused(ann, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN)
    with pytest.raises(AlreadyDecided) as refusal:
        confirm_appointment(appointment, by=max, now=NOW)
    assert refusal.value.code == "already_confirmed"


def test_confirming_too_late_is_refused(ann, mentor, max):
    appointment = book(mentor, ann, TEN)
    with pytest.raises(RequestExpired):
        confirm_appointment(appointment, by=max, now=appointment.answer_by)


def test_declining_returns_everything(ann, mentor, max):
    appointment = decline_appointment(book(mentor, ann, TEN), by=max, reason="No time", now=NOW)
    event = appointment.events.last()
    assert (event.to_status, event.reason, event.points_returned, event.actor) == ("declined", "No time", 50, max)
    assert (points(ann), told(ann)) == (100, ["appointment_declined"])
    assert book(mentor, ann, TEN)  # the time is free again


@pytest.mark.parametrize("action", [confirm_appointment, decline_appointment, complete_appointment, report_no_show])
def test_only_its_mentor_answers_and_concludes(ann, sam, ada, mentor, action):
    other = MentorProfileFactory().user
    appointment = book(mentor, ann, TEN)
    for person in (ann, sam, ada, other):
        with pytest.raises(NotAllowed):
            action(appointment, by=person, now=NOW)


# --- How it ends ------------------------------------------------------------------------------------------------------

LATE = TEN - HOUR  # after the free deadline
AFTER = TEN + 3 * HOUR


@pytest.mark.parametrize(
    ("make", "who", "when", "returned", "paid"),
    [
        (book, "ann", NOW, 50, 0),
        (book, "ann", LATE, 50, 0),
        (book, "max", LATE, 50, 0),
        (book, "ada", LATE, 50, 0),
        (book_confirmed, "ann", TEN - DAY - dt.timedelta(seconds=1), 50, 0),
        (book_confirmed, "ann", TEN - DAY, 25, 25),
        (book_confirmed, "ann", LATE, 25, 25),
        (book_confirmed, "max", LATE, 50, 0),
        (book_confirmed, "max", AFTER, 50, 0),
        (book_confirmed, "ada", AFTER, 50, 0),
    ],
)
def test_cancelling_returns_what_the_terms_allow(ann, mentor, max, ada, make, who, when, returned, paid):
    by = {"ann": ann, "max": max, "ada": ada}[who]
    appointment = make(mentor, ann, TEN, now=TEN - 2 * DAY if when < LATE else NOW)
    assert appointment.can_be_cancelled_by(by, when)
    assert appointment.refund_if_cancelled(by, when) == returned

    appointment = cancel_appointment(appointment, by=by, reason="Ill", now=when)

    event = appointment.events.last()
    assert (event.to_status, event.points_returned, event.points_paid) == ("cancelled", returned, paid)
    assert (points(ann), points(max)) == (50 + returned, paid)
    others = {ann, max} - {by}
    assert all("appointment_cancelled" in told(person) for person in others)
    assert "appointment_cancelled" not in told(by)


def test_late_share_is_rounded_half_up(ann, mentor, max):
    MentorProfile.objects.update(hourly_rate_points=45)
    appointment = cancel_appointment(book_confirmed(mentor, ann, TEN), by=ann, now=LATE)
    assert (appointment.events.last().points_returned, points(ann), points(max)) == (23, 78, 22)


def test_a_student_cannot_cancel_what_has_begun(ann, mentor):
    appointment = book_confirmed(mentor, ann, TEN)
    with pytest.raises(TooLateToCancel):
        cancel_appointment(appointment, by=ann, now=TEN)


def test_staff_who_are_the_student_cancel_as_the_student(ann, mentor, max):
    ann.is_staff = True
    ann.save()
    cancel_appointment(book_confirmed(mentor, ann, TEN), by=ann, now=LATE)
    assert (points(ann), points(max)) == (75, 25)


def test_staff_cancel_only_with_the_permission_that_the_admin_asks_for(ann, sam, mentor):
    appointment = book_confirmed(mentor, ann, TEN)
    sam.is_staff = True
    sam.save()
    with pytest.raises(NotAllowed):
        cancel_appointment(appointment, by=sam, now=LATE)
    sam.user_permissions.add(Permission.objects.get(codename="change_appointment"))
    sam = User.objects.get(pk=sam.pk)  # who had none, as far as the old object remembers
    assert cancel_appointment(appointment, by=sam, now=LATE).status == Appointment.Status.CANCELLED
    assert points(ann) == 100


def test_a_permission_without_being_staff_cancels_nothing(ann, sam, mentor):
    sam.user_permissions.add(Permission.objects.get(codename="change_appointment"))
    with pytest.raises(NotAllowed):
        cancel_appointment(book_confirmed(mentor, ann, TEN), by=sam, now=LATE)


def test_cancelling_twice_pays_once(ann, mentor):
    appointment = book_confirmed(mentor, ann, TEN)
    cancel_appointment(appointment, by=ann, now=LATE)
    with pytest.raises(AlreadyDecided) as refusal:
        cancel_appointment(appointment, by=ann, now=LATE)
    assert (refusal.value.code, points(ann)) == ("already_cancelled", 75)


def test_strangers_cannot_cancel(ann, sam, mentor):
    with pytest.raises(NotAllowed):
        cancel_appointment(book(mentor, ann, TEN), by=sam, now=NOW)


def test_completing_pays_the_mentor(ann, mentor, max):
    appointment = complete_appointment(book_confirmed(mentor, ann, TEN), by=max, now=TEN)
    mentor.refresh_from_db()
    assert (appointment.status, points(max), mentor.sessions_completed) == (Status.COMPLETED, 50, 1)
    assert appointment.events.last().points_paid == 50
    assert told(ann) == ["appointment_confirmed", "appointment_completed"]


def test_completing_before_the_start_is_refused(ann, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN)
    with pytest.raises(TooEarly) as refusal:
        complete_appointment(appointment, by=max, now=TEN - dt.timedelta(seconds=1))
    assert refusal.value.possible_from == TEN


def test_completing_what_was_never_confirmed_is_refused(ann, mentor, max):
    appointment = book(mentor, ann, TEN)
    with pytest.raises(NotConfirmedYet):
        complete_appointment(appointment, by=max, now=AFTER)


def test_no_show_can_be_reported_ten_minutes_after_the_start(ann, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN)
    with pytest.raises(TooEarly):
        report_no_show(appointment, by=max, now=TEN + dt.timedelta(minutes=9, seconds=59))
    appointment = report_no_show(appointment, by=max, reason="Nobody", now=TEN + dt.timedelta(minutes=10))
    assert (appointment.status, points(ann), points(max)) == (Status.NO_SHOW, 50, 50)
    assert told(ann)[-1] == "appointment_no_show"


@pytest.mark.parametrize("status", [*Appointment.FREEING, Status.COMPLETED, Status.NO_SHOW, Status.DISPUTED])
@pytest.mark.parametrize(
    "action", [confirm_appointment, decline_appointment, cancel_appointment, complete_appointment, report_no_show]
)
def test_what_is_over_stays_as_it_is(mentor, max, action, status):
    appointment = AppointmentFactory(mentor=mentor, status=status)
    if status == Status.DISPUTED:
        Dispute.objects.create(appointment=appointment, opened_by=appointment.student, reason="?", was_completed=False)
    with pytest.raises(AlreadyDecided) as refusal:
        action(appointment, by=max, now=AFTER)
    assert refusal.value.state == status
    assert refusal.value.code == f"already_{status}"
    assert not AppointmentEvent.objects.exists()


# --- What time does ---------------------------------------------------------------------------------------------------


def test_unanswered_requests_expire_and_return_everything(ann, sam, mentor, max):
    due, fresh = book(mentor, ann, TEN), book(mentor, sam, TEN + 4 * DAY, now=NOW + 2 * HOUR)
    assert expire_requests(now=due.answer_by, dry_run=True) == 1
    assert points(ann) == 50
    assert expire_requests(now=due.answer_by) == 1
    assert expire_requests(now=due.answer_by) == 0
    due.refresh_from_db()
    fresh.refresh_from_db()
    assert (due.status, fresh.status) == (Status.EXPIRED, Status.REQUESTED)
    assert due.events.last().actor is None
    assert (points(ann), points(sam)) == (100, 50)
    assert (told(ann), told(max)[-1]) == (["appointment_expired"], "appointment_expired")


def test_past_sessions_complete_by_themselves_a_day_after_the_end(ann, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN)
    due = TEN + 25 * HOUR
    assert complete_past_appointments(now=due - dt.timedelta(seconds=1)) == 0
    assert complete_past_appointments(now=due, dry_run=True) == 1
    assert complete_past_appointments(now=due) == 1
    assert complete_past_appointments(now=due) == 0
    appointment.refresh_from_db()
    assert (appointment.status, points(max)) == (Status.COMPLETED, 50)
    assert told(max)[-1] == told(ann)[-1] == "appointment_completed"


def test_nothing_completes_by_itself_before_its_time(ann, mentor):
    with pytest.raises(TooEarly):
        complete_appointment(book_confirmed(mentor, ann, TEN), by=None, now=AFTER)


def test_one_broken_appointment_does_not_keep_the_others_waiting(ann, sam, mentor, monkeypatch, caplog):
    first, second = book(mentor, ann, TEN), book(mentor, sam, TEN + HOUR)
    from bookings.actions import overdue

    real = overdue.release_hold

    def failing(escrow, **kwargs):
        if escrow.pk == first.escrow_id:
            raise RuntimeError("broken")
        return real(escrow, **kwargs)

    monkeypatch.setattr(overdue, "release_hold", failing)
    assert expire_requests(now=TEN + HOUR) == 1
    second.refresh_from_db()
    assert second.status == Status.EXPIRED
    assert "could not be dealt with" in caplog.text


def test_notes_of_next_free_times_are_renewed(mentor):
    hidden = works_every_day(MentorProfileFactory(approval=MentorProfile.Approval.WAITING))
    assert refresh_next_free_times(now=NOW, dry_run=True) == 1
    assert refresh_next_free_times(now=NOW) == 1
    assert refresh_next_free_times(now=NOW + dt.timedelta(minutes=14)) == 0
    assert refresh_next_free_times(now=NOW + dt.timedelta(minutes=15)) == 1
    mentor.refresh_from_db()
    hidden.refresh_from_db()
    assert (mentor.next_free_at, hidden.next_free_at) == (NOW + HOUR, None)


# --- Words ------------------------------------------------------------------------------------------------------------


def test_people_are_told_in_their_own_time(ann, mentor, max):
    ann.timezone = "America/New_York"
    ann.save()
    appointment = confirm_appointment(book(mentor, ann, TEN, now=TEN - 3 * DAY), by=max, now=TEN - 3 * DAY)
    request = Notification.objects.get(recipient=max)
    assert request.title == "Ann Archer asks for a session: Help with Django forms"
    assert "Fri 15 Jan 2027, 11:00–12:00 (Europe/Berlin)" in request.body
    assert "Answer by Wed 13 Jan, 11:00" in request.body
    assert "50 points are held" in request.body
    answer = Notification.objects.get(recipient=ann)
    assert answer.title == "Max Meyer has confirmed your session: Help with Django forms"
    assert "05:00–06:00 (America/New_York)" in answer.body
    assert "free until Thu 14 Jan, 05:00; after that you get 50 % of the points back" in answer.body
    assert answer.url == appointment.get_absolute_url()


def test_names_and_titles_are_not_escaped_in_plain_text(ann, mentor, max):
    type(ann).objects.filter(pk=ann.pk).update(name="Ann <O'Neill>")
    book(mentor, ann, TEN, title="if a < b && b > c")
    assert Notification.objects.get().title == "Ann <O'Neill> asks for a session: if a < b && b > c"


# --- Locks ------------------------------------------------------------------------------------------------------------


def test_actions_lock_the_mentor_and_then_the_appointment(ann, mentor, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks the whole database")
    appointment = book(mentor, ann, TEN)
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        transaction.atomic(),
    ):
        cancel_appointment(appointment, by=ann, now=NOW)
    tables = [q["sql"].split("FROM")[1].split('"')[1] for q in queries if "FOR NO KEY UPDATE" in q["sql"]]
    assert tables[:2] == ["mentors_mentorprofile", "bookings_appointment"]
    assert set(tables[2:]) <= {"wallets_wallet", "mentors_mentorprofile"}
