"""An appointment as one person sees it at one moment: who is across the table, and what may be done."""

import math
from functools import cached_property
from hashlib import blake2s
from zoneinfo import ZoneInfo

from django.db.models import Case, IntegerField, When
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.models import Appointment, MoveProposal
from mentorbook.pieces import span, zone_label
from tickets.models import Ticket
from tickets.standpoint import Standpoint as TicketStandpoint


class Standpoint:
    """What a page about `appointment` may show `viewer`. Every answer comes from the predicates the actions ask."""

    def __init__(self, appointment, viewer, now):
        self.appointment = appointment
        self.viewer = viewer
        self.now = now

    @cached_property
    def is_student(self):
        """Whether the viewer speaks for the student's side: who booked it, or the owner of the group."""
        return self.appointment.is_represented_by(self.viewer)

    @cached_property
    def is_mentor(self):
        return self.appointment.is_mentored_by(self.viewer)

    @property
    def is_companion(self):
        """Whether the viewer takes part as one of the group, without a say in it."""
        return self.takes_part and not self.is_student and not self.is_mentor

    @property
    def gets_points_back(self):
        """Whether what comes back is the viewer's own."""
        return self.appointment.is_attended_by(self.viewer) and not self.appointment.is_paid_by_group

    @property
    def payer_words(self):
        """Whose points they are, as it stands within a sentence."""
        if self.appointment.is_paid_by_group:
            return _("the wallet of %(group)s") % {"group": self.appointment.group}
        return self.appointment.student.get_short_name()

    @property
    def takes_part(self):
        return self.appointment.has_participant(self.viewer)

    @property
    def other(self):
        """The person on the other side; the mentor for somebody who takes no part."""
        return self.appointment.other_side(self.viewer)

    @property
    def is_requested(self):
        return self.appointment.status == Appointment.Status.REQUESTED

    @property
    def is_confirmed(self):
        return self.appointment.status == Appointment.Status.CONFIRMED

    @property
    def is_unanswered(self):
        """Whether the time to answer has run out, and the sweep that says so has not come by yet."""
        return self.appointment.is_unanswered(self.now)

    @property
    def is_now(self):
        return self.is_confirmed and self.appointment.starts_at <= self.now < self.appointment.ends_at

    @property
    def waits_to_report(self):
        """Whether the session is on, and it is too early yet to report that the other side is not there."""
        return self.is_now and (self.is_mentor or self.is_student) and self.now < self.appointment.no_show_from

    @property
    def is_over(self):
        return self.appointment.ends_at <= self.now

    @property
    def is_before_start(self):
        return self.now < self.appointment.starts_at

    @cached_property
    def ticket(self):
        """The question that it is about, as far as the viewer may read it; otherwise None. One query."""
        if self.appointment.ticket_id is None:
            return None
        readable = Ticket.objects.visible_to(self.viewer).with_people()
        return readable.filter(pk=self.appointment.ticket_id).first()

    @property
    def awaited_in_ticket(self):
        """The person whose word that question waits for, or None."""
        return self.ticket and TicketStandpoint(self.ticket, self.viewer, self.now).awaited

    @property
    def is_agreed(self):
        """Whether it takes place or did, as far as anybody said."""
        return self.appointment.status in (Appointment.Status.CONFIRMED, Appointment.Status.COMPLETED)

    @property
    def minutes_to_answer(self):
        """How many minutes are left to answer, the last one included."""
        return max(0, math.ceil((self.appointment.answer_by - self.now).total_seconds() / 60))

    @property
    def free_to_cancel_is_over(self):
        return self.now >= self.appointment.cancel_free_until

    @property
    def shows_meeting_link(self):
        """Those who meet see where, once it is agreed that they do."""
        return bool(self.takes_part and self.is_confirmed and not self.is_over and self.appointment.meeting_url)

    @property
    def can_book_again(self):
        """Whether the student had hoped for a session and may try for another time."""
        return self.is_student and self.appointment.status in Appointment.FREEING

    @cached_property
    def other_zone_time(self):
        """The time on the clock of the other side, where that is another than the one on this page."""
        zone = ZoneInfo(self.other.timezone)
        here = timezone.localtime(self.appointment.starts_at)
        if (
            not self.takes_part
            or not self.appointment.has_its_time
            or here.utcoffset() == self.appointment.starts_at.astimezone(zone).utcoffset()
        ):
            return ""
        with timezone.override(zone):
            return span(self.appointment.starts_at, self.appointment.ends_at)

    @property
    def other_zone_label(self):
        return zone_label(self.other.timezone)

    @cached_property
    def can_confirm(self):
        return self.appointment.can_be_confirmed_by(self.viewer, self.now)

    @cached_property
    def can_decline(self):
        return self.appointment.can_be_declined_by(self.viewer, self.now)

    @cached_property
    def can_cancel(self):
        return self.appointment.can_be_cancelled_by(self.viewer, self.now)

    @cached_property
    def can_complete(self):
        return self.appointment.can_be_completed_by(self.viewer, self.now)

    @cached_property
    def can_report_no_show(self):
        return self.appointment.can_be_reported_no_show_by(self.viewer, self.now)

    @cached_property
    def can_dispute(self):
        return self.appointment.can_be_disputed_by(self.viewer, self.now)

    @cached_property
    def dispute(self):
        """What is disputed about it, or None."""
        if self.appointment.status != Appointment.Status.DISPUTED:
            return None
        return getattr(self.appointment, "dispute", None)

    @property
    def can_answer_dispute(self):
        return self.dispute is not None and self.dispute.can_be_answered_by(self.viewer)

    @property
    def can_decide_dispute(self):
        return self.dispute is not None and self.dispute.can_be_decided_by(self.viewer)

    @cached_property
    def proposal(self):
        """Another time that waits for an answer, or None."""
        if not self.appointment.is_live:
            return None
        return self._in_time(self.appointment.proposals.open().select_related("proposed_by").first())

    def know_proposal(self, proposal):
        """The same, where the proposals of many were looked up together."""
        self.proposal = self._in_time(proposal)

    def _in_time(self, proposal):
        if proposal is None or not proposal.is_open(self.now):
            return None
        proposal.appointment = self.appointment
        return proposal

    @cached_property
    def can_answer_move(self):
        return self.proposal is not None and self.proposal.can_be_answered_by(self.viewer, self.now)

    @cached_property
    def can_withdraw_move(self):
        return self.proposal is not None and self.proposal.can_be_withdrawn_by(self.viewer, self.now)

    @property
    def can_move(self):
        """What the other side proposed is answered first."""
        return self.appointment.can_be_moved_by(self.viewer, self.now) and not self.can_answer_move

    @property
    def moves_at_once(self):
        return self.appointment.moves_at_once(self.viewer, self.now)

    @property
    def expires_with_move(self):
        """Whether the request ends where nobody answers the proposal: no time is left to answer it by itself."""
        return self.is_requested and self.appointment.answer_by <= self.proposal.answer_by

    @property
    def answers_move(self):
        """The one whose answer the proposal waits for, by name."""
        return self.appointment.student if self.proposal.by_mentor else self.appointment.mentor.user

    @property
    def can_do_something(self):
        return any((self.can_confirm, self.can_decline, self.can_cancel, self.can_complete, self.can_report_no_show))

    @cached_property
    def refund_points(self):
        """What comes back to the student when the viewer cancels now."""
        return self.appointment.refund_if_cancelled(self.viewer, self.now)

    @property
    def kept_points(self):
        """What then goes to the mentor."""
        return self.appointment.price_points - self.refund_points


def seen_by(viewer, appointments, now):
    """The standpoints of a list; whether another time waits for an answer is asked once for all of them."""
    seen = [Standpoint(appointment, viewer, now) for appointment in appointments]
    live = [row for row in seen if row.appointment.is_live]
    if live:
        proposals = MoveProposal.objects.open().filter(appointment__in=[row.appointment.pk for row in live])
        by_appointment = {proposal.appointment_id: proposal for proposal in proposals.select_related("proposed_by")}
        for row in live:
            row.know_proposal(by_appointment.get(row.appointment.pk))
    return seen


def moves_for(user, now):
    """Sessions of `user` for which the other side proposes another time, the most urgent first. Those that wait for the
    mentor's answer anyway are with `requests_for`."""
    waiting = MoveProposal.objects.waiting_for(user, now).exclude(
        by_mentor=False, appointment__status=Appointment.Status.REQUESTED
    )
    ids = list(waiting.values_list("appointment", flat=True))
    rows = Appointment.objects.with_people().in_bulk(ids)
    return [rows[pk] for pk in ids]


def requests_for(mentor_user, now):
    """Requests that wait for the answer of this person: chats, where somebody waits right now, then the others, each
    the most urgent first."""
    waiting = Appointment.objects.waiting().filter(mentor__user=mentor_user, answer_by__gt=now)
    chats_first = Case(When(kind=Appointment.Kind.CHAT, then=0), default=1, output_field=IntegerField())
    return waiting.with_people().order_by(chats_first, "answer_by", "id")


class ChatsAtAGlance:
    """The chat that waits for a mentor's answer, if there is one, and whether to look for one by itself: chats come
    while the mentor is available, and are over in minutes. Two queries; one for whoever is no mentor."""

    def __init__(self, user, now):
        profile = getattr(user, "mentor_profile", None)
        waiting = requests_for(user, now).filter(kind=Appointment.Kind.CHAT) if profile else ()
        self.rows = seen_by(user, waiting, now)
        self.looks_by_itself = (
            profile is not None
            and profile.is_approved
            and profile.takes_chats
            and profile.status == profile.Status.AVAILABLE
        )

    @property
    def token(self):
        """Changes when what is shown does."""
        shown = [(row.appointment.pk, row.minutes_to_answer) for row in self.rows]
        return blake2s(repr(shown).encode(), digest_size=8).hexdigest()
