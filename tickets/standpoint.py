"""A ticket as one person sees it at one moment: who is awaited and until when, what is written, what may be done."""

import datetime as dt
from functools import cached_property

from django.conf import settings
from django.utils.translation import pgettext

from tickets.models import Reply, Ticket, TicketEvent

# What the next step has to mention: why the ticket is where it is.
TELLING = (
    TicketEvent.Kind.RELEASED,
    TicketEvent.Kind.RELEASED_SILENT,
    TicketEvent.Kind.REASSIGNED,
    TicketEvent.Kind.REOPENED,
    TicketEvent.Kind.CLOSED_BY_ITSELF,
)
CHANGES_NOTHING = (
    TicketEvent.Kind.EDITED,
    TicketEvent.Kind.PUBLISHED,
    TicketEvent.Kind.UNPUBLISHED,
    TicketEvent.Kind.SHARED,
    TicketEvent.Kind.UNSHARED,
    TicketEvent.Kind.HIDDEN,
    TicketEvent.Kind.SHOWN,
)


class Standpoint:
    """What a page about `ticket` may show `viewer`. Every answer comes from the predicates the actions ask.

    Two queries when `replies` is read (one more where files hang on them), one for `events`, one for `attachments`.
    """

    def __init__(self, ticket, viewer, now):
        self.ticket = ticket
        self.viewer = viewer
        self.now = now

    # --- Who looks ----------------------------------------------------------------------------------------------------

    @cached_property
    def is_student(self):
        return self.ticket.is_asked_by(self.viewer)

    @cached_property
    def is_mentor(self):
        return self.ticket.is_mentored_by(self.viewer)

    @property
    def is_staff(self):
        return self.viewer.is_staff

    @property
    def takes_part(self):
        return self.is_student or self.is_mentor

    @property
    def other(self):
        """The person on the other side; None for a student whose ticket nobody has."""
        return self.ticket.other_side(self.viewer)

    # --- Who is awaited, and until when -------------------------------------------------------------------------------

    @property
    def is_open(self):
        return self.ticket.status == Ticket.Status.OPEN

    @property
    def is_assigned(self):
        return self.ticket.status == Ticket.Status.ASSIGNED

    @property
    def is_resolved(self):
        return self.ticket.status == Ticket.Status.RESOLVED

    @property
    def is_closed(self):
        return self.ticket.status == Ticket.Status.CLOSED

    @property
    def waits_for_mentor(self):
        return self.ticket.waiting_on == Ticket.Side.MENTOR

    @property
    def awaited(self):
        """The person whose turn it is, or None: nobody has the ticket yet, or nothing is awaited any more."""
        if self.ticket.waiting_on == Ticket.Side.STUDENT:
            return self.ticket.student
        return self.ticket.mentor.user if self.waits_for_mentor and self.ticket.mentor_id else None

    @property
    def is_awaited(self):
        return self.awaited is not None and self.awaited.pk == self.viewer.pk

    @cached_property
    def mentor_has_until(self):
        """Until when the awaited mentor has to write; then others can take the ticket."""
        if self.is_assigned and self.waits_for_mentor:
            return self.ticket.waiting_since + dt.timedelta(days=settings.TICKETS_RELEASED_AFTER_DAYS)
        return None

    @property
    def mentor_is_late(self):
        """The time to write is over, and the job that gives the ticket back has not come by yet."""
        return self.mentor_has_until is not None and self.mentor_has_until <= self.now

    @property
    def days_to_write(self):
        return settings.TICKETS_RELEASED_AFTER_DAYS

    @cached_property
    def closes_at(self):
        """When a solved ticket closes by itself."""
        return self.ticket.resolved_at + dt.timedelta(days=settings.TICKETS_CLOSE_AFTER_DAYS)

    @property
    def closes_soon(self):
        return self.is_resolved and self.now < self.closes_at

    # --- What is written ----------------------------------------------------------------------------------------------

    @cached_property
    def replies(self):
        """What `viewer` may read of the conversation, oldest first."""
        rows = Reply.objects.visible_to(self.viewer).filter(ticket=self.ticket)
        rows = rows.select_related("author").defer("author__bio").prefetch_related("attachments")
        return [SeenReply(reply, self) for reply in rows]

    @cached_property
    def attachments(self):
        return list(self.ticket.attachments.all())

    @cached_property
    def events(self):
        return list(self.ticket.events.select_related("actor", "mentor__user"))

    @property
    def last_change(self):
        """The event that led to the state it is in, where the page has to say so; otherwise None."""
        changes = [event for event in self.events if event.kind not in CHANGES_NOTHING]
        return changes[-1] if changes and changes[-1].kind in TELLING else None

    # --- What may be done ---------------------------------------------------------------------------------------------

    @cached_property
    def can_edit(self):
        return self.ticket.can_be_edited_by(self.viewer)

    @cached_property
    def can_accept(self):
        return self.ticket.can_be_accepted_by(self.viewer)

    @cached_property
    def can_release(self):
        return self.ticket.can_be_released_by(self.viewer)

    @cached_property
    def can_reply(self):
        return self.ticket.can_be_replied_to_by(self.viewer)

    @cached_property
    def can_resolve(self):
        return self.ticket.can_be_resolved_by(self.viewer)

    @cached_property
    def can_reopen(self):
        return self.ticket.can_be_reopened_by(self.viewer)

    @cached_property
    def can_close(self):
        return self.ticket.can_be_closed_by(self.viewer)

    @cached_property
    def can_publish(self):
        return self.ticket.can_be_published_by(self.viewer)

    @cached_property
    def can_share(self):
        """Whether the viewer says which group may read it, and has one or has said so before."""
        has_choice = bool(self.ticket.group_id or self.viewer.group_ids)
        return has_choice and self.ticket.can_be_shared_by(self.viewer)

    @property
    def reads_as_member(self):
        """Whether it is the group that lets the viewer in, and nothing else."""
        return self.ticket.group_id in self.viewer.group_ids and not (
            self.takes_part or self.is_staff or self.viewer.is_mentor
        )

    @property
    def only_reads(self):
        """Whether the viewer may look at it, and nothing more."""
        return not (self.takes_part or self.is_staff or self.can_accept)

    @property
    def can_note(self):
        return self.viewer.is_staff

    @property
    def can_talk(self):
        """Whether a session about it with its mentor can be asked for."""
        return self.is_student and self.ticket.mentor_id is not None and self.ticket.mentor.is_listed

    @property
    def looks_for_mentors(self):
        """Whether the page shows who could help."""
        return self.is_open and self.is_student

    @property
    def can_do_something(self):
        return any((self.can_edit, self.can_accept, self.can_release, self.can_reopen, self.can_close))


class SeenReply:
    """A reply as the viewer of its ticket sees it."""

    def __init__(self, reply, seen):
        reply.ticket = seen.ticket  # the one with its people, so that the predicates ask nothing
        self.reply = reply
        self.seen = seen

    @property
    def is_own(self):
        return self.reply.author_id == self.seen.viewer.pk

    @property
    def is_note(self):
        return self.reply.kind == Reply.Kind.NOTE

    @property
    def is_solution(self):
        return self.reply.pk == self.seen.ticket.solution_id

    @property
    def is_earlier_solution(self):
        """It was the solution until the student reopened the ticket."""
        return self.reply.kind == Reply.Kind.SOLUTION and not self.is_solution

    @property
    def role(self):
        """What its author is here, in a word."""
        author, ticket = self.reply.author, self.seen.ticket
        if ticket.is_asked_by(author):
            return pgettext("role in a ticket", "asked")
        if ticket.is_mentored_by(author):
            return pgettext("role in a ticket", "mentor")
        if author.is_staff:
            return pgettext("role in a ticket", "staff")
        return pgettext("role in a ticket", "mentor before")

    @property
    def can_edit(self):
        return self.reply.can_be_edited_by(self.seen.viewer, self.seen.now)

    @property
    def can_become_solution(self):
        return self.is_own and not self.is_note and self.seen.can_resolve

    @property
    def can_be_marked(self):
        """Whether the viewer says if it stands in the article as well."""
        seen = self.seen
        helps = self.reply.kind == Reply.Kind.REPLY and seen.ticket.is_public and not seen.is_open
        return helps and (seen.takes_part or seen.is_staff)
