"""From a free time to an appointment."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings import availability, terms
from bookings.actions import history, locks
from bookings.actions.overdue import expire_request
from bookings.models import Appointment
from bookings.slots import Reason
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from mentors.models import MentorProfile
from wallets.actions import IdempotencyMismatch, hold_points, open_escrow, wallet_of

Status = Appointment.Status


class SlotTaken(Refused):
    """The mentor's time has gone. Fact: `nearest`, up to five free starts around it."""

    code = "slot_taken"
    field = "starts_at"


class SlotNotOffered(Refused):
    """The mentor does not offer that start. Facts: `reason` (a `slots.Reason`), `nearest`."""

    code = "slot_not_offered"
    field = "starts_at"


class StudentBusy(Refused):
    """The student has a session then. Facts: `appointment` (that one, or None if it has just gone), `nearest`."""

    code = "student_busy"
    field = "starts_at"


class OwnMentor(Refused):
    code = "own_mentor"
    message = gettext_lazy("Nobody books a session with themself. Choose another mentor.")


class MentorNotBookable(Refused):
    code = "mentor_not_bookable"
    message = gettext_lazy("This mentor takes no bookings at the moment. Your points were not touched.")


class LengthNotOffered(Refused):
    """Fact: `offered`, the lengths in minutes that are."""

    code = "length_not_offered"
    field = "duration_minutes"


class TitleMissing(Refused):
    code = "title_missing"
    status = 422
    field = "title"
    message = gettext_lazy("Say in a few words what the session is about.")


WHY_NOT_OFFERED = {
    Reason.away: gettext_lazy("This mentor is away and takes no bookings. Your points were not touched."),
    Reason.notice: gettext_lazy("That time is too soon for this mentor. Choose a later one."),
    Reason.horizon: gettext_lazy("That time is further ahead than this mentor plans. Choose an earlier one."),
    Reason.day_off: gettext_lazy("The mentor has that day off. Choose another day."),
    Reason.outside_hours: gettext_lazy("That time is outside the mentor's hours. Choose another one."),
    Reason.too_short: gettext_lazy("The mentor's hours end before such a session would. Choose an earlier time."),
    Reason.week_limit: gettext_lazy("The mentor's week is full. Choose another week."),
    Reason.day_limit: gettext_lazy("The mentor's day is full. Choose another day."),
    Reason.off_grid: gettext_lazy("Sessions do not start at that minute. Choose one of the times shown."),
}


def book_slot(
    mentor,
    *,
    student,
    starts_at: dt.datetime,
    duration_minutes: int,
    title: str,
    description: str = "",
    idempotency_key: str | None = None,
    now: dt.datetime,
) -> Appointment:
    """Ask `mentor` for a session, or book it at once where the mentor confirms automatically, and hold its price.

    The time is taken for everybody else from then on. What was asked for before with the same `idempotency_key` by
    the same student is returned as it is; with other content it raises IdempotencyMismatch. Refuses with SlotTaken,
    SlotNotOffered, StudentBusy, LengthNotOffered, MentorNotBookable, OwnMentor, TitleMissing, Busy and the wallet's
    NotEnoughPoints, and then nothing has changed.
    """
    title = " ".join(title.replace("\0", "").split())
    if not title:
        raise TitleMissing
    if mentor.user_id == student.pk:
        raise OwnMentor
    if abs(starts_at - now) > availability.LONGEST_HORIZON:  # arithmetic with the year 1 or 9999 would overflow
        reason = Reason.notice if starts_at < now else Reason.horizon
        raise SlotNotOffered(WHY_NOT_OFFERED[reason], reason=reason, nearest=[])
    wish = Wish(
        mentor_id=mentor.pk,
        student_id=student.pk,
        starts_at=starts_at.astimezone(dt.UTC),
        duration_minutes=duration_minutes,
        title=title,
        description=description.replace("\0", "").strip(),
        key=idempotency_key or None,
    )
    try:
        _make_way(wish, mentor, now)
        return _book(wish, now)
    except (Refused, IntegrityError):
        # What was asked for before is in its own way, by its time or, once that is free again, by its key.
        if earlier := _asked_before(wish):
            return earlier
        raise


@dataclass(frozen=True)
class Wish:
    """What somebody asks for."""

    mentor_id: int
    student_id: int
    starts_at: dt.datetime
    duration_minutes: int
    title: str
    description: str
    key: str | None

    @property
    def ends_at(self):
        return self.starts_at + dt.timedelta(minutes=self.duration_minutes)

    @property
    def fingerprint(self):
        content = [self.mentor_id, self.starts_at.isoformat(), self.duration_minutes, self.title, self.description]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _make_way(wish, mentor, now):
    """Let requests expire that nobody answered and that hold the time or the student's points; refuse a taken time.

    Most of a crowd comes too late and is told so here without a lock (on SQLite it is the one of everybody). Whoever
    passes is asked again under the lock.
    """
    before, after = (
        dt.timedelta(minutes=mentor.buffer_before_minutes),
        dt.timedelta(minutes=mentor.buffer_after_minutes),
    )
    in_the_way = Q(
        mentor=wish.mentor_id, blocked_from__lt=wish.ends_at + after, blocked_until__gt=wish.starts_at - before
    )
    overdue = Q(student=wish.student_id, status=Status.REQUESTED, answer_by__lte=now)
    is_taken = False
    for other in Appointment.objects.blocking().filter(in_the_way | overdue).order_by():
        if other.is_unanswered(now):
            # In a transaction of its own: within one, the wallets of several could not be locked in id order.
            expire_request(other, now=now)
        else:
            is_taken = True
    if is_taken:
        _ask(wish, *_people_of(wish), now)


def _people_of(wish):
    """The mentor and the student as they are now, without a lock."""
    mentor = MentorProfile.objects.select_related("user").get(pk=wish.mentor_id)
    return mentor, get_user_model().objects.get(pk=wish.student_id)


@patiently
def _book(wish, now):
    try:
        with transaction.atomic():
            return _book_under_locks(wish, now)
    except IntegrityError as error:
        # The locks make this impossible for whoever takes them; the database stands behind for everybody else.
        if refusal := _refusal_behind(error, wish, now):
            raise refusal from error
        raise


def _book_under_locks(wish, now):
    limit_waiting()
    people = locks.lock_people(wish.mentor_id, wish.student_id)
    mentor, student = people.mentor, people.student
    calendar = _ask(wish, mentor, student, now)
    appointment = _insert(wish, mentor, student, now)
    hold_points(appointment.payer, appointment.escrow, points=appointment.price_points, by=student, subject=appointment)
    event = history.record(appointment, "", appointment.status, by=student, now=now)
    history.tell(appointment, mentor.user, event=event)
    if appointment.status == Status.CONFIRMED:
        history.tell(appointment, student, event=event)
    history.note_next_free(calendar.with_session(appointment).seen_by_anybody(), now=now)
    history.refresh_next_free((profile for profile in people.profiles if profile.pk != mentor.pk), now=now)
    return appointment


def _ask(wish, mentor, student, now):
    """Refuse what may not be booked; otherwise the calendar that says so."""
    if not student.is_active:
        raise NotAllowed
    if not (mentor.is_approved and mentor.user.is_active):
        raise MentorNotBookable
    if wish.duration_minutes not in mentor.session_minutes:
        raise LengthNotOffered(
            _("This mentor offers sessions of %(lengths)s minutes. Choose one of these.")
            % {"lengths": ", ".join(map(str, mentor.session_minutes))},
            offered=mentor.session_minutes,
        )
    calendar = availability.load_calendar(mentor, now=now, student=student)
    if reason := calendar.refusal(wish.starts_at, duration_minutes=wish.duration_minutes):
        raise _refusal(reason, wish, calendar, now)
    return calendar


def _asked_before(wish):
    """The appointment that the same person's same key led to."""
    if wish.key is None:
        return None
    with_this_key = Appointment.objects.filter(booked_by=wish.student_id, idempotency_key=wish.key).order_by()
    for pk, fingerprint in with_this_key.values_list("pk", "idempotency_fingerprint"):
        if fingerprint != wish.fingerprint:
            raise IdempotencyMismatch
        return Appointment.objects.with_people().get(pk=pk)
    return None


def _insert(wish, mentor, student, now):
    local_start = wish.starts_at.astimezone(ZoneInfo(mentor.timezone))
    return Appointment.objects.create(
        mentor=mentor,
        student=student,
        title=wish.title,
        description=wish.description,
        status=Status.CONFIRMED if mentor.confirms_automatically else Status.REQUESTED,
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        blocked_from=wish.starts_at - dt.timedelta(minutes=mentor.buffer_before_minutes),
        blocked_until=wish.ends_at + dt.timedelta(minutes=mentor.buffer_after_minutes),
        agreed_timezone=mentor.timezone,
        agreed_local_start=local_start.strftime("%Y-%m-%dT%H:%M"),
        price_points=mentor.price_points(wish.duration_minutes),
        cancel_free_until=terms.cancel_free_until(wish.starts_at, mentor.cancellation_notice_hours),
        late_refund_percent=settings.LATE_REFUND_PERCENT,
        answer_by=terms.answer_by(now, wish.starts_at, settings.REQUEST_EXPIRES_AFTER_HOURS),
        meeting_url=mentor.meeting_url,
        payer=getattr(student, "wallet", None) or wallet_of(student),
        escrow=open_escrow(),
        booked_by=student,
        idempotency_key=wish.key,
        idempotency_fingerprint=wish.fingerprint if wish.key else "",
        created_at=now,
    )


def _refusal_behind(error, wish, now):
    """The refusal that a violated overlap constraint means, or None for another violation."""
    names = {"bookings_no_overlap_mentor": Reason.busy, "bookings_no_overlap_student": Reason.student_busy}
    reason = next((reason for name, reason in names.items() if name in str(error)), None)
    if reason is None:
        return None
    mentor, student = _people_of(wish)
    return _refusal(reason, wish, availability.load_calendar(mentor, now=now, student=student), now)


def _refusal(reason, wish, calendar, now):
    nearest = [] if reason == Reason.away else calendar.nearest(wish.starts_at, duration_minutes=wish.duration_minutes)
    if reason == Reason.busy:
        message = _("Someone has just booked %(time)s. Your points were not touched.") % {
            "time": _clock(wish.starts_at)
        }
        return SlotTaken(_with_nearest(message, nearest, wish), nearest=nearest)
    if reason == Reason.student_busy:
        own = _session_of_student(wish, now)
        if own is None:
            message = _("You have another session at that time.")
        else:
            message = _("You have “%(title)s” from %(start)s to %(end)s then.") % {
                "title": own.title,
                "start": _clock(own.starts_at),
                "end": _clock(own.ends_at),
            }
        return StudentBusy(_with_nearest(message, nearest, wish), appointment=own, nearest=nearest)
    return SlotNotOffered(WHY_NOT_OFFERED[reason], reason=reason, nearest=nearest)


def _session_of_student(wish, now):
    return (
        Appointment.objects.taking_time(now)
        .with_people()
        .filter(
            Q(student=wish.student_id, starts_at__lt=wish.ends_at, ends_at__gt=wish.starts_at)
            | Q(mentor__user=wish.student_id, blocked_from__lt=wish.ends_at, blocked_until__gt=wish.starts_at)
        )
        .order_by("starts_at")
        .first()
    )


def _with_nearest(message, nearest, wish):
    if not nearest:
        return message
    return _("%(message)s Nearest free: %(times)s.") % {
        "message": message,
        "times": ", ".join(_clock(start, unless_on=wish.starts_at) for start in nearest[:3]),
    }


def _clock(moment, unless_on=None):
    """The time of day in the current zone; with the day in front unless it is the same day as `unless_on`."""
    local = timezone.localtime(moment)
    if unless_on is None or local.date() == timezone.localtime(unless_on).date():
        return date_format(local, "H:i")
    return date_format(local, "D j M H:i")
