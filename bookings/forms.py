import datetime as dt
import re
import uuid
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import TimezoneField, TimezoneSelect
from bookings.models import DAY_MINUTES, MOST_WINDOWS_A_DAY, Appointment, AppointmentEvent, DateOverride, Weekday
from bookings.timetable import usual_length
from wallets.actions import IdempotencyMismatch

# Instants outside these years cannot be shown in every zone, and nobody books them.
FIRST_YEAR, LAST_YEAR = 2000, 2200
LONGEST_RANGE_DAYS = 366


class InstantField(forms.CharField):
    """An instant as addresses write it: 2026-11-24T13:00Z."""

    default_error_messages = {"invalid": _("That is not a time such as 2026-11-24T13:00Z.")}

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return None
        moment = self.read(value)
        if moment is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return moment

    @staticmethod
    def read(text):
        """The instant that `text` names, or None."""
        try:
            moment = dt.datetime.fromisoformat(text or "")
        except ValueError:
            return None
        if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
            return None
        return moment.astimezone(dt.UTC)


class TimesQuery(forms.Form):
    """What somebody asked the page of free times to show. Nothing here is refused: a value that makes no sense is
    named in `notes` and left at what is sensible."""

    duration = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)
    day = forms.DateField(required=False)
    timezone = TimezoneField(required=False)
    start = InstantField(required=False)

    def __init__(self, *args, mentor, viewer, lengths=None, usual_minutes=None, **kwargs):
        """`lengths` and the one shown first are the mentor's unless a session is moved, which has one already."""
        super().__init__(*args, **kwargs)
        self.mentor = mentor
        self.viewer = viewer
        self.lengths = lengths or mentor.session_minutes
        self.fields["duration"].choices = [(minutes, minutes) for minutes in self.lengths]
        self.notes = []
        self.is_valid()
        unclear = {
            "duration": _("%(name)s does not offer that length; this is what is offered."),
            "day": _("That is not a date; these are the next days."),
            "timezone": _("That is not a time zone; times are shown in yours."),
            "start": _("That is not a time; choose one below."),
        }
        self.notes = [unclear[name] % {"name": mentor.user.get_short_name()} for name in unclear if name in self.errors]
        self.zone = ZoneInfo(self.cleaned_data.get("timezone") or viewer.timezone)
        self.duration_minutes = self.cleaned_data.get("duration") or usual_minutes or usual_length(mentor)
        self.starts_at = self.cleaned_data.get("start")

    def choose(self, form):
        """Take over the time that a booking form was sent with, or that was picked instead of it."""
        typed = form.data if form.is_bound else form.initial  # a refusal takes the field out of cleaned_data
        picked = InstantField.read(typed.get("starts_at"))
        self.starts_at = picked or self.starts_at

    def first_day(self, today, last_day):
        """The first day to show: the one asked for, within what can be booked; None when none was asked for."""
        day = self.cleaned_data.get("day")
        if day is None and self.starts_at is not None:
            chosen = self.starts_at.astimezone(self.zone).date()
            if today <= chosen <= last_day:
                return today + (chosen - today) // dt.timedelta(days=7) * dt.timedelta(days=7)
            return None
        if day is None:
            return None
        if day < today:
            self.notes.append(_("That day is over; these are the next."))
        elif day > last_day:
            self.notes.append(
                _("%(name)s takes bookings up to %(days)s days ahead; these are the last of them.")
                % {"name": self.mentor.user.get_short_name(), "days": self.mentor.booking_horizon_days}
            )
        return min(max(day, today), last_day)

    def zone_select(self):
        return TimezoneSelect().render(
            "timezone", str(self.zone), {"id": "zone-select", "class": "form-select form-select-sm"}
        )

    def address(self, **changes):
        """The query string of this view with `changes`; None leaves a value out."""
        values = {
            "duration": self.duration_minutes,
            "timezone": str(self.zone) if str(self.zone) != self.viewer.timezone else None,
            **changes,
        }
        return "?" + urlencode({name: value for name, value in values.items() if value is not None})


class BookingForm(forms.ModelForm):
    starts_at = InstantField(widget=forms.HiddenInput, error_messages={"required": _("Choose a time.")})
    duration_minutes = forms.TypedChoiceField(coerce=int, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(max_length=100, widget=forms.HiddenInput)

    class Meta:
        model = Appointment
        fields = ["title", "description"]
        labels = {"title": _("What about?"), "description": _("Details")}
        widgets = {
            # What was typed stays when another time is chosen and htmx swaps the page around it.
            "title": forms.TextInput(attrs={"autocomplete": "off", "hx-preserve": "true"}),
            "description": forms.Textarea(attrs={"rows": 2, "hx-preserve": "true"}),
        }
        help_texts = {"description": _("What you tried, what you want to reach, a link to your code.")}
        error_messages = {"title": {"required": _("Say in a few words what you want to talk about.")}}

    def __init__(self, *args, mentor, query=None, **kwargs):
        """`query` is the BookingQuery that says for whom and how often."""
        super().__init__(*args, **kwargs)
        self.query = query
        name = mentor.user.get_short_name()
        self.fields["duration_minutes"].choices = [(minutes, minutes) for minutes in mentor.session_minutes]
        self.fields["duration_minutes"].error_messages["invalid_choice"] = _("%(name)s does not offer that length.") % {
            "name": name
        }

    def clean(self):
        """What was chosen and cannot be stands in the notes of the page; nothing else is booked in its place."""
        if self.query is not None and self.query.has_wrong_choice:
            raise forms.ValidationError(_("Nothing was booked. Look at what is shown now, then book."))
        return super().clean()

    def add_error(self, field, error):
        """After a key that was used for something else, the next press needs a key of its own."""
        super().add_error(field, error)
        if isinstance(getattr(self, "refusal", None), IdempotencyMismatch):
            self.data = {**self.data.dict(), "idempotency_key": str(uuid.uuid4())}

    def _post_clean(self):
        """Leave the model out of it: the action writes the appointment and the database checks it."""


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=AppointmentEvent._meta.get_field("reason").max_length,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


# --- The small forms of the editor (`bookings.editor`), each of which knows what is there already --------------------


class MinuteField(forms.CharField):
    """A time of day as people type it (9, 9:30, 09.30, 0930), as the minute of the day."""

    default_error_messages = {"invalid": _("Type a time such as 09:00.")}
    pattern = re.compile(r"(?P<hour>\d{1,2})(?:[:.h]?(?P<minute>\d{2}))?", re.ASCII)

    def __init__(self, *, latest=DAY_MINUTES - 1, **kwargs):
        self.latest = latest
        super().__init__(**kwargs)
        self.widget.attrs.update({"autocomplete": "off", "size": 5, "maxlength": 8})

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return None
        match = self.pattern.fullmatch(value)
        minute = int(match["hour"]) * 60 + int(match["minute"] or 0) if match else DAY_MINUTES + 1
        if minute > self.latest or int(match["minute"] or 0) > 59:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return minute

    def prepare_value(self, value):
        return clock(value) if isinstance(value, int) else value


def clock(minute):
    """Minute 570 of the day as 09:30."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def overlap(one, other):
    """Whether two windows of one day share time; each runs into the next day where its end is not after its start."""
    (start, end), (other_start, _until) = sorted([one, other])
    return other_start < (end if end > start else end + DAY_MINUTES)


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **kwargs):
        super().__init__(format="%Y-%m-%d", **kwargs)


class EditorForm(forms.Form):
    def __init__(self, *args, editor, **kwargs):
        super().__init__(*args, **kwargs)
        self.editor = editor


class WindowForm(EditorForm):
    """From and to; shared by the weekly hours and the hours of one date."""

    start_minute = MinuteField(label=_("From"), initial=9 * 60)
    end_minute = MinuteField(
        label=_("To"),
        initial=17 * 60,
        latest=DAY_MINUTES,
        error_messages={"invalid": _("Type a time such as 17:00, at most 24:00.")},
    )

    def clean(self):
        cleaned = super().clean()
        start, end = cleaned.get("start_minute"), cleaned.get("end_minute")
        if end == 0:
            cleaned["end_minute"] = end = DAY_MINUTES  # until midnight, which closes the day
        if start is not None and start == end:
            self.add_error("end_minute", _("From and to are the same. For the whole day, type 00:00 to 24:00."))
        return cleaned

    def refuse_if_full_or_overlapping(self, windows, day):
        """Hold the new window against those that `day` has."""
        window = (self.cleaned_data["start_minute"], self.cleaned_data["end_minute"])
        for taken in windows:
            if overlap(taken, window):
                self.add_error(
                    "start_minute",
                    _("%(day)s has %(start)s–%(end)s already. Remove that first, or type other times.")
                    % {"day": day, "start": clock(taken[0]), "end": clock(taken[1])},
                )
                return
        if len(windows) >= MOST_WINDOWS_A_DAY:
            self.add_error(
                "start_minute",
                _("%(day)s has %(count)s times already, which is the most.") % {"day": day, "count": len(windows)},
            )


class AddHoursForm(WindowForm):
    weekdays = forms.TypedMultipleChoiceField(
        label=_("On"),
        choices=Weekday.choices,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one day.")},
    )

    def clean(self):
        cleaned = super().clean()
        if not self.errors:
            for weekday in cleaned["weekdays"]:
                self.refuse_if_full_or_overlapping(self.editor.weekly[weekday], Weekday(weekday).label)
                if self.errors:
                    break
        return cleaned


class RemoveHoursForm(EditorForm):
    weekday = forms.TypedChoiceField(choices=Weekday.choices, coerce=int)
    start_minute = forms.IntegerField(min_value=0, max_value=DAY_MINUTES - 1)


class CopyDayForm(EditorForm):
    weekday = forms.TypedChoiceField(label=_("Copy the hours of"), choices=Weekday.choices, coerce=int)
    to_weekdays = forms.TypedMultipleChoiceField(
        label=_("to"),
        choices=Weekday.choices,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one day.")},
    )


class UpcomingDateField(forms.DateField):
    """A date from today on that is not so far away that nobody meant it."""

    widget = DateInput

    def refuse_past_and_far(self, date, today):
        if date < today:
            raise forms.ValidationError(_("That day is over."), code="past")
        if date > today + dt.timedelta(days=2 * LONGEST_RANGE_DAYS):
            raise forms.ValidationError(_("That is more than two years away."), code="far")


def note_field():
    longest = DateOverride._meta.get_field("note").max_length
    return forms.CharField(label=_("Note"), max_length=longest, required=False, help_text=_("Only you see it."))


class DaysOffForm(EditorForm):
    first = UpcomingDateField(label=_("First day"))
    last = UpcomingDateField(label=_("Last day"), required=False, help_text=_("Empty: one day."))
    note = note_field()

    def clean(self):
        cleaned = super().clean()
        first = cleaned.get("first")
        if first is None or "last" in self.errors:
            return cleaned
        cleaned["last"] = last = cleaned.get("last") or first
        where = "last" if self.data.get("last") else "first"
        if last < first:
            self.add_error("last", _("The last day is before the first."))
        elif (last - first).days >= LONGEST_RANGE_DAYS:
            self.add_error("last", _("That is longer than a year. Take it in parts, or set yourself away."))
        else:
            try:
                self.fields["last"].refuse_past_and_far(last, self.editor.today)
            except forms.ValidationError as error:
                self.add_error(where, error)
        return cleaned


class SpecialHoursForm(WindowForm):
    date = UpcomingDateField(label=_("Date"))
    note = note_field()
    field_order = ["date", "start_minute", "end_minute", "note"]

    def clean_date(self):
        date = self.cleaned_data["date"]
        self.fields["date"].refuse_past_and_far(date, self.editor.today)
        return date

    def clean(self):
        cleaned = super().clean()
        if not self.errors:
            self.refuse_if_full_or_overlapping(self.editor.windows_on(cleaned["date"]), _("That day"))
        return cleaned


class UsualHoursForm(EditorForm):
    """Dates that get their weekly hours back."""

    first = forms.DateField()
    last = forms.DateField()


class HoursZoneForm(EditorForm):
    timezone = TimezoneField(label=_("Time zone of your hours"))

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial["timezone"] = self.editor.mentor.timezone
