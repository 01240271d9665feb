"""Who somebody is who signs up or in without a browser. Pages do this with allauth's forms; so do these."""

import datetime as dt

from allauth.account.models import EmailAddress
from allauth.account.signals import user_signed_up
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts import joining
from accounts.actions import Tokens, start_session
from accounts.forms import AuthenticateForm, SignupForm
from mentorbook.errors import Refused


class EmailTaken(Refused):
    code = "email_taken"
    field = "email"
    message = _("There is an account with this address already. Sign in, or set a new password.")


class NotAccepted(Refused):
    """A name, address, password or zone that the sign-up form refuses. Fact: `problems`, all of them by field."""

    code = "not_accepted"
    status = 422


class BadCredentials(Refused):
    code = "bad_credentials"
    status = 401
    message = _(
        "This address and password do not fit together. After ten wrong passwords an account takes none for five"
        " minutes."
    )


class CodeNeeded(Refused):
    code = "second_factor_needed"
    status = 401
    field = "code"
    message = _("This account has a second factor. Send its code as well.")


class BadCode(Refused):
    code = "bad_code"
    status = 401
    field = "code"


class EmailNotConfirmed(Refused):
    code = "email_not_confirmed"
    status = 403
    field = "email"
    message = _("Confirm your e-mail address first: the link is in the mail we sent there.")


FIELDS = {"password1": "password", "intent": "role", "__all__": None}


def sign_up(request, *, email: str, password: str, name: str, timezone: str, wants_to_mentor: bool):
    """A new person, with welcome points and the mail that confirms their address, as the sign-up page makes them."""
    form = SignupForm(
        {
            "email": email,
            "password1": password,
            "name": name,
            "timezone": timezone or settings.DEFAULT_TIMEZONE,
            "intent": SignupForm.MENTOR if wants_to_mentor else SignupForm.LEARN,
        }
    )
    if not form.is_valid():
        errors = form.errors.as_data()
        if any(error.code == "email_taken" for error in errors.get("email", ())):
            raise EmailTaken
        problems = {FIELDS.get(name, name): list(form.errors[name]) for name in errors}
        first = next(iter(problems))
        refusal = NotAccepted(" ".join(problems[first]), problems=problems)
        refusal.field = first
        raise refusal
    if form.account_already_exists:
        raise EmailTaken
    user = _make(request, form, wants_to_mentor)
    if settings.ACCOUNT_EMAIL_VERIFICATION != "none":
        EmailAddress.objects.get(user=user).send_confirmation(request, signup=True)
    return user


@transaction.atomic
def _make(request, form, wants_to_mentor):
    """The person with all that belongs to them, or nothing."""
    try:
        user = form.save(request)
    except IntegrityError as error:  # somebody was quicker
        raise EmailTaken from error
    user_signed_up.send(sender=type(user), request=request, user=user)
    if wants_to_mentor:
        joining.begin_to_mentor(user)
    return user


def may_sign_in(user) -> bool:
    """Whether the installation lets `user` in before the address is confirmed, or it is."""
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
        return True
    return EmailAddress.objects.filter(user=user, verified=True).exists()


def sign_in(request, *, email: str, password: str, code: str | None, now: dt.datetime) -> Tokens:
    """A session for whoever knows address, password and, where the account has a second factor, its code.

    Wrong passwords count with those of the pages (`accounts.guessing`), wrong codes with those of theirs.
    """
    user = authenticate(request, email=email, password=password)
    if user is None:
        raise BadCredentials
    if is_mfa_enabled(user):
        if not code:
            raise CodeNeeded
        form = AuthenticateForm({"code": code}, user=user)
        if not form.is_valid():
            raise BadCode(" ".join(form.errors.get("code", form.non_field_errors())))
        form.authenticator.record_usage()
    if not may_sign_in(user):
        raise EmailNotConfirmed
    update_last_login(None, user)
    return start_session(user, now=now)
