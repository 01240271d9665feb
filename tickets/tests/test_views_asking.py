"""Asking a question, its draft, changing and taking it back, and the list of one's own."""

import datetime as dt
import io
import re
import uuid
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from accounts.tests.factories import UserFactory
from mentorbook import markdown
from mentors.models import Tag, TagSynonym
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tests.hostile import LEGAL, VALUES
from tickets import actions
from tickets.models import MAX_TAGS, TEXT_LENGTH, TITLE_LENGTH, Attachment, Draft, Ticket, TicketEvent
from tickets.search import index_ticket
from tickets.tests.factories import AttachmentFactory, DraftFactory, TicketFactory

NOW = dt.datetime(2027, 1, 11, 13, 3, tzinfo=dt.UTC)  # 14:03 in Madrid
NEW = "/tickets/new/"
HTMX = {"HTTP_HX_REQUEST": "true"}
FORM = "application/x-www-form-urlencoded"
# A part of those that tests/test_hostile_input.py sends everywhere.
NASTY = {
    name: VALUES[name]
    for name in (
        *("empty", "blank", "line breaks", "control characters", "combining", "turned around", "folds to more"),
        *("image", "template", "SQL", "LIKE", "comma", "2^63", "long", "long words", "UUID"),
        *("NUL", "NUL inside", "lone surrogate", "not UTF-8", "half an escape"),
    )
}
Status = Ticket.Status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_afternoon(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def as_ann(client, ann):
    client.force_login(ann)
    return client


@pytest.fixture
def question(ann):
    """Ann's open ticket."""
    return TicketFactory(student=ann, title="Why is it slow?", description="It **is**.", tags=["python", "django"])


def asking(**changes):
    return {
        "title": "Why does asyncio.run() hang? 🐌",
        "description": "It hangs:\r\n```\r\nasyncio.run(main())\r\n```\r\n",
        "tags": "Python, asyncio",
        "is_public": "on",
        "idempotency_key": "a-page",
        **changes,
    }


def text_file(name="trace.txt", content=b"Traceback (most recent call last):\n"):
    return SimpleUploadedFile(name, content)


def picture(name="screen.png"):
    file = io.BytesIO()
    Image.new("RGB", (4, 3), "green").save(file, "PNG")
    return SimpleUploadedFile(name, file.getvalue())


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def value_of(response, name):
    """What the page's field of this name holds."""
    return response.context["form"][name].value()


def kept_files(response):
    return re.findall(r'kept-file-name"[^>]*>([^<]*)<', response.content.decode())


# --- A new question ---------------------------------------------------------------------------------------------------


def test_the_page_asks_for_a_question_and_has_a_key_of_its_own(as_ann):
    first, second = as_ann.get(NEW), as_ann.get(NEW)
    assert first.status_code == 200
    assert "Ask this question" in html(first)
    assert value_of(first, "is_public") is True
    assert value_of(first, "idempotency_key") != value_of(second, "idempotency_key")


def test_a_question_is_asked(as_ann, ann):
    response = as_ann.post(NEW, asking())
    ticket = Ticket.objects.get()
    assert (response.status_code, response.url) == (302, ticket.get_absolute_url())
    assert (ticket.student, ticket.status, ticket.is_public) == (ann, Status.OPEN, True)
    assert ticket.title == "Why does asyncio.run() hang? 🐌"
    assert ticket.description == "It hangs:\n```\nasyncio.run(main())\n```"
    assert {tag.name for tag in ticket.tags.all()} == {"python", "asyncio"}
    assert "you are told as soon as one takes it" in html(as_ann.get(response.url))


def test_others_do_not_learn_from_it_when_the_student_says_so(as_ann):
    data = asking()
    del data["is_public"]
    as_ann.post(NEW, data)
    assert Ticket.objects.get().is_public is False


def test_a_synonym_finds_its_tag_and_an_unknown_tag_is_made(as_ann):
    TagSynonym.objects.create(name="py", tag=TagFactory(name="python"))
    as_ann.post(NEW, asking(tags="PY, brand new"))
    assert {tag.name for tag in Ticket.objects.get().tags.all()} == {"python", "brand-new"}
    assert Tag.objects.filter(name="brand-new").exists()


def test_a_double_click_asks_once(as_ann):
    first = as_ann.post(NEW, {**asking(), "files": text_file()})
    second = as_ann.post(NEW, {**asking(), "files": text_file()})
    assert first.url == second.url
    assert Ticket.objects.count() == Attachment.objects.count() == 1
    assert not Draft.objects.exists()


def test_another_question_from_a_page_that_the_browser_brought_back_is_asked_too(as_ann):
    as_ann.post(NEW, asking())
    as_ann.post(NEW, asking(title="And now something else"))
    assert set(Ticket.objects.values_list("title", flat=True)) == {
        "Why does asyncio.run() hang? 🐌",
        "And now something else",
    }


def test_a_question_without_a_key_is_asked_each_time(as_ann):
    for _ in range(2):
        as_ann.post(NEW, asking(idempotency_key=""))
    assert Ticket.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("title", "", "Say in one line what you want to know."),
        ("title", " \u200b\u00a0", "Say in one line what you want to know."),
        ("title", "x" * (TITLE_LENGTH + 1), "A title has at most 200 characters."),
        ("description", " \r\n ", "Describe what you tried and what came out of it."),
        ("description", "x" * (TEXT_LENGTH + 1), "That is 20001 characters, and 20000 fit."),
        ("tags", "", "Name at least one tag."),
        ("tags", ", ,", "Name at least one tag."),
        ("tags", ", ".join("abcdef"), "Choose at most 5 tags."),
        ("tags", "x" * 51, "is too long: a tag has at most 50 characters."),
        ("tags", "a\u202eb", "A tag contains a character that cannot be seen."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(as_ann, field, value, words):
    response = as_ann.post(NEW, asking(**{field: value}))
    assert response.status_code == 422
    assert words in html(response).replace("&#x27;", "'")
    assert list(response.context["form"].errors) == [field]
    for name, typed in asking(**{field: value}).items():
        assert value_of(response, name) in (typed, True)
    assert not Ticket.objects.exists()


def test_a_text_of_the_greatest_length_fits_however_its_lines_end(as_ann):
    as_ann.post(NEW, asking(description="x\r\n" * (TEXT_LENGTH // 2 - 1) + "xx"))
    assert len(Ticket.objects.get().description) == TEXT_LENGTH


def test_code_at_the_very_beginning_keeps_its_place_in_the_form(as_ann):
    response = as_ann.post(NEW, asking(description="    x = 1\r\n    y = 2", title=""))
    assert response.context["form"].cleaned_data["description"] == "    x = 1\n    y = 2"


def test_what_could_not_be_asked_is_kept_as_the_draft(as_ann, ann):
    as_ann.post(NEW, asking(title=""))
    draft = Draft.objects.get(student=ann)
    assert (draft.description, draft.tags) == ("It hangs:\n```\nasyncio.run(main())\n```", "Python, asyncio")
    as_ann.post(NEW, asking())
    assert not Draft.objects.exists()


def test_a_student_with_too_many_open_questions_is_told_and_keeps_the_text(as_ann, ann, settings):
    settings.OPEN_TICKETS_PER_STUDENT = 1
    TicketFactory(student=ann)
    response = as_ann.post(NEW, {**asking(), "files": text_file()})
    assert response.status_code == 409
    assert "waits for a mentor, and more cannot wait at once" in html(response)
    assert value_of(response, "title") == "Why does asyncio.run() hang? 🐌"
    assert kept_files(response) == ["trace.txt"]
    Ticket.objects.update(status=Status.DELETED)
    as_ann.post(NEW, asking())
    assert [file.name for file in Ticket.objects.get(status=Status.OPEN).attachments.all()] == ["trace.txt"]


def test_a_link_brings_title_and_tags_along(as_ann):
    query = urlencode({"title": "  Why\nis it slow? ", "tag": ["c++", "python"]}, doseq=True)
    response = as_ann.get(f"{NEW}?{query}")
    assert value_of(response, "title") == "Why is it slow?"
    assert value_of(response, "tags") == "c++, python"


def test_a_link_does_not_put_its_title_over_the_draft(as_ann, ann):
    DraftFactory(student=ann, title="Begun before", tags="")
    response = as_ann.get(f"{NEW}?title=Another&tag=go")
    assert value_of(response, "title") == "Begun before"
    assert value_of(response, "tags") == "go"
    assert "To ask “Another” instead, discard it first." in html(response)


def test_whatever_a_link_brings_the_page_opens(as_ann):
    for name, value in NASTY.items():
        response = as_ann.get(f"{NEW}?title={value[:5_000]}&tag={value[:5_000]}&tag=ok")
        assert response.status_code == 200, name
        assert len(value_of(response, "title")) <= TITLE_LENGTH


# --- Files ------------------------------------------------------------------------------------------------------------


def test_files_are_asked_along(as_ann):
    as_ann.post(NEW, {**asking(), "files": [text_file(), picture("мой экран.png")]})
    files = Ticket.objects.get().attachments.all()
    assert [(file.name, file.content_type) for file in files] == [
        ("trace.txt", "text/plain"),
        ("мой экран.png", "image/png"),
    ]


def test_files_survive_what_is_wrong_elsewhere(as_ann, ann):
    response = as_ann.post(NEW, {**asking(title=""), "files": [text_file(), picture()]})
    assert response.status_code == 422
    assert kept_files(response) == ["trace.txt", "screen.png"]
    as_ann.post(NEW, {**asking(), "files": text_file("more.log")})
    ticket = Ticket.objects.get()
    assert {file.name for file in ticket.attachments.all()} == {"trace.txt", "screen.png", "more.log"}
    assert Attachment.objects.filter(draft=None).count() == 3


def test_a_file_that_is_refused_is_named_and_the_others_stay(as_ann):
    bad = [text_file("run.exe", b"MZ\x90\x00"), text_file("empty.txt", b"")]
    response = as_ann.post(NEW, {**asking(), "files": [text_file(), *bad, picture()]})
    assert response.status_code == 422
    assert "“run.exe” is nothing that fits here" in html(response)
    assert "“empty.txt” is empty." in html(response)
    assert kept_files(response) == ["trace.txt", "screen.png"]
    assert not Ticket.objects.exists()


def test_more_files_than_fit_are_refused_beside_the_field_once(as_ann):
    response = as_ann.post(NEW, {**asking(), "files": [text_file(f"{number}.txt") for number in range(11)]})
    assert response.status_code == 422
    assert response.context["form"].errors["files"] == ["At most 10 files fit here. Put more into a ZIP."]
    assert value_of(response, "title") == asking()["title"]
    assert Draft.objects.get().title == asking()["title"]


def test_a_kept_file_is_removed_with_its_tick(as_ann, ann):
    draft = DraftFactory(student=ann)
    gone, stays = AttachmentFactory(draft=draft, name="gone.txt"), AttachmentFactory(draft=draft, name="stays.txt")
    as_ann.post(NEW, asking(remove=[gone.key]))
    assert list(Ticket.objects.get().attachments.all()) == [stays]
    assert not Attachment.objects.filter(pk=gone.pk).exists()


@pytest.mark.parametrize("key", ["theirs", "missing", "x", ""])
def test_files_of_others_are_left_alone(as_ann, sam, key):
    theirs = AttachmentFactory(draft=DraftFactory(student=sam))
    on_ticket = AttachmentFactory(ticket__student=sam)
    key = {"theirs": theirs.key, "missing": uuid.uuid4()}.get(key, key)
    assert as_ann.post(NEW, asking(remove=[key, on_ticket.key])).status_code == 302
    assert Attachment.objects.count() == 2


def test_a_file_of_a_draft_is_only_for_its_student(as_ann, ann, client, sam):
    file = AttachmentFactory(draft=DraftFactory(student=ann))
    assert as_ann.get(file.get_absolute_url()).status_code == 200
    client.force_login(sam)
    assert client.get(file.get_absolute_url()).status_code == 404


# --- Preview and similar questions ------------------------------------------------------------------------------------


def test_the_preview_is_the_rendered_text(as_ann):
    response = as_ann.post("/tickets/preview/", {"description": "**So** <script>"}, **HTMX)
    assert response.status_code == 200
    assert "<strong>So</strong> &lt;script&gt;" in html(response)
    assert "hx-disable" in html(response)
    assert "<html" not in html(response)


def test_the_preview_of_another_form_is_a_page_where_no_scripts_run(as_ann):
    response = as_ann.post("/tickets/preview/", {"text": "**So**"})
    assert response.status_code == 200
    assert "<strong>So</strong>" in html(response)
    assert "<html" in html(response)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_preview_of_too_much_says_so(as_ann, headers):
    response = as_ann.post("/tickets/preview/", {"text": "x" * (TEXT_LENGTH + 1)}, **headers)
    assert response.status_code == 422
    assert "That is 20001 characters, and 20000 fit." in html(response)


def test_a_preview_of_nothing_says_so(as_ann):
    assert "Nothing is written yet." in html(as_ann.post("/tickets/preview/", {"text": " "}, **HTMX))


def test_a_preview_without_scripts_loses_nothing(as_ann):
    response = as_ann.post(NEW, {**asking(title="", do="preview"), "files": text_file()})
    assert response.status_code == 200
    assert "asyncio" in re.search(r'<div class="prose".*?</div>\s*</div>', response.content.decode(), re.S)[0]
    assert value_of(response, "description") == asking()["description"]
    assert "Say in one line" not in html(response)
    assert kept_files(response) == ["trace.txt"]
    assert not Ticket.objects.exists()


def test_a_preview_without_scripts_names_files_that_cannot_be_kept(as_ann):
    response = as_ann.post(NEW, {**asking(do="preview"), "files": text_file("run.exe", b"MZ\x90\x00")})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["files"]


def article(title, **fields):
    ticket = TicketFactory(closed=True, title=title, **fields)
    index_ticket(ticket)
    return ticket


def test_similar_articles_appear_while_the_title_is_typed(as_ann):
    article("Why does asyncio hang at the end?", tags=["python"])
    response = as_ann.get("/tickets/similar/", {"title": "asyncio hangs"}, **HTMX)
    assert "Why does asyncio hang at the end?" in html(response)
    assert 'target="_blank"' in html(response)
    assert "<html" not in html(response)


def test_what_is_no_article_is_not_similar(as_ann):
    article("asyncio hangs, privately", is_public=False)
    index_ticket(TicketFactory(assigned=True, title="asyncio hangs, not solved yet"))
    assert html(as_ann.get("/tickets/similar/", {"title": "asyncio hangs"}, **HTMX)).strip() == ""


def test_similar_articles_are_found_by_a_button_without_scripts(as_ann, ann):
    article("Why does asyncio hang at the end?")
    response = as_ann.post(NEW, asking(do="similar", description=""))
    assert response.status_code == 200
    assert "Why does asyncio hang at the end?" in html(response)
    assert value_of(response, "tags") == asking()["tags"]
    assert not ann.tickets.exists()


def test_the_address_of_similar_articles_leads_to_the_form_without_scripts(as_ann):
    response = as_ann.get("/tickets/similar/", {"title": "asyncio & co"})
    assert value_of(as_ann.get(response.url), "title") == "asyncio & co"


def test_similar_articles_and_preview_answer_whatever_is_typed(as_ann):
    for name, value in NASTY.items():
        assert as_ann.get(f"/tickets/similar/?title={value[:20_000]}", **HTMX).status_code == 200, name
        preview = as_ann.post("/tickets/preview/", f"text={value}", content_type=FORM, **HTMX)
        assert preview.status_code in (200, 422), name


# --- The draft --------------------------------------------------------------------------------------------------------


def test_what_is_typed_is_saved_and_says_when(as_ann, ann):
    response = as_ann.post("/tickets/draft/", asking(is_public=""), **HTMX)
    assert "Draft saved 14:03" in html(response)
    draft = Draft.objects.get(student=ann)
    assert (draft.title, draft.tags, draft.is_public) == (asking()["title"], "Python, asyncio", False)


def test_a_draft_survives_a_reload_and_another_device(as_ann, ann, client):
    as_ann.post("/tickets/draft/", asking(is_public=""), **HTMX)
    client.logout()
    client.force_login(ann)
    response = client.get(NEW)
    assert value_of(response, "title") == asking()["title"]
    assert value_of(response, "tags") == asking()["tags"]
    assert value_of(response, "is_public") is False
    assert "Draft saved 14:03" in html(response)


def test_an_older_draft_names_its_day(as_ann, ann):
    DraftFactory(student=ann, saved_at=NOW - dt.timedelta(days=1))
    assert re.search("Draft saved <time[^>]*>Sun 10 Jan, 14:03<", html(as_ann.get(NEW)))


def test_saving_says_which_tags_are_new_and_which_become_another(as_ann):
    TagSynonym.objects.create(name="py", tag=TagFactory(name="python"))
    text = html(as_ann.post("/tickets/draft/", asking(tags="py, python, pyhton"), **HTMX))
    assert "“py” becomes <strong>python</strong>" in text
    assert "“pyhton” is a new tag." in text
    assert "“python”" not in text


def test_the_draft_is_saved_by_a_button_without_scripts(as_ann):
    response = as_ann.post(NEW, {**asking(title="", do="draft"), "files": text_file()})
    assert (response.status_code, response.url) == (302, NEW)
    page = as_ann.get(NEW)
    assert "Your draft is saved." in html(page)
    assert kept_files(page) == ["trace.txt"]
    assert value_of(page, "description") == "It hangs:\n```\nasyncio.run(main())\n```"


def test_what_is_typed_last_is_saved_while_the_page_is_left(as_ann):
    assert as_ann.post("/tickets/draft/", asking(title="Last words")).status_code == 204
    assert Draft.objects.get().title == "Last words"


def test_a_save_that_arrives_after_the_question_brings_no_draft_back(as_ann):
    url = as_ann.post(NEW, asking()).url
    late = as_ann.post("/tickets/draft/", asking(), **HTMX)
    assert late.status_code == 200
    assert url in html(late)
    assert not Draft.objects.exists()


def test_the_page_of_somebody_else_stops_no_draft(as_ann, client, sam):
    as_ann.post(NEW, asking())
    client.force_login(sam)
    client.post("/tickets/draft/", asking(), **HTMX)
    assert Draft.objects.get().student == sam


def test_a_draft_is_discarded_after_a_question(as_ann, ann):
    AttachmentFactory(draft=DraftFactory(student=ann))
    page = as_ann.get("/tickets/draft/discard/")
    assert "What you wrote and its file are gone, on all your devices." in html(page)
    assert Draft.objects.exists()
    assert as_ann.post("/tickets/draft/discard/").url == NEW
    assert not Draft.objects.exists()
    assert not Attachment.objects.exists()


def test_without_a_draft_there_is_nothing_to_discard(as_ann, sam):
    DraftFactory(student=sam)
    assert as_ann.get("/tickets/draft/discard/").url == NEW
    assert as_ann.post("/tickets/draft/discard/").status_code == 302
    assert Draft.objects.filter(student=sam).exists()


def test_the_draft_of_somebody_else_is_not_shown(as_ann, sam):
    DraftFactory(student=sam, title="Sam wonders")
    assert "Sam wonders" not in html(as_ann.get(NEW))
    assert "Sam wonders" not in html(as_ann.get("/tickets/"))


# --- Changing ---------------------------------------------------------------------------------------------------------


def edit_url(ticket):
    return reverse("tickets:edit", args=[ticket.pk])


def delete_url(ticket):
    return reverse("tickets:delete", args=[ticket.pk])


def test_the_question_is_shown_as_it_is(as_ann, question):
    file = AttachmentFactory(ticket=question, name="trace.txt")
    response = as_ann.get(edit_url(question))
    assert response.status_code == 200
    assert (value_of(response, "title"), value_of(response, "tags")) == ("Why is it slow?", "django, python")
    assert kept_files(response) == ["trace.txt"]
    assert str(file.key) in html(response)
    assert "Save as draft" not in html(response)


def test_a_question_is_changed(as_ann, question):
    gone = AttachmentFactory(ticket=question)
    changes = asking(title="Why is it so slow?", tags="rust", is_public="", remove=[gone.key])
    response = as_ann.post(edit_url(question), {**changes, "files": picture()})
    assert response.url == question.get_absolute_url()
    question.refresh_from_db()
    assert (question.title, question.is_public) == ("Why is it so slow?", False)
    assert [tag.name for tag in question.tags.all()] == ["rust"]
    assert [file.name for file in question.attachments.all()] == ["screen.png"]
    assert question.events.get().kind == TicketEvent.Kind.EDITED


def test_a_change_that_is_wrong_keeps_what_was_typed_and_the_ticks(as_ann, question):
    file = AttachmentFactory(ticket=question)
    response = as_ann.post(edit_url(question), asking(title="", remove=[file.key]))
    assert response.status_code == 422
    assert value_of(response, "description") == asking()["description"]
    assert re.search(rf'value="{file.key}" checked', html(response))
    question.refresh_from_db()
    assert question.title == "Why is it slow?"
    assert not Draft.objects.exists()


def test_files_are_to_be_chosen_again_after_a_change_that_is_wrong(as_ann, question):
    response = as_ann.post(edit_url(question), {**asking(title=""), "files": text_file()})
    assert "Choose the files again" in html(response)
    assert not Attachment.objects.exists()


def test_a_change_is_previewed_without_scripts(as_ann, question):
    response = as_ann.post(edit_url(question), asking(description="now **bold**", do="preview"))
    assert response.status_code == 200
    assert "<strong>bold</strong>" in html(response)
    question.refresh_from_db()
    assert question.description == "It **is**."


def test_a_question_that_a_mentor_took_meanwhile_stays_as_it_is(as_ann, question, max):
    actions.accept_ticket(question, by=max, now=NOW)
    response = as_ann.post(edit_url(question), asking())
    assert response.status_code == 409
    assert "A mentor has this ticket by now" in html(response)
    assert value_of(response, "title") == asking()["title"]
    question.refresh_from_db()
    assert question.title == "Why is it slow?"
    assert as_ann.get(edit_url(question)).status_code == 409
    assert as_ann.get(delete_url(question)).status_code == 409
    assert as_ann.post(delete_url(question)).status_code == 409


@pytest.mark.parametrize("url", [edit_url, delete_url])
@pytest.mark.parametrize(("who", "status"), [("sam", 404), ("max", 403), ("ada", 403)])
def test_only_its_student_changes_and_deletes_a_question(client, request, question, who, status, url):
    client.force_login(request.getfixturevalue(who))
    if who == "max":
        request.getfixturevalue("mentor")
    assert client.get(url(question)).status_code == status
    assert client.post(url(question), asking()).status_code == status
    question.refresh_from_db()
    assert (question.title, question.status) == ("Why is it slow?", Status.OPEN)


@pytest.mark.parametrize("url", [edit_url, delete_url])
def test_a_missing_question_is_not_found(as_ann, url):
    for pk in (404, 2**63 - 1, 2**63, 10**30):
        assert as_ann.get(url(Ticket(pk=pk))).status_code == 404
        assert as_ann.post(url(Ticket(pk=pk)), asking()).status_code == 404


def test_a_question_is_deleted_after_its_consequence_was_named(as_ann, question):
    AttachmentFactory(ticket=question)
    page = as_ann.get(delete_url(question))
    assert "Delete “Why is it slow?”?" in html(page)
    assert "The question and its file are gone for everybody" in html(page)
    assert question.get_absolute_url() in html(page)
    response = as_ann.post(delete_url(question))
    assert response.url == "/tickets/"
    assert "Why is it slow?" not in html(as_ann.get("/tickets/?show=all"))
    assert as_ann.get(question.get_absolute_url()).status_code == 404
    assert as_ann.post(delete_url(question)).status_code == 404


# --- My tickets -------------------------------------------------------------------------------------------------------


def test_the_list_says_who_waits_for_whom(as_ann, ann):
    max_meyer = MentorProfileFactory(user__name="Max Meyer")
    TicketFactory(student=ann, title="One")
    TicketFactory(student=ann, title="Two", assigned=True, mentor=max_meyer)
    TicketFactory(student=ann, title="Three", assigned=True, mentor=max_meyer, waiting_on="student")
    TicketFactory(student=ann, title="Four", resolved=True, mentor=max_meyer)
    TicketFactory(student=ann, title="Five", resolved=True, mentor=max_meyer, waiting_on="mentor")
    TicketFactory(student=ann, title="Six", closed=True, mentor=max_meyer)
    TicketFactory(title="Not hers")
    TicketFactory(student=ann, deleted=True)
    found = dict(
        re.findall(r'dir="auto">(\w+)</a></h2>.*?badge-state[^>]*>.*?</svg>([^<]*)<', html(as_ann.get("/tickets/")))
    )
    assert found == {
        "One": "waiting for a mentor",
        "Two": "waiting for Max",
        "Three": "waiting for you",
        "Four": "solved: did it help?",
        "Five": "solved, waiting for Max",
    }


def test_the_tabs_divide_open_and_closed(as_ann, ann):
    TicketFactory(student=ann, title="Still open")
    TicketFactory(student=ann, title="Long closed", closed=True)
    shown = {show: html(as_ann.get(f"/tickets/?show={show}")) for show in ("open", "closed", "all", "nonsense")}
    assert ["Still open" in shown[show] for show in shown] == [True, False, True, True]
    assert ["Long closed" in shown[show] for show in shown] == [False, True, True, False]


def test_the_latest_comes_first_and_pages_hold_twenty(as_ann, ann):
    for hours in range(21):
        TicketFactory(student=ann, title=f"Hour {hours}", active_at=NOW - dt.timedelta(hours=hours))
    first, second = as_ann.get("/tickets/"), as_ann.get("/tickets/?page=2")
    assert [seen.ticket.title for seen in first.context["rows"]] == [f"Hour {hours}" for hours in range(20)]
    assert [seen.ticket.title for seen in second.context["rows"]] == ["Hour 20"]


@pytest.mark.parametrize("show", ["open", "closed", "all"])
def test_an_empty_list_says_what_to_do(as_ann, show):
    assert "Ask a question" in html(as_ann.get(f"/tickets/?show={show}")).partition("empty-state")[2]


def test_the_list_reminds_of_the_draft(as_ann, ann):
    DraftFactory(student=ann, title="Half a thought")
    assert "Half a thought" in html(as_ann.get("/tickets/"))
    Draft.objects.update(title="")
    assert "not named yet" in html(as_ann.get("/tickets/"))
    Draft.objects.update(description="")
    assert "You have begun a question" not in html(as_ann.get("/tickets/"))


def queries_of(client, url):
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_the_list_takes_the_same_queries_for_one_row_and_for_three(as_ann, ann):
    def add():
        TicketFactory(student=ann, resolved=True, tags=["python", "django"])

    add()
    one = queries_of(as_ann, "/tickets/")
    add()
    add()
    assert queries_of(as_ann, "/tickets/") == one


def test_the_form_takes_the_same_queries_for_one_file_and_article_and_for_three(as_ann, ann):
    draft = DraftFactory(student=ann, title="asyncio hangs", tags="python")
    TagFactory(name="python")

    def add():
        AttachmentFactory(draft=draft)
        article("asyncio hangs at the end", tags=["python", "asyncio"])

    add()
    one = queries_of(as_ann, NEW)
    add()
    add()
    response = as_ann.get(NEW)
    assert (len(response.context["files"]), len(response.context["similar"])) == (3, 3)
    assert queries_of(as_ann, NEW) == one


# --- Everything that anybody sends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["title", "description", "tags", "is_public", "idempotency_key", "remove", "do"])
@pytest.mark.parametrize("url", [NEW, "/tickets/draft/", "edit"])
def test_no_value_breaks_a_page(as_ann, ann, question, settings, url, field):
    settings.OPEN_TICKETS_PER_STUDENT = 1000
    url = edit_url(question) if url == "edit" else url
    good = urlencode({**asking(), field: ""})
    for name, value in NASTY.items():
        body = good.replace(f"{field}=", f"{field}={value}") if field in good else f"{good}&{field}={value}"
        response = as_ann.post(url, body, content_type=FORM, **HTMX)
        assert response.status_code in (200, 302, 422), name
    for page in ("/tickets/", NEW, edit_url(question)):
        assert as_ann.get(page).status_code == 200


@pytest.mark.parametrize("name", LEGAL)
def test_legal_text_is_shown_as_what_it_is(as_ann, name):
    text = LEGAL[name]
    as_ann.post(NEW, asking(title=text, tags="python"))
    page = as_ann.get("/tickets/").content.decode()
    shown = markdown.clean(text)  # all but what turns the words around it
    assert [seen.ticket.title for seen in as_ann.get("/tickets/").context["rows"]] == [shown]
    assert "<script>alert" not in page
    assert "<b hx-get" not in page


def test_a_newcomer_may_ask(client):
    client.force_login(UserFactory())
    assert client.post(NEW, asking()).status_code == 302


def test_visitors_are_sent_to_sign_in(client, question):
    for url in (NEW, "/tickets/", "/tickets/draft/discard/", "/tickets/similar/", edit_url(question)):
        assert client.get(url).url.startswith("/accounts/login/")
    for url in ("/tickets/draft/", "/tickets/preview/"):
        assert client.post(url, asking()).url.startswith("/accounts/login/")


def test_as_many_tags_as_fit_are_taken(as_ann):
    as_ann.post(NEW, asking(tags=", ".join(f"tag-{number}" for number in range(MAX_TAGS))))
    assert Ticket.objects.get().tags.count() == MAX_TAGS
