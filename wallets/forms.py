import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from wallets.models import MAX_POINTS, Transaction

NOTE_LENGTH = Transaction._meta.get_field("note").max_length


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("Why"),
        max_length=NOTE_LENGTH,
        help_text=_("The person reads it in their statement."),
        error_messages={"required": _("Write why; the person reads it in their statement.")},
        widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
    )


class GrantForm(NoteForm):
    """Points for chosen people. The key in the form makes a double click or a reload grant once."""

    points = forms.IntegerField(
        label=_("Points for each"),
        min_value=-MAX_POINTS,
        max_value=MAX_POINTS,
        help_text=_("Below zero takes points away, as far as a person still has them."),
        error_messages={"required": _("Write how many points.")},
    )
    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    field_order = ["points", "note", "form_key"]

    def clean_points(self):
        points = self.cleaned_data["points"]
        if not points:
            raise forms.ValidationError(_("Write a number other than 0."))
        return points
