from django import forms
from django.utils.translation import gettext_lazy as _

from bookings.forms import InstantField
from bookings.models import MoveProposal


class MoveForm(forms.Form):
    starts_at = InstantField(widget=forms.HiddenInput, error_messages={"required": _("Choose a time.")})
    duration_minutes = forms.TypedChoiceField(coerce=int, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why?"),
        max_length=MoveProposal._meta.get_field("reason").max_length,
        required=False,
        help_text=_("Not needed; a word helps the other side to say yes."),
        # What was typed stays when another time is chosen and htmx swaps the page around it.
        widget=forms.Textarea(attrs={"rows": 2, "hx-preserve": "true"}),
    )

    def __init__(self, *args, appointment, **kwargs):
        super().__init__(*args, **kwargs)
        lengths = appointment.lengths_to_move_to()
        self.fields["duration_minutes"].choices = [(minutes, minutes) for minutes in lengths]
        self.fields["duration_minutes"].error_messages["invalid_choice"] = _("%(name)s does not offer that length.") % {
            "name": appointment.mentor.user.get_short_name()
        }
