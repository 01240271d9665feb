from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.forms import TimezoneField
from mentorbook.pieces import duration
from mentors import directory, tags
from mentors.amounts import DAY, HOUR, in_days, in_minutes, no_time_or, until_before_start
from mentors.models import (
    MAX_EXPERTISE,
    MAX_HOURLY_RATE,
    SESSION_MINUTES,
    MentorProfile,
    Tag,
    each_language_once,
)

BUFFERS = (0, 5, 10, 15, 20, 30, 45, 60, 90, 120)
STEPS = (15, 20, 30, 60)
NOTICES = (0, 1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY)
HORIZONS = (7, 14, 28, 60, 90, 180, 365)
CANCEL_NOTICES = (0, 2, 4, 12, 24, 48, 72, 168, 336)

# What completes a tag while one types. The list belongs to the field, so the page around must not swap it for itself.
TAG_COMPLETION = {
    "list": "tag-options",
    "autocomplete": "off",
    "autocapitalize": "none",
    "spellcheck": "false",
    "hx-get": reverse_lazy("mentors:tags"),
    "hx-trigger": "input changed delay:150ms",
    "hx-target": "#tag-options",
    "hx-select": "unset",
    "hx-swap": "innerHTML",
    "hx-push-url": "false",
    "hx-sync": "this:replace",
}


class TagsField(forms.CharField):
    """Tags as people type them, separated by commas; cleaned to a list of normalised names."""

    widget = forms.TextInput(attrs=TAG_COMPLETION)

    def __init__(self, *, at_most, **kwargs):
        self.at_most = at_most
        super().__init__(max_length=at_most * (tags.MAX_LENGTH + 2), **kwargs)

    def prepare_value(self, value):
        return value if isinstance(value, str) or value is None else ", ".join(str(tag) for tag in value)

    def clean(self, value):
        names = tags.names_in(super().clean(value), at_most=self.at_most)
        if self.required and not names:
            raise ValidationError(self.error_messages["required"], code="required")
        return names


class LanguagesField(forms.CharField):
    """Languages separated by commas; cleaned to a list without repetitions."""

    def prepare_value(self, value):
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value):
        return each_language_once(super().clean(value).split(","))


class SessionLengthsField(forms.TypedMultipleChoiceField):
    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs):
        super().__init__(
            coerce=int,
            choices=lambda: [(minutes, duration(minutes)) for minutes in SESSION_MINUTES],
            error_messages={"required": _("Offer at least one length."), "invalid_choice": _("Choose from the list.")},
            **kwargs,
        )


class AmountField(forms.TypedChoiceField):
    """A number chosen from a few sensible ones, in words. One that came in by another door stays choosable.

    With `none`, no number (None) is a choice too, called so.
    """

    NONE = "none"

    def __init__(self, amounts, in_words, *, none=None, **kwargs):
        self.amounts, self.in_words, self.none = amounts, in_words, none
        kwargs.setdefault("error_messages", {"invalid_choice": _("Choose one from the list.")})
        super().__init__(coerce=lambda value: None if value == self.NONE else int(value), **kwargs)

    def offer(self, current):
        """List the choices, `current` among them."""
        amounts = sorted({*self.amounts, *([] if current is None else [current])})
        self.choices = [(self.NONE, self.none)] * (self.none is not None) + [(n, self.in_words(n)) for n in amounts]

    def prepare_value(self, value):
        return self.NONE if value is None else value


class MentorProfileForm(forms.ModelForm):
    expertise = TagsField(
        label=_("What you help with"),
        at_most=MAX_EXPERTISE,
        help_text=_("Tags, separated by commas: python, django, c++. Students search by them."),
        error_messages={"required": _("Name at least one thing that you help with.")},
    )
    languages = LanguagesField(
        label=_("Languages you speak"), required=False, help_text=_("Separated by commas."), max_length=420
    )
    timezone = TimezoneField(
        label=_("Time zone of your hours"), help_text=_("Your hours are written in it. Students see them in theirs.")
    )
    session_minutes = SessionLengthsField(label=_("How long a session can be"))
    slot_step_minutes = AmountField(
        STEPS,
        in_minutes,
        none=_("session’s length"),
        label=_("Sessions can start every"),
        help_text=_("An hour’s session every 30 minutes: 9:00, 9:30, 10:00 …"),
    )
    buffer_before_minutes = AmountField(BUFFERS, no_time_or(_("none")), label=_("Free time before a session"))
    buffer_after_minutes = AmountField(BUFFERS, no_time_or(_("none")), label=_("Free time after a session"))
    minimum_notice_minutes = AmountField(
        NOTICES, no_time_or(_("none: right up to the start")), label=_("Book at least this long before")
    )
    booking_horizon_days = AmountField(HORIZONS, in_days, label=_("Book at most this far ahead"))
    max_sessions_per_day = AmountField(range(1, 11), str, none=_("no limit"), label=_("Most sessions a day"))
    max_sessions_per_week = AmountField(range(1, 31), str, none=_("no limit"), label=_("Most sessions a week"))
    cancellation_notice_hours = AmountField(
        CANCEL_NOTICES,
        until_before_start,
        label=_("Cancelling is free until"),
        help_text=_("Later, you keep a share of the price."),
    )
    tickets_at_once = AmountField(
        range(11),
        lambda number: str(number or _("none")),
        label=_("Tickets at a time"),
        help_text=_("How many questions in writing you work on at once."),
    )
    confirms_automatically = forms.TypedChoiceField(
        label=_("When a student books"),
        choices=[("by_hand", _("I confirm each request myself")), ("at_once", _("It is confirmed at once"))],
        coerce=lambda answer: answer == "at_once",
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two."), "invalid_choice": _("Choose one of the two.")},
    )
    meeting_url = forms.URLField(
        label=_("Meeting link"),
        required=False,
        max_length=500,
        assume_scheme="https",
        help_text=_("Your room for video calls. Only those who booked you see it."),
        error_messages={"invalid": _("Write a link that begins with https:// or http://.")},
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )

    class Meta:
        model = MentorProfile
        fields = [
            "headline",
            "bio",
            "languages",
            "hourly_rate_points",
            "timezone",
            "session_minutes",
            "slot_step_minutes",
            "buffer_before_minutes",
            "buffer_after_minutes",
            "minimum_notice_minutes",
            "booking_horizon_days",
            "max_sessions_per_day",
            "max_sessions_per_week",
            "confirms_automatically",
            "cancellation_notice_hours",
            "takes_chats",
            "tickets_at_once",
            "meeting_url",
        ]
        labels = {
            "headline": _("In one line"),
            "bio": _("About you as a mentor"),
            "hourly_rate_points": _("Points for an hour"),
            "takes_chats": _("Short chats are welcome while my status is available"),
        }
        help_texts = {
            "headline": _("Stands below your name in every list: “Helps with Django and the first job”."),
            "bio": _("What you have done, how you work, for whom a session with you is right."),
            "hourly_rate_points": _("Other lengths cost their share. 0 is free."),
        }
        widgets = {"bio": forms.Textarea(attrs={"rows": 6})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["headline"].required = True
        self.fields["headline"].error_messages["required"] = _("Say in one line what you help with.")
        for name, field in self.fields.items():
            if isinstance(field, AmountField):
                field.offer(getattr(self.instance, name))
        self.initial["confirms_automatically"] = "at_once" if self.instance.confirms_automatically else "by_hand"
        if self.instance.pk:
            self.initial["expertise"] = list(self.instance.expertise.all())


class DirectoryFilters(forms.Form):
    """The filters in the address of the directory. Each is checked by itself: a bad one leaves the others in force."""

    ORDERS = ("rating", "rate", "next_free")
    BEHIND_BUTTON = ("free_on", "max_rate", "min_rating", "status")
    ATTRS = {"form": "directory-form"}

    q = forms.CharField(
        label=_("Name or words"),
        required=False,
        max_length=directory.MAX_QUERY_LENGTH,
        error_messages={"max_length": _("Search with at most %(limit_value)d characters.")},
        widget=forms.TextInput(attrs={"type": "search", "enterkeyhint": "search"}),
    )
    tag = forms.CharField(label=_("Tags"), required=False, widget=forms.TextInput(attrs=TAG_COMPLETION))
    max_rate = forms.IntegerField(
        label=_("Points an hour, at most"),
        required=False,
        error_messages={"invalid": _("Write a whole number of points.")},
        validators=[
            MinValueValidator(0, _("Write 0 or more points.")),
            MaxValueValidator(MAX_HOURLY_RATE, _("Write at most %(limit_value)d points.")),
        ],
        widget=forms.NumberInput(attrs={**ATTRS, "min": 0, "max": MAX_HOURLY_RATE, "inputmode": "numeric"}),
    )
    min_rating = forms.TypedChoiceField(
        label=_("Rated at least"),
        required=False,
        coerce=lambda tenths: round(float(tenths) * 10),
        empty_value=None,
        choices=[("", _("any rating")), ("3", "3 ★"), ("3.5", "3.5 ★"), ("4", "4 ★"), ("4.5", "4.5 ★")],
        error_messages={"invalid_choice": _("Choose one from the list.")},
        widget=forms.Select(attrs=ATTRS),
    )
    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[("", _("any status")), *MentorProfile.Status.choices],
        error_messages={"invalid_choice": _("Choose one from the list.")},
        widget=forms.Select(attrs=ATTRS),
    )
    free_on = forms.DateField(
        label=_("Free on"),
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Write a day that exists, such as 2026-11-24.")},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={**ATTRS, "type": "date"}),
    )
    order = forms.ChoiceField(
        required=False,
        choices=[(order, order) for order in ORDERS],
        error_messages={"invalid_choice": _("Sorted by rating: there is no such order.")},
    )

    def __init__(self, query, *, now):
        self.now = now
        super().__init__({name: query.get(name, "") for name in self.base_fields} | {"tag": query.getlist("tag")})
        self.tags, self.unknown_tags, self.refused_tags = [], [], []
        self.is_valid()
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            if self.has_error(name):
                field.widget.attrs["class"] += " is-invalid"
        # The box is for adding one: sound tags stand beside it as chips, and only what was refused is kept in it.
        self.data["tag"] = ", ".join("".join(filter(str.isprintable, name)).strip() for name in self.refused_tags)

    def clean_q(self):
        query = self.cleaned_data["q"]
        directory.check_query(query)
        return query

    def clean_free_on(self):
        day = self.cleaned_data["free_on"]
        if day is not None:
            directory.check_day(day, now=self.now)
        return day

    def clean(self):
        names = []
        for typed in self.data["tag"]:
            for name in typed.split(",")[: directory.MAX_TAGS + 1]:
                try:
                    names += [tags.normalise(name)] if name.strip() else []
                except ValidationError as error:
                    self.refused_tags.append(name)
                    self.add_error("tag", error)
        names = list(dict.fromkeys(names))
        if len(names) > directory.MAX_TAGS:
            self.refused_tags += names[directory.MAX_TAGS :]
            names = names[: directory.MAX_TAGS]
            self.add_error("tag", _("Choose at most %(limit)d tags.") % {"limit": directory.MAX_TAGS})
        found = Tag.objects.by_spelling(names) if names else {}
        self.tags = list(dict.fromkeys(found[name] for name in names if name in found))
        self.unknown_tags = [name for name in names if name not in found]

    def value(self, name):
        """The cleaned value; None or "" where there is none, or a bad one."""
        return self.cleaned_data.get(name) or (0 if self.cleaned_data.get(name) == 0 else None)

    @property
    def filter_count(self):
        """How many of the filters behind the button are in force."""
        return sum(self.value(name) not in (None, "") for name in self.BEHIND_BUTTON)

    @property
    def has_filter_errors(self):
        return any(self.has_error(name) for name in self.BEHIND_BUTTON)

    @property
    def chosen_order(self):
        return self.value("order") or self.ORDERS[0]

    def rows(self, viewer, viewer_zone):
        """The mentors that every sound filter lets through, in order."""
        if self.unknown_tags:
            return MentorProfile.objects.none()
        return directory.find_mentors(
            query=self.value("q") or "",
            tags=self.tags,
            max_rate_points=self.value("max_rate"),
            min_rating_tenths=self.value("min_rating"),
            status=self.value("status"),
            free_on=self.value("free_on"),
            order=self.chosen_order,
            viewer=viewer,
            viewer_zone=viewer_zone,
            now=self.now,
        )
