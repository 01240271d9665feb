"""What is written in a ticket: replies, solutions, notes, and the reasons for a step."""

import hashlib
import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from tickets.actions.solving import GapMissing
from tickets.actions.texts import TextMissing
from tickets.forms.fields import FilesField, MarkdownField
from tickets.models import REASON_LENGTH, Reply

TEXT_MISSING = TextMissing.message


class ReplyForm(forms.Form):
    """A text with files; every form that is opened has a key of its own, so that a double click sends once."""

    text = MarkdownField(
        label=_("Your text"),
        help_text=_("Markdown: code between three backticks (```) keeps its shape."),
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": TEXT_MISSING},
    )
    files = FilesField(label=_("Files"))
    client_key = forms.CharField(
        max_length=100,
        required=False,
        initial=uuid.uuid4,
        widget=forms.HiddenInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, data=None, files=None, **kwargs):
        super().__init__(data, files, **kwargs)
        self.lost_files = bool(files)  # no page brings them back, so they have to be chosen again

    @classmethod
    def still_typed(cls, data, files):
        """The form as it was, for somebody who does not want to send it yet."""
        form = cls(initial={name: data.get(name, "") for name in ("text", "client_key")})
        form.lost_files = bool(files)
        return form

    @property
    def written(self):
        """What the actions take, as far as it is valid: they refuse what is missing, after who may not write at all."""
        text = self.cleaned_data.get("text", "")
        return {"text": text, "files": self.cleaned_data.get("files", ()), "client_key": self._once(text)}

    def _once(self, text):
        """The key that makes a second click harmless. The words are part of it, because browsers bring back a page that
        was sent already; what is written there next is another reply."""
        key = self.cleaned_data.get("client_key")
        return f"{key}.{hashlib.sha256(text.encode()).hexdigest()[:32]}" if key else None


class SolutionForm(ReplyForm):
    """The solution as a new text, or one of the mentor's own replies."""

    reply = forms.ModelChoiceField(
        Reply.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("That is not a reply of yours that can become the solution.")},
    )

    def __init__(self, data, files=None, *, replies):
        super().__init__(data, files)
        self.fields["reply"].queryset = replies
        if self.data.get("reply"):
            self.fields["text"].required = False

    @property
    def written(self):
        return super().written | {"reply": self.cleaned_data.get("reply")}


class EditReplyForm(forms.Form):
    text = MarkdownField(
        label=_("Your text"),
        widget=forms.Textarea(attrs={"rows": 12}),
        error_messages={"required": TEXT_MISSING},
    )


class NoteForm(forms.Form):
    text = MarkdownField(
        label=_("Your note"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": TEXT_MISSING},
    )

    def __init__(self, *args, **kwargs):
        # It stands on one page with the form for a reply.
        super().__init__(*args, auto_id="note_%s", **kwargs)


class ReleaseForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The student and the next mentor read it."),
        max_length=REASON_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ReopenForm(forms.Form):
    reason = forms.CharField(
        label=_("What is still missing?"),
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": GapMissing.message},
    )


class UsefulForm(forms.Form):
    is_useful = forms.BooleanField(required=False)


class PublishForm(forms.Form):
    is_public = forms.BooleanField(required=False)
