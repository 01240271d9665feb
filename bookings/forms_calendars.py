from django import forms
from django.utils.translation import gettext_lazy as _

from bookings.calendar_import.fetching import LONGEST_ADDRESS
from bookings.models import CalendarImport, CalendarSettings


class RemindersForm(forms.ModelForm):
    class Meta:
        model = CalendarSettings
        fields = ["remind_day_before", "remind_hour_before"]


class NoFieldsForm(forms.Form):
    """A button."""


class AddCalendarForm(forms.Form):
    # No URL field: people paste webcal:// addresses too, and what an address may be is the action's to say.
    url = forms.CharField(
        label=_("Address of the calendar"),
        max_length=LONGEST_ADDRESS,
        help_text=_("Google: “Secret address in iCal format”. Outlook: “Publish a calendar”, the ICS link."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": _("Paste the address of a calendar.")},
    )
    name = forms.CharField(
        label=_("What you call it"),
        max_length=CalendarImport._meta.get_field("name").max_length,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ChosenCalendarForm(forms.Form):
    """One of the mentor's own calendars."""

    calendar = forms.ModelChoiceField(queryset=CalendarImport.objects.none())

    def __init__(self, *args, mentor, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["calendar"].queryset = mentor.calendar_imports.all()
