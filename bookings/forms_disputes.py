"""The words of both sides of a dispute, and the decision."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from bookings.models import Dispute


def words(field, **kwargs):
    """A field of several lines for that field of a dispute, which nobody leaves empty."""
    longest = Dispute._meta.get_field(field).max_length
    return forms.CharField(max_length=longest, widget=forms.Textarea(attrs={"rows": 5, "maxlength": longest}), **kwargs)


class DisputeForm(forms.Form):
    reason = words(
        "reason",
        label=_("What was wrong"),
        help_text=_("The mentor did not come, it was cut short, …: what happened, and when. The mentor reads it too."),
        error_messages={"required": _("Say what was wrong: it is what staff decide by.")},
    )


class AnswerForm(forms.Form):
    answer = words(
        "answer",
        label=_("How it was"),
        help_text=_("Staff and the student's side read it. You can change it until it is decided."),
        error_messages={"required": _("Say how it was: it is what staff decide by.")},
    )


class DecisionForm(forms.Form):
    """How many points go back; of a free session, whether it counts."""

    took_place = forms.BooleanField(label=_("It took place, and counts among the mentor's sessions"), required=False)
    note = words(
        "decision",
        label=_("Why"),
        help_text=_("Both sides read it, with the points."),
        error_messages={"required": _("Write why it is decided so; both sides read it.")},
    )

    def __init__(self, *args, appointment, **kwargs):
        super().__init__(*args, **kwargs)
        price = appointment.price_points
        if not price:
            return
        del self.fields["took_place"]
        range_words = ngettext("Write 0 or %(count)d point.", "Write 0 to %(count)d points.", price) % {"count": price}
        field = self.fields["returned_points"] = forms.IntegerField(
            label=_("Points that go back to who paid"),
            min_value=0,
            max_value=price,
            help_text=ngettext(
                "Of %(count)d point that the session cost; the mentor has the rest.",
                "Of %(count)d points that the session cost; the mentor has the rest.",
                price,
            )
            % {"count": price},
            error_messages={
                "required": _("Say how many points go back; 0 for none."),
                **dict.fromkeys(("invalid", "min_value", "max_value"), range_words),
            },
        )
        field.widget.attrs["inputmode"] = "numeric"
        self.order_fields(["returned_points", "note"])

    @property
    def decision(self):
        """What it says, for the action."""
        return {"returned_points": 0, **self.cleaned_data}
