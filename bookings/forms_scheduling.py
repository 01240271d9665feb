"""What somebody looks for, and what they picked of it."""

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ProjectGroup
from bookings.actions.booking import GroupDoesNotPay, PayFrom
from bookings.actions.scheduling import Choice
from bookings.forms import DateInput, InstantField, MinuteField
from bookings.models import DAY_MINUTES, Appointment
from bookings.scheduling import LONGEST_RANGE_DAYS, Wanted, tags_called
from mentorbook.pieces import duration
from mentors.forms import TagsField
from mentors.models import SESSION_MINUTES
from tickets.models import Ticket
from wallets.actions import IdempotencyMismatch, wallet_of, wallet_of_group

USUAL_MINUTES = 60
USUAL_DAYS = 14
MAX_TAGS = 5
MOST_POINTS = 200_000  # two hours at the highest rate


class WantedForm(forms.Form):
    """The wish, read from an address. What is not in it is left at what is usual; `is_asked` tells whether anything is.

    A question (`ticket`) brings its tags, unless others are named. What is for a group is paid from its wallet where
    the student may and something is in it, unless `pay_from` says otherwise; `payer` is the group that pays, or None.
    """

    MORE = ("earliest", "latest", "group", "pay_from")

    ticket = forms.ModelChoiceField(
        Ticket.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("That is not one of your questions.")},
    )
    tag = TagsField(
        label=_("Which subject?"),
        required=False,
        at_most=MAX_TAGS,
        help_text=_("Tags, separated by commas. Whoever knows one of them fits, whoever knows more fits better."),
    )
    duration = forms.TypedChoiceField(
        label=_("How long?"),
        coerce=int,
        choices=lambda: [(minutes, duration(minutes)) for minutes in SESSION_MINUTES],
        error_messages={"invalid_choice": _("Choose one from the list.")},
    )
    first = forms.DateField(
        label=_("From"),
        input_formats=["%Y-%m-%d"],
        widget=DateInput(),
        error_messages={"invalid": _("Write a day that exists, such as 2026-11-24.")},
    )
    last = forms.DateField(
        label=_("Until"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=DateInput(),
        help_text=_("Empty: two weeks."),
        error_messages={"invalid": _("Write a day that exists, such as 2026-11-24.")},
    )
    earliest = MinuteField(label=_("Not before"), required=False, help_text=_("Such as 18:00. Empty: any time."))
    latest = MinuteField(
        label=_("Over by"),
        required=False,
        latest=DAY_MINUTES,
        help_text=_("Such as 21:30. A time before the other is on the next day."),
        error_messages={"invalid": _("Type a time such as 17:00, at most 24:00.")},
    )
    price = forms.IntegerField(
        label=_("Points, at most"),
        required=False,
        error_messages={"invalid": _("Write a whole number of points.")},
        validators=[
            MinValueValidator(0, _("Write 0 or more points.")),
            MaxValueValidator(MOST_POINTS, _("Write at most %(limit_value)d points.")),
        ],
        # Not a number input: a browser would empty it of whatever else was typed.
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    group = forms.ModelChoiceField(
        ProjectGroup.objects.none(),
        label=_("For whom?"),
        required=False,
        empty_label=_("just me"),
        error_messages={"invalid_choice": _("You do not belong to that group. Choose one from the list.")},
    )
    pay_from = forms.ChoiceField(
        label=_("Paid from"),
        required=False,
        help_text=_("Where you may not, or it is empty: your own points."),
        choices=[("", _("the group if possible")), *PayFrom.choices],
        error_messages={"invalid_choice": _("Choose one from the list.")},
    )

    def __init__(self, query, *, student, now):
        self.student, self.now = student, now
        self.zone = timezone.get_current_timezone()
        self.today = now.astimezone(self.zone).date()
        self.is_asked = any(name in query for name in self.base_fields)
        usual = {"duration": USUAL_MINUTES, "first": self.today.isoformat()}
        sent = {name: query[name] for name in self.base_fields if name in query}
        super().__init__({**usual, **sent} if self.is_asked else None, initial=usual)
        self.payer = None
        self.balance_points = wallet_of(student).balance_points
        self.fields["ticket"].queryset = Ticket.objects.of_student(student).prefetch_related("tags")
        self.fields["group"].queryset = groups = ProjectGroup.objects.of_person(student)
        if "group" not in query and not groups.exists():
            del self.fields["group"], self.fields["pay_from"]
        if self.is_asked:
            self._take_tags_of_ticket(query)
        self.is_valid()  # the help says who pays
        self["price"].help_text = self._what_can_be_spent()

    def _take_tags_of_ticket(self, query):
        if "tag" not in query and self.question:
            self.data["tag"] = ", ".join(tag.name for tag in self.question.tags.all())
            self.full_clean()

    def _what_can_be_spent(self):
        if self.payer:
            words = {"group": self.payer, "points": self.balance_points}
            return _("Empty: all there is; %(group)s has %(points)s.") % words
        return _("Empty: all there is; you have %(points)s.") % {"points": self.balance_points}

    @property
    def question(self):
        """The question that it is about, also where something else in the form is wrong."""
        return self.cleaned_data.get("ticket") if self.is_bound and not self.has_error("ticket") else None

    def clean_tag(self):
        tags, missing = tags_called(self.cleaned_data["tag"])
        if missing:
            raise ValidationError(
                _("Nobody here knows “%(tag)s” yet. Leave it out, or write another word."), params={"tag": missing[0]}
            )
        return tags

    def clean_first(self):
        first = self.cleaned_data["first"]
        if first < self.today:
            raise ValidationError(_("That day is over. Choose today or a later one."))
        if (first - self.today).days > 366:
            raise ValidationError(_("Choose a day within a year."))
        return first

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The last day is before the first."))
        elif first and last and (last - first).days >= LONGEST_RANGE_DAYS:
            self.add_error("last", _("Look through at most %(days)s days at once.") % {"days": LONGEST_RANGE_DAYS})
        earliest, latest = cleaned.get("earliest") or 0, cleaned.get("latest")
        length = cleaned.get("duration")
        between = ((DAY_MINUTES if latest is None else latest) - earliest) % DAY_MINUTES
        if length and not self.errors.keys() & {"earliest", "latest"} and 0 < between < length:
            field = "earliest" if latest is None else "latest"
            self.add_error(field, _("That is less time than the session takes."))
        self._choose_payer(cleaned)
        return cleaned

    def _choose_payer(self, cleaned):
        group, pay_from = cleaned.get("group"), cleaned.get("pay_from")
        if pay_from == PayFrom.GROUP and group is None:
            if "group" not in self.errors:
                self.add_error("pay_from", _("Choose the group that pays, or pay from your own points."))
        elif pay_from == PayFrom.GROUP and not group.may_be_paid_by(self.student):
            self.add_error("pay_from", str(GroupDoesNotPay.message))
        elif group is not None and pay_from in ("", PayFrom.GROUP) and group.may_be_paid_by(self.student):
            points = wallet_of_group(group).balance_points
            if points or pay_from == PayFrom.GROUP:
                self.payer, self.balance_points = group, points

    @property
    def has_more(self):
        """Whether something is said, or wrong, in the fields that few need."""
        return any(self[name].value() or self[name].errors for name in self.MORE if name in self.fields)

    @property
    def usual_title(self):
        """What the session may be called: what the question is, or else the tags."""
        if self.question:
            return self.question.title
        names = ", ".join(tag.name for tag in self.cleaned_data.get("tag", ())) if self.is_bound else ""
        return names[: Appointment._meta.get_field("title").max_length]

    @property
    def ticket_errors(self):
        return self.errors.get("ticket", [])

    @property
    def wanted(self) -> Wanted:
        """The wish, once it is valid."""
        cleaned = self.cleaned_data
        first = cleaned["first"]
        earliest, latest = cleaned["earliest"], cleaned["latest"]
        return Wanted(
            tags=cleaned["tag"],
            duration_minutes=cleaned["duration"],
            first=first,
            last=cleaned["last"] or first + dt.timedelta(days=USUAL_DAYS - 1),
            zone=self.zone.key if isinstance(self.zone, ZoneInfo) else str(self.zone),
            from_minute=earliest or 0,
            to_minute=DAY_MINUTES if latest is None else latest,
            highest_price_points=self.balance_points if cleaned["price"] is None else cleaned["price"],
            group=cleaned.get("group"),
            pays_from_group=self.payer is not None,
            ticket=cleaned.get("ticket"),
        )


class ChoiceField(forms.CharField):
    """A mentor's time and the price shown, as the buttons send them: 17@2026-11-24T13:00Z@50."""

    default_error_messages = {
        "required": _("Choose a time."),
        "invalid": _("That is not one of the times. Choose one below."),
    }

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return None
        mentor, _at, rest = value.partition("@")
        start, _at, price = rest.partition("@")
        starts_at = InstantField.read(start)
        # Nine digits: what every database can look for.
        if starts_at is None or not all(
            text.isascii() and text.isdigit() and len(text) < 10 for text in (mentor, price)
        ):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return Choice(int(mentor), starts_at, int(price))


class BookBestForm(forms.Form):
    title = forms.CharField(
        label=_("What about, in a few words?"),
        max_length=Appointment._meta.get_field("title").max_length,
        help_text=_("The mentor reads it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Say in a few words what you want to talk about.")},
    )
    choice = ChoiceField(max_length=60, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(max_length=100, widget=forms.HiddenInput)

    def add_error(self, field, error):
        """After a key that was used for something else, the next press needs a key of its own."""
        super().add_error(field, error)
        if isinstance(getattr(self, "refusal", None), IdempotencyMismatch):
            self.data = {**self.data.dict(), "idempotency_key": str(uuid.uuid4())}
