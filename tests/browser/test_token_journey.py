"""A token for a script, made in a real browser, used by a program and revoked; with scripts and without."""

import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

PASSWORD = "a lantern in the fog"
ANN = """
from allauth.account.models import EmailAddress
from accounts.models import User
user = User.objects.create_user(email=EMAIL, password=PASSWORD, name="Ann Archer", timezone="Europe/Madrid")
EmailAddress.objects.create(user=user, email=EMAIL, verified=True, primary=True)
"""


def who_am_i(site, token):
    """What the API answers a script with this token: the person's address, or the status."""
    request = urllib.request.Request(f"{site.url}/api/auth/me", headers={"Authorization": f"Bearer {token}"})
    try:
        return json.load(urllib.request.urlopen(request, timeout=10))["email"]
    except urllib.error.HTTPError as error:
        return error.code


def make_token(page, email):
    """Sign in, ask for a token, show the password again; the secret on the page."""
    page.goto("/accounts/login/?next=/people/tokens/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button.btn-primary").click()
    page.get_by_label("What it is for").fill("Weekly report")
    page.get_by_role("button", name="Make the token").click()
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    return page.locator("[data-token-secret]").inner_text()


@pytest.mark.parametrize("javascript", [True, False])
def test_ann_makes_a_token_uses_it_and_revokes_it(person, site, javascript):
    email = f"ann{javascript}@example.org".lower()
    site.python(f"EMAIL, PASSWORD = {email!r}, {PASSWORD!r}\n{ANN}")
    page = person(width=390, height=844, javascript=javascript)
    secret = make_token(page, email)
    assert who_am_i(site, secret) == email
    if javascript:
        page.get_by_role("button", name="Copy the code").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        page.reload()
        assert secret not in page.content()
        expect(page.get_by_text("last used")).to_be_visible()
    else:
        page.get_by_role("link", name="I have copied it").click()
    page.goto("/dashboard/")
    page.goto("/people/tokens/")
    assert secret not in page.content()
    page.get_by_role("link", name=re.compile("Revoke")).click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_text("You have none.")).to_be_visible()
    assert who_am_i(site, secret) == 401


def test_secret_does_not_come_back(person, site):
    site.python(f"EMAIL, PASSWORD = 'back@example.org', {PASSWORD!r}\n{ANN}")
    page = person()
    secret = make_token(page, "back@example.org")
    page.goto("/dashboard/")
    page.go_back()
    expect(page.get_by_role("heading", name="My tokens")).to_be_visible()
    assert secret not in page.content()
