"""What becomes of a session in the demo data, and when: chosen at random, within the rules of an appointment's life."""

import datetime as dt
from typing import NamedTuple

from django.conf import settings

from accounts.models import User
from bookings.models import Appointment
from bookings.refunds import returned_points
from mentorbook.demo import texts

Status = Appointment.Status
HOUR = dt.timedelta(hours=1)
PAST = {
    Status.COMPLETED: 78,
    Status.CANCELLED: 9,
    Status.DECLINED: 4,
    Status.EXPIRED: 4,
    Status.NO_SHOW: 4,
    Status.DISPUTED: 1,
}
AHEAD = {Status.CONFIRMED: 60, Status.REQUESTED: 30, Status.CANCELLED: 10}


class Step(NamedTuple):
    """A line of an appointment's history to be."""

    when: dt.datetime
    status: str
    actor: User | None = None
    reason: str = ""
    returned: int = 0
    paid: int = 0


def choose_fate(random, start, end, now):
    """When a session from `start` to `end` was asked for, when it was answered, and what became of it by `now`."""
    created = start - dt.timedelta(hours=random.randrange(26, 9 * 24), minutes=random.randrange(60))
    if end <= now:
        status = _one_of(random, PAST)
        if status == Status.COMPLETED and now - end < settings.COMPLETES_AFTER_HOURS * HOUR:
            status = Status.CONFIRMED  # waits for the mentor to say that it took place
    else:
        status = _one_of(random, AHEAD) if start > now else Status.CONFIRMED
        # A request that still waits was asked for today, everything else some days ago.
        oldest_minutes = 18 * 60 if status == Status.REQUESTED else 6 * 24 * 60
        asked = now - dt.timedelta(minutes=random.randrange(30, oldest_minutes))
        created = asked if status == Status.REQUESTED else min(created, asked)
    answered = min(created + dt.timedelta(minutes=random.randrange(10, 18 * 60)), now - dt.timedelta(minutes=5))
    return created, max(answered, created + dt.timedelta(minutes=1)), status


def history_of(random, appointment, created, answered, now):
    """The steps that led `appointment` to its state, oldest first, with what each did to the points."""
    mentor, student, price = appointment.mentor.user, appointment.student, appointment.price_points
    asked = Step(created, Status.REQUESTED, student)
    confirmed = Step(answered, Status.CONFIRMED, mentor)
    match appointment.status:
        case Status.REQUESTED:
            return [asked]
        case Status.DECLINED:
            reason = random.choice(texts.DECLINE_REASONS)
            return [asked, Step(answered, Status.DECLINED, mentor, reason, returned=price)]
        case Status.EXPIRED:
            return [asked, Step(appointment.answer_by, Status.EXPIRED, returned=price)]
        case Status.CONFIRMED:
            return [asked, confirmed]
        case Status.CANCELLED:
            return [asked, confirmed, _cancelled(random, appointment, answered, now)]
        case Status.NO_SHOW:
            when = appointment.starts_at + dt.timedelta(minutes=15)
            return [asked, confirmed, Step(when, Status.NO_SHOW, mentor, paid=price)]
        case Status.DISPUTED:
            when = min(appointment.ends_at + 3 * HOUR, now)
            reason = "The call broke off after ten minutes."
            return [asked, confirmed, Step(when, Status.DISPUTED, student, reason)]
        case Status.COMPLETED:
            when = min(appointment.ends_at + dt.timedelta(minutes=random.randrange(1, 20 * 60)), now)
            return [asked, confirmed, Step(when, Status.COMPLETED, mentor, paid=price)]


def _cancelled(random, appointment, answered, now):
    latest = min(appointment.starts_at, now) - dt.timedelta(minutes=1)
    when = max(answered, answered + (latest - answered) * random.random())
    back = appointment.price_points
    if when > appointment.cancel_free_until:
        back = returned_points(back, appointment.late_refund_percent)
    reason = random.choice(texts.CANCEL_REASONS)
    paid = appointment.price_points - back
    return Step(when, Status.CANCELLED, appointment.student, reason, returned=back, paid=paid)


def _one_of(random, weights):
    return random.choices(list(weights), weights.values())[0]
