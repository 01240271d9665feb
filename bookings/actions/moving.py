"""Another time for a session: one side proposes it, the other agrees.

Until the answer the old time stays and the new one is held for it (`BusyTime`). What was agreed keeps its identity: the
same appointment, the same terms, another time.
"""

import datetime as dt
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ProjectGroup
from bookings import availability, terms
from bookings.actions import held, history, locks
from bookings.actions.answers import RequestExpired
from bookings.actions.booking import (
    WHY_NOT_OFFERED,
    GroupDoesNotPay,
    LengthNotOffered,
    MentorNotBookable,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
)
from bookings.actions.overdue import expire_request
from bookings.actions.states import refuse_unless
from bookings.models import Appointment, AppointmentEvent, BusyTime, MoveProposal
from bookings.moves import load_calendar_for_move
from bookings.slots import Reason
from mentorbook.errors import NotAllowed, Refused
from mentorbook.jobs import deal_with_each
from mentorbook.locks import limit_waiting, patiently
from notifications.models import Kind
from wallets.actions import NotEnoughPoints, hold_points, release_hold
from wallets.models import Wallet

Status = MoveProposal.Status
What = AppointmentEvent.What
NEAREST_NAMED = 3


class TooLateToMove(Refused):
    code = "too_late_to_move"
    message = gettext_lazy("The session has begun, so it can no longer be moved. Nothing has changed.")


class SameTime(Refused):
    code = "same_time"
    field = "starts_at"
    message = gettext_lazy("The session is at that time already. Choose another one, or leave it as it is.")


class MoveWaitsForYou(Refused):
    """The other side proposed a time before; that is answered first. Fact: `proposal`."""

    code = "move_waits_for_you"
    message = gettext_lazy(
        "Another time has been proposed to you, and waits for your answer. Accept or decline it first."
    )


class MoveDecided(Refused):
    """The proposal is no longer open. The code is `move_<status>`. Fact: `state`, that status."""

    def __init__(self, status):
        self.code = f"move_{status}"
        super().__init__(DECIDED[status], state=status)

    @classmethod
    def examples(cls):
        return [cls(status) for status in DECIDED]


DECIDED = {
    Status.ACCEPTED: gettext_lazy("That time was accepted already. Nothing has changed."),
    Status.DECLINED: gettext_lazy("That time was declined already. Nothing has changed."),
    Status.WITHDRAWN: gettext_lazy("That proposal was withdrawn, or replaced by another one. Nothing has changed."),
    Status.EXPIRED: gettext_lazy("That time was not answered in time, so the session stays where it was."),
    Status.OVERTAKEN: gettext_lazy("The session ended before that time was answered. Nothing has changed."),
}


class MoveGone(Refused):
    code = "move_gone"
    message = gettext_lazy("That proposal is not there any more. What holds now is below.")


class ChatIsNow(Refused):
    code = "chat_is_now"
    message = gettext_lazy("A chat is now or not at all. Book a session for another time.")


class NotYourPoints(Refused):
    """A dearer session is for whoever pays it to agree to. Fact: `payer`."""

    code = "not_your_points"
    status = 403
    field = "duration_minutes"


class StudentCannotPay(Refused):
    """What the student's side proposed is dearer than it can pay by now. How much it has the mentor is not told."""

    code = "student_cannot_pay"
    message = gettext_lazy(
        "The points for the longer session are not there any more, so it stays as it was. Decline, or agree on another"
        " time."
    )


@patiently
def propose_move(
    appointment, *, by, starts_at: dt.datetime, duration_minutes: int, reason: str = "", now: dt.datetime
) -> MoveProposal:
    """Ask the other side of `appointment` for another time, and hold that until the answer.

    An open proposal of the same side is replaced; the very same one is returned as it is. A student's move that the
    mentor need not agree to (`Appointment.moves_at_once`) takes effect at once: the proposal comes back accepted.

    Refuses with TooLateToMove, RequestExpired, SameTime, MoveWaitsForYou, NotYourPoints, GroupDoesNotPay, the wallet's
    NotEnoughPoints, and with what booking refuses with: SlotTaken, SlotNotOffered, StudentBusy, LengthNotOffered,
    MentorNotBookable. Then nothing has changed.
    """
    if abs(starts_at - now) > availability.LONGEST_HORIZON:  # arithmetic with the year 1 or 9999 would overflow
        why = Reason.notice if starts_at < now else Reason.horizon
        raise SlotNotOffered(WHY_NOT_OFFERED[why], reason=why, nearest=[])
    starts_at = starts_at.astimezone(dt.UTC)
    ends_at = starts_at + dt.timedelta(minutes=duration_minutes)
    _make_way(appointment, starts_at, ends_at, now)
    with _overlap_refused(), transaction.atomic():
        appointment, people = _lock(appointment)
        refuse_move(appointment, by=by, now=now)
        if (starts_at, ends_at) == (appointment.starts_at, appointment.ends_at):
            raise SameTime
        earlier = _earlier(appointment, now)
        if earlier and (earlier.starts_at, earlier.ends_at) == (starts_at, ends_at):
            return earlier
        by_mentor = appointment.is_mentored_by(by)
        _ask(appointment, people, starts_at, duration_minutes, by_mentor, now)
        proposal = MoveProposal(
            appointment=appointment,
            proposed_by=by,
            by_mentor=by_mentor,
            starts_at=starts_at,
            ends_at=ends_at,
            price_points=appointment.price_points_if_moved(duration_minutes),
            reason=_fitting(reason),
            answer_by=terms.move_answer_by(now, appointment.starts_at, starts_at, settings.REQUEST_EXPIRES_AFTER_HOURS),
            created_at=now,
        )
        if not by_mentor:
            _insist_on_payer(proposal, by)
            _insist_on_points(proposal)
        if earlier:
            _decide(earlier, Status.WITHDRAWN, now)
        if appointment.moves_at_once(by, now):
            proposal.status, proposal.decided_at = Status.ACCEPTED, now
            proposal.save()
            _move(proposal, _buffered(people.mentor, proposal), people, by=by, now=now)
        else:
            proposal.save()
            _hold(proposal, people, now)
            if earlier:
                history.time_is_free_again(people.profiles, now=now)
            else:
                history.refresh_next_free(people.profiles, now=now)
        return proposal


def refuse_move(appointment, *, by, now):
    """Refuse whom and what `propose_move` refuses at whatever time."""
    refuse_unless(appointment, *Appointment.LIVE, allowed=appointment.may_be_moved_by(by))
    if appointment.kind == Appointment.Kind.CHAT:
        raise ChatIsNow
    if not appointment.can_be_moved_by(by, now):
        raise RequestExpired if appointment.is_unanswered(now) else TooLateToMove
    mentor = appointment.mentor
    if not (mentor.is_approved and mentor.user.is_active and appointment.student.is_active):
        raise MentorNotBookable
    proposal = open_proposal(appointment)
    if proposal is not None and proposal.is_for_side_of(by) and proposal.is_open(now):
        raise MoveWaitsForYou(proposal=proposal)


def open_proposal(appointment) -> MoveProposal | None:
    """The one that nobody has answered, in time or not."""
    proposal = appointment.proposals.open().select_related("proposed_by").first()
    if proposal is not None:
        proposal.appointment = appointment
    return proposal


def find_proposal(appointment, number: str, *, by) -> MoveProposal:
    """The proposal of `appointment` that a form names, for somebody of either side."""
    if not appointment.may_be_moved_by(by):
        raise NotAllowed
    # No id has more digits than fit into its column.
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    proposal = appointment.proposals.filter(pk=number).first() if is_number else None
    if proposal is None:
        raise MoveGone
    return proposal


def find_latest_proposal(appointment, *, by, starts_at=None, ends_at=None) -> MoveProposal:
    """The proposal of `appointment` that was made last, for somebody of either side. Whoever says which time they mean
    answers no other."""
    if not appointment.may_be_moved_by(by):
        raise NotAllowed
    proposal = appointment.proposals.order_by("-pk").first()
    if proposal is None or (starts_at or proposal.starts_at, ends_at or proposal.ends_at) != (
        proposal.starts_at,
        proposal.ends_at,
    ):
        raise MoveGone
    return proposal


@patiently
def accept_move(proposal, *, by, now) -> MoveProposal:
    """Agree to the proposed time: the session moves there, and the difference in price is held or returned.

    A request is confirmed by it, because both sides have agreed. Refuses with MoveDecided, NotYourPoints,
    GroupDoesNotPay, NotEnoughPoints (the student's side), StudentCannotPay (the mentor) and SlotTaken.
    """
    _make_way(proposal.appointment, proposal.starts_at, proposal.ends_at, now)
    with _overlap_refused(), transaction.atomic():
        proposal, people = _lock_proposal(proposal)
        _refuse_unless_answered_by(proposal, by, now)
        _insist_on_payer_still(proposal, by)
        hold = BusyTime.objects.filter(proposal=proposal).first()
        # With the buffers that were held, which the mentor may have changed since.
        blocked = (hold.blocked_from, hold.blocked_until) if hold else _buffered(people.mentor, proposal)
        _decide(proposal, Status.ACCEPTED, now)
        _move(proposal, blocked, people, by=by, now=now)
        return proposal


@patiently
@transaction.atomic
def decline_move(proposal, *, by, reason="", now) -> MoveProposal:
    """Turn the proposed time down: the session stays where it is."""
    proposal, people = _lock_proposal(proposal)
    _refuse_unless_answered_by(proposal, by, now)
    _decide(proposal, Status.DECLINED, now)
    event = _record(proposal, What.MOVE_DECLINED, by=by, reason=_fitting(reason), now=now)
    _tell(
        proposal, *_speakers(proposal.appointment, of_mentor=proposal.by_mentor), event=event, kind=Kind.MOVE_DECLINED
    )
    history.time_is_free_again(people.profiles, now=now)
    return proposal


@patiently
@transaction.atomic
def withdraw_move(proposal, *, by, now) -> MoveProposal:
    """Take the proposal back, before it is answered, by the side that made it."""
    proposal, people = _lock_proposal(proposal)
    if not proposal.is_made_by_side_of(by):
        raise NotAllowed
    _refuse_unless_open(proposal, now)
    _decide(proposal, Status.WITHDRAWN, now)
    event = _record(proposal, What.MOVE_WITHDRAWN, by=by, now=now)
    others = _speakers(proposal.appointment, of_mentor=not proposal.by_mentor)
    _tell(proposal, *others, event=event, kind=Kind.MOVE_ENDED)
    history.time_is_free_again(people.profiles, now=now)
    return proposal


@patiently
@transaction.atomic
def expire_proposal(proposal, *, now) -> bool:
    """Let one proposal lapse if nobody has answered it and its time is over; whether it did."""
    proposal, people = _lock_proposal(proposal)
    if not proposal.is_unanswered(now):
        return False
    _lapse(proposal, now)
    history.time_is_free_again(people.profiles, now=now)
    return True


def expire_proposals(*, now, dry_run=False) -> int:
    """Let proposed times lapse that nobody answered in time; how many there were."""
    overdue = MoveProposal.objects.unanswered(now).select_related("appointment")
    return deal_with_each(overdue, lambda proposal: expire_proposal(proposal, now=now), dry_run=dry_run)


# --- Who, and whether -------------------------------------------------------------------------------------------------


def _lock(appointment):
    """`appointment` and its people as they are now, locked until the transaction ends; of a group the group too, so
    that who owns and who may pay stays as it is."""
    limit_waiting()
    people = locks.lock_people(appointment.mentor_id, appointment.student_id)
    if appointment.group_id is not None:
        list(ProjectGroup.objects.select_for_update(no_key=True).filter(pk=appointment.group_id))
    locked = (
        Appointment.objects.select_related("group__owner", "payer__user", "escrow")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=appointment.pk)
    )
    locked.mentor, locked.student = people.mentor, people.student
    return locked, people


def _lock_proposal(proposal):
    """`proposal` as it is now. Its appointment's lock is the lock of all its proposals."""
    appointment, people = _lock(proposal.appointment)
    proposal = MoveProposal.objects.select_related("proposed_by").get(pk=proposal.pk)
    proposal.appointment = appointment
    return proposal, people


def _refuse_unless_open(proposal, now):
    if proposal.status != Status.OPEN:
        raise MoveDecided(proposal.status)
    if proposal.is_unanswered(now):
        raise MoveDecided(Status.EXPIRED)


def _refuse_unless_answered_by(proposal, by, now):
    if not proposal.is_for_side_of(by):
        raise NotAllowed
    _refuse_unless_open(proposal, now)


def _earlier(appointment, now):
    """The open proposal that another one replaces; one that ran out is closed here."""
    proposal = open_proposal(appointment)
    if proposal is not None and proposal.is_unanswered(now):
        _lapse(proposal, now)
        return None
    return proposal


def _insist_on_payer(proposal, by):
    """Refuse a dearer session that `by` may not have paid: from the group's wallet as the group decides, from a
    person's only by that person."""
    appointment = proposal.appointment
    if proposal.extra_points <= 0:
        return
    if appointment.payer.kind == Wallet.Kind.GROUP:
        # Asked now, under the group's lock: what the person's page knew of memberships may be over.
        group = appointment.group
        is_member = group.memberships.filter(user=by).exists()
        if not (is_member and (group.members_may_pay or group.is_owned_by(by))):
            raise GroupDoesNotPay
    elif appointment.payer.user_id != by.pk:
        payer = appointment.payer.user
        raise NotYourPoints(
            _("It is paid with the points of %(name)s, who alone can agree to a dearer session.") % {"name": payer},
            payer=payer,
        )


def _insist_on_payer_still(proposal, by):
    """At acceptance: of the mentor's proposal whoever accepts spends; of the student's side whoever proposed it."""
    if proposal.by_mentor:
        _insist_on_payer(proposal, by)
        return
    try:
        _insist_on_payer(proposal, proposal.proposed_by)
    except (GroupDoesNotPay, NotYourPoints) as refusal:
        raise StudentCannotPay from refusal


def _insist_on_points(proposal):
    """Refuse at once what could not be paid if it were accepted now; at acceptance the wallet refuses by itself."""
    payer, needed = proposal.appointment.payer, proposal.extra_points
    if needed > payer.balance_points:
        facts = {
            "needed_points": needed,
            "balance_points": payer.balance_points,
            "missing_points": needed - payer.balance_points,
        }
        message = _(
            "The longer session takes %(needed_points)d more points and the balance is %(balance_points)d, so"
            " %(missing_points)d are missing. Nothing was taken."
        )
        raise NotEnoughPoints(message % facts, wallet_id=payer.pk, **facts)


# --- Whether the time is free -----------------------------------------------------------------------------------------


def _make_way(appointment, starts_at, ends_at, now):
    """Let requests expire that nobody answered and whose time the database still counts as taken."""
    mentor = appointment.mentor
    since = starts_at - dt.timedelta(minutes=mentor.buffer_before_minutes)
    until = ends_at + dt.timedelta(minutes=mentor.buffer_after_minutes)
    with_mentor = Q(mentor=mentor, blocked_from__lt=until, blocked_until__gt=since)
    with_student = Q(student=appointment.student_id, starts_at__lt=ends_at, ends_at__gt=starts_at)
    overdue = Appointment.objects.unanswered(now).filter(with_mentor | with_student).exclude(pk=appointment.pk)
    for other in overdue:
        # In a transaction of its own: within one, the wallets of several could not be locked in id order.
        expire_request(other, now=now)


def _ask(appointment, people, starts_at, minutes, by_mentor, now):
    """Refuse a time that the mentor's calendar does not offer, whoever proposes it."""
    offered = appointment.lengths_to_move_to()
    if minutes not in offered:
        raise LengthNotOffered(
            _("This mentor offers sessions of %(lengths)s minutes. Choose one of these.")
            % {"lengths": ", ".join(map(str, offered))},
            offered=offered,
        )
    calendar = load_calendar_for_move(appointment, people.mentor, people.student, now=now)
    if reason := calendar.refusal(starts_at, duration_minutes=minutes):
        nearest = [] if reason == Reason.away else calendar.nearest(starts_at, duration_minutes=minutes)
        raise _refusal(reason, starts_at, nearest, people.student, by_mentor=by_mentor)


def _refusal(reason, starts_at, nearest, student, *, by_mentor):
    """The refusals of booking, in the words of a move. What else a student does is not for the mentor to read."""
    if reason == Reason.busy:
        message = _("%(time)s has just been taken. The session stays where it is.") % {"time": _clock(starts_at)}
        return SlotTaken(_with_nearest(message, nearest, starts_at), nearest=nearest)
    if reason == Reason.student_busy:
        if by_mentor:
            message = _("%(name)s has another session then. The session stays where it is.") % {
                "name": student.get_short_name()
            }
        else:
            message = _("You have another session then. This one stays where it is.")
        return StudentBusy(_with_nearest(message, nearest, starts_at), appointment=None, nearest=nearest)
    return SlotNotOffered(WHY_NOT_OFFERED[reason], reason=reason, nearest=nearest)


def _with_nearest(message, nearest, starts_at):
    if not nearest:
        return message
    times = [_clock(start, unless_on=starts_at) for start in nearest[:NEAREST_NAMED]]
    return _("%(message)s Nearest free: %(times)s.") % {"message": message, "times": ", ".join(times)}


def _clock(moment, unless_on=None):
    local = timezone.localtime(moment)
    if unless_on is None or local.date() == timezone.localtime(unless_on).date():
        return date_format(local, "H:i")
    return date_format(local, "D j M H:i")


@contextmanager
def _overlap_refused():
    """The locks make an overlap impossible for whoever takes them; the database stands behind for everybody else."""
    try:
        yield
    except IntegrityError as error:
        if "bookings_no_overlap_mentor" in str(error):
            raise SlotTaken(_("That time has just been taken. The session stays where it is."), nearest=[]) from error
        if "bookings_no_overlap_student" in str(error):
            message = _("There is another session of the student then. This one stays where it is.")
            raise StudentBusy(message, appointment=None, nearest=[]) from error
        raise


# --- What is written --------------------------------------------------------------------------------------------------


def _buffered(mentor, proposal):
    return (
        proposal.starts_at - dt.timedelta(minutes=mentor.buffer_before_minutes),
        proposal.ends_at + dt.timedelta(minutes=mentor.buffer_after_minutes),
    )


def _hold(proposal, people, now):
    """Hold the proposed time until the answer, and tell the other side."""
    appointment = proposal.appointment
    blocked_from, blocked_until = _buffered(people.mentor, proposal)
    BusyTime.objects.create(
        kind=BusyTime.Kind.MOVE,
        mentor=people.mentor,
        student=people.student,
        proposal=proposal,
        starts_at=proposal.starts_at,
        ends_at=proposal.ends_at,
        blocked_from=blocked_from,
        blocked_until=blocked_until,
        expires_at=proposal.answer_by,
    )
    if appointment.status == Appointment.Status.REQUESTED and appointment.answer_by < proposal.answer_by:
        # Who proposes another time has not fallen silent; the request must not expire under the proposal.
        appointment.answer_by = proposal.answer_by
        appointment.save(update_fields=["answer_by"])
    event = _record(proposal, What.MOVE_PROPOSED, by=proposal.proposed_by, reason=proposal.reason, now=now)
    others = _speakers(appointment, of_mentor=not proposal.by_mentor)
    _tell(proposal, *others, event=event, kind=Kind.MOVE_PROPOSED)


def _decide(proposal, status, now):
    """Close the proposal and let go of the time that it held."""
    proposal.status, proposal.decided_at = status, now
    proposal.save(update_fields=["status", "decided_at"])
    BusyTime.objects.filter(proposal=proposal).delete()


def _lapse(proposal, now):
    _decide(proposal, Status.EXPIRED, now)
    event = _record(proposal, What.MOVE_EXPIRED, by=None, now=now)
    both = [_speakers(proposal.appointment, of_mentor=of_mentor) for of_mentor in (True, False)]
    _tell(proposal, *both[0], *both[1], event=event, kind=Kind.MOVE_ENDED)


def _move(proposal, blocked, people, *, by, now):
    """Put the appointment at the proposed time, with the difference in price held or returned, and tell everybody."""
    appointment = proposal.appointment
    returned = proposal.returned_points
    event = history.record(
        appointment,
        appointment.status,
        Appointment.Status.CONFIRMED,
        by=by,
        what=What.MOVED,
        reason=proposal.reason if proposal.proposed_by_id == by.pk else "",
        returned=returned,
        old_starts_at=appointment.starts_at,
        new_starts_at=proposal.starts_at,
        now=now,
    )
    notice = {"old_starts_at": appointment.starts_at, "old_ends_at": appointment.ends_at}
    notice["extra"] = max(0, proposal.extra_points)
    _settle(proposal, by)
    appointment.status = Appointment.Status.CONFIRMED
    appointment.cancel_free_until = terms.moved_free_until(
        appointment.cancel_free_until, appointment.starts_at, proposal.starts_at
    )
    appointment.starts_at, appointment.ends_at = proposal.starts_at, proposal.ends_at
    appointment.blocked_from, appointment.blocked_until = blocked
    appointment.agreed_timezone = people.mentor.timezone
    local_start = proposal.starts_at.astimezone(ZoneInfo(people.mentor.timezone))
    appointment.agreed_local_start = local_start.strftime("%Y-%m-%dT%H:%M")
    appointment.price_points = proposal.price_points
    appointment.timed_at = now
    appointment.sequence += 1
    appointment.save(
        update_fields=[
            "status",
            "starts_at",
            "ends_at",
            "blocked_from",
            "blocked_until",
            "agreed_timezone",
            "agreed_local_start",
            "cancel_free_until",
            "price_points",
            "timed_at",
            "sequence",
        ]
    )
    # Whoever agreed is told as well: the mail brings the calendar entry up to date.
    everybody = [*appointment.student_side(), appointment.mentor.user]
    _tell(proposal, *everybody, event=event, kind=Kind.APPOINTMENT_MOVED, **notice)
    held.note_booked(appointment, now=now)
    history.time_is_free_again(people.profiles, now=now)


def _settle(proposal, by):
    """Hold what the session costs more at the new length, or return what it costs less."""
    appointment, extra = proposal.appointment, proposal.extra_points
    if extra < 0:
        release_hold(appointment.escrow, by=by, subject=appointment, points=-extra)
    if extra <= 0:
        return
    try:
        hold_points(appointment.payer, appointment.escrow, points=extra, by=by, subject=appointment)
    except NotEnoughPoints as refusal:
        if appointment.is_mentored_by(by):
            raise StudentCannotPay from refusal
        raise


def _record(proposal, what, *, by, reason="", now):
    appointment = proposal.appointment
    return history.record(
        appointment,
        appointment.status,
        appointment.status,
        by=by,
        what=what,
        reason=reason,
        old_starts_at=appointment.starts_at,
        new_starts_at=proposal.starts_at,
        now=now,
    )


def _speakers(appointment, *, of_mentor):
    """Who answers for a side: the mentor; who booked, and the owner of the group."""
    if of_mentor:
        return [appointment.mentor.user]
    owner = appointment.group.owner if appointment.group_id is not None else appointment.student
    return [appointment.student] if owner.pk == appointment.student_id else [appointment.student, owner]


def _tell(proposal, *people, event, kind, **context):
    history.tell(
        proposal.appointment,
        *people,
        event=event,
        kind=kind,
        occasion=f"move:{proposal.pk}",
        proposal=proposal,
        proposed_by=proposal.proposed_by,
        **context,
    )


def _fitting(reason):
    longest = MoveProposal._meta.get_field("reason").max_length
    reason = reason.replace("\0", "").strip()
    return reason if len(reason) <= longest else reason[: longest - 1] + "…"
