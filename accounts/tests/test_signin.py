import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.auth import authenticate, get_user
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import guessing
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def comparisons(monkeypatch):
    """How often a password was really hashed to be compared."""
    counted = []
    encode = MD5PasswordHasher.encode

    def counting(self, password, salt):
        counted.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return counted


def is_signed_in(client):
    return get_user(client).is_authenticated


def code_of(secret, at=None):
    import time

    return format_hotp_value(hotp_value(secret, int(at or time.time()) // 30))


# --- The door ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@Example.ORG", "  ann@example.org "])
def test_address_is_taken_in_any_case(client, ann, sign_in, email):
    assert sign_in(email).url == reverse("dashboard")
    assert is_signed_in(client)


def test_wrong_password_is_refused_with_422_and_keeps_the_address(client, ann, sign_in):
    response = sign_in(password="wrong wrong wrong")
    assert response.status_code == 422
    assert b"do not fit together" in response.content
    assert b'value="ann@example.org"' in response.content
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    ("email", "password"),
    [("", ""), ("a\x00@example.org", PASSWORD), ("ann@example.org", "x" * 5000), ("x" * 5000, "x"), ("nobody", "x")],
)
def test_nonsense_is_refused_without_hashing(client, ann, sign_in, comparisons, email, password):
    assert sign_in(email, password).status_code == 422
    assert comparisons == []


def test_session_gets_a_new_id_at_sign_in(client, ann, sign_in):
    client.get(reverse("account_login"))
    session = client.session
    session["before"] = True
    session.save()
    before = session.session_key
    sign_in()
    assert client.session.session_key != before


def test_next_page_is_followed_only_on_this_site(client, ann):
    answers = {"login": ann.email, "password": PASSWORD}
    assert client.post(reverse("account_login"), {**answers, "next": "//evil.example/"}).url == reverse("dashboard")


def test_sign_out_needs_a_post(client, ann):
    client.force_login(ann)
    client.get(reverse("account_logout"))
    assert is_signed_in(client)
    client.post(reverse("account_logout"))
    assert not is_signed_in(client)


def test_deactivated_person_is_signed_out_at_the_next_request_and_stays_out(client, ann, sign_in):
    sign_in()
    ann.is_active = False
    ann.save()
    assert client.get(reverse("accounts:profile")).url.startswith(reverse("account_login"))
    assert sign_in().url == reverse("account_inactive")
    assert not is_signed_in(client)
    assert b"closed" in client.get(reverse("account_inactive")).content


# --- Guessing ---------------------------------------------------------------------------------------------------------


def test_ten_wrong_passwords_are_compared_and_no_more(ann, sign_in, comparisons):
    answers = {sign_in(password=f"wrong {number}").content.decode().count("do not fit") for number in range(25)}
    assert answers == {1}
    assert len(comparisons) == guessing.CHECKS == 10


def test_count_of_comparisons_sees_when_nothing_limits_them(ann, sign_in, comparisons, monkeypatch):
    """The negative control of the test above."""
    monkeypatch.setattr(guessing, "take_turn", lambda account: "a place for everybody")
    for number in range(25):
        sign_in(password=f"wrong {number}")
    assert len(comparisons) == 25


def test_right_password_during_a_lock_is_answered_like_a_wrong_one(client, ann, sign_in, fast_forward):
    for number in range(10):
        wrong = sign_in(password=f"wrong {number}")
    right = sign_in()
    strip = lambda response: re.sub(rb'(?s)csrf\w*"[^>]*value="\w+"|X-CSRFToken[^}]*', b"", response.content)  # noqa: E731
    assert right.status_code == wrong.status_code == 422
    assert strip(right) == strip(wrong)
    assert not is_signed_in(client)
    fast_forward(seconds=guessing.WINDOW_SECONDS + 1)
    assert sign_in().status_code == 302


def test_places_become_free_one_by_one_as_the_window_slides(ann, sign_in, comparisons, fast_forward):
    for number in range(10):
        sign_in(password=f"early {number}")
        fast_forward(seconds=20)
    fast_forward(seconds=110)  # 310 s after the first, 290 s after the second
    for number in range(5):
        sign_in(password=f"late {number}")
    assert len(comparisons) == 11


def test_right_passwords_do_not_count(client, ann, sign_in):
    for _ in range(15):
        assert sign_in().status_code == 302
        client.post(reverse("account_logout"))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"])
def test_forwarded_headers_do_not_help(ann, sign_in, comparisons, header):
    for number in range(20):
        sign_in(password=f"wrong {number}", **{header: f"203.0.113.{number}"})
    assert len(comparisons) == 10


def test_spelling_the_address_differently_does_not_help(ann, sign_in, comparisons):
    for number, email in enumerate(["ann@example.org", "Ann@example.org", " ANN@EXAMPLE.ORG"] * 7):
        sign_in(email, f"wrong {number}")
    assert len(comparisons) == 10


def test_page_admin_api_and_confirmation_share_one_count(client, ada, sign_in, comparisons):
    client.force_login(ada)
    confirm = client.post(reverse("account_reauthenticate"), {"password": "wrong 0"})
    assert confirm.status_code == 422
    client.post(
        reverse("account_change_password"), {"oldpassword": "wrong 1", "password1": "another fine harbour lamp"}
    )
    client.logout()
    for number in range(4):
        sign_in(ada.email, f"page {number}")
    for number in range(10):
        assert authenticate(None, username=ada.email, password=f"api {number}") is None
    assert len(comparisons) <= 10
    assert authenticate(None, email=ada.email, password=PASSWORD) is None


def test_admin_has_no_door_of_its_own(client, ada):
    response = client.get(reverse("admin:login"))
    assert response.url.startswith(reverse("account_login"))
    response = client.post(reverse("admin:login"), {"username": ada.email, "password": PASSWORD})
    assert response.url.startswith(reverse("account_login"))
    assert not is_signed_in(client)
    assert client.get(reverse("admin:index")).status_code == 302


def test_address_without_account_is_limited_and_answered_alike(client, ann, sign_in, comparisons):
    known = sign_in(password="wrong")
    unknown = sign_in("nobody@example.org", "wrong")
    assert unknown.status_code == known.status_code
    assert len(comparisons) == 2  # it takes the same time
    for number in range(20):
        sign_in("nobody@example.org", f"wrong {number}")
    assert len(comparisons) == 11


def test_lock_of_one_account_is_not_the_lock_of_another(ann, sam, sign_in):
    for number in range(12):
        sign_in(password=f"wrong {number}")
    assert sign_in(sam.email).status_code == 302


def test_new_password_by_mail_ends_the_lock(client, ann, sign_in):
    EmailAddress.objects.create(user=ann, email=ann.email, primary=True, verified=True)
    for number in range(12):
        sign_in(password=f"wrong {number}")
    client.post(reverse("account_reset_password"), {"email": ann.email})
    link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[0].body).group(1)
    form_url = client.get(link).url
    assert client.post(form_url, {"password1": "short"}).status_code == 422
    new = "another fine harbour lamp"
    assert client.post(form_url, {"password1": new}).status_code == 302
    assert sign_in(password=new).status_code == 302


# --- Passwords and sessions -------------------------------------------------------------------------------------------


def test_password_change_signs_out_the_other_devices(ann):
    here, there = Client(), Client()
    for device in (here, there):
        device.post(reverse("account_login"), {"login": ann.email, "password": PASSWORD})
    new = "another fine harbour lamp"
    wrong = here.post(reverse("account_change_password"), {"oldpassword": "nope", "password1": new})
    assert wrong.status_code == 422
    assert b"not your current password" in wrong.content
    response = here.post(reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new})
    assert response.url == reverse("accounts:profile")
    assert here.get(reverse("accounts:profile")).status_code == 200
    assert there.get(reverse("accounts:profile")).status_code == 302
    assert "password was changed" in mail.outbox[-1].body


def test_list_of_devices_shows_them_and_signs_out_the_others(ann, django_assert_max_num_queries):
    here, there = Client(), Client()
    for device, browser in ((here, "Mozilla Firefox/140 (X11; Linux)"), (there, "Mobile Safari (iPhone)")):
        device.post(
            reverse("account_login"), {"login": ann.email, "password": PASSWORD}, headers={"User-Agent": browser}
        )
    page = here.get(reverse("usersessions_list")).content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert here.post(reverse("usersessions_list")).status_code == 302
    assert there.get(reverse("accounts:profile")).status_code == 302
    assert UserSession.objects.count() == 1


def test_last_seen_is_written_every_five_minutes_and_not_at_every_request(client, ann, sign_in, fast_forward):
    sign_in()
    client.get(reverse("accounts:profile"))
    first = UserSession.objects.get().last_seen_at
    fast_forward(minutes=4)
    client.get(reverse("accounts:profile"))
    assert UserSession.objects.get().last_seen_at == first
    fast_forward(minutes=2)
    client.get(reverse("accounts:profile"))
    assert UserSession.objects.get().last_seen_at > first


def test_reset_of_an_unknown_address_is_answered_like_a_known_one(client, ann):
    known = client.post(reverse("account_reset_password"), {"email": ann.email})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    assert known.url == unknown.url
    assert [message.to for message in mail.outbox] == [[ann.email], ["nobody@example.org"]]


def test_address_changes_once_the_new_one_is_confirmed(client, ann, sign_in):
    EmailAddress.objects.create(user=ann, email=ann.email, primary=True, verified=True)
    sign_in()
    asked = client.post(reverse("account_email"), {"action_add": "", "email": "Ann.New@example.org"})
    assert asked.url.startswith(reverse("account_reauthenticate"))
    client.post(asked.url, {"password": PASSWORD})
    ann.refresh_from_db()
    assert ann.email == "ann@example.org"
    message = next(message for message in mail.outbox if message.to == ["ann.new@example.org"])
    client.post(re.search(r"https?://[^/\s]+(/accounts\S+)", message.body).group(1))
    ann.refresh_from_db()
    assert ann.email == "ann.new@example.org"
    assert any(message.to == ["ann@example.org"] for message in mail.outbox)  # the old address is told


# --- Second factor ----------------------------------------------------------------------------------------------------


def with_second_factor(user):
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def test_second_factor_is_set_up_with_a_picture_that_the_policy_allows(client, ann, sign_in):
    sign_in()
    url = reverse("mfa_activate_totp")
    EmailAddress.objects.update(verified=True)
    client.post(client.get(url).url, {"password": PASSWORD})
    page = client.get(url)
    html = page.content.decode()
    assert '<svg class="qr"' in html
    assert "data:" not in html
    assert page.context["form"].secret in html
    refused = client.post(url, {"code": "000000"})
    assert refused.status_code == 422
    assert b"code is not right" in refused.content
    assert client.post(url, {"code": code_of(page.context["form"].secret)}).url == reverse("mfa_view_recovery_codes")
    assert Authenticator.objects.filter(user=ann).count() == 2
    assert len(client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]) == 10


def test_password_alone_does_not_sign_in_with_a_second_factor(client, ann, sign_in):
    secret = with_second_factor(ann)
    assert sign_in().url == reverse("mfa_authenticate")
    assert not is_signed_in(client)
    assert client.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 422
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).url == reverse("dashboard")


def test_codes_can_be_guessed_five_times(client, ann, sign_in):
    secret = with_second_factor(ann)
    sign_in()
    for number in range(5):
        client.post(reverse("mfa_authenticate"), {"code": f"00000{number}"})
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).status_code == 422
    assert not is_signed_in(client)


def test_staff_set_up_a_second_factor_before_anything_else(client, ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = True
    client.force_login(ada)
    for name in ("admin:index", "dashboard", "accounts:profile"):
        assert client.get(reverse(name)).url == reverse("mfa_activate_totp")
    assert client.get(reverse("mfa_index")).status_code == 200
    with_second_factor(ada)
    assert client.get(reverse("admin:index")).status_code == 200


def test_staff_confirm_their_address_before_the_second_factor(client, ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = True
    EmailAddress.objects.create(user=ada, email=ada.email, primary=True, verified=False)
    client.force_login(ada)
    assert client.get(reverse("admin:index")).url == reverse("account_email")


def test_students_need_no_second_factor(client, ann, settings):
    settings.STAFF_NEED_SECOND_FACTOR = True
    client.force_login(ann)
    assert client.get(reverse("accounts:profile")).status_code == 200
