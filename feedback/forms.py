from django import forms
from django.utils.translation import gettext_lazy as _

from feedback.models import Review

RATINGS = [(1, _("poor")), (2, _("fair")), (3, _("good")), (4, _("very good")), (5, _("excellent"))]


class ReviewForm(forms.Form):
    rating = forms.TypedChoiceField(
        label=_("Rating"),
        choices=RATINGS,
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose from 1 to 5 stars."),
            "invalid_choice": _("Choose from 1 to 5 stars."),
        },
    )
    comment = forms.CharField(
        label=_("In your words"),
        required=False,
        max_length=Review._meta.get_field("comment").max_length,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
