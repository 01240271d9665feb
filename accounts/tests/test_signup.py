import re
import threading

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["optional", "mandatory"])
def verification(request, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = request.param
    return request.param


@pytest.fixture
def mandatory(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def optional(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"


def mentor_profile_url():
    try:
        return reverse("mentors:create")
    except NoReverseMatch:
        return reverse("dashboard")


def link_in(message):
    return re.search(r"https?://[^/\s]+(/\S+)", message.body).group(1)


def test_sign_up_keeps_what_was_said(sign_up, verification):
    assert sign_up(email="Nadia@Example.org", intent="mentor").status_code == 302
    user = User.objects.get()
    assert (user.email, user.name, user.timezone) == ("nadia@example.org", "Nadia Newcomer", "Asia/Kathmandu")
    assert user.wants_to_mentor
    assert user.check_password(PASSWORD)
    assert not user.is_staff


def test_student_lands_on_the_dashboard(sign_up, optional):
    assert sign_up().url == reverse("dashboard")


def test_who_wants_to_mentor_lands_on_the_mentor_profile(sign_up, optional):
    assert sign_up(intent="mentor").url == mentor_profile_url()


def test_confirming_the_address_goes_on_where_sign_up_stopped(client, sign_up, mandatory):
    response = sign_up(intent="mentor")
    assert response.url == reverse("account_email_verification_sent")
    assert client.get(reverse("dashboard")).status_code == 302
    link = link_in(mail.outbox[0])
    assert b"nadia@example.org" in client.get(link).content
    assert not EmailAddress.objects.get().verified  # a mail scanner that follows links confirms nothing
    assert client.post(link).url == mentor_profile_url()
    assert EmailAddress.objects.get().verified


def test_link_confirms_the_address_in_another_browser_too(client, sign_up, mandatory, django_user_model):
    from django.test import Client

    sign_up()
    other = Client()
    assert other.post(link_in(mail.outbox[0])).url == reverse("account_login")
    response = other.post(reverse("account_login"), {"login": "nadia@example.org", "password": PASSWORD})
    assert response.url == reverse("dashboard")


def test_link_that_is_not_valid_says_so(client):
    response = client.get(reverse("account_confirm_email", args=["nonsense"]))
    assert b"no longer valid" in response.content


def test_taken_address_is_refused_where_people_are_let_in_at_once(sign_up, optional):
    UserFactory(email="nadia@example.org")
    response = sign_up(email="NADIA@example.org")
    assert response.status_code == 422
    assert b"There is an account with this address already" in response.content
    assert User.objects.count() == 1


def test_taken_address_is_told_by_mail_only_where_addresses_are_confirmed(sign_up, mandatory):
    UserFactory(email="nadia@example.org")
    assert sign_up().url == reverse("account_email_verification_sent")
    assert User.objects.count() == 1
    assert "has an account already" in mail.outbox[0].body


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "   ", "Write your name."),
        ("name", "Nadia\x00", "Null characters"),
        ("name", "N" * 101, "at most 100 characters"),
        ("email", "nadia", "valid email"),
        ("email", "n\x00@example.org", "Null characters"),
        ("email", "n@" + "example." * 31 + "example.org", "at most 254 characters"),
        ("password1", "", "Choose a password."),
        ("password1", "k7#vQz!m2Lp", "12 characters"),
        ("password1", "correct horse battery staple", "Many people use this password"),
        ("password1", "nadia@example.org", "too similar"),
        ("password1", "x7#vQz!m2Lp " * 400, "at most 4096 characters"),
        ("timezone", "Mars/Olympus", "is not a time zone"),
        ("timezone", "", "This field is required."),
        ("intent", "rule", "Select a valid choice"),
    ],
)
def test_sign_up_is_refused_beside_the_field_and_keeps_what_was_typed(sign_up, verification, field, value, words):
    response = sign_up(**{field: value})
    assert response.status_code == 422
    form = response.context["form"]
    assert list(form.errors) == [field]
    assert words in response.content.decode()
    if field != "email":
        assert b'value="nadia@example.org"' in response.content
    assert PASSWORD not in response.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["Zoë 👩🏽‍💻", "שרה לוי", "علی‌رضا", "N" * 100, "<b>Bobby</b>'; DROP TABLE"])
def test_sign_up_takes_every_name(client, sign_up, optional, name):
    assert sign_up(name=name).status_code == 302
    assert User.objects.get().name == name
    assert "<b>Bobby</b>" not in client.get(reverse("accounts:profile")).content.decode()


def test_form_offers_the_zone_of_the_browser_or_of_the_installation(client, settings):
    settings.DEFAULT_TIMEZONE = "Europe/Lisbon"
    assert '<option value="Europe/Lisbon" selected>' in client.get(reverse("account_signup")).content.decode()
    client.cookies["timezone"] = "Asia/Tokyo"
    page = client.get(reverse("account_signup")).content.decode()
    assert '<option value="Asia/Tokyo" selected>' in page
    assert "data-timezone-prefill" in page


def test_refused_form_keeps_the_chosen_zone_from_being_replaced(sign_up):
    page = sign_up(name="").content.decode()
    assert '<option value="Asia/Kathmandu" selected>' in page
    assert "data-timezone-prefill" not in page


def test_link_can_choose_mentoring_beforehand(client):
    page = client.get(reverse("account_signup"), {"intent": "mentor"}).content.decode()
    assert re.search(r'value="mentor"[^>]*checked', page)


def test_page_still_answers_when_the_mail_server_does_not(sign_up, mandatory, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    assert sign_up().url == reverse("account_email_verification_sent")
    assert User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_same_form_twice_at_once_makes_one_account(settings):
    from django.db import connection
    from django.test import Client

    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    answers = {
        "intent": "learn",
        "name": "Nadia",
        "email": "nadia@example.org",
        "password1": PASSWORD,
        "timezone": "UTC",
    }
    start, statuses = threading.Barrier(6), []

    def send():
        start.wait()
        try:
            statuses.append(Client().post(reverse("account_signup"), answers).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 6
    assert set(statuses) <= {302, 422}
    assert User.objects.count() == 1
    assert EmailAddress.objects.count() == 1
