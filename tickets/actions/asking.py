"""From a question in somebody's head to an open ticket, and what its student may do with it there."""

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import ngettext

from accounts.models import ProjectGroup
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently
from notifications.actions import withdraw
from tickets.actions import history, locks, texts
from tickets.actions.attachments import remove_attachments, store_attachments
from tickets.actions.files import with_files
from tickets.actions.sharing import NotYourGroup, lock_group, set_group
from tickets.actions.states import NotOpen, TicketDeleted
from tickets.models import TEXT_LENGTH, TITLE_LENGTH, Attachment, Draft, Ticket, TicketEvent

Status = Ticket.Status
Kind = TicketEvent.Kind
SAME_GROUP = object()  # None is for no group


class TooManyOpen(Refused):
    """Fact: `limit`."""

    code = "too_many_open"

    def __init__(self, limit):
        message = ngettext(
            "%(limit)d question of yours waits for a mentor, and more cannot wait at once. "
            "Ask again when it was taken, or delete it if it has settled itself.",
            "%(limit)d questions of yours wait for a mentor, and more cannot wait at once. "
            "Ask again when one was taken, or delete one that has settled itself.",
            limit,
        )
        super().__init__(message % {"limit": limit}, limit=limit)


@patiently
@with_files
@transaction.atomic
def create_ticket(
    student,
    *,
    title: str,
    description: str,
    tags: list[str],
    is_public: bool = True,
    group: ProjectGroup | None = None,
    files=(),
    draft: Draft | None = None,
    idempotency_key: str | None = None,
    now,
) -> Ticket:
    """Ask a question: it waits for a mentor from now on.

    The members of `group` may read it. What `draft` has attached becomes the ticket's, and the draft is gone. What was
    asked before with the same `idempotency_key` by the same student is returned as it is. Refuses with TitleMissing,
    DescriptionMissing, TagsWrong, TextTooLong, TooManyOpen and NotYourGroup, and then nothing has changed.
    """
    student = locks.lock_student(student)
    key = texts.clean_key(idempotency_key)
    if key and (earlier := Ticket.objects.with_people().filter(student=student, idempotency_key=key).first()):
        return earlier
    if not student.is_active:
        raise NotAllowed
    title, description = texts.clean_title(title), texts.clean_description(description)
    limit = settings.OPEN_TICKETS_PER_STUDENT
    if Ticket.objects.of_student(student).open().count() >= limit:
        raise TooManyOpen(limit)
    if group is not None and not lock_group(group, student):
        raise NotYourGroup
    ticket = Ticket.objects.create(
        student=student,
        group=group,
        title=title,
        description=description,
        is_public=is_public,
        waiting_on=Ticket.Side.MENTOR,
        waiting_since=now,
        created_at=now,
        opened_at=now,
        active_at=now,
        idempotency_key=key,
    )
    ticket.tags.set(texts.tags_of(tags))
    if draft is not None:
        _take_over(draft, ticket)
    store_attachments(files, by=student, ticket=ticket, now=now)
    history.record(ticket, Kind.CREATED, by=student, now=now)
    if group is not None:
        history.record(ticket, Kind.SHARED, from_status=ticket.status, by=student, now=now)
    history.refresh_index(ticket)
    return ticket


@patiently
@with_files
@transaction.atomic
def edit_ticket(
    ticket,
    *,
    by,
    title: str | None = None,
    description: str | None = None,
    tags: list[str] | None = None,
    is_public: bool | None = None,
    group: ProjectGroup | None = SAME_GROUP,
    files=(),
    remove=(),
    now,
) -> Ticket:
    """Change the question while it is open: what is given is set anew, `files` are added, the attachments in `remove`
    go. Refuses with NotAllowed, NotOpen, TicketDeleted and NotYourGroup, and for the words as `create_ticket` does."""
    limit_waiting()
    locks.lock_student(ticket.student)  # whose files are counted under this lock, which comes before a group's
    is_member = group not in (None, SAME_GROUP) and lock_group(group, by)
    ticket = _open(locks.lock_ticket_alone(ticket), by)  # an open one has no mentor to be locked before the group
    changes = {"edited_at": now}
    if title is not None:
        changes["title"] = texts.clean_title(title)
    if description is not None:
        changes["description"] = texts.clean_description(description)
    if is_public is not None:
        changes["is_public"] = is_public
    if tags is not None:
        ticket.tags.set(texts.tags_of(tags))
    _remove(ticket.attachments.filter(pk__in=[attachment.pk for attachment in remove]), by=by)
    store_attachments(files, by=by, ticket=ticket, now=now)
    history.move(ticket, Kind.EDITED, by=by, now=now, **changes)
    if group is not SAME_GROUP:
        set_group(ticket, group, is_member=is_member, by=by, now=now)
    history.refresh_index(ticket)
    return ticket


@patiently
@transaction.atomic
def delete_ticket(ticket, *, by, now) -> Ticket:
    """Take the question back while it is open. Nothing of it can be seen any more; its number and history stay."""
    ticket = _open(locks.lock_ticket(ticket), by)
    _remove(Attachment.objects.filter(Q(ticket=ticket) | Q(reply__ticket=ticket)), by=by)
    ticket.replies.all().delete()
    ticket.upvotes.all().delete()
    ticket.bookmarks.all().delete()
    ticket.tags.clear()
    withdraw(ticket.get_absolute_url())
    history.move(
        ticket,
        Kind.DELETED,
        by=by,
        now=now,
        status=Status.DELETED,
        title="",
        description="",
        upvote_count=0,
        waiting_on="",
        group=None,
    )
    history.refresh_index(ticket)
    return ticket


@patiently
@transaction.atomic
def set_public(ticket, *, by, is_public: bool, now) -> Ticket:
    """Say whether others may learn from it. What is so already stays so, without a line of history."""
    ticket = locks.lock_ticket_alone(ticket)
    if not ticket.is_asked_by(by):
        raise NotAllowed
    if ticket.status == Status.DELETED:
        raise TicketDeleted
    if ticket.is_public != is_public:
        kind = Kind.PUBLISHED if is_public else Kind.UNPUBLISHED
        history.move(ticket, kind, by=by, now=now, is_public=is_public)
    return ticket


# --- Drafts -----------------------------------------------------------------------------------------------------------


@patiently
@with_files
@transaction.atomic
def save_draft(
    student, *, title="", description="", tags: str | list[str] = "", is_public=True, files=(), remove=(), now
) -> Draft:
    """Keep what somebody has typed so far, unfinished as it may be; too much of it is cut off."""
    typed = tags if isinstance(tags, str) else ", ".join(tags)
    draft, _created = Draft.objects.update_or_create(
        student=student,
        defaults={
            "title": " ".join(texts.clean_words(title).split())[:TITLE_LENGTH],
            "description": texts.clean(description)[:TEXT_LENGTH],
            "tags": texts.clean(typed)[: Draft._meta.get_field("tags").max_length],
            "is_public": is_public,
            "saved_at": now,
        },
    )
    _remove(draft.attachments.filter(pk__in=[attachment.pk for attachment in remove]), by=student)
    store_attachments(files, by=student, draft=draft, now=now)
    return draft


@patiently
@transaction.atomic
def discard_draft(student) -> None:
    """Throw the draft away with its files. Without one, nothing happens."""
    _remove(Attachment.objects.filter(draft__student=student), by=student)
    Draft.objects.filter(student=student).delete()


def _take_over(draft, ticket):
    """Hang what the draft has attached on the ticket; the draft may be gone by now (a second click), or not theirs."""
    draft = Draft.objects.select_for_update().filter(pk=draft.pk, student=ticket.student).first()
    if draft is not None:
        draft.attachments.update(ticket=ticket, draft=None)
        draft.delete()


def _open(ticket, by):
    """The locked `ticket`, if `by` may change it."""
    if not ticket.is_asked_by(by):
        raise NotAllowed
    if ticket.status == Status.DELETED:
        raise TicketDeleted
    if not ticket.can_be_edited_by(by):
        raise NotOpen
    return ticket


def _remove(attachments, *, by):
    remove_attachments(attachments.select_related("ticket", "reply__ticket"), by=by)
