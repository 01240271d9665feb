"""Chats: a mentor who is there is asked for a quarter of an hour, which starts when the answer is yes."""

import datetime as dt
import hashlib
import json
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.actions import history, locks
from bookings.actions.booking import MentorNotBookable, NotYourTicket, OwnMentor, PriceRaised, StudentBusy
from bookings.actions.overdue import expire_request
from bookings.availability import load_calendar
from bookings.chats import CHAT, ChatTimes, WhyNot, open_chat_of, why_not
from bookings.models import CHAT_MINUTES, Appointment
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from wallets.actions import IdempotencyMismatch, hold_points, open_escrow, wallet_of

Status = Appointment.Status
Kind = Appointment.Kind


class TopicMissing(Refused):
    code = "topic_missing"
    status = 422
    field = "topic"
    message = gettext_lazy("Say in a few words what the chat is about.")


class TopicTooLong(Refused):
    code = "topic_too_long"
    status = 422
    field = "topic"
    message = gettext_lazy("Say it in at most 200 characters; the details have more room.")


class ChatNotWelcome(Refused):
    """The mentor is not available now, or takes no chats at all."""

    code = "chat_not_welcome"


class MentorBusyNow(Refused):
    """Something that is agreed already takes the mentor's next minutes, or somebody else was faster."""

    code = "mentor_busy_now"


class ChatAskedAlready(Refused):
    """One at a time. Fact: `appointment`, the chat that waits for its answer."""

    code = "chat_asked_already"


class ChatTimeGone(Refused):
    """Something took the time between the question and the answer."""

    code = "chat_time_gone"
    message = gettext_lazy("One of you has something else in these minutes by now. Decline, and propose another time.")


def request_chat(
    mentor,
    *,
    student,
    topic: str,
    description: str = "",
    ticket=None,
    most_points: int | None = None,
    idempotency_key: str | None = None,
    now: dt.datetime,
) -> Appointment:
    """Ask `mentor` for a chat of CHAT_MINUTES now and hold its price; with a `ticket` of the student about that.

    The mentor has CHAT_ANSWER_MINUTES to answer, and until then the time is taken for both; without an answer all
    points come back. What was asked for before with the same `idempotency_key` by the same student is returned as it
    is; with other content it raises IdempotencyMismatch. Refuses with TopicMissing, TopicTooLong, OwnMentor,
    NotYourTicket, MentorNotBookable, ChatNotWelcome, MentorBusyNow, StudentBusy, ChatAskedAlready, PriceRaised (where
    it costs more than `most_points`), Busy and the wallet's NotEnoughPoints, and then nothing has changed.
    """
    topic = " ".join(topic.replace("\0", "").split())
    description = description.replace("\0", "").strip()
    if not topic:
        raise TopicMissing
    if len(topic) > Appointment._meta.get_field("title").max_length:
        raise TopicTooLong
    if ticket is not None and ticket.student_id != student.pk:
        raise NotYourTicket
    key = idempotency_key or None
    content = ["chat", mentor.pk, topic, description, ticket.pk if ticket is not None else None]
    fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    try:
        _make_way(mentor, student, now)
        return _ask(mentor, student, topic, description, ticket, most_points, key, fingerprint, now)
    except (Refused, IntegrityError) as error:
        # What was asked for before is in its own way, or has its key.
        if earlier := _asked_before(student, key, fingerprint):
            return earlier
        # The locks make an overlap impossible for whoever takes them; the database stands behind for everybody else.
        overlaps = {
            "bookings_no_overlap_mentor": WhyNot.MENTOR_BUSY,
            "bookings_no_overlap_student": WhyNot.STUDENT_BUSY,
        }
        for constraint, reason in overlaps.items():
            if isinstance(error, IntegrityError) and constraint in str(error):
                raise _refusal(reason, mentor, student, now) from error
        raise


def begin_chat(appointment, *, now):
    """Give a locked chat that is being accepted its time: it starts now."""
    starts_at = now.replace(microsecond=0)
    ends_at = starts_at + CHAT
    calendar = load_calendar(
        appointment.mentor,
        now=now,
        since=starts_at,
        until=ends_at,
        student=appointment.student,
        without=appointment,
    )
    if not (calendar.mentor_is_free(starts_at, ends_at) and calendar.student_is_free(starts_at, ends_at)):
        raise ChatTimeGone
    times = {
        "starts_at": starts_at,
        "ends_at": ends_at,
        "blocked_from": starts_at,
        "blocked_until": ends_at,
        "agreed_timezone": appointment.mentor.timezone,
        "agreed_local_start": _local_start(starts_at, appointment.mentor),
        "cancel_free_until": starts_at,
        "timed_at": now,
    }
    for name, value in times.items():
        setattr(appointment, name, value)
    appointment.save(update_fields=list(times))


def _make_way(mentor, student, now):
    """Let requests expire that nobody answered and that hold the time or the student's points.

    Each in a transaction of its own: within one, the wallets of several could not be locked in id order. Most of a
    crowd comes too late and is told so here without a lock; whoever passes is asked again under the lock.
    """
    times = ChatTimes.asked(now)
    in_the_way = Q(mentor=mentor.pk, blocked_from__lt=times.ends_by, blocked_until__gt=times.asked_at)
    overdue = Appointment.objects.waiting().filter(in_the_way | Q(student=student.pk), answer_by__lte=now)
    for request in overdue.order_by():
        expire_request(request, now=now)
    _refuse_unless_possible(mentor, student, now)


@patiently
@transaction.atomic
def _ask(mentor, student, topic, description, ticket, most_points, key, fingerprint, now):
    limit_waiting()
    people = locks.lock_people(mentor.pk, student.pk)
    mentor, student = people.mentor, people.student
    if not student.is_active:
        raise NotAllowed
    _refuse_unless_possible(mentor, student, now)
    price_points = mentor.price_points(CHAT_MINUTES)
    if most_points is not None and price_points > most_points:
        raise PriceRaised(
            _("This chat costs %(points)s points by now. Your points were not touched.") % {"points": price_points},
            price_points=price_points,
        )
    times = ChatTimes.asked(now)
    chat = Appointment.objects.create(
        kind=Kind.CHAT,
        mentor=mentor,
        student=student,
        ticket_id=ticket.pk if ticket is not None else None,
        title=topic,
        description=description,
        status=Status.REQUESTED,
        # At the latest. Who accepts sooner, starts sooner.
        starts_at=times.answer_by,
        ends_at=times.ends_by,
        blocked_from=times.asked_at,
        blocked_until=times.ends_by,
        agreed_timezone=mentor.timezone,
        agreed_local_start=_local_start(times.answer_by, mentor),
        price_points=price_points,
        hourly_rate_points=mentor.hourly_rate_points,
        cancel_free_until=times.answer_by,
        late_refund_percent=settings.LATE_REFUND_PERCENT,
        answer_by=times.answer_by,
        meeting_url=mentor.meeting_url,
        payer=getattr(student, "wallet", None) or wallet_of(student),
        escrow=open_escrow(),
        booked_by=student,
        idempotency_key=key,
        idempotency_fingerprint=fingerprint if key else "",
        created_at=now,
        timed_at=now,
    )
    hold_points(chat.payer, chat.escrow, points=chat.price_points, by=student, subject=chat)
    event = history.record(chat, "", chat.status, by=student, now=now)
    history.tell(chat, mentor.user, event=event)
    history.refresh_next_free(people.profiles, now=now)
    return chat


def refusal_of_chat(mentor, *, student, now) -> Refused | None:
    """The refusal with which `request_chat` would answer now, apart from what is typed; None where it would not."""
    reason = why_not(mentor, student=student, now=now)
    return None if reason is None else _refusal(reason, mentor, student, now)


def _refuse_unless_possible(mentor, student, now):
    if refusal := refusal_of_chat(mentor, student=student, now=now):
        raise refusal


def _refusal(reason, mentor, student, now):
    name = {"name": mentor.user.get_short_name()}
    match reason:
        case WhyNot.OWN:
            return OwnMentor(_("Nobody chats with themself. Choose another mentor."))
        case WhyNot.NOT_LISTED:
            return MentorNotBookable()
        case WhyNot.NOT_WELCOME:
            return ChatNotWelcome(_("%(name)s takes no chats at the moment. Your points were not touched.") % name)
        case WhyNot.MENTOR_BUSY:
            return MentorBusyNow(
                _("%(name)s has something else in the next minutes. Your points were not touched.") % name
            )
        case WhyNot.STUDENT_BUSY:
            return StudentBusy(
                _("You have a session yourself in the next minutes. Your points were not touched."),
                appointment=None,
                nearest=[],
            )
        case WhyNot.ALREADY_ASKED:
            chat = open_chat_of(student, now)
            asked = chat.mentor.user.get_short_name() if chat else _("a mentor")
            return ChatAskedAlready(
                _("You have asked %(name)s for a chat already. Wait for the answer, or withdraw that first.")
                % {"name": asked},
                appointment=chat,
            )


def _asked_before(student, key, fingerprint):
    """The appointment that the same person's same key led to."""
    if key is None:
        return None
    earlier = Appointment.objects.with_people().filter(booked_by=student.pk, idempotency_key=key).first()
    if earlier is not None and earlier.idempotency_fingerprint != fingerprint:
        raise IdempotencyMismatch
    return earlier


def _local_start(moment, mentor):
    return moment.astimezone(ZoneInfo(mentor.timezone)).strftime("%Y-%m-%dT%H:%M")
