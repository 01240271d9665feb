"""Another time for a session: who proposes, who agrees, what is held, and what it does to the points."""

import datetime as dt

import pytest

from accounts.models import Membership, ProjectGroup
from accounts.tests.group_factories import make_group
from bookings import availability, terms
from bookings.actions import (
    AlreadyDecided,
    GroupDoesNotPay,
    LengthNotOffered,
    MentorNotBookable,
    MoveDecided,
    MoveWaitsForYou,
    NotYourPoints,
    RequestExpired,
    SameTime,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    StudentCannotPay,
    TooLateToMove,
    accept_move,
    cancel_appointment,
    complete_appointment,
    confirm_appointment,
    decline_appointment,
    decline_move,
    expire_proposals,
    expire_requests,
    propose_move,
    withdraw_move,
)
from bookings.models import Appointment, AppointmentEvent, BusyTime, MoveProposal
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, book, book_confirmed, rich, works_every_day
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind, Notification
from wallets import ledger
from wallets.actions import NotEnoughPoints, grant_points, transfer_points, wallet_of, wallet_of_group
from wallets.models import Transaction

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)  # a Friday, 11:00 in Berlin and Madrid
NOW = TEN - 3 * DAY
NOON = TEN + 2 * HOUR
Status = MoveProposal.Status
What = AppointmentEvent.What

pytestmark = pytest.mark.django_db


@pytest.fixture
def mentor(mentor):
    """Works from 9:00 to 17:00 every day, Berlin time: 30, 60 or 90 minutes from each half hour on."""
    mentor.session_minutes, mentor.slot_step_minutes = [30, 60, 90], 30
    mentor.save(update_fields=["session_minutes", "slot_step_minutes"])
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 100)


@pytest.fixture
def session(mentor, ann):
    """Confirmed, on Friday at ten, for 50 points."""
    return book_confirmed(mentor, ann, TEN, now=NOW)


@pytest.fixture
def request_of_ann(mentor, ann):
    return book(mentor, ann, TEN, now=NOW)


def propose(appointment, by, starts_at=NOON, *, minutes=60, now=NOW, **more):
    return propose_move(appointment, by=by, starts_at=starts_at, duration_minutes=minutes, now=now, **more)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def free_at(mentor, starts_at, *, now=NOW, minutes=60, student=None):
    calendar = availability.load_calendar(mentor, now=now, student=student)
    return calendar.refusal(starts_at, duration_minutes=minutes) is None


def told(person, kind):
    return Notification.objects.filter(recipient=person, kind=kind).count()


def all_is_right():
    return [problem for _name, problem in ledger.problems()] == []


# --- Proposing --------------------------------------------------------------------------------------------------------


def test_a_proposal_holds_the_new_time_and_keeps_the_old(session, mentor, ann):
    proposal = propose(session, mentor.user, reason="The dentist")
    assert proposal.status == Status.OPEN
    assert proposal.by_mentor
    assert not free_at(mentor, TEN)
    assert not free_at(mentor, NOON)
    session = fresh(session)
    assert (session.starts_at, session.sequence) == (TEN, 1)
    event = session.events.last()
    assert (event.what, event.old_starts_at, event.new_starts_at, event.reason) == (
        What.MOVE_PROPOSED,
        TEN,
        NOON,
        "The dentist",
    )
    assert told(ann, Kind.MOVE_PROPOSED) == 1
    assert told(mentor.user, Kind.MOVE_PROPOSED) == 0


def test_the_hold_has_the_buffers_of_the_mentor(mentor, ann):
    mentor.buffer_before_minutes, mentor.buffer_after_minutes = 10, 20
    mentor.save()
    session = book_confirmed(mentor, ann, TEN, now=NOW)
    propose(session, ann)
    hold = BusyTime.objects.get()
    assert hold.blocked_from == NOON - dt.timedelta(minutes=10)
    assert hold.blocked_until == NOON + dt.timedelta(minutes=80)
    accept_move(hold.proposal, by=mentor.user, now=NOW)
    session = fresh(session)
    assert (session.blocked_from, session.blocked_until) == (hold.blocked_from, hold.blocked_until)


def test_nobody_else_gets_a_time_that_is_held(session, mentor, ann, sam):
    propose(session, ann)
    with pytest.raises(SlotTaken):
        book(mentor, rich(sam), NOON, now=NOW)


def test_the_student_is_not_booked_elsewhere_at_a_held_time(session, mentor, ann):
    other = works_every_day(MentorProfileFactory(hourly_rate_points=0, timezone="Europe/Berlin"))
    propose(session, ann)
    with pytest.raises(StudentBusy):
        book(other, ann, NOON, now=NOW)


def test_a_session_may_move_onto_a_part_of_its_own_time(session, mentor, ann):
    proposal = propose(session, ann, TEN - HOUR / 2, minutes=90)
    accept_move(proposal, by=mentor.user, now=NOW)
    assert fresh(session).duration_minutes == 90


@pytest.mark.parametrize("who", ["sam", "ada"])
def test_only_the_two_sides_propose(session, who, request):
    with pytest.raises(NotAllowed):
        propose(session, request.getfixturevalue(who))


def test_what_has_begun_is_not_moved(session, ann):
    with pytest.raises(TooLateToMove):
        propose(session, ann, TEN + DAY, now=TEN)
    propose(session, ann, TEN + DAY, now=TEN - dt.timedelta(seconds=1))


def test_what_has_ended_is_not_moved(session, mentor, ann):
    cancel_appointment(session, by=ann, now=NOW)
    with pytest.raises(AlreadyDecided):
        propose(session, mentor.user)


def test_a_request_that_ran_out_is_not_moved(request_of_ann, ann):
    with pytest.raises(RequestExpired):
        propose(request_of_ann, ann, now=request_of_ann.answer_by)


def test_the_time_that_it_has_is_no_other_time(session, ann):
    with pytest.raises(SameTime):
        propose(session, ann, TEN)
    propose(session, ann, TEN, minutes=30)


@pytest.mark.parametrize("minutes", [0, -60, 45, 120])
def test_another_length_must_be_offered(session, ann, minutes):
    with pytest.raises(LengthNotOffered) as refused:
        propose(session, ann, minutes=minutes)
    assert refused.value.offered == [30, 60, 90]


def test_the_agreed_length_stays_possible_when_it_is_offered_no_more(session, mentor, ann):
    MentorProfile.objects.update(session_minutes=[30])
    assert propose(session, ann).duration_minutes == 60


@pytest.mark.parametrize("side", ["ann", "mentor"])
def test_the_new_time_must_be_offered_whoever_proposes(session, mentor, ann, side):
    by = ann if side == "ann" else mentor.user
    with pytest.raises(SlotNotOffered) as refused:
        propose(session, by, TEN.replace(hour=20))
    assert refused.value.reason == Reason.outside_hours
    assert refused.value.nearest


@pytest.mark.parametrize("years", [-400, 400, 5_000])
def test_a_time_in_another_age_is_refused(session, ann, years):
    with pytest.raises(SlotNotOffered):
        propose(session, ann, TEN.replace(year=2027 + years))


def test_a_taken_time_is_refused_with_what_is_near(session, mentor, ann, sam):
    book_confirmed(mentor, rich(sam), NOON, now=NOW)
    with pytest.raises(SlotTaken) as refused:
        propose(session, mentor.user)
    assert NOON + HOUR in refused.value.nearest


def test_the_student_must_have_time_and_the_mentor_does_not_learn_why_not(session, mentor, ann):
    other = works_every_day(MentorProfileFactory(hourly_rate_points=0, timezone="Europe/Berlin"))
    book_confirmed(other, ann, NOON, now=NOW, title="A secret")
    for by in (mentor.user, ann):
        with pytest.raises(StudentBusy) as refused:
            propose(session, by)
        assert refused.value.appointment is None
        assert "A secret" not in str(refused.value.message)
    assert "another session" in str(refused.value.message)


def test_a_mentor_who_takes_no_bookings_moves_none(session, mentor, ann):
    MentorProfile.objects.update(approval=MentorProfile.Approval.WAITING)
    with pytest.raises(MentorNotBookable):
        propose(session, ann)


def test_requests_that_ran_out_make_way(session, mentor, ann, sam):
    other = book(mentor, rich(sam), NOON, now=NOW)
    Appointment.objects.filter(pk=other.pk).update(answer_by=NOW + HOUR)
    proposal = propose(session, ann, now=NOW + HOUR)
    assert fresh(other).status == "expired"
    accept_move(proposal, by=mentor.user, now=NOW + HOUR)
    assert fresh(session).starts_at == NOON


def test_the_students_own_request_elsewhere_that_ran_out_makes_way(session, mentor, ann):
    other = works_every_day(MentorProfileFactory(hourly_rate_points=0, timezone="Europe/Berlin"))
    asked = book(other, ann, NOON, now=NOW)
    Appointment.objects.filter(pk=asked.pk).update(answer_by=NOW + HOUR)
    accept_move(propose(session, ann, now=NOW + HOUR), by=mentor.user, now=NOW + HOUR)
    assert fresh(session).starts_at == NOON


def test_another_proposal_of_the_same_side_replaces_the_first(session, mentor, ann):
    first = propose(session, ann)
    second = propose(session, ann, NOON + HOUR)
    assert (fresh(first).status, fresh(second).status) == (Status.WITHDRAWN, Status.OPEN)
    assert free_at(mentor, NOON)
    assert BusyTime.objects.get().proposal == second
    with pytest.raises(MoveDecided) as refused:
        accept_move(first, by=mentor.user, now=NOW)
    assert refused.value.code == "move_withdrawn"


def test_the_same_proposal_twice_is_one(session, mentor, ann):
    assert propose(session, ann) == propose(session, ann)
    assert told(mentor.user, Kind.MOVE_PROPOSED) == 1


def test_what_the_other_side_proposed_is_answered_first(session, mentor, ann):
    proposal = propose(session, mentor.user)
    with pytest.raises(MoveWaitsForYou) as refused:
        propose(session, ann, NOON + HOUR)
    assert refused.value.proposal == proposal
    decline_move(proposal, by=ann, now=NOW)
    assert propose(session, ann, NOON + HOUR).status == Status.OPEN


def test_one_that_ran_out_is_in_nobodys_way(session, mentor, ann):
    proposal = propose(session, mentor.user)
    later = propose(session, ann, NOON + HOUR, now=proposal.answer_by)
    assert (fresh(proposal).status, later.status) == (Status.EXPIRED, Status.OPEN)
    assert session.events.filter(what=What.MOVE_EXPIRED).count() == 1


# --- Deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "starts_at", "answer_by"),
    [
        (NOW, NOON, NOW + DAY),
        (TEN - 2 * HOUR, NOON, TEN),  # before the old time
        (NOW, NOW + 5 * HOUR, NOW + 5 * HOUR),  # before the new one
    ],
)
def test_an_answer_must_come_before_either_time(now, starts_at, answer_by):
    assert terms.move_answer_by(now, TEN, starts_at, 24) == answer_by


def test_the_hold_ends_with_the_time_to_answer(session, mentor, ann):
    proposal = propose(session, ann)
    assert proposal.answer_by == NOW + DAY
    assert BusyTime.objects.get().expires_at == proposal.answer_by
    assert free_at(mentor, NOON, now=proposal.answer_by)
    with pytest.raises(MoveDecided) as refused:
        accept_move(proposal, by=mentor.user, now=proposal.answer_by)
    assert refused.value.code == "move_expired"


def test_what_nobody_answered_lapses(session, mentor, ann):
    proposal = propose(session, ann)
    assert expire_proposals(now=proposal.answer_by - dt.timedelta(seconds=1)) == 0
    assert expire_proposals(now=proposal.answer_by, dry_run=True) == 1
    assert expire_proposals(now=proposal.answer_by) == 1
    assert expire_proposals(now=proposal.answer_by) == 0
    assert fresh(proposal).status == Status.EXPIRED
    assert not BusyTime.objects.exists()
    assert fresh(session).starts_at == TEN
    assert session.events.last().what == What.MOVE_EXPIRED
    assert told(ann, Kind.MOVE_ENDED) == told(mentor.user, Kind.MOVE_ENDED) == 1


def test_a_request_does_not_expire_before_the_time_proposed_for_it(request_of_ann, mentor, ann):
    later = NOW + 23 * HOUR
    proposal = propose(request_of_ann, mentor.user, now=later)
    assert fresh(request_of_ann).answer_by == proposal.answer_by == later + DAY
    assert expire_requests(now=NOW + DAY) == 0
    accept_move(proposal, by=ann, now=NOW + DAY + HOUR)
    assert fresh(request_of_ann).status == "confirmed"


def test_a_request_never_waits_beyond_its_own_start(mentor, ann):
    asked = book(mentor, ann, TEN, now=TEN - 2 * HOUR)
    propose(asked, mentor.user, TEN + DAY, now=TEN - HOUR)
    assert fresh(asked).answer_by == TEN


# --- Answering --------------------------------------------------------------------------------------------------------


def test_the_same_appointment_gets_the_new_time(session, mentor, ann):
    proposal = propose(session, mentor.user)
    accept_move(proposal, by=ann, now=NOW + HOUR)
    moved = fresh(session)
    assert moved.pk == session.pk
    assert (moved.starts_at, moved.ends_at, moved.status) == (NOON, NOON + HOUR, "confirmed")
    assert (moved.agreed_local_start, moved.agreed_timezone) == ("2027-01-15T13:00", "Europe/Berlin")
    assert (moved.timed_at, moved.sequence) == (NOW + HOUR, session.sequence + 1)
    assert moved.price_points == 50
    assert not BusyTime.objects.exists()
    assert free_at(mentor, TEN, now=NOW + HOUR)
    assert not free_at(mentor, NOON, now=NOW + HOUR)
    event = moved.events.last()
    assert (event.what, event.old_starts_at, event.new_starts_at, event.actor) == (What.MOVED, TEN, NOON, ann)
    assert told(ann, Kind.APPOINTMENT_MOVED) == told(mentor.user, Kind.APPOINTMENT_MOVED) == 1
    assert all_is_right()


def test_the_free_deadline_keeps_its_notice(session, mentor, ann):
    MentorProfile.objects.update(cancellation_notice_hours=1)  # what the mentor asks by now does not matter
    notice = session.starts_at - session.cancel_free_until
    accept_move(propose(session, ann, TEN + DAY), by=mentor.user, now=NOW)
    assert fresh(session).cancel_free_until == TEN + DAY - notice


def test_a_request_is_confirmed_by_agreeing_on_another_time(request_of_ann, mentor, ann):
    accept_move(propose(request_of_ann, ann), by=mentor.user, now=NOW)
    assert fresh(request_of_ann).status == "confirmed"
    event = request_of_ann.events.last()
    assert (event.from_status, event.to_status, event.what) == ("requested", "confirmed", What.MOVED)


def test_confirming_the_old_time_leaves_the_proposal_to_be_answered(request_of_ann, mentor, ann):
    proposal = propose(request_of_ann, mentor.user)
    confirm_appointment(request_of_ann, by=mentor.user, now=NOW)
    accept_move(proposal, by=ann, now=NOW)
    assert fresh(request_of_ann).starts_at == NOON


@pytest.mark.parametrize("who", ["mentor", "sam", "ada"])
def test_only_the_other_side_answers(session, mentor, ann, who, request):
    proposal = propose(session, mentor.user)
    by = mentor.user if who == "mentor" else request.getfixturevalue(who)
    for answer in (accept_move, decline_move):
        with pytest.raises(NotAllowed):
            answer(proposal, by=by, now=NOW)
    if who != "mentor":
        with pytest.raises(NotAllowed):
            withdraw_move(proposal, by=by, now=NOW)


def test_whoever_answers_does_not_withdraw(session, mentor, ann):
    with pytest.raises(NotAllowed):
        withdraw_move(propose(session, mentor.user), by=ann, now=NOW)


def test_a_declined_time_is_free_again_and_the_session_stays(session, mentor, ann):
    proposal = propose(session, mentor.user)
    decline_move(proposal, by=ann, reason="I have lunch", now=NOW)
    assert fresh(proposal).status == Status.DECLINED
    assert fresh(session).starts_at == TEN
    assert free_at(mentor, NOON)
    assert session.events.last().reason == "I have lunch"
    assert told(mentor.user, Kind.MOVE_DECLINED) == 1


def test_a_withdrawn_time_is_free_again_and_the_other_side_is_told(session, mentor, ann):
    proposal = propose(session, mentor.user)
    withdraw_move(proposal, by=mentor.user, now=NOW)
    assert fresh(proposal).status == Status.WITHDRAWN
    assert free_at(mentor, NOON)
    assert told(ann, Kind.MOVE_ENDED) == 1
    assert told(mentor.user, Kind.MOVE_ENDED) == 0


@pytest.mark.parametrize("second", [accept_move, decline_move])
@pytest.mark.parametrize(("first", "code"), [(accept_move, "move_accepted"), (decline_move, "move_declined")])
def test_a_second_answer_is_told_what_the_first_was(session, mentor, ann, first, second, code):
    proposal = propose(session, mentor.user)
    first(proposal, by=ann, now=NOW)
    with pytest.raises(MoveDecided) as refused:
        second(proposal, by=ann, now=NOW)
    assert refused.value.code == code
    assert session.events.count() == 4


@pytest.mark.parametrize("end", ["cancelled", "declined", "expired", "completed"])
def test_when_the_session_ends_the_proposal_is_over(mentor, ann, end):
    asked = book(mentor, ann, TEN, now=TEN - 3 * HOUR)
    proposal = propose(asked, ann, TEN + DAY, now=TEN - 2 * HOUR)
    if end == "cancelled":
        cancel_appointment(asked, by=ann, now=TEN - HOUR)
    elif end == "declined":
        decline_appointment(asked, by=mentor.user, now=TEN - HOUR)
    elif end == "expired":
        expire_requests(now=TEN)
    else:
        confirm_appointment(asked, by=mentor.user, now=TEN - HOUR)
        complete_appointment(asked, by=mentor.user, now=TEN)
    assert fresh(proposal).status == Status.OVERTAKEN
    assert not BusyTime.objects.exists()
    with pytest.raises(MoveDecided) as refused:
        accept_move(proposal, by=mentor.user, now=TEN - HOUR)
    assert refused.value.code == "move_overtaken"
    assert all_is_right()


def test_the_database_stands_behind_the_locks(session, mentor, ann, sam):
    proposal = propose(session, ann)
    AppointmentFactory(mentor=mentor, student=sam, starts_at=NOON)  # as no action would
    with pytest.raises(SlotTaken):
        accept_move(proposal, by=mentor.user, now=NOW)
    assert fresh(session).starts_at == TEN
    assert fresh(proposal).status == Status.OPEN


def test_the_database_stands_behind_the_students_time_too(session, mentor, ann):
    proposal = propose(session, ann)
    AppointmentFactory(student=ann, starts_at=NOON)
    with pytest.raises(StudentBusy):
        accept_move(proposal, by=mentor.user, now=NOW)


def test_directories_learn_when_the_mentor_is_free(mentor, ann):
    mentor.session_minutes = [60]
    mentor.save()
    first = NOW.replace(hour=8) + DAY
    session = book_confirmed(mentor, ann, first, now=NOW + 12 * HOUR)
    assert fresh(mentor).next_free_at == first + HOUR
    proposal = propose(session, ann, first + HOUR, now=NOW + 12 * HOUR)
    assert fresh(mentor).next_free_at == first + 2 * HOUR
    accept_move(proposal, by=mentor.user, now=NOW + 12 * HOUR)
    assert fresh(mentor).next_free_at == first


# --- At once ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(mentor, ann):
    """A session of a mentor who confirms automatically."""
    MentorProfile.objects.filter(pk=mentor.pk).update(confirms_automatically=True)
    return book(fresh(mentor), ann, TEN, now=NOW)


def test_where_the_mentor_confirms_automatically_the_student_moves_at_once(at_once, mentor, ann):
    proposal = propose(at_once, ann, reason="A lecture")
    assert proposal.status == Status.ACCEPTED
    assert fresh(at_once).starts_at == NOON
    assert not BusyTime.objects.exists()
    assert at_once.events.last().reason == "A lecture"
    assert told(mentor.user, Kind.APPOINTMENT_MOVED) == 1
    assert told(mentor.user, Kind.MOVE_PROPOSED) == 0
    with pytest.raises(SameTime):
        propose(at_once, ann)


def test_the_mentor_asks_in_any_case(at_once, mentor):
    assert propose(at_once, mentor.user).status == Status.OPEN


def test_after_the_free_deadline_the_student_asks(at_once, ann):
    free_until = at_once.cancel_free_until
    assert not at_once.moves_at_once(ann, free_until)
    assert at_once.moves_at_once(ann, free_until - dt.timedelta(seconds=1))
    assert propose(at_once, ann, TEN + 5 * DAY, now=free_until).status == Status.OPEN
    assert fresh(at_once).cancel_free_until == free_until


def test_a_move_at_once_pays_at_once(at_once, mentor, ann):
    propose(at_once, ann, minutes=90)
    assert wallet_of(ann).balance_points == 25
    propose(at_once, ann, minutes=30)
    assert wallet_of(ann).balance_points == 75
    assert fresh(at_once).price_points == 25
    assert all_is_right()


# --- Points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "old", "new", "moved"),
    [
        (50, 60, 60, 50),
        (50, 60, 30, 25),
        (50, 60, 90, 75),
        (25, 60, 30, 13),  # 12.5
        (5, 60, 45, 4),  # 3.75
        (3, 60, 30, 2),  # 1.5
        (1, 60, 30, 1),  # 0.5
        (1, 120, 30, 1),  # 0.25, and at least 1
        (1, 30, 120, 4),
        (0, 60, 120, 0),
        (7, 45, 60, 9),  # 9.33
    ],
)
def test_another_length_costs_by_the_rate_that_was_agreed(price, old, new, moved):
    assert terms.moved_price(price, old, new) == moved


def test_the_rate_is_that_of_the_booking(session, mentor, ann):
    MentorProfile.objects.update(hourly_rate_points=500)
    assert propose(session, ann, minutes=90).price_points == 75


def test_there_and_back_costs_what_it_cost(mentor, ann):
    """The rate is kept, not the rounded price: 25 points an hour are 13 for 30 minutes, and 25 for 60."""
    MentorProfile.objects.update(hourly_rate_points=25)
    mentor.refresh_from_db()
    short = book_confirmed(mentor, ann, TEN, now=NOW, duration_minutes=30)
    assert (short.price_points, short.price_points_if_moved(60)) == (13, 25)
    accept_move(propose(short, ann, minutes=60), by=mentor.user, now=NOW)
    assert (fresh(short).price_points, fresh(short).price_points_if_moved(30)) == (25, 13)
    assert all_is_right()


def test_requests_that_ran_out_make_way_with_their_buffers(session, mentor, sam):
    MentorProfile.objects.update(buffer_after_minutes=30)
    mentor.refresh_from_db()
    book(mentor, rich(sam), NOON, now=NOW)
    later = NOW + 2 * DAY  # nobody answered, and the sweep has not come by
    half_past = NOON + HOUR + dt.timedelta(minutes=30)
    proposal = propose(session, mentor.user, half_past - dt.timedelta(minutes=30), now=later)
    accept_move(proposal, by=session.student, now=later)
    assert fresh(session).starts_at == NOON + HOUR


def test_who_has_left_the_group_spends_none_of_its_points(mentor, ann, sam):
    group = make_group(ann, sam, members_may_pay=True)
    grant_points(group, points=100)
    session = book_confirmed(mentor, rich(sam), TEN, now=NOW, group=group, pay_from="group")
    assert group.has_member(sam)  # as a page asked before
    Membership.objects.filter(group=group, user=sam).delete()
    with pytest.raises((GroupDoesNotPay, NotAllowed)):
        propose(session, sam, minutes=90)


def test_a_longer_session_holds_the_difference_when_it_is_agreed(session, mentor, ann):
    proposal = propose(session, mentor.user, minutes=90)
    assert wallet_of(ann).balance_points == 50
    accept_move(proposal, by=ann, now=NOW)
    assert wallet_of(ann).balance_points == 25
    assert fresh(session).price_points == fresh(session).escrow.balance_points == 75
    assert Transaction.objects.filter(reason="hold").count() == 2
    assert all_is_right()
    cancel_appointment(session, by=ann, now=NOW)
    assert wallet_of(ann).balance_points == 100
    assert all_is_right()


def test_a_shorter_session_gives_the_difference_back(session, mentor, ann):
    accept_move(propose(session, ann, minutes=30), by=mentor.user, now=NOW)
    assert wallet_of(ann).balance_points == 75
    assert session.events.last().points_returned == 25
    complete_appointment(session, by=mentor.user, now=NOON)
    assert wallet_of(mentor.user).balance_points == 25
    assert all_is_right()


def test_a_session_free_of_charge_stays_so(mentor, ann):
    MentorProfile.objects.update(hourly_rate_points=0)
    session = book_confirmed(fresh(mentor), ann, TEN, now=NOW)
    accept_move(propose(session, ann, minutes=90), by=mentor.user, now=NOW)
    assert fresh(session).price_points == 0
    assert all_is_right()


def test_what_the_student_cannot_pay_is_refused_early(session, mentor, ann):
    transfer_points(wallet_of(ann), wallet_of(mentor.user), points=30, by=ann, reason="contribution", note="gone")
    with pytest.raises(NotEnoughPoints) as refused:
        propose(session, ann, minutes=90)
    assert refused.value.missing_points == 5
    assert not MoveProposal.objects.exists()


def test_what_the_student_cannot_pay_any_more_is_not_agreed(session, mentor, ann):
    proposal = propose(session, ann, minutes=90)
    transfer_points(wallet_of(ann), wallet_of(mentor.user), points=50, by=ann, reason="contribution", note="gone")
    with pytest.raises(StudentCannotPay):
        accept_move(proposal, by=mentor.user, now=NOW)
    assert fresh(session).starts_at == TEN
    assert all_is_right()


def test_the_student_is_told_what_is_missing(session, mentor, ann):
    transfer_points(wallet_of(ann), wallet_of(mentor.user), points=50, by=ann, reason="contribution", note="gone")
    with pytest.raises(NotEnoughPoints):
        accept_move(propose(session, mentor.user, minutes=90), by=ann, now=NOW)


# --- Groups -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(ann, sam):
    """Sam owns it, Ann belongs to it."""
    group = ProjectGroup.objects.create(name="Compilers", owner=sam, members_may_pay=True)
    Membership.objects.create(group=group, user=sam)
    Membership.objects.create(group=group, user=ann)
    return group


@pytest.fixture
def group_session(mentor, ann, group, ada):
    """Booked by Ann, paid from the group's wallet, which has 50 points left."""
    transfer_points(
        wallet_of(rich(ada, 100)), wallet_of_group(group), points=100, by=ada, reason="contribution", note="For all"
    )
    return book_confirmed(mentor, ann, TEN, now=NOW, group=group, pay_from="group")


def test_the_owner_of_the_group_speaks_for_it_and_every_member_is_told(group_session, mentor, ann, sam):
    proposal = propose(group_session, mentor.user)
    assert told(ann, Kind.MOVE_PROPOSED) == told(sam, Kind.MOVE_PROPOSED) == 1
    accept_move(proposal, by=sam, now=NOW)
    assert fresh(group_session).starts_at == NOON
    for person in (ann, sam, mentor.user):
        assert told(person, Kind.APPOINTMENT_MOVED) == 1


def test_another_member_neither_proposes_nor_answers(group_session, mentor, group, ada):
    Membership.objects.create(group=group, user=ada)
    with pytest.raises(NotAllowed):
        propose(group_session, ada)
    proposal = propose(group_session, mentor.user)
    with pytest.raises(NotAllowed):
        accept_move(proposal, by=ada, now=NOW)


def test_the_group_pays_the_difference_and_gets_it_back(group_session, mentor, ann, group):
    accept_move(propose(group_session, ann, minutes=90), by=mentor.user, now=NOW)
    assert wallet_of_group(group).balance_points == 25
    accept_move(propose(group_session, ann, minutes=30), by=mentor.user, now=NOW)
    assert wallet_of_group(group).balance_points == 75
    assert wallet_of(ann).balance_points == 100
    assert all_is_right()


def test_who_may_not_spend_for_the_group_does_not_make_it_dearer(group_session, mentor, ann, sam, group):
    ProjectGroup.objects.update(members_may_pay=False)
    with pytest.raises(GroupDoesNotPay):
        propose(group_session, ann, minutes=90)
    proposal = propose(group_session, mentor.user, minutes=90)
    with pytest.raises(GroupDoesNotPay):
        accept_move(proposal, by=ann, now=NOW)
    accept_move(proposal, by=sam, now=NOW)
    assert wallet_of_group(group).balance_points == 25


def test_what_the_group_no_longer_allows_is_not_agreed(group_session, mentor, ann):
    proposal = propose(group_session, ann, minutes=90)
    ProjectGroup.objects.update(members_may_pay=False)
    with pytest.raises(StudentCannotPay):
        accept_move(proposal, by=mentor.user, now=NOW)


def test_nobody_makes_a_session_dearer_that_another_pays(mentor, ann, sam, group):
    session = book_confirmed(mentor, ann, TEN, now=NOW, group=group)  # from Ann's own wallet
    with pytest.raises(NotYourPoints):
        propose(session, sam, minutes=90)
    assert propose(session, sam).status == Status.OPEN


def test_a_mentor_who_came_to_own_the_group_does_not_agree_with_themself(group_session, mentor, group):
    proposal = propose(group_session, mentor.user, minutes=90)
    ProjectGroup.objects.update(owner=mentor.user)
    with pytest.raises(NotAllowed):
        accept_move(proposal, by=mentor.user, now=NOW)


# --- Clock changes ----------------------------------------------------------------------------------------------------


def test_a_move_over_a_clock_change_keeps_the_notice_in_hours(mentor, ann):
    """From Friday to the Sunday on which Berlin's clocks go forward."""
    friday = dt.datetime(2027, 3, 26, 9, tzinfo=dt.UTC)  # 10:00
    sunday = dt.datetime(2027, 3, 28, 8, tzinfo=dt.UTC)  # 10:00 again, an hour earlier in UTC
    session = book_confirmed(mentor, ann, friday, now=friday - 5 * DAY)
    notice = session.starts_at - session.cancel_free_until
    accept_move(propose(session, ann, sunday, now=friday - 4 * DAY), by=mentor.user, now=friday - 4 * DAY)
    session = fresh(session)
    assert session.agreed_local_start == "2027-03-28T10:00"
    assert session.cancel_free_until == sunday - notice
    assert session.duration_minutes == 60


def test_the_zone_that_the_mentor_has_by_then_is_agreed(session, mentor, ann):
    MentorProfile.objects.update(timezone="Europe/London")
    accept_move(propose(session, ann), by=mentor.user, now=NOW)
    session = fresh(session)
    assert (session.agreed_timezone, session.agreed_local_start) == ("Europe/London", "2027-01-15T12:00")


def test_moving_points_twice_is_paid_once(session, mentor, ann):
    proposal = propose(session, mentor.user, minutes=90)
    accept_move(proposal, by=ann, now=NOW)
    with pytest.raises(MoveDecided):
        accept_move(proposal, by=ann, now=NOW)
    assert wallet_of(ann).balance_points == 25
    grant_points(ann, points=1)
    assert all_is_right()
