from functools import lru_cache

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from allauth.mfa.base import forms as mfa_forms
from allauth.mfa.totp import forms as totp_forms
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from django.forms.utils import flatatt
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from accounts.actions import VALID_DAYS
from accounts.editing import edit_profile, tidy_skills
from accounts.models import (
    MAX_SKILL_LENGTH,
    MAX_SKILLS,
    GroupInvitation,
    PersonalToken,
    ProjectGroup,
    User,
    validate_name,
)
from accounts.passwords import MAX_LENGTH, MIN_LENGTH
from accounts.timezones import known_timezones, timezone_choices, visitor_timezone

TOO_LONG = _("Use at most %(limit_value)d characters.")
SELECTED = format_html(" selected{}", "")

__all__ = ["ProfileForm", "SignupForm", "TimezoneField", "timezone_choices"]


class TimezoneSelect(forms.Select):
    """A select of 600 options whose groups are written once; Django's own renders a template for each option."""

    def render(self, name, value, attrs=None, renderer=None):
        chosen = str(value or "")
        groups = format_html_join(
            "",
            "{}",
            (
                [_options(region, zones, chosen if any(zone == chosen for zone, label in zones) else "")]
                for region, zones in timezone_choices()
            ),
        )
        empty = "" if chosen in known_timezones() else format_html('<option value="" selected>{}</option>', _("Choose"))
        flat = flatatt(self.build_attrs(self.attrs, {**(attrs or {}), "name": name}))
        return format_html("<select{}>{}{}</select>", flat, empty, groups)


@lru_cache(maxsize=256)
def _options(region, zones, chosen):
    options = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((zone, SELECTED if zone == chosen else "", label) for zone, label in zones),
    )
    return format_html('<optgroup label="{}">{}</optgroup>', region, options)


class TimezoneField(forms.ChoiceField):
    """A time zone, chosen from all of them by region; static/js/timezone.js offers the browser's own."""

    widget = TimezoneSelect

    def __init__(self, **kwargs):
        kwargs.setdefault("label", _("Time zone"))
        super().__init__(choices=timezone_choices, **kwargs)
        self.widget.attrs["data-timezone"] = ""
        self.error_messages["invalid_choice"] = _("“%(value)s” is not a time zone; pick one such as Europe/Madrid.")

    def valid_value(self, value):
        return value in known_timezones()


class SkillsField(forms.CharField):
    """Words separated by commas, kept as a list without repetitions."""

    def prepare_value(self, value):
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value):
        skills = tidy_skills([super().clean(value)])
        if len(skills) > MAX_SKILLS:
            raise forms.ValidationError(
                ngettext_lazy("List at most %(most)d skill.", "List at most %(most)d skills.", MAX_SKILLS),
                params={"most": MAX_SKILLS},
            )
        for skill in skills:
            if len(skill) > MAX_SKILL_LENGTH:
                raise forms.ValidationError(
                    _("“%(start)s…” is longer than %(most)d characters. Separate skills by commas."),
                    params={"start": skill[:20], "most": MAX_SKILL_LENGTH},
                )
        return skills


def _limit(password_field):
    """Refuse what is too long before anything is computed with it."""
    password_field.validators.append(MaxLengthValidator(MAX_LENGTH, TOO_LONG))


def _prepare_new_password(field):
    field.help_text = _("At least %(least)d characters. A few words that belong together only for you are best.") % {
        "least": MIN_LENGTH
    }
    _limit(field)


ASK_FOR = {
    "name": _("Write your name."),
    "email": _("Write your e-mail address, such as ann@example.org."),
    "login": _("Write the e-mail address you signed up with."),
    "password": _("Write your password."),
    "oldpassword": _("Write your current password."),
    "password1": _("Choose a password."),
    "code": _("Write the code that the app shows."),
}


def _in_our_words(form):
    """What allauth's fields say, said our way."""
    for name, field in form.fields.items():
        # The label stands above; a second, grey one inside vanishes when one types.
        field.widget.attrs.pop("placeholder", None)
        field.error_messages["required"] = ASK_FOR.get(name, field.error_messages["required"])


class SignupForm(allauth_forms.SignupForm):
    LEARN, MENTOR = "learn", "mentor"

    intent = forms.ChoiceField(
        label=_("What brings you here?"),
        choices=[
            (LEARN, _("I want to learn")),
            (MENTOR, _("I want to mentor")),
        ],
        initial=LEARN,
        widget=forms.RadioSelect,
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        validators=[validate_name],
        help_text=_("As you want to be called here."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    timezone = TimezoneField(help_text=_("Every time on this site is shown in this zone."))
    field_order = ["intent", "name", "email", "password1", "timezone"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail address")
        longest = User._meta.get_field("email").max_length
        self.fields["email"].validators.append(MaxLengthValidator(longest, TOO_LONG))
        _prepare_new_password(self.fields["password1"])
        _in_our_words(self)
        if self.by_request("intent") == self.MENTOR:
            self.initial["intent"] = self.MENTOR
        if not self.is_bound and (request := _current_request()):
            self.initial.setdefault("timezone", visitor_timezone(request))
            self.fields["timezone"].widget.attrs["data-timezone-prefill"] = ""
        self.fields["timezone"].initial = settings.DEFAULT_TIMEZONE

    def by_request(self, name):
        """What the link that led here asked for, as in `?intent=mentor`."""
        request = _current_request()
        return request.GET.get(name) if request else None

    def describe(self, user):
        """Write what the person told about themself on `user`, before it is saved for the first time."""
        user.name = self.cleaned_data["name"]
        user.timezone = self.cleaned_data["timezone"]
        user.wants_to_mentor = self.cleaned_data["intent"] == self.MENTOR

    def save(self, request):
        with transaction.atomic():
            return super().save(request)

    def try_save(self, request):
        try:
            return super().try_save(request)
        except IntegrityError:
            # The same form was sent twice at the same moment; the other one made the account.
            messages.info(request, get_adapter().error_messages["email_taken"])
            return None, redirect("account_login")


def _current_request():
    from allauth.core import context

    return context.request


class LoginForm(allauth_forms.LoginForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("E-mail address")
        self.fields["password"].help_text = ""
        _limit(self.fields["password"])
        _in_our_words(self)


class ReauthenticateForm(allauth_forms.ReauthenticateForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        _limit(self.fields["password"])
        _in_our_words(self)


class ChangePasswordForm(allauth_forms.ChangePasswordForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.fields["password2"]
        self.fields["oldpassword"].label = _("Current password")
        self.fields["password1"].label = _("New password")
        _limit(self.fields["oldpassword"])
        _prepare_new_password(self.fields["password1"])
        _in_our_words(self)

    def clean_oldpassword(self):
        # Through the backend, so that guessing here counts like guessing at the door.
        if not get_adapter().reauthenticate(self.user, self.cleaned_data["oldpassword"]):
            raise get_adapter().validation_error("enter_current_password")
        return self.cleaned_data["oldpassword"]


class _NewPasswordForm:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.fields["password2"]
        self.fields["password1"].label = _("New password")
        _prepare_new_password(self.fields["password1"])
        _in_our_words(self)


class SetPasswordForm(_NewPasswordForm, allauth_forms.SetPasswordForm):
    pass


class ResetPasswordKeyForm(_NewPasswordForm, allauth_forms.ResetPasswordKeyForm):
    pass


class ResetPasswordForm(allauth_forms.ResetPasswordForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail address")
        _in_our_words(self)


class AddEmailForm(allauth_forms.AddEmailForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("New e-mail address")
        self.fields["email"].validators.append(MaxLengthValidator(User._meta.get_field("email").max_length, TOO_LONG))
        _in_our_words(self)


class _CodeForm:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].label = _("Code")
        self.fields["code"].widget.attrs["inputmode"] = "numeric"
        _in_our_words(self)


class AuthenticateForm(_CodeForm, mfa_forms.AuthenticateForm):
    pass


class ReauthenticateByCodeForm(_CodeForm, mfa_forms.ReauthenticateForm):
    pass


class ActivateTOTPForm(_CodeForm, totp_forms.ActivateTOTPForm):
    pass


class ProfileForm(forms.ModelForm):
    skills = SkillsField(
        label=_("Skills"),
        required=False,
        max_length=1200,
        help_text=_("Separated by commas, such as: python, statistics, CSS."),
    )
    timezone = TimezoneField(help_text=_("Every time on this site is shown in this zone."))

    class Meta:
        model = User
        fields = ["name", "timezone", "language", "bio", "skills"]
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "bio": forms.Textarea(attrs={"rows": 5}),
        }
        help_texts = {"bio": _("What you are working on and what you would like to get better at.")}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if len(settings.LANGUAGES) == 1:
            del self.fields["language"]

    def save(self):
        """Through the rule that programs change a profile by, and only these fields: others may have changed since."""
        return edit_profile(self.instance, **self.cleaned_data)


class TimezoneForm(forms.Form):
    """The switch beside a list of times."""

    timezone = TimezoneField()


VALID_FOR = {30: _("30 days"), 90: _("90 days"), 365: _("a year")}


class TokenForm(forms.ModelForm):
    """A personal token to be made."""

    valid_days = forms.TypedChoiceField(
        label=_("Valid for"),
        choices=[(days, VALID_FOR[days]) for days in VALID_DAYS],
        initial=90,
        coerce=int,
        help_text=_("After that, make a new one."),
    )

    class Meta:
        model = PersonalToken
        fields = ["name", "scope", "valid_days"]
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"}), "scope": forms.RadioSelect}
        help_texts = {"name": _("Such as the name of the script, so that you can tell your tokens apart.")}
        error_messages = {"name": {"required": _("Say what the token is for, such as the name of the script.")}}


class GroupForm(forms.ModelForm):
    class Meta:
        model = ProjectGroup
        fields = ["name", "description", "members_may_pay"]
        widgets = {"description": forms.Textarea(attrs={"rows": 4})}
        error_messages = {"name": {"required": _("Give the group a name, such as that of the project.")}}


class InviteForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=GroupInvitation._meta.get_field("email").max_length,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": _("Write the e-mail address of the person."),
            "invalid": _("This is no e-mail address; one looks like ann@example.org."),
        },
    )


class HandOverForm(forms.Form):
    """To whom staff hand a group over whose owner has gone."""

    to = forms.ModelChoiceField(
        label=_("New owner"), queryset=User.objects.none(), error_messages={"required": _("Choose a member.")}
    )

    def __init__(self, *args, group, **kwargs):
        super().__init__(*args, **kwargs)
        members = User.objects.active().filter(memberships__group=group)
        self.fields["to"].queryset = members.exclude(pk=group.owner_id).order_by("name", "pk")
