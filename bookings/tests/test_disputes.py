"""What a student says was not as promised, and what staff decide: who may, when, and where the points are."""

import datetime as dt
import random

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings import actions
from bookings.grouping import sessions_left
from bookings.models import Appointment, AppointmentEvent, Dispute
from bookings.tests.factories import AppointmentFactory, book_confirmed, rich, works_every_day
from mentorbook.errors import NotAllowed, Refused
from mentors.models import MentorProfile
from notifications.models import Notification
from wallets import ledger
from wallets.actions import hold_points, transfer_points, wallet_of, wallet_of_group
from wallets.models import Transaction

pytestmark = pytest.mark.django_db

Status = Appointment.Status
START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
END = START + dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def agreed(mentor, ann):
    """An hour of Max for 50 of Ann's 80 points."""
    works_every_day(mentor)
    rich(ann, 80)
    return book_confirmed(mentor, ann, START)


@pytest.fixture
def done(agreed, max):
    """The same, completed: Max has the 50."""
    return actions.complete_appointment(agreed, by=max, now=END)


@pytest.fixture
def group(ann, sam):
    """A project of Sam's, of which Ann is a member."""
    group = ProjectGroup.objects.create(name="Robots", owner=sam)
    for user in (sam, ann):
        Membership.objects.create(group=group, user=user)
    return group


def points(user):
    return wallet_of(user).balance_points


def held(appointment):
    appointment.escrow.refresh_from_db()
    return appointment.escrow.balance_points


def dispute(appointment, by=None, now=END, reason="Max did not come."):
    return actions.dispute_appointment(appointment, by=by or appointment.student, reason=reason, now=now)


def decide(appointment, by, returned_points, note="Both were heard.", now=END + HOUR, **more):
    return actions.decide_dispute(appointment, by=by, returned_points=returned_points, note=note, now=now, **more)


def give(user, other, number):
    transfer_points(
        wallet_of(user), wallet_of(other), points=number, by=user, reason=Transaction.Reason.TRANSFER, note="Coffee"
    )


def spend(user):
    """Let `user` give everything to somebody else."""
    other = UserFactory()
    transfer_points(
        wallet_of(user), wallet_of(other), points=points(user), by=user, reason=Transaction.Reason.TRANSFER, note=""
    )
    return other


def counted(mentor):
    return MentorProfile.objects.get(pk=mentor.pk).sessions_completed


def books_are_right():
    return list(ledger.problems()) == []


# --- Opening ----------------------------------------------------------------------------------------------------------


def test_what_is_held_stays_held_and_nobody_completes_it(agreed, ann, max):
    disputed = dispute(agreed)
    assert (disputed.status, held(disputed)) == (Status.DISPUTED, 50)
    assert Dispute.objects.get(appointment=agreed).was_completed is False
    assert actions.complete_past_appointments(now=END + 25 * HOUR) == 0
    for step in (actions.complete_appointment, actions.report_no_show, actions.cancel_appointment):
        with pytest.raises(actions.AlreadyDecided):
            step(agreed, by=max, now=END + HOUR)
    assert (held(agreed), points(ann), points(max)) == (50, 30, 0)
    assert books_are_right()


def test_what_the_mentor_was_paid_comes_back(done, ann, max, mentor):
    assert (points(max), counted(mentor)) == (50, 1)
    disputed = dispute(done)
    assert (held(disputed), points(max), points(ann), counted(mentor)) == (50, 0, 30, 0)
    assert disputed.dispute.was_completed
    assert books_are_right()


def test_what_the_mentor_has_spent_stays_away_and_the_dispute_opens_all_the_same(done, max, mentor):
    spend(max)
    disputed = dispute(done)
    assert (disputed.status, held(disputed), points(max), counted(mentor)) == (Status.DISPUTED, 0, 0, 0)
    assert books_are_right()


def test_what_is_left_of_a_payment_comes_back_and_the_rest_when_it_is_there(done, ann, max, ada):
    give(max, UserFactory(), 20)
    assert (held(dispute(done)), points(max)) == (30, 0)
    assert books_are_right()
    assert actions.points_to_decide(done) == 30
    with pytest.raises(actions.NotEnoughHeld):
        decide(done, ada, 31)
    rich(max, 15)
    assert actions.points_to_decide(done) == 45
    decide(done, ada, 40)
    assert (points(ann), points(max), held(done)) == (70, 0 + 5, 0)
    assert books_are_right()


def test_more_than_the_price_is_never_taken_back(done, ann, max, ada):
    give(max, UserFactory(), 20)
    dispute(done)
    rich(max, 500)
    decide(done, ada, 50)
    assert (points(ann), points(max), held(done)) == (80, 480, 0)
    assert books_are_right()


def test_history_and_the_mentor_are_told(agreed, ann, max):
    disputed = dispute(agreed, reason="Nobody came.")
    event = disputed.events.last()
    assert (event.from_status, event.to_status, event.actor, event.reason) == (
        "confirmed",
        "disputed",
        ann,
        "Nobody came.",
    )
    told = Notification.objects.get(kind="appointment_disputed")
    assert (told.recipient, told.url) == (max, agreed.get_absolute_url())
    assert "Ann Archer writes: Nobody came." in told.body
    assert "50 points stay set aside" in told.body


def test_the_mentor_is_told_that_points_went_back(done, max):
    dispute(done)
    assert "50 points went back from your wallet" in Notification.objects.get(kind="appointment_disputed").body


def test_the_mentor_is_told_that_spent_points_may_be_asked_back(done, max):
    spend(max)
    dispute(done)
    assert "may be asked back" in Notification.objects.get(kind="appointment_disputed").body


@pytest.mark.parametrize(
    ("when", "refusal"),
    [
        (START - TICK, actions.TooEarly),
        (START + 10 * MINUTE - TICK, actions.TooEarly),
        (START + 10 * MINUTE, None),
        (END + 48 * HOUR - TICK, None),
        (END + 48 * HOUR, actions.TooLateToDispute),
    ],
)
def test_it_is_possible_from_ten_minutes_after_the_start_until_48_hours_after_the_end(agreed, ann, when, refusal):
    assert agreed.can_be_disputed_by(ann, when) is (refusal is None)
    if refusal:
        with pytest.raises(refusal):
            dispute(agreed, now=when)
        assert not Dispute.objects.exists()
    else:
        assert dispute(agreed, now=when).status == Status.DISPUTED


def test_what_completed_by_itself_can_be_disputed_until_48_hours_after_the_end(agreed, max):
    assert actions.complete_past_appointments(now=END + 24 * HOUR) == 1
    assert points(max) == 50
    disputed = dispute(agreed, now=END + 48 * HOUR - TICK)
    assert (disputed.status, held(disputed), points(max)) == (Status.DISPUTED, 50, 0)
    assert books_are_right()


@pytest.mark.parametrize("status", [s for s in Status if s not in Appointment.DISPUTABLE])
def test_no_other_state_can_be_disputed(mentor, ann, status):
    appointment = AppointmentFactory(mentor=mentor, student=ann, starts_at=START, status=status)
    with pytest.raises(actions.NotConfirmedYet if status == Status.REQUESTED else actions.AlreadyDecided):
        dispute(appointment)


def test_the_second_time_is_refused_and_moves_nothing(done, max):
    dispute(done)
    with pytest.raises(actions.AlreadyDecided):
        dispute(done)
    assert (held(done), points(max), Dispute.objects.count()) == (50, 0, 1)


@pytest.mark.parametrize("reason", ["", "  \n\t"])
def test_a_reason_is_needed(done, max, reason):
    with pytest.raises(actions.ReasonMissing) as refusal:
        dispute(done, reason=reason)
    assert (refusal.value.status, refusal.value.field) == (422, "reason")
    assert points(max) == 50


def test_a_very_long_reason_is_cut_where_it_does_not_fit(agreed):
    dispute(agreed, reason="🙁" * 600)
    assert len(Dispute.objects.get().reason) == 500


def test_only_the_students_side_disputes(agreed, max, sam, ada):
    for stranger in (max, sam, ada):
        with pytest.raises(NotAllowed):
            dispute(agreed, by=stranger)


def test_of_a_group_its_owner_and_who_booked_dispute_and_all_are_told(mentor, group, ann, sam, max):
    works_every_day(mentor)
    rich(ann, 50)
    member = UserFactory()
    Membership.objects.create(group=group, user=member)
    agreed = book_confirmed(mentor, ann, START, group=group)
    with pytest.raises(NotAllowed):
        dispute(agreed, by=member)
    disputed = dispute(agreed, by=sam)
    assert disputed.dispute.opened_by == sam
    told = Notification.objects.filter(kind="appointment_disputed").values_list("recipient", flat=True)
    assert set(told) == {ann.pk, member.pk, max.pk}


# --- The mentor's word ------------------------------------------------------------------------------------------------


def test_the_mentor_answers_and_may_write_it_again(agreed, max):
    dispute(agreed)
    actions.answer_dispute(agreed, by=max, answer="I was there.", now=END)
    answered = actions.answer_dispute(agreed, by=max, answer="I was there until 10.", now=END + MINUTE)
    assert (answered.answer, answered.answered_at) == ("I was there until 10.", END + MINUTE)


def test_nobody_else_answers_nor_with_nothing_nor_afterwards(agreed, ann, max, ada):
    with pytest.raises(actions.NotDisputed):
        actions.answer_dispute(agreed, by=max, answer="?", now=END)
    dispute(agreed)
    for other in (ann, ada):
        with pytest.raises(NotAllowed):
            actions.answer_dispute(agreed, by=other, answer="?", now=END)
    with pytest.raises(actions.AnswerMissing):
        actions.answer_dispute(agreed, by=max, answer=" ", now=END)
    decide(agreed, ada, 50)
    with pytest.raises(actions.DisputeDecided):
        actions.answer_dispute(agreed, by=max, answer="But …", now=END)


# --- Deciding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [0, 1, 20, 49, 50])
@pytest.mark.parametrize("completed", [False, True])
def test_the_points_are_split(agreed, ann, max, ada, mentor, returned, completed):
    if completed:
        actions.complete_appointment(agreed, by=max, now=END)
    dispute(agreed)
    decided = decide(agreed, ada, returned)
    assert (points(ann), points(max), held(agreed)) == (30 + returned, 50 - returned, 0)
    assert (decided.points_returned, decided.points_paid, decided.decided_by) == (returned, 50 - returned, ada)
    assert counted(mentor) == (1 if returned < 50 else 0)
    event = agreed.events.last()
    assert (event.what, event.points_returned, event.points_paid) == (
        AppointmentEvent.What.DISPUTE_DECIDED,
        returned,
        50 - returned,
    )
    assert Appointment.objects.get(pk=agreed.pk).status == Status.DISPUTED
    assert books_are_right()


def test_both_sides_are_told_what_was_decided(agreed, ann, max, ada):
    dispute(agreed)
    decide(agreed, ada, 20, note="The call broke off.")
    told = {n.recipient: n.body for n in Notification.objects.filter(kind="dispute_decided")}
    assert set(told) == {ann, max}
    for body in told.values():
        assert "They write: The call broke off." in body
        assert "Of 50 points 20 went back to who paid, and 30 are for Max Meyer." in body


def test_points_of_a_group_go_back_to_the_group(mentor, group, ann, sam, ada):
    works_every_day(mentor)
    rich(sam, 60)
    purse = wallet_of_group(group)
    transfer_points(wallet_of(sam), purse, points=60, by=sam, reason=Transaction.Reason.CONTRIBUTION, note="")
    group.members_may_pay = True
    group.save()
    agreed = book_confirmed(mentor, ann, START, group=group, pay_from=actions.PayFrom.GROUP)
    actions.complete_appointment(agreed, by=mentor.user, now=END)
    dispute(agreed)
    decide(agreed, ada, 40)
    purse.refresh_from_db()
    assert (purse.balance_points, points(ann), points(mentor.user)) == (50, 0, 10)
    assert books_are_right()


def test_a_group_waits_for_the_decision_before_it_ends(mentor, group, ann, sam, ada):
    agreed = AppointmentFactory(mentor=mentor, student=ann, group=group, starts_at=START)
    dispute(agreed)
    assert sessions_left(group, END)
    decide(agreed, ada, 0)
    assert not sessions_left(group, END)


def test_it_is_decided_once(agreed, ann, ada):
    dispute(agreed)
    decide(agreed, ada, 50)
    with pytest.raises(actions.DisputeDecided):
        decide(agreed, ada, 0)
    assert points(ann) == 80
    assert Dispute.objects.get().points_returned == 50


def test_deciding_tries_again_to_get_back_what_was_spent(done, ann, max, ada):
    spend(max)
    dispute(done)
    with pytest.raises(actions.NotEnoughHeld) as refusal:
        decide(done, ada, 30)
    assert (refusal.value.held_points, refusal.value.returned_points) == (0, 30)
    assert not Dispute.objects.get().is_decided
    rich(max, 50)
    decide(done, ada, 30)
    assert (points(ann), points(max), held(done)) == (60, 20, 0)
    assert books_are_right()


def test_what_was_spent_can_be_left_to_the_mentor(done, ann, max, ada, mentor):
    spend(max)
    dispute(done)
    decided = decide(done, ada, 0)
    assert (decided.points_returned, decided.points_paid) == (0, 50)
    assert (points(ann), points(max), counted(mentor)) == (30, 0, 1)
    event = done.events.last()
    assert (event.points_returned, event.points_paid) == (0, 0), "nothing moved by the decision"
    assert books_are_right()


@pytest.mark.parametrize("returned", [-1, 51])
def test_no_more_than_the_price_goes_back_nor_less_than_nothing(agreed, ada, returned):
    dispute(agreed)
    with pytest.raises(actions.ReturnOutOfRange) as refusal:
        decide(agreed, ada, returned)
    assert (refusal.value.status, refusal.value.field) == (422, "returned_points")
    assert held(agreed) == 50


def test_a_decision_says_why(agreed, ada):
    dispute(agreed)
    with pytest.raises(actions.DecisionMissing):
        decide(agreed, ada, 50, note=" ")
    assert held(agreed) == 50


def test_what_nobody_disputes_is_not_decided(agreed, ada):
    with pytest.raises(actions.NotDisputed):
        decide(agreed, ada, 50)


def test_only_staff_who_may_decide_and_not_about_themselves(agreed, ann, max, sam, ada):
    dispute(agreed)
    sam.is_staff = True
    sam.save()
    max.is_staff = max.is_superuser = True
    max.save()
    for other in (ann, max, sam):
        with pytest.raises(NotAllowed):
            decide(agreed, other, 50)
    sam.user_permissions.add(Permission.objects.get(codename="change_dispute"))
    sam = type(sam).objects.get(pk=sam.pk)
    assert decide(agreed, sam, 50).decided_by == sam


@pytest.mark.parametrize("completed", [False, True])
@pytest.mark.parametrize("took_place", [False, True])
def test_a_free_session_is_disputed_and_decided_too(mentor, ann, ada, completed, took_place):
    free = AppointmentFactory(mentor=mentor, student=ann, starts_at=START)
    if completed:
        actions.complete_appointment(free, by=mentor.user, now=END)
    dispute(free)
    assert counted(mentor) == 0
    decide(free, ada, 0, took_place=took_place)
    assert counted(mentor) == int(took_place)
    assert not Transaction.objects.filter(subject_id=free.pk).exists()
    assert "points" not in Notification.objects.filter(kind="dispute_decided").first().body
    assert books_are_right()


# --- The books --------------------------------------------------------------------------------------------------------


def test_the_ledger_notices_what_does_not_fit(agreed, ada, ann):
    def faults():
        return [problem for name, problem in ledger.problems() if name == "disputes"]

    dispute(agreed)
    assert faults() == []
    Dispute.objects.update(decided_at=END, decided_by=ada, decision="So be it.", points_returned=50)
    assert ["is decided, its escrow" in fault for fault in faults()] == [True]
    Dispute.objects.update(points_returned=10)
    assert any("decided are 10 and 0" in fault for fault in faults())
    Dispute.objects.update(decided_at=None, decided_by=None)
    Appointment.objects.update(price_points=60)
    assert ["waits for a decision at 60 points" in fault for fault in faults()] == [True]
    Appointment.objects.update(price_points=50, status=Status.COMPLETED)
    assert any("which is completed" in fault for fault in faults())
    Appointment.objects.update(status=Status.DISPUTED)
    Dispute.objects.all().delete()
    assert any("nobody said why" in fault for fault in faults())


def test_an_empty_escrow_is_right_only_while_the_mentor_has_the_points(done, max, ada):
    spend(max)
    dispute(done)
    assert books_are_right()
    empty = AppointmentFactory(mentor=done.mentor, student=done.student, starts_at=START + HOUR, status="disputed")
    Dispute.objects.create(appointment=empty, opened_by=empty.student, reason="?", was_completed=True)
    assert books_are_right(), "a free one"
    Appointment.objects.filter(pk=empty.pk).update(price_points=5)
    assert not books_are_right()


@pytest.mark.parametrize("seed", range(12))
def test_the_books_are_right_whatever_happens_in_whatever_order(mentor, ann, max, ada, seed):
    chance = random.Random(seed)
    rich(ann, 300)
    sessions = []
    for number in range(4):
        price = chance.choice([0, 1, 50])
        session = AppointmentFactory(
            mentor=mentor, student=ann, starts_at=START + number * HOUR, price_points=price, status=Status.CONFIRMED
        )
        hold_points(session.payer, session.escrow, points=price, by=ann, subject=session)
        sessions.append(session)
    total = 300
    steps = [
        lambda it: actions.complete_appointment(it, by=chance.choice([max, None]), now=END + 30 * HOUR),
        lambda it: actions.report_no_show(it, by=max, now=END + 5 * HOUR),
        lambda it: dispute(it, now=it.ends_at + HOUR),
        lambda it: actions.answer_dispute(it, by=max, answer="No.", now=END),
        lambda it: decide(it, ada, chance.randint(0, it.price_points)),
        lambda it: spend(max) if points(max) else None,
        lambda it: rich(max, 25),
    ]
    for _number in range(40):
        step = chance.choice(steps)
        before = points(max)
        try:
            step(Appointment.objects.get(pk=chance.choice(sessions).pk))
        except Refused:
            assert points(max) == before
        else:
            total += 25 if step is steps[-1] else 0
        assert books_are_right()
    assert Dispute.objects.exists()
