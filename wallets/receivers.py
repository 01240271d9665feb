"""What wallets hear from allauth: somebody signed up, somebody confirmed their address."""

from allauth.account.signals import email_confirmed, user_signed_up
from django.conf import settings

from wallets.actions import grant_signup_points


def connect():
    user_signed_up.connect(welcome_new_person, dispatch_uid="wallets-signed-up")
    email_confirmed.connect(welcome_confirmed_person, dispatch_uid="wallets-confirmed")


def confirmation_is_mandatory():
    return settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"


def welcome_new_person(user, **kwargs):
    """Points at sign-up, unless an address has to be confirmed first: made-up addresses must not mint points."""
    if not confirmation_is_mandatory():
        grant_signup_points(user)


def welcome_confirmed_person(email_address, **kwargs):
    if confirmation_is_mandatory():
        grant_signup_points(email_address.user)
