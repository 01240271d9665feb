"""Booking the best of several times, of whichever mentor."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from django.utils.translation import gettext_lazy

from bookings.actions.booking import (
    LengthNotOffered,
    MentorInGroup,
    MentorNotBookable,
    OwnMentor,
    PayFrom,
    PriceRaised,
    SlotNotOffered,
    SlotTaken,
    book_wish,
    make_wish,
)
from bookings.models import Appointment
from bookings.scheduling import Pair, Wanted, best_pairs
from mentorbook.errors import Refused
from mentors.models import MentorProfile

# After these another mentor or another time may do. What is wrong with the student, the group or the points stops.
GONE = (SlotTaken, SlotNotOffered, MentorNotBookable, LengthNotOffered, PriceRaised, MentorInGroup, OwnMentor)


class AllTaken(Refused):
    """The chosen time and the next ones were taken. Facts: `pairs`, the best that there are now; `first`, why the
    chosen one could not be booked."""

    code = "all_taken"
    message = gettext_lazy(
        "Somebody was faster, and the next on the list were gone too. Nothing is booked and no points were touched."
    )


class Choice(NamedTuple):
    """What somebody clicked: a mentor's time, and the price that stood on the button."""

    mentor_id: int
    starts_at: object
    price_points: int


def book_best(
    wanted: Wanted,
    *,
    student,
    chosen: Choice,
    title: str,
    description: str = "",
    pairs: Sequence[Pair] | None = None,
    idempotency_key: str | None = None,
    now,
) -> Appointment:
    """Book the chosen time; when it has just gone, the first of `pairs` that is still free.

    `pairs` are those of the list, best first; the best that there are by then, unless given. The chosen time is booked
    for the price that was shown or less, the others for no more than `wanted.highest_price_points`. Each try is an
    ordinary booking (`book_slot`) with its refusals; what is wrong with the student, the group or the points ends it
    at once (StudentBusy, NotEnoughPoints, GroupDoesNotPay …). Raises AllTaken when everything has gone.

    The same `idempotency_key` with the same content gives the same appointment, whichever of the times it is; with
    other content it raises IdempotencyMismatch.
    """
    asked_for = (
        *("best", chosen.mentor_id, chosen.starts_at.isoformat(), wanted.duration_minutes, title, description),
        *(wanted.group and wanted.group.pk, wanted.pays_from_group, wanted.ticket and wanted.ticket.pk),
    )

    def book(mentor, starts_at, most_points):
        wish = make_wish(
            mentor,
            student=student,
            starts_at=starts_at,
            duration_minutes=wanted.duration_minutes,
            title=title,
            description=description,
            group=wanted.group,
            pay_from=PayFrom.GROUP if wanted.pays_from_group else PayFrom.WALLET,
            ticket=wanted.ticket,
            idempotency_key=idempotency_key,
            now=now,
        )
        return book_wish(replace(wish, asked_for=asked_for, most_points=most_points), mentor, now=now)

    try:
        mentor = MentorProfile.objects.visible_to(student).filter(pk=chosen.mentor_id).first()
        if mentor is None:
            raise MentorNotBookable
        return book(mentor, chosen.starts_at, chosen.price_points)
    except GONE as refusal:
        first_refusal = refusal
    if pairs is None:
        pairs = best_pairs(wanted, student=student, now=now)
    for pair in pairs:
        if (pair.mentor.pk, pair.starts_at) == (chosen.mentor_id, chosen.starts_at):
            continue
        try:
            return book(pair.mentor, pair.starts_at, wanted.highest_price_points)
        except GONE:
            continue
    raise AllTaken(pairs=best_pairs(wanted, student=student, now=now), first=first_refusal)
