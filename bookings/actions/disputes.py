"""A student says that a session was not as promised; staff decide who has the points.

While it is undecided the escrow holds the price, or nothing where the mentor had been paid and has spent the points.
"""

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings.actions import history, locks
from bookings.actions.states import NotConfirmedYet, TooEarly, refuse_unless
from bookings.models import Appointment, AppointmentEvent, Dispute
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import patiently
from mentors.actions import count_completed_session, take_back_completed_session
from notifications.models import Kind
from wallets.actions import (
    capture_hold,
    lock_wallets,
    release_hold,
    reverse_transaction,
    take_back,
    wallet_of,
)
from wallets.models import Transaction

Status = Appointment.Status


class ReasonMissing(Refused):
    code = "reason_missing"
    status = 422
    field = "reason"
    message = gettext_lazy("Say what was wrong: it is what staff decide by, and the mentor reads it.")


class AnswerMissing(Refused):
    code = "answer_missing"
    status = 422
    field = "answer"
    message = gettext_lazy("Say how it was: it is what staff decide by, and the student reads it.")


class TooLateToDispute(Refused):
    """Fact: `possible_until`."""

    code = "too_late_to_dispute"


class NotDisputed(Refused):
    code = "not_disputed"
    message = gettext_lazy("Nobody disputes this session, so there is nothing to decide.")


class DisputeDecided(Refused):
    code = "dispute_decided"
    message = gettext_lazy("This dispute is decided already. Nothing has changed and no points have moved again.")


class DecisionMissing(Refused):
    code = "note_missing"
    status = 422
    field = "note"
    message = gettext_lazy("Write why it is decided so; both sides read it.")


class ReturnOutOfRange(Refused):
    """Fact: `price_points`."""

    code = "points_out_of_range"
    status = 422
    field = "returned_points"


class NotEnoughHeld(Refused):
    """The mentor was paid and has spent the points. Facts: `held_points`, `returned_points`."""

    code = "not_enough_held"
    field = "returned_points"


def refuse_dispute(appointment, *, by, now) -> None:
    """Raise what stands against disputing `appointment` now."""
    allowed = appointment.is_represented_by(by)
    if allowed and appointment.status == Status.REQUESTED:
        raise NotConfirmedYet(
            _("This session is not confirmed yet, so there is nothing to dispute. A request can be withdrawn.")
        )
    refuse_unless(appointment, *Appointment.DISPUTABLE, allowed=allowed)
    if now < appointment.dispute_from:
        raise TooEarly(
            _("You can report that something was wrong from %(time)s on. Nothing has changed.")
            % {"time": _local(appointment.dispute_from)},
            possible_from=appointment.dispute_from,
        )
    if not appointment.can_be_disputed_by(by, now):
        raise TooLateToDispute(
            _("You could report that something was wrong until %(time)s. Nothing has changed.")
            % {"time": _local(appointment.dispute_until)},
            possible_until=appointment.dispute_until,
        )


@patiently
@transaction.atomic
def dispute_appointment(appointment, *, by, reason, now) -> Appointment:
    """Say, for the student's side, that the session was not as promised: the points wait for what staff decide.

    What was held stays held; what the mentor was paid comes back, unless it is spent, and then staff try again. The
    second time raises AlreadyDecided.
    """
    appointment, _profiles = locks.lock_appointment(appointment)
    refuse_dispute(appointment, by=by, now=now)
    if not reason.strip():
        raise ReasonMissing
    was_completed = appointment.status == Status.COMPLETED
    if was_completed:
        _claw_back(appointment, by=by, note=reason)
        take_back_completed_session(appointment.mentor)
    Dispute.objects.create(
        appointment=appointment,
        opened_by=by,
        reason=_fitting(reason, "reason"),
        was_completed=was_completed,
        created_at=now,
    )
    event = history.move(appointment, Status.DISPUTED, by=by, reason=reason, now=now)
    history.tell_both_sides(
        appointment,
        event=event,
        but=by,
        kind=Kind.APPOINTMENT_DISPUTED,
        held=_held(appointment),
        paid_before=was_completed,
    )
    return appointment


def refuse_answer(appointment, *, by) -> Dispute:
    """The dispute about which `by` may say something; raises what stands against it."""
    dispute = _dispute_of(appointment, allowed=appointment.is_mentored_by(by))
    if not dispute.can_be_answered_by(by):
        raise DisputeDecided
    return dispute


@patiently
@transaction.atomic
def answer_dispute(appointment, *, by, answer, now) -> Dispute:
    """Write down how the mentor saw it, as often as it takes until staff decide; the last word counts."""
    appointment, _profiles = locks.lock_appointment(appointment)
    dispute = refuse_answer(appointment, by=by)
    if not answer.strip():
        raise AnswerMissing
    dispute.answer, dispute.answered_at = _fitting(answer, "answer"), now
    dispute.save(update_fields=["answer", "answered_at"])
    return dispute


@patiently
@transaction.atomic
def decide_dispute(appointment, *, by, returned_points, note, took_place=None, now) -> Dispute:
    """Decide, as staff, how many points of the price go back to the wallet that they came from; the mentor has the
    rest.

    More than is held raises NotEnoughHeld, after another try to get back what the mentor was paid. Whether it counts
    among the mentor's sessions is whether the mentor keeps something, unless `took_place` says so. The second time
    raises DisputeDecided.
    """
    appointment, _profiles = locks.lock_appointment(appointment)
    dispute = _dispute_of(appointment, allowed=Dispute(appointment=appointment).may_be_decided_by(by))
    if not dispute.can_be_decided_by(by):
        raise DisputeDecided
    price = appointment.price_points
    if not 0 <= returned_points <= price:
        raise ReturnOutOfRange(
            ngettext(
                "The session cost %(price)d point; more cannot go back, nor less than none.",
                "The session cost %(price)d points; more cannot go back, nor less than none.",
                price,
            )
            % {"price": price},
            price_points=price,
        )
    if not note.strip():
        raise DecisionMissing
    moved_to_mentor = _split(appointment, returned_points, by=by, note=note)
    kept = price - returned_points
    if took_place if took_place is not None else kept > 0:
        count_completed_session(appointment.mentor)
    dispute.decided_by, dispute.decided_at, dispute.decision = by, now, _fitting(note, "decision")
    dispute.points_returned, dispute.points_paid = returned_points, kept
    dispute.save(update_fields=["decided_by", "decided_at", "decision", "points_returned", "points_paid"])
    event = history.record(
        appointment,
        Status.DISPUTED,
        Status.DISPUTED,
        what=AppointmentEvent.What.DISPUTE_DECIDED,
        by=by,
        reason=note,
        returned=returned_points,
        paid=moved_to_mentor,
        now=now,
    )
    history.tell_both_sides(
        appointment, event=event, kind=Kind.DISPUTE_DECIDED, occasion="decided", kept=kept, price=price
    )
    return dispute


def points_to_decide(appointment) -> int:
    """How many points staff could return at most: what is held, or would be after what the mentor has was taken back.

    For a page: the answer of a moment, without a lock.
    """
    held = _held(appointment)
    if held == appointment.price_points or _payment(appointment) is None:
        return held
    return min(appointment.price_points, held + wallet_of(appointment.mentor.user).balance_points)


def _dispute_of(appointment, *, allowed):
    """The dispute of `appointment`, whose lock is its lock as well."""
    if not allowed:
        raise NotAllowed
    dispute = Dispute.objects.filter(appointment=appointment).first()
    if dispute is None:
        raise NotDisputed
    dispute.appointment = appointment
    return dispute


def _split(appointment, returned_points, *, by, note):
    """Empty the escrow; how many points went to the mentor by it (what they were paid before is not among them)."""
    escrow, mentors = appointment.escrow, wallet_of(appointment.mentor.user)
    # All at once: taking back and paying out would lock them in two rounds, which is no longer one order.
    lock_wallets([escrow.pk, appointment.payer_id, mentors.pk])
    if _held(appointment) < returned_points:
        _claw_back(appointment, by=by, note=note)
    held = _held(appointment)
    if held < returned_points:
        raise NotEnoughHeld(
            _(
                "%(held)d points are held and %(returned)d should go back: the mentor was paid and has spent the"
                " rest. Nothing was changed."
            )
            % {"held": held, "returned": returned_points},
            held_points=held,
            returned_points=returned_points,
        )
    if held and returned_points == held:
        release_hold(escrow, by=by, subject=appointment, note=note)
    elif held:
        capture_hold(escrow, to=mentors, by=by, subject=appointment, return_points=returned_points, note=note)
    return held - returned_points


def _claw_back(appointment, *, by, note):
    """Take what the mentor was paid back into the escrow: all of it, or as much as the mentor still has."""
    payment = _payment(appointment)
    if payment is None:
        return
    escrow, mentors = appointment.escrow, wallet_of(appointment.mentor.user)
    lock_wallets([escrow.pk, mentors.pk])
    mentors.refresh_from_db(fields=["balance_points"])
    held, price = _held(appointment), appointment.price_points
    if not held and mentors.balance_points >= price:
        reverse_transaction(payment, by=by, note=note)
    elif points := min(price - held, mentors.balance_points):
        take_back(mentors, escrow, points=points, by=by, subject=appointment, note=note)


def _payment(appointment):
    """The transaction that paid the mentor and was not taken back."""
    return Transaction.objects.filter(
        subject_type=ContentType.objects.get_for_model(appointment),
        subject_id=appointment.pk,
        reason=Transaction.Reason.CAPTURE,
        reversed_by=None,
    ).first()


def _held(appointment):
    """What the escrow has now, whatever was read of it before."""
    appointment.escrow.refresh_from_db(fields=["balance_points"])
    return appointment.escrow.balance_points


def _fitting(text, field):
    longest = Dispute._meta.get_field(field).max_length
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _local(moment):
    return date_format(timezone.localtime(moment), "D j M, H:i")
