"""Signing up, in and out for programs; the person behind a token."""

import pytest
from django.utils import timezone

from accounts.actions import create_personal_token
from accounts.tests.factories import PASSWORD
from tests.programs import ask, token_of

pytestmark = pytest.mark.django_db

ANN = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}


def test_sign_up_gives_a_person_tokens_and_points():
    response = ask("POST", "/api/auth/signup", ANN)
    assert response.status_code == 201, response.content
    answer = response.json()
    assert answer["user"]["email"] == "ann@example.com"
    me = ask("GET", "/api/auth/me", token=answer["access_token"])
    assert me.status_code == 200
    assert me.json()["roles"] == ["student"]
    assert me["ETag"]
    assert me["X-Request-ID"]
    again = ask("POST", "/api/auth/signup", ANN)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


def test_the_errors_have_one_shape(ann):
    for response, status, code in [
        (ask("GET", "/api/auth/me"), 401, "not_signed_in"),
        (ask("GET", "/api/auth/me", token="nonsense"), 401, "bad_token"),
        (ask("GET", "/api/nowhere"), 404, "not_found"),
        (ask("DELETE", "/api/auth/me", token=token_of(ann)), 405, "method_not_allowed"),
        (ask("PUT", "/api/auth/me", {"price": 3}, token=token_of(ann)), 422, "invalid_input"),
        (ask("PUT", "/api/auth/me", {"timezone": "Mars"}, token=token_of(ann)), 422, "invalid_input"),
        (ask("GET", "/api/auth/me?x=1", token=token_of(ann)), 422, "invalid_input"),
        (ask("POST", "/api/auth/signin", {"email": ann.email, "password": "wrong"}), 401, "bad_credentials"),
    ]:
        assert (response.status_code, response.json()["code"]) == (status, code), response.content


def test_a_personal_token_reads_or_writes_as_it_says(ann):
    now = timezone.now()
    _, reading = create_personal_token(by=ann, name="report", scope="read", valid_days=30, now=now)
    assert ask("GET", "/api/auth/me", token=reading).status_code == 200
    refused = ask("PUT", "/api/auth/me", {"name": "Anna"}, token=reading)
    assert (refused.status_code, refused.json()["code"]) == (403, "read_only_token")
