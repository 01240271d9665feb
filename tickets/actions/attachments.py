"""Files on tickets, replies and drafts: a row and a file that belong together, whatever happens in between.

A file is written before its row, and removed after its row is gone for good. What a crash leaves behind is a file
without a row, which nobody can reach and `sweep_orphaned_files` removes; a row without its file never comes to be.
"""

import contextlib
import contextvars
import datetime as dt
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mentorbook.errors import NotAllowed, Refused
from tickets.models import Attachment, Draft, Reply, Ticket
from tickets.uploads import Accepted, accept_all

MAX_FILES = 10
ORPHANED_AFTER = dt.timedelta(days=1)
DRAFT_FILES_KEPT = dt.timedelta(days=30)
FOLDER = "tickets"
BATCH = 500

_written: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("written", default=None)


class TooManyFiles(Refused):
    """Fact: `limit`, of files on one ticket or reply."""

    code = "too_many_files"
    status = 422
    field = "files"

    def __init__(self):
        message = ngettext(
            "At most %(limit)d file fits here. Put several into a ZIP.",
            "At most %(limit)d files fit here. Put more into a ZIP.",
            MAX_FILES,
        )
        super().__init__(message % {"limit": MAX_FILES}, limit=MAX_FILES)


class QuotaReached(Refused):
    """Fact: `limit`, in bytes, of all files that one person has here."""

    code = "quota_reached"
    status = 422
    field = "files"
    message = _(
        "Your files here take %(used)s MB of %(limit)s MB, so this does not fit. Remove some that nobody needs."
    )

    def __init__(self, used):
        limit = settings.UPLOAD_QUOTA_BYTES
        words = {"used": -(-used // 2**20), "limit": limit // 2**20}
        super().__init__(self.message % words, limit=limit)


@contextlib.contextmanager
def files_follow():
    """Around a transaction: when it fails, the files that it has stored go as its rows do.

    @patiently
    @files_follow()
    @transaction.atomic
    def reply_to_ticket(…):
    """
    written = []
    token = _written.set(written)
    try:
        yield
    except BaseException:
        _remove_rowless(written)
        raise
    finally:
        _written.reset(token)


def look_at(files: Iterable[File | Accepted]) -> list[Accepted]:
    """`uploads.accept_all`; refuses with TooManyFiles before it opens the first, since a picture takes seconds."""
    files = list(files)
    if len(files) > MAX_FILES:
        raise TooManyFiles
    return accept_all(files)


def store_attachments(
    files: Iterable[File | Accepted],
    *,
    by,
    ticket: Ticket | None = None,
    reply: Reply | None = None,
    draft: Draft | None = None,
    now: dt.datetime,
) -> list[Attachment]:
    """Keep `files` on the one of `ticket`, `reply` and `draft` that is given.

    Inside a transaction, give what `look_at` made of the files before it began: making pictures anew takes time,
    and SQLite has one writer. Locks the row of `by`. All or none: refuses with FileRefused, TooManyFiles and
    QuotaReached.
    """
    accepted = look_at(files)
    if not accepted:
        return []
    place = {"ticket": ticket, "reply": reply, "draft": draft}
    with files_follow() if _written.get() is None else contextlib.nullcontext(), transaction.atomic():
        # Two forms sent at once count one after the other.
        get_user_model().objects.select_for_update(no_key=True).get(pk=by.pk)
        if Attachment.objects.filter(**place).count() + len(accepted) > MAX_FILES:
            raise TooManyFiles
        used = Attachment.objects.filter(uploaded_by=by).aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
        if used + sum(file.size for file in accepted) > settings.UPLOAD_QUOTA_BYTES:
            raise QuotaReached(used)
        return [_store(file, uploaded_by=by, created_at=now, **place) for file in accepted]


def _store(file, **fields):
    attachment = Attachment(
        name=file.name,
        content_type=file.content_type,
        size_bytes=file.size,
        width=file.width,
        height=file.height,
        **fields,
    )
    attachment.file.save(file.name, ContentFile(file.content), save=False)
    _written.get().append(attachment.file.name)
    attachment.save(force_insert=True)
    return attachment


def remove_attachment(attachment: Attachment, *, by) -> None:
    """Take a file away: by who sent it, by the student whose ticket it is on, and by staff.

    Whether the ticket is in a state in which that may be is for the caller to say. The file goes once the transaction
    is through. A second time, nothing happens.
    """
    remove_attachments([attachment], by=by)


def remove_attachments(attachments: Iterable[Attachment], *, by) -> None:
    """The same for several at once: all or none."""
    attachments = list(attachments)
    if not all(by.is_staff or by.pk in _owners(attachment) for attachment in attachments):
        raise NotAllowed
    _remove(attachments)


def _owners(attachment):
    yield attachment.uploaded_by_id
    if attachment.ticket_id:
        yield attachment.ticket.student_id
    if attachment.reply_id:
        yield attachment.reply.ticket.student_id


def _remove(attachments):
    names = [attachment.file.name for attachment in attachments]
    Attachment.objects.filter(pk__in=[attachment.pk for attachment in attachments]).delete()
    transaction.on_commit(lambda: _delete_files(names), robust=True)


def sweep_orphaned_files(*, now: dt.datetime, dry_run: bool = False) -> int:
    """Remove files that have had no row for a day, and files of drafts that nobody touched for 30; how many there were.

    All files are looked at once an hour at most, however often this runs.
    """
    stale = list(Attachment.objects.filter(draft__saved_at__lt=now - DRAFT_FILES_KEPT))
    orphaned = []
    if dry_run or cache.add("tickets:files-swept", 1, timeout=3600):
        orphaned = _orphaned(before=now - ORPHANED_AFTER)
    if not dry_run:
        _remove(stale)
        _delete_files(orphaned)
    return len(stale) + len(orphaned)


# --- The disk ---------------------------------------------------------------------------------------------------------


def _storage():
    return Attachment._meta.get_field("file").storage


def _delete_files(names):
    for name in names:
        _storage().delete(name)  # one that is gone already is no error


def _remove_rowless(names):
    if not names or (connection.in_atomic_block and connection.needs_rollback):
        return  # how this ends is open; the sweep will see
    # A failure of what follows a commit comes by here as well, and then the rows are there.
    with contextlib.suppress(DatabaseError):
        _delete_files(_without_row(names))


def _without_row(names):
    kept = set(Attachment.objects.filter(file__in=names).values_list("file", flat=True))
    return [name for name in names if name not in kept]


def _orphaned(*, before):
    old = [name for name in _all_files() if _storage().get_modified_time(name) < before]
    return [name for first in range(0, len(old), BATCH) for name in _without_row(old[first : first + BATCH])]


def _all_files():
    storage = _storage()
    if storage.exists(FOLDER):
        for folder in storage.listdir(FOLDER)[0]:
            for name in storage.listdir(f"{FOLDER}/{folder}")[1]:
                yield f"{FOLDER}/{folder}/{name}"
