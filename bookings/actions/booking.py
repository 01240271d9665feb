"""From a free time to an appointment."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ProjectGroup
from bookings import availability, terms
from bookings.actions import held, history, locks
from bookings.actions.overdue import expire_request
from bookings.models import Appointment
from bookings.slots import Reason
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from mentors.models import MentorProfile
from wallets.actions import IdempotencyMismatch, hold_points, open_escrow, wallet_of, wallet_of_group

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


class PriceRaised(Refused):
    """The session costs more than whoever asked for it was told. Fact: `price_points`."""

    code = "price_raised"


class TitleMissing(Refused):
    code = "title_missing"
    status = 422
    field = "title"
    message = gettext_lazy("Say in a few words what the session is about.")


class NotInGroup(Refused):
    code = "not_in_group"
    status = 403
    field = "group"
    message = gettext_lazy("You do not belong to that group, so you cannot book for it.")


class MentorInGroup(Refused):
    code = "mentor_in_group"
    field = "group"
    message = gettext_lazy("This mentor belongs to that group, and nobody books a session with themself.")


class GroupDoesNotPay(Refused):
    """Only the owner may spend what the group has, unless the group decided otherwise."""

    code = "group_does_not_pay"
    status = 403
    field = "pay_from"
    message = gettext_lazy("In this group only its owner pays from the group's wallet. Pay from your own, or ask.")


class NotYourTicket(Refused):
    code = "not_your_ticket"
    status = 403
    field = "ticket"
    message = gettext_lazy("A session about a question is booked by whoever asked it.")


class PayFrom(models.TextChoices):
    WALLET = "wallet", gettext_lazy("my own points")
    GROUP = "group", gettext_lazy("the group's points")


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
    group=None,
    pay_from: str = PayFrom.WALLET,
    ticket=None,
    most_points: int | None = None,
    by=None,
    idempotency_key: str | None = None,
    now: dt.datetime,
) -> Appointment:
    """Ask `mentor` for a session, or book it at once where the mentor confirms automatically, and hold its price.

    With a project `group` it is the group's session, booked by `student` for all its members, and may be paid from the
    group's wallet. With a `ticket` of the student it is about that question. `most_points` is the price that was shown;
    nothing dearer is booked. Staff who may add appointments book for a student (`by`).

    The time is taken for everybody else from then on. What was asked for before with the same `idempotency_key` by
    the same person is returned as it is; with other content it raises IdempotencyMismatch. Refuses with SlotTaken,
    SlotNotOffered, StudentBusy, LengthNotOffered, MentorNotBookable, OwnMentor, TitleMissing, NotInGroup,
    MentorInGroup, GroupDoesNotPay, NotYourTicket, PriceRaised, NotAllowed, Busy and the wallet's NotEnoughPoints, and
    then nothing has changed.
    """
    wish = make_wish(
        mentor,
        student=student,
        starts_at=starts_at,
        duration_minutes=duration_minutes,
        title=title,
        description=description,
        group=group,
        pay_from=pay_from,
        ticket=ticket,
        by=by,
        idempotency_key=idempotency_key,
        now=now,
    )
    return book_wish(replace(wish, most_points=most_points), mentor, now=now)


def book_wish(wish, mentor, *, now) -> Appointment:
    """Book what is wished for, or return what the same wish led to before; refuses as `book_slot` says."""
    try:
        make_way(wish, mentor, now)
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
    by: object  # the student, or somebody of the staff for the student
    starts_at: dt.datetime
    duration_minutes: int
    title: str
    description: str
    group_id: int | None
    pays_from_group: bool
    ticket_id: int | None
    key: str | None
    weeks: int = 1  # of a series, of which this is one session
    # Of a wish for the best of several times: what was asked for as a whole, and what it may cost.
    asked_for: tuple | None = None
    most_points: int | None = None

    @property
    def ends_at(self):
        return self.starts_at + dt.timedelta(minutes=self.duration_minutes)

    @property
    def fingerprint(self):
        if self.asked_for is not None:
            return hashlib.sha256(json.dumps(self.asked_for).encode()).hexdigest()
        content = [self.mentor_id, self.starts_at.isoformat(), self.duration_minutes, self.title, self.description]
        if self.group_id or self.ticket_id:
            content += [self.group_id, self.pays_from_group, self.ticket_id]
        if self.weeks > 1:
            content += ["weeks", self.weeks]
        if self.by.pk != self.student_id:
            content += ["for", self.student_id]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def may_book_for_others(user) -> bool:
    """Whether `user` may spend students' points on sessions for them: staff who may add appointments."""
    return user.is_staff and user.has_perm("bookings.add_appointment")


def make_wish(
    mentor,
    *,
    student,
    starts_at,
    duration_minutes,
    title,
    description,
    group,
    pay_from,
    ticket,
    by=None,
    idempotency_key,
    now,
) -> Wish:
    """The wish, with what needs no look at the calendar refused."""
    by = by or student
    if by.pk != student.pk and not may_book_for_others(by):
        raise NotAllowed
    title = " ".join(title.replace("\0", "").split())
    if not title:
        raise TitleMissing
    if mentor.user_id in (student.pk, by.pk):  # nor does staff spend a student's points on themself
        raise OwnMentor
    if ticket is not None and ticket.student_id != student.pk:
        raise NotYourTicket
    if group is None and pay_from == PayFrom.GROUP:
        raise NotInGroup
    if abs(starts_at - now) > availability.LONGEST_HORIZON:  # arithmetic with the year 1 or 9999 would overflow
        reason = Reason.notice if starts_at < now else Reason.horizon
        raise SlotNotOffered(WHY_NOT_OFFERED[reason], reason=reason, nearest=[])
    return Wish(
        mentor_id=mentor.pk,
        student_id=student.pk,
        by=by,
        starts_at=starts_at.astimezone(dt.UTC),
        duration_minutes=duration_minutes,
        title=title,
        description=description.replace("\0", "").strip(),
        group_id=group.pk if group is not None else None,
        pays_from_group=pay_from == PayFrom.GROUP,
        ticket_id=ticket.pk if ticket is not None else None,
        key=idempotency_key or None,
    )


def make_way(wish, mentor, now):
    """Let requests expire that nobody answered and that hold the time or the student's points; refuse a taken time.

    Most of a crowd comes too late and is told so here without a lock (on SQLite it is the one of everybody). Whoever
    passes is asked again under the lock.
    """
    if clear_way([wish], mentor, now):
        ask(wish, *people_of(wish), now)


def clear_way(wishes, mentor, now) -> bool:
    """Let those requests expire that are in the way of one person's `wishes`; whether something else is in it."""
    first = wishes[0]
    is_taken = held.pass_on_if_lapsed(first.mentor_id, now=now)  # by the next in line; if not, asking tells
    before, after = (
        dt.timedelta(minutes=mentor.buffer_before_minutes),
        dt.timedelta(minutes=mentor.buffer_after_minutes),
    )
    times = Q()
    for wish in wishes:
        times |= Q(blocked_from__lt=wish.ends_at + after, blocked_until__gt=wish.starts_at - before)
    in_the_way = Q(mentor=first.mentor_id) & times
    overdue = Q(student=first.student_id, status=Status.REQUESTED, answer_by__lte=now)
    for other in Appointment.objects.blocking().filter(in_the_way | overdue).order_by():
        if other.is_unanswered(now):
            # In a transaction of its own: within one, the wallets of several could not be locked in id order.
            expire_request(other, now=now)
        else:
            is_taken = True
    return is_taken


def people_of(wish):
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
    group = lock_group(wish, people.mentor)
    calendar = ask(wish, people.mentor, people.student, now)
    appointment = insert(wish, people.mentor, people.student, group, now)
    event = history.record(appointment, "", appointment.status, by=wish.by, now=now)
    history.tell(appointment, people.mentor.user, event=event)
    history.tell(appointment, *students_to_tell(appointment), event=event)
    history.note_next_free(calendar.with_session(appointment).seen_by_anybody(), now=now)
    history.refresh_next_free((profile for profile in people.profiles if profile.pk != people.mentor.pk), now=now)
    held.note_booked(appointment, now=now)
    return appointment


def students_to_tell(appointment):
    """Of what is booked at once the student's side gets the notice; of a request only the others of the group, who did
    not ask for it themselves."""
    if appointment.status == Status.CONFIRMED or appointment.booked_by_id != appointment.student_id:
        return appointment.student_side()
    if appointment.group_id is None:
        return []
    return [person for person in appointment.student_side() if person.pk != appointment.student_id]


def lock_group(wish, mentor):
    """The group that the session is for, locked until the transaction ends so that nobody leaves it meanwhile; None
    for a student alone. Refuses who may not book for it, or not from its wallet."""
    if wish.group_id is None:
        return None
    group = ProjectGroup.objects.active().select_for_update(no_key=True).filter(pk=wish.group_id).first()
    members = set(group.memberships.values_list("user", flat=True)) if group else set()
    if wish.student_id not in members:
        raise NotInGroup
    if mentor.user_id in members:
        raise MentorInGroup
    if wish.pays_from_group and not (group.members_may_pay or group.owner_id == wish.student_id):
        raise GroupDoesNotPay
    return group


def ask(wish, mentor, student, now):
    """Refuse what may not be booked; otherwise the calendar that says so."""
    calendar = ask_for_calendar(wish, mentor, student, now)
    if reason := calendar.refusal(wish.starts_at, duration_minutes=wish.duration_minutes):
        raise _refusal(reason, wish, calendar, now)
    return calendar


def ask_for_calendar(wish, mentor, student, now):
    """Refuse what no time could make right; otherwise the calendar that knows the times."""
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
    price_points = mentor.price_points(wish.duration_minutes)
    if wish.most_points is not None and price_points > wish.most_points:
        raise PriceRaised(
            _("This session costs %(points)s points by now. Your points were not touched.") % {"points": price_points},
            price_points=price_points,
        )
    return availability.load_calendar(mentor, now=now, student=student)


def _asked_before(wish):
    """The appointment that the same person's same key led to."""
    if wish.key is None:
        return None
    with_this_key = Appointment.objects.filter(booked_by=wish.by.pk, idempotency_key=wish.key).order_by()
    for pk, fingerprint in with_this_key.values_list("pk", "idempotency_fingerprint"):
        if fingerprint != wish.fingerprint:
            raise IdempotencyMismatch
        return Appointment.objects.with_people().get(pk=pk)
    return None


def insert(wish, mentor, student, group, now, series=None):
    """Write the appointment and take its price into its escrow."""
    local_start = wish.starts_at.astimezone(ZoneInfo(mentor.timezone))
    appointment = Appointment.objects.create(
        mentor=mentor,
        student=student,
        group=group,
        ticket_id=wish.ticket_id,
        series=series,
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
        hourly_rate_points=mentor.hourly_rate_points,
        cancel_free_until=terms.cancel_free_until(wish.starts_at, mentor.cancellation_notice_hours),
        late_refund_percent=settings.LATE_REFUND_PERCENT,
        answer_by=terms.answer_by(now, wish.starts_at, settings.REQUEST_EXPIRES_AFTER_HOURS),
        meeting_url=mentor.meeting_url,
        payer=payer_of(wish, student, group),
        escrow=open_escrow(),
        booked_by=wish.by,
        idempotency_key=wish.key,
        idempotency_fingerprint=wish.fingerprint if wish.key else "",
        created_at=now,
        timed_at=now,
    )
    hold_points(appointment.payer, appointment.escrow, points=appointment.price_points, by=wish.by, subject=appointment)
    return appointment


def payer_of(wish, student, group):
    """The wallet that pays."""
    if wish.pays_from_group:
        return wallet_of_group(group)
    return getattr(student, "wallet", None) or wallet_of(student)


def overlap_behind(error):
    """The reason that a violated overlap constraint means, or None for another violation."""
    names = {"bookings_no_overlap_mentor": Reason.busy, "bookings_no_overlap_student": Reason.student_busy}
    return next((reason for name, reason in names.items() if name in str(error)), None)


def _refusal_behind(error, wish, now):
    """The refusal that a violated overlap constraint means, or None for another violation."""
    reason = overlap_behind(error)
    if reason is None:
        return None
    mentor, student = people_of(wish)
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
