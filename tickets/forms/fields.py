"""Fields that questions, replies and solutions have in common."""

from django import forms
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from tickets import uploads
from tickets.actions.attachments import MAX_FILES, TooManyFiles
from tickets.actions.texts import is_visible
from tickets.models import TEXT_LENGTH


class MarkdownField(forms.CharField):
    """A long text. A line end counts as one character, as it does where it was typed; browsers send two.

    Its length is not held in the browser, which would cut off silently what somebody pastes.
    """

    widget = forms.Textarea(attrs={"rows": 10})
    default_error_messages = {
        "max_length": _("That is %(show_value)d characters, and %(limit_value)d fit. Attach a long log as a file."),
    }

    def __init__(self, **kwargs):
        kwargs.setdefault("max_length", TEXT_LENGTH)
        super().__init__(strip=False, **kwargs)

    def widget_attrs(self, widget):
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}

    def to_python(self, value):
        text = super().to_python(value).replace("\r\n", "\n").replace("\r", "\n")
        # Not `strip`: the spaces at the beginning may be those of a block of code.
        return text.rstrip().lstrip("\n") if is_visible(text) else ""


WHAT_FITS = format_lazy(
    _("Pictures (PNG, JPEG, WebP), PDF, ZIP and text; at most {files} of up to {megabytes} MB each."),
    files=MAX_FILES,
    megabytes=settings.UPLOAD_MAX_BYTES // 2**20,
)


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files, cleaned to a list of `uploads.Accepted`.

    Each is looked at by itself: where some are refused, the others are in `accepted` none the less.
    """

    widget = FilesInput(attrs={"accept": uploads.ACCEPT})

    def __init__(self, **kwargs):
        kwargs.setdefault("help_text", WHAT_FITS)
        super().__init__(required=False, **kwargs)
        self.accepted = []

    def clean(self, value, initial=None):
        if len(value or []) > MAX_FILES:  # before the first is opened: a picture takes seconds
            raise forms.ValidationError(str(TooManyFiles().message), code=TooManyFiles.code)
        self.accepted = []  # a list of its own: every form has a copy of this field, and copies share their values
        refusals = []
        for file in value or []:
            try:
                self.accepted.append(uploads.accept(file))
            except uploads.FileRefused as refusal:
                refusals.append(forms.ValidationError(str(refusal.message), code=refusal.code))
        if refusals:
            raise forms.ValidationError(refusals)
        return self.accepted


class RemovedFilesField(forms.Field):
    """Those of `attachments` whose keys are named. Keys of anything else are passed over, whoever has it."""

    widget = forms.MultipleHiddenInput

    def __init__(self, **kwargs):
        super().__init__(required=False, **kwargs)
        self.attachments = []

    def clean(self, value):
        return [attachment for attachment in self.attachments if str(attachment.key) in (value or [])]
