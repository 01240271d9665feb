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


class GroupPointsForm(forms.Form):
    """Points between a member and a group. The key in the form makes a double click or a reload move them once."""

    points = forms.IntegerField(
        label=_("Points"),
        min_value=1,
        max_value=MAX_POINTS,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages={"required": _("Write how many points."), "min_value": _("Write 1 or more.")},
    )
    note = forms.CharField(
        label=_("Note"), max_length=NOTE_LENGTH, required=False, help_text=_("It stands in both statements.")
    )
    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def key(self, what, group, person):
        """The idempotency key of what this form asks for: nobody's key meets that of another."""
        return f"{what}:{group.pk}:{person.pk}:{self.cleaned_data['form_key']}"


class ContributeForm(GroupPointsForm):
    pass


class GiveBackForm(GroupPointsForm):
    to = forms.TypedChoiceField(
        label=_("To whom"),
        error_messages={"required": _("Choose who gets them back.")},
    )
    field_order = ["to", "points", "note", "form_key"]

    def __init__(self, *args, contributors, **kwargs):
        super().__init__(*args, **kwargs)
        self.people = {str(person.pk): person for person in contributors}
        self.fields["to"].choices = [
            (pk, _("%(name)s: at most %(points)d") % {"name": person, "points": person.contributed_points})
            for pk, person in self.people.items()
        ]

    def clean_to(self):
        return self.people[self.cleaned_data["to"]]
