"""What a student writes to ask for a chat."""

import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from bookings.models import Appointment
from wallets.actions import IdempotencyMismatch


class ChatForm(forms.Form):
    topic = forms.CharField(
        label=_("What about?"),
        max_length=Appointment._meta.get_field("title").max_length,
        error_messages={"required": _("Say in a few words what you want to talk about.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    description = forms.CharField(
        label=_("Details"),
        max_length=Appointment._meta.get_field("description").max_length,
        required=False,
        help_text=_("What you tried, a link to your code. A quarter of an hour is short."),
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
    )
    idempotency_key = forms.CharField(max_length=100, widget=forms.HiddenInput(attrs={"autocomplete": "off"}))

    def add_error(self, field, error):
        """After a key that was used for something else, the next press needs a key of its own."""
        super().add_error(field, error)
        if isinstance(getattr(self, "refusal", None), IdempotencyMismatch):
            self.data = {**self.data.dict(), "idempotency_key": str(uuid.uuid4())}
