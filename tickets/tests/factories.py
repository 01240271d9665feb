import datetime as dt

import factory
from django.core.files.base import ContentFile
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.models import Attachment, Bookmark, Draft, Reply, Ticket, TicketEvent, Upvote

Status = Ticket.Status
HOUR = dt.timedelta(hours=1)


class TicketFactory(DjangoModelFactory):
    """An open ticket of yesterday with the tag python, without history. Actions make those with one.

    `assigned=True`, `resolved=True` and `closed=True` take it further: taken two hours after it was asked, answered
    after three, solved after four (by a reply with `solution_text`), closed after five. `deleted=True` empties it.
    """

    class Meta:
        model = Ticket
        skip_postgeneration_save = True

    class Params:
        assigned = factory.Trait(
            status=Status.ASSIGNED,
            mentor=factory.SubFactory(MentorProfileFactory),
            assigned_at=factory.LazyAttribute(lambda ticket: ticket.opened_at + 2 * HOUR),
            waiting_since=factory.SelfAttribute("assigned_at"),
            active_at=factory.SelfAttribute("assigned_at"),
        )
        resolved = factory.Trait(
            assigned=True,
            status=Status.RESOLVED,
            first_response_at=factory.LazyAttribute(lambda ticket: ticket.opened_at + 3 * HOUR),
            resolved_at=factory.LazyAttribute(lambda ticket: ticket.opened_at + 4 * HOUR),
            waiting_on=Ticket.Side.STUDENT,
            waiting_since=factory.SelfAttribute("resolved_at"),
            active_at=factory.SelfAttribute("resolved_at"),
        )
        closed = factory.Trait(
            resolved=True,
            status=Status.CLOSED,
            closed_at=factory.LazyAttribute(lambda ticket: ticket.resolved_at + HOUR),
            waiting_on="",
            active_at=factory.SelfAttribute("closed_at"),
        )
        deleted = factory.Trait(status=Status.DELETED, title="", description="", waiting_on="", tags=[])

    student = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"KeyError while reading settings {n}")
    description = "It says `KeyError: 'DEBUG'` and I do not know why."
    created_at = factory.LazyFunction(lambda: timezone.now() - dt.timedelta(days=1))
    opened_at = factory.SelfAttribute("created_at")
    waiting_on = Ticket.Side.MENTOR
    waiting_since = factory.SelfAttribute("opened_at")
    active_at = factory.SelfAttribute("opened_at")
    solution_text = "Read it with `os.environ.get('DEBUG')`."

    @classmethod
    def _create(cls, model_class, *args, solution_text, **fields):
        status = fields.get("status", Status.OPEN)
        if status not in Ticket.SOLVED or fields.get("solution"):
            return super()._create(model_class, *args, **fields)
        # The solution belongs to the ticket, and a solved ticket has one: neither can be first.
        ticket = super()._create(model_class, *args, **{**fields, "status": Status.ASSIGNED})
        ticket.solution = ReplyFactory(
            ticket=ticket,
            author=ticket.mentor.user,
            kind=Reply.Kind.SOLUTION,
            text=solution_text,
            created_at=ticket.resolved_at,
        )
        ticket.status = status
        ticket.save(update_fields=["solution", "status"])
        return ticket

    @factory.post_generation
    def tags(self, create, names):
        if create:
            self.tags.set([TagFactory(name=name) for name in (("python",) if names is None else names)])


class ReplyFactory(DjangoModelFactory):
    """What the student of a ticket in work wrote; `author=` says who else did."""

    class Meta:
        model = Reply

    ticket = factory.SubFactory(TicketFactory, assigned=True)
    author = factory.SelfAttribute("ticket.student")
    text = factory.Sequence(lambda n: f"Here is what it prints, number {n}.")


class DraftFactory(DjangoModelFactory):
    class Meta:
        model = Draft

    student = factory.SubFactory(UserFactory)
    title = "How do I"
    description = "I have tried"
    tags = "python"


class AttachmentFactory(DjangoModelFactory):
    """A text file on an open ticket; on a reply or a draft with `reply=` or `draft=`."""

    class Meta:
        model = Attachment

    ticket = factory.Maybe(
        "hangs_elsewhere",
        yes_declaration=None,
        no_declaration=factory.SubFactory(TicketFactory),
    )
    uploaded_by = factory.LazyAttribute(
        lambda it: it.ticket.student if it.ticket else it.reply.author if it.reply else it.draft.student
    )
    reply = None
    draft = None
    name = "trace.txt"
    content_type = "text/plain"
    file = factory.LazyFunction(lambda: ContentFile(b"Traceback (most recent call last):\n", name="trace.txt"))
    size_bytes = factory.LazyAttribute(lambda it: it.file.size)

    class Params:
        hangs_elsewhere = factory.LazyAttribute(lambda it: bool(it.reply or it.draft))


class UpvoteFactory(DjangoModelFactory):
    """One upvote of an article, counted on it."""

    class Meta:
        model = Upvote
        skip_postgeneration_save = True

    ticket = factory.SubFactory(TicketFactory, closed=True)
    user = factory.SubFactory(UserFactory)

    @factory.post_generation
    def counted(self, create, _extracted):
        if create:
            self.ticket.upvote_count += 1
            self.ticket.save(update_fields=["upvote_count"])


class BookmarkFactory(DjangoModelFactory):
    class Meta:
        model = Bookmark

    ticket = factory.SubFactory(TicketFactory, closed=True)
    user = factory.SubFactory(UserFactory)


class TicketEventFactory(DjangoModelFactory):
    class Meta:
        model = TicketEvent

    ticket = factory.SubFactory(TicketFactory)
    kind = TicketEvent.Kind.CREATED
    to_status = factory.SelfAttribute("ticket.status")
    actor = factory.SelfAttribute("ticket.student")
