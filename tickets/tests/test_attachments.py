"""Files on tickets, replies and drafts: stored, counted, removed, swept, and sent to those who may see them."""

import datetime as dt
import os
import uuid
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from mentorbook import jobs
from mentorbook.errors import NotAllowed
from tickets import uploads
from tickets.actions import reply_to_ticket
from tickets.actions.attachments import (
    MAX_FILES,
    QuotaReached,
    TooManyFiles,
    files_follow,
    remove_attachment,
    remove_attachments,
    store_attachments,
    sweep_orphaned_files,
)
from tickets.forms.fields import FilesField
from tickets.models import Attachment
from tickets.tests.factories import AttachmentFactory, DraftFactory, ReplyFactory, TicketFactory
from tickets.tests.pictures import PAGE, PDF, SVG, archive, jpeg, opened, png

NOW = timezone.now()
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    """A folder of this test's own."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    cache.delete("tickets:files-swept")
    return Path(settings.MEDIA_ROOT)


def text(name="a.txt", content=b"some words"):
    return ContentFile(content, name=name)


def on_disk(media):
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


@pytest.fixture
def ticket(ann):
    return TicketFactory(student=ann)


# --- Storing ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_files_are_stored_with_what_they_are(ticket, ann, media):
    stored = store_attachments([text(), ContentFile(png(), name="b.gif")], by=ann, ticket=ticket, now=NOW)
    rows = list(ticket.attachments.all())
    assert rows == stored
    assert [(row.name, row.content_type, row.size_bytes) for row in rows] == [
        ("a.txt", "text/plain", 10),
        ("b.gif.png", "image/png", rows[1].file.size),
    ]
    assert (rows[1].width, rows[1].height, rows[1].is_image) == (40, 20, True)
    assert (rows[0].width, rows[0].is_image) == (None, False)
    assert {row.uploaded_by for row in rows} == {ann}
    assert {row.created_at for row in rows} == {NOW}
    assert on_disk(media) == sorted(row.file.name for row in rows)


@pytest.mark.django_db
def test_nothing_of_a_name_reaches_the_disk(ticket, ann, media):
    [row] = store_attachments([text("../../evil.php")], by=ann, ticket=ticket, now=NOW)
    assert row.name == "evil.php"
    assert on_disk(media) == [f"tickets/{row.key.hex[:2]}/{row.key.hex}"]
    path = media / row.file.name
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o007 == 0


@pytest.mark.django_db
def test_replies_and_drafts_take_files_too(ann):
    reply, draft = ReplyFactory(), DraftFactory(student=ann)
    assert store_attachments([text()], by=reply.author, reply=reply, now=NOW) == list(reply.attachments.all())
    assert store_attachments([text()], by=ann, draft=draft, now=NOW) == list(draft.attachments.all())


@pytest.mark.django_db
def test_no_files_are_no_work(ticket, ann, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert store_attachments([], by=ann, ticket=ticket, now=NOW) == []


@pytest.mark.django_db
def test_one_file_that_is_refused_keeps_all_out(ticket, ann, media):
    with pytest.raises(uploads.KindNotTaken):
        store_attachments([text(), text("b.exe", b"MZ\x00")], by=ann, ticket=ticket, now=NOW)
    assert not Attachment.objects.exists()
    assert on_disk(media) == []


@pytest.mark.django_db
def test_a_place_takes_ten_files(ticket, ann, media):
    store_attachments([text() for _ in range(MAX_FILES - 1)], by=ann, ticket=ticket, now=NOW)
    with pytest.raises(TooManyFiles) as refusal:
        store_attachments([text(), text()], by=ann, ticket=ticket, now=NOW)
    assert (refusal.value.status, refusal.value.field, refusal.value.limit) == (422, "files", MAX_FILES)
    assert ticket.attachments.count() == len(on_disk(media)) == MAX_FILES - 1
    store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    reply = ReplyFactory(ticket=TicketFactory(student=ann, assigned=True))
    store_attachments([text() for _ in range(MAX_FILES)], by=ann, reply=reply, now=NOW)


@pytest.mark.django_db
def test_of_too_many_files_none_is_opened(ticket, ann, media):
    many = [text("run.exe", b"MZ\x00")] * (MAX_FILES + 1)  # which would be refused as what they are
    with pytest.raises(TooManyFiles):
        store_attachments(many, by=ann, ticket=ticket, now=NOW)
    with pytest.raises(TooManyFiles):
        reply_to_ticket(ticket, by=ann, text="Look", files=many, now=NOW)
    field = FilesField()
    with pytest.raises(ValidationError) as refusal:
        field.clean(many)
    assert [error.code for error in refusal.value.error_list] == ["too_many_files"]
    assert field.accepted == []


@pytest.mark.django_db
def test_the_files_of_a_person_have_a_limit_together(ticket, ann, sam, settings):
    settings.UPLOAD_QUOTA_BYTES = 30
    store_attachments([text(), text()], by=ann, ticket=ticket, now=NOW)
    store_attachments([text()], by=ann, draft=DraftFactory(student=ann), now=NOW)
    with pytest.raises(QuotaReached) as refusal:
        store_attachments([text(content=b"a")], by=ann, ticket=ticket, now=NOW)
    assert (refusal.value.status, refusal.value.field, refusal.value.limit) == (422, "files", 30)
    store_attachments([text()], by=sam, ticket=TicketFactory(student=sam), now=NOW)
    remove_attachment(ticket.attachments.first(), by=ann)
    store_attachments([text()], by=ann, ticket=ticket, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_files_go_when_their_transaction_fails(ticket, ann, media):
    @files_follow()
    @transaction.atomic
    def ask():
        store_attachments([text(), text()], by=ann, ticket=ticket, now=NOW)
        assert len(on_disk(media)) == 2
        raise KeyError

    with pytest.raises(KeyError):
        ask()
    assert not Attachment.objects.exists()
    assert on_disk(media) == []


@pytest.mark.django_db(transaction=True)
def test_files_stay_when_only_what_follows_the_commit_fails(ticket, ann, media):
    @files_follow()
    @transaction.atomic
    def ask():
        store_attachments([text()], by=ann, ticket=ticket, now=NOW)
        transaction.on_commit(lambda: {}["missing"])

    with pytest.raises(KeyError):
        ask()
    assert on_disk(media) == [ticket.attachments.get().file.name]


@pytest.mark.django_db(transaction=True)
def test_files_go_when_a_row_cannot_be_written(ticket, ann, media):
    reply = ReplyFactory()
    with pytest.raises(Exception, match="attachment_hangs_on_one"):
        store_attachments([text()], by=ann, ticket=ticket, reply=reply, now=NOW)
    assert on_disk(media) == []


# --- Removing ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_removed_file_goes_after_its_row(ticket, ann, media, django_capture_on_commit_callbacks):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        remove_attachment(row, by=ann)
        assert not ticket.attachments.exists()
        assert on_disk(media) == [row.file.name], "the transaction may still fail"
    assert on_disk(media) == []
    with django_capture_on_commit_callbacks(execute=True):
        remove_attachment(row, by=ann)


@pytest.mark.django_db(transaction=True)
def test_a_file_stays_when_its_removal_fails(ticket, ann, media):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)

    def remove():
        with transaction.atomic():
            remove_attachment(row, by=ann)
            raise KeyError

    with pytest.raises(KeyError):
        remove()
    assert ticket.attachments.get() == row
    assert on_disk(media) == [row.file.name]


@pytest.mark.django_db
def test_files_are_removed_by_their_people_and_staff(ticket, ann, max, sam, ada):
    assigned = TicketFactory(student=ann, assigned=True, mentor=max.mentor_profile)
    reply = ReplyFactory(ticket=assigned, author=max)
    for place, people in (
        ({"ticket": ticket}, (ann, ada)),
        ({"draft": DraftFactory(student=ann)}, (ann, ada)),
        ({"reply": reply}, (max, ann, ada)),
    ):
        for person in (ann, max, sam, ada):
            row = AttachmentFactory(**place)
            if person in people:
                remove_attachment(row, by=person)
            else:
                with pytest.raises(NotAllowed):
                    remove_attachment(row, by=person)
            assert Attachment.objects.filter(pk=row.pk).exists() == (person not in people)


@pytest.mark.django_db
def test_several_are_removed_together_or_not_at_all(ticket, ann, sam):
    rows = [AttachmentFactory(ticket=ticket), AttachmentFactory()]
    with pytest.raises(NotAllowed):
        remove_attachments(rows, by=ann)
    assert Attachment.objects.count() == 2
    remove_attachments(rows[:1], by=ann)
    assert Attachment.objects.get() == rows[1]


# --- Sweeping ---------------------------------------------------------------------------------------------------------


def leave_behind(name, *, age):
    default_storage.save(name, ContentFile(b"left"))
    written = (NOW - age).timestamp()
    os.utime(default_storage.path(name), (written, written))


@pytest.mark.django_db
def test_files_without_a_row_go_after_a_day(ticket, ann, media):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    old = (NOW - 9 * DAY).timestamp()
    os.utime(row.file.path, (old, old))
    leave_behind("tickets/aa/orphan", age=2 * DAY)
    leave_behind("tickets/bb/being-written", age=DAY / 2)
    leave_behind("others/aa/orphan", age=2 * DAY)
    assert sweep_orphaned_files(now=NOW, dry_run=True) == 1
    assert len(on_disk(media)) == 4
    assert sweep_orphaned_files(now=NOW) == 1
    assert on_disk(media) == sorted(["others/aa/orphan", "tickets/bb/being-written", row.file.name])


@pytest.mark.django_db
def test_all_files_are_looked_at_once_an_hour(media):
    assert sweep_orphaned_files(now=NOW) == 0
    leave_behind("tickets/aa/orphan", age=2 * DAY)
    assert sweep_orphaned_files(now=NOW) == 0
    assert sweep_orphaned_files(now=NOW, dry_run=True) == 1
    cache.delete("tickets:files-swept")
    assert sweep_orphaned_files(now=NOW) == 1


@pytest.mark.django_db
def test_files_of_forgotten_drafts_go(ann, sam, media, django_capture_on_commit_callbacks):
    forgotten = DraftFactory(student=ann, saved_at=NOW - 31 * DAY)
    fresh = DraftFactory(student=sam, saved_at=NOW - 29 * DAY)
    store_attachments([text()], by=ann, draft=forgotten, now=NOW)
    [kept] = store_attachments([text()], by=sam, draft=fresh, now=NOW)
    assert sweep_orphaned_files(now=NOW, dry_run=True) == 1
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_orphaned_files(now=NOW) == 1
    assert list(Attachment.objects.all()) == [kept]
    assert on_disk(media) == [kept.file.name]


@pytest.mark.django_db
def test_nothing_to_sweep_is_cheap(media, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert sweep_orphaned_files(now=NOW) == 0


def test_the_sweep_is_a_job():
    assert "sweep_orphaned_files" in {job.name for job in jobs.registered()}


# --- Downloads --------------------------------------------------------------------------------------------------------


def url_of(attachment):
    return reverse("tickets:attachment", args=[attachment.key])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "name", "content_type"),
    [
        (b"print('\xc3\xa4')", "main.py", "text/plain; charset=utf-8"),
        (PAGE, "index.html", "text/plain; charset=utf-8"),
        (SVG, "logo.svg", "text/plain; charset=utf-8"),
        (PDF, "a.pdf", "application/pdf"),
        (archive(), "a.zip", "application/zip"),
        (png(), "a.png", "image/png"),
        (jpeg(), "a.jpg", "image/jpeg"),
    ],
    ids=["py", "html", "svg", "pdf", "zip", "png", "jpeg"],
)
def test_every_file_is_sent_as_a_download(client, ticket, ann, content, name, content_type):
    [row] = store_attachments([ContentFile(content, name=name)], by=ann, ticket=ticket, now=NOW)
    client.force_login(ann)
    response = client.get(url_of(row))
    assert response.status_code == 200
    sent = b"".join(response.streaming_content)
    assert opened(sent).size == (40, 20) if row.is_image else sent == content
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["Content-Length"] == str(row.size_bytes)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ['a"b.txt', "größe 💥.txt", "a;filename=evil.html.txt", "%0d%0aX: 1.txt", "-rf.txt"])
def test_no_name_breaks_out_of_its_header(client, ticket, ann, name):
    [row] = store_attachments([text(name)], by=ann, ticket=ticket, now=NOW)
    client.force_login(ann)
    response = client.get(url_of(row))
    assert response["Content-Disposition"].startswith("attachment; filename")
    assert set(response.headers) == set(client.get(url_of(row)).headers)
    assert "X" not in response.headers


@pytest.mark.django_db
def test_a_browser_asks_each_time_and_is_told_when_it_has_the_file(client, ticket, ann, sam):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    client.force_login(ann)
    etag = client.get(url_of(row))["ETag"]
    assert client.get(url_of(row), headers={"If-None-Match": etag}).status_code == 304
    client.force_login(sam)
    assert client.get(url_of(row), headers={"If-None-Match": etag}).status_code == 404


@pytest.mark.django_db
def test_a_file_is_for_those_who_see_what_it_is_on(client, ann, max, sam, ada, settings):
    settings.KNOWLEDGE_IS_PUBLIC = True
    assigned = TicketFactory(student=ann, assigned=True, mentor=max.mentor_profile)
    article = TicketFactory(student=ann, closed=True, mentor=max.mentor_profile)
    private = TicketFactory(student=ann, closed=True, mentor=max.mentor_profile, is_public=False)
    note = ReplyFactory(ticket=assigned, author=ada, kind="note")
    # What each of these people gets: the visitor, the student, the mentor, a stranger, staff.
    expected = {
        "ticket in work": (AttachmentFactory(ticket=assigned), (302, 200, 200, 404, 200)),
        "reply": (AttachmentFactory(reply=ReplyFactory(ticket=assigned)), (302, 200, 200, 404, 200)),
        "note of staff": (AttachmentFactory(reply=note), (302, 404, 404, 404, 200)),
        "article": (AttachmentFactory(ticket=article), (200, 200, 200, 200, 200)),
        "its solution": (AttachmentFactory(reply=article.solution), (200, 200, 200, 200, 200)),
        "private ticket": (AttachmentFactory(ticket=private), (302, 200, 200, 404, 200)),
        "draft": (AttachmentFactory(draft=DraftFactory(student=ann)), (302, 200, 404, 404, 404)),
    }
    found = {}
    for name, (attachment, _) in expected.items():
        answers = []
        for person in (None, ann, max, sam, ada):
            client.logout()
            if person:
                client.force_login(person)
            answers.append(client.get(url_of(attachment)).status_code)
        found[name] = tuple(answers)
    assert found == {name: answers for name, (_, answers) in expected.items()}


@pytest.mark.django_db
def test_what_is_missing_and_what_is_forbidden_answer_alike(client, ticket, sam):
    forbidden, missing = url_of(AttachmentFactory(ticket=ticket)), reverse("tickets:attachment", args=[uuid.uuid4()])
    for url in (forbidden, missing):
        response = client.get(url)
        assert (response.status_code, response["Location"]) == (302, f"{reverse('account_login')}?next={url}")
    client.force_login(sam)
    assert client.get(forbidden).status_code == client.get(missing).status_code == 404


@pytest.mark.django_db
def test_only_members_get_files_of_articles_where_the_knowledge_base_is_theirs(client, sam, settings):
    settings.KNOWLEDGE_IS_PUBLIC = False
    attachment = AttachmentFactory(ticket=TicketFactory(closed=True))
    assert client.get(url_of(attachment)).status_code == 302
    client.force_login(sam)
    assert client.get(url_of(attachment)).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_files_are_only_read_here(client, ticket, ann, method):
    attachment = AttachmentFactory(ticket=ticket)
    client.force_login(ann)
    assert getattr(client, method)(url_of(attachment)).status_code == 405
    assert client.head(url_of(attachment)).status_code == 200


@pytest.mark.django_db
def test_a_file_that_is_gone_from_the_disk_is_not_found(client, ticket, ann, media, caplog):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    (media / row.file.name).unlink()
    client.force_login(ann)
    assert client.get(url_of(row)).status_code == 404
    assert "missing" in caplog.text


@pytest.mark.django_db
def test_files_have_no_other_address(client, ticket, ann):
    [row] = store_attachments([text()], by=ann, ticket=ticket, now=NOW)
    client.force_login(ann)
    for url in (f"/media/{row.file.name}", f"/{row.file.name}", f"/static/{row.file.name}"):
        assert client.get(url).status_code == 404
