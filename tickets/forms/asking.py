"""What a student writes to ask: a new question, its draft, or a question changed."""

import hashlib
import json
import re
import uuid

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import ProjectGroup
from mentorbook import markdown
from mentors import tags
from mentors.forms import TagsField
from mentors.models import Tag
from tickets.actions.texts import DescriptionMissing, TagsWrong, TitleMissing, is_visible
from tickets.forms.fields import FilesField, MarkdownField, RemovedFilesField
from tickets.models import MAX_TAGS, TITLE_LENGTH, Ticket

TITLE_MISSING = TitleMissing.message
KEY = re.compile(r"[0-9a-z-]{1,64}")
TAGS_LENGTH = MAX_TAGS * (tags.MAX_LENGTH + 2)


class TicketForm(forms.ModelForm):
    """A question. `attachments` are the files that hang on it, or on its draft, already."""

    title = forms.CharField(
        label=_("Your question in one line"),
        max_length=TITLE_LENGTH,
        help_text=_("What you want to reach, or the error that keeps you from it."),
        error_messages={
            "required": TITLE_MISSING,
            "max_length": _("A title has at most %(limit_value)d characters. The details have more room."),
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    description = MarkdownField(
        label=_("The details"),
        help_text=_(
            "What you tried and what came out of it, with the whole error message. "
            "Code goes between two lines of three backticks: ```."
        ),
        error_messages={"required": DescriptionMissing.message},
    )
    tags = TagsField(
        label=_("Tags"),
        at_most=MAX_TAGS,
        help_text=_("One to five, separated by commas: python, django, c++. Mentors find your question by them."),
        error_messages={"required": TagsWrong.message},
    )
    files = FilesField(label=_("Files"))
    remove = RemovedFilesField()
    is_public = forms.BooleanField(
        label=_("Others may learn from this"),
        required=False,
        initial=True,
        help_text=_("Once solved, it can be found in the knowledge base, without your name."),
    )
    group = forms.ModelChoiceField(
        label=_("Share with"),
        queryset=ProjectGroup.objects.none(),
        required=False,
        empty_label=_("nobody else"),
        help_text=_("The members of your project group can then read it, with everything that is written in it."),
        error_messages={"invalid_choice": _("Choose one of your groups, or nobody else.")},
    )
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"autocomplete": "off"}))

    class Meta:
        model = Ticket
        fields = ["title", "description", "is_public"]

    def __init__(self, *args, attachments=(), student=None, group=None, **kwargs):
        """`group` is the one that the question is shared with already, whether or not its student still belongs."""
        super().__init__(*args, **kwargs)
        self.fields["remove"].attachments = list(attachments)
        self.fields["group"].queryset = groups_to_share_with(student, group)

    @property
    def shares(self):
        """Whether there is a group to choose."""
        return self.fields["group"].queryset.query.is_empty() is False

    def clean_title(self):
        title = " ".join(self.cleaned_data["title"].split())
        if not is_visible(title):
            raise ValidationError(TITLE_MISSING, code="required")
        return title

    @property
    def question(self):
        """What the actions take, once the form is valid."""
        names = ("title", "description", "tags", "is_public", "group", "files")
        return {name: self.cleaned_data[name] for name in names}

    @property
    def page(self):
        """The key of the page that it was sent from; None for nothing that a page of ours would have."""
        key = self.data.get("idempotency_key", "")
        return key if KEY.fullmatch(key) else None

    @property
    def once(self):
        """The key that makes a second click harmless: the same for the same question off the same page.

        The words are part of it, because browsers bring back a page that was sent already; what is written there next
        is another question.
        """
        if self.page is None:
            return None
        words = json.dumps([self.cleaned_data[name] for name in ("title", "description", "tags")])
        return f"{self.page}.{hashlib.sha256(words.encode()).hexdigest()[:32]}"

    @property
    def typed(self):
        """What a draft keeps: the words as they were sent, good or not."""
        words = {name: self.data.get(name, "") for name in ("title", "description", "tags")}
        return words | {"is_public": bool(self.data.get("is_public"))}

    @property
    def accepted_files(self):
        """The files that are good, whatever is wrong with others or with the rest of the form."""
        return self.fields["files"].accepted

    @property
    def removed_files(self):
        return self.cleaned_data.get("remove", [])

    def ask_files_only(self):
        """Forget what is wrong with a question that nobody wants to send yet; files have to be right to be kept."""
        for name in [name for name in self.errors if name != "files"]:
            del self.errors[name]

    @property
    def tag_notes(self):
        """Each tag that will not be what was typed, and its tag; None for a tag that nobody has used before."""
        try:
            names = tags.names_in(self["tags"].value() or "", at_most=MAX_TAGS)
        except ValidationError:
            return []
        found = Tag.objects.by_spelling(names) if names else {}
        return [(name, found.get(name)) for name in names if name not in found or found[name].name != name]


class ShareForm(forms.Form):
    """Which group may read a ticket; empty for none."""

    group = forms.ModelChoiceField(
        label=_("Share with"),
        queryset=ProjectGroup.objects.none(),
        required=False,
        empty_label=_("nobody else"),
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def __init__(self, *args, student, shared_with=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["group"].queryset = groups_to_share_with(student, shared_with)


def groups_to_share_with(student, shared_with=None):
    """The groups of `student`, and the one that it is shared with already."""
    ids = set(student.group_ids) if student is not None else set()
    if shared_with is not None:
        ids.add(shared_with.pk)
    return ProjectGroup.objects.filter(pk__in=ids) if ids else ProjectGroup.objects.none()


def brought_along(query):
    """What a link to a new question brings: `?title=` and any number of `?tag=`, cut to what fits."""
    title = " ".join(markdown.clean(query.get("title", "")).split())[:TITLE_LENGTH]
    names = [" ".join(markdown.clean(name).split()) for name in query.getlist("tag")[:MAX_TAGS]]
    return {"title": title, "tags": ", ".join(name for name in names if name)[:TAGS_LENGTH]}


def beginning(draft, brought):
    """What the form of a new question holds first: the draft, and where that is empty what was `brought` along."""
    initial = {**brought, "is_public": True, "idempotency_key": uuid.uuid4()}
    if draft is not None:
        words = {"title": draft.title, "description": draft.description, "tags": draft.tags}
        initial |= {name: text for name, text in words.items() if text} | {"is_public": draft.is_public}
    return initial


def as_it_is(ticket):
    """What the form of a question that is changed holds first."""
    return {
        "title": ticket.title,
        "description": ticket.description,
        "tags": list(ticket.tags.all()),
        "is_public": ticket.is_public,
        "group": ticket.group_id,
    }


class PreviewForm(forms.Form):
    """A text that somebody wants to see as it will look."""

    text = MarkdownField(required=False)

    @classmethod
    def of(cls, text):
        return cls({"text": text or ""})

    @property
    def shown(self):
        return self.cleaned_data["text"] if self.is_valid() else ""
