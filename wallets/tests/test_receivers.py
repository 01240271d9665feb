import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, user_signed_up

from accounts.models import User
from wallets.actions import wallet_of
from wallets.models import Wallet


def sign_up(user):
    user_signed_up.send(sender=type(user), request=None, user=user)


def confirm(user, email=None):
    address, _created = EmailAddress.objects.get_or_create(user=user, email=email or user.email)
    email_confirmed.send(sender=EmailAddress, request=None, email_address=address)


@pytest.fixture(autouse=True)
def _welcome_points(settings):
    settings.SIGNUP_GRANT_POINTS = 100


@pytest.mark.parametrize("verification", ["optional", "none"])
def test_points_come_at_sign_up_where_addresses_need_no_confirmation(ann, settings, verification):
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    sign_up(ann)
    confirm(ann)
    assert wallet_of(ann).balance_points == 100


def test_points_come_with_the_confirmed_address_where_that_is_mandatory(ann, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(ann)
    assert wallet_of(ann).balance_points == 0
    confirm(ann)
    assert wallet_of(ann).balance_points == 100


def test_more_addresses_bring_no_more_points(ann, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(ann)
    confirm(ann)
    confirm(ann)
    confirm(ann, "ann@other.example.org")
    assert wallet_of(ann).balance_points == 100


def test_points_come_once_when_the_setting_changes_in_between(ann, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    sign_up(ann)
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.SIGNUP_GRANT_POINTS = 300
    confirm(ann)
    assert wallet_of(ann).balance_points == 100


def test_a_setting_of_zero_gives_nothing(ann, settings):
    settings.SIGNUP_GRANT_POINTS = 0
    sign_up(ann)
    assert wallet_of(ann).balance_points == 0


@pytest.mark.django_db
def test_people_who_did_not_sign_up_start_with_an_empty_wallet():
    boss = User.objects.create_superuser("boss@example.org", "correct horse battery", name="Boss")
    assert not Wallet.objects.filter(user=boss).exists()
    assert wallet_of(boss).balance_points == 0
