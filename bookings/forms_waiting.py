"""The form by which somebody waits for a full day."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import TimezoneField


class WaitForm(forms.Form):
    date = forms.DateField(label=_("Day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    duration_minutes = forms.TypedChoiceField(label=_("Length"), coerce=int)
    zone = TimezoneField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, mentor, viewer, **kwargs):
        super().__init__(*args, **kwargs)
        self.viewer = viewer
        self.fields["duration_minutes"].choices = [
            (minutes, _("%(minutes)s minutes") % {"minutes": minutes}) for minutes in mentor.session_minutes
        ]
        self.fields["duration_minutes"].error_messages["invalid_choice"] = _("%(name)s does not offer that length.") % {
            "name": mentor.user.get_short_name()
        }

    def clean_zone(self):
        return self.cleaned_data["zone"] or self.viewer.timezone
