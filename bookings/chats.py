"""Whether somebody can be asked for a chat now. Pages and action ask the same.

A chat is not bound to hours, grid, notice or limits: the mentor says "available" and means now. What is agreed already
goes first, with the buffers that it was booked with; a chat has none of its own.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from bookings.availability import load_calendars
from bookings.models import CHAT_MINUTES, Appointment
from mentors.models import MentorProfile

CHAT = dt.timedelta(minutes=CHAT_MINUTES)


class WhyNot(StrEnum):
    OWN = "own"
    NOT_LISTED = "not_listed"
    NOT_WELCOME = "not_welcome"  # at the moment: another status, or never
    ALREADY_ASKED = "already_asked"
    STUDENT_BUSY = "student_busy"
    MENTOR_BUSY = "mentor_busy"


@dataclass(frozen=True)
class ChatTimes:
    """The times of a chat that is asked for at `now`: it starts when the mentor accepts, at the latest at `answer_by`,
    and until then all of it is kept free."""

    asked_at: dt.datetime
    answer_by: dt.datetime
    ends_by: dt.datetime

    @classmethod
    def asked(cls, now):
        now = now.replace(microsecond=0)
        answer_by = now + dt.timedelta(minutes=settings.CHAT_ANSWER_MINUTES)
        return cls(now, answer_by, answer_by + CHAT)


def open_chat_of(student, now) -> Appointment | None:
    """The chat that `student` has asked for and that waits for its answer."""
    asked = Appointment.objects.waiting().for_student(student).filter(kind=Appointment.Kind.CHAT, answer_by__gt=now)
    return asked.with_people().first()


def why_not(mentor, *, student, now) -> WhyNot | None:
    """Why `student` cannot ask `mentor` for a chat now; None where it is possible."""
    return why_none_of([mentor], student=student, now=now)[mentor.pk]


def why_none_of(mentors: Iterable[MentorProfile], *, student, now) -> dict[int, WhyNot | None]:
    """The same of several mentors, with their users, by profile id. Five queries at most, however many they are."""
    mentors = list(mentors)
    reasons = {mentor.pk: _why_not_at_all(mentor, student) for mentor in mentors}
    asked = [mentor for mentor in mentors if reasons[mentor.pk] is None]
    if not asked:
        return reasons
    if open_chat_of(student, now) is not None:
        return reasons | {mentor.pk: WhyNot.ALREADY_ASKED for mentor in asked}
    times = ChatTimes.asked(now)
    span = (times.asked_at, times.ends_by)
    calendars = load_calendars(asked, now=now, since=times.asked_at, until=times.ends_by, student=student)
    for pk, calendar in calendars.items():
        if not calendar.mentor_is_free(*span):
            reasons[pk] = WhyNot.MENTOR_BUSY
        elif not calendar.student_is_free(*span):
            reasons[pk] = WhyNot.STUDENT_BUSY
    return reasons


def _why_not_at_all(mentor, student):
    """What the mentor's row says, without a look at anybody's time."""
    if mentor.user_id == student.pk:
        return WhyNot.OWN
    if not mentor.is_listed:
        return WhyNot.NOT_LISTED
    if mentor.status != MentorProfile.Status.AVAILABLE or not mentor.takes_chats:
        return WhyNot.NOT_WELCOME
    return None


def mentors_to_chat_with(mentors: Iterable[MentorProfile], *, student, now) -> set[int]:
    """The ids of those of `mentors` whom `student` can ask for a chat now."""
    return {pk for pk, reason in why_none_of(mentors, student=student, now=now).items() if reason is None}
