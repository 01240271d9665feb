"""Tokens for scripts, on the page where people make and revoke their own."""

import datetime as dt
import re

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from accounts import programs
from accounts.actions import (
    MAX_TOKENS,
    TokenNameMissing,
    TokenNameTaken,
    TooManyTokens,
    create_personal_token,
    revoke_personal_token,
)
from accounts.models import PersonalToken
from accounts.tests.factories import PASSWORD
from mentorbook.errors import NotAllowed
from tests.programs import ask, personal_token, token_of

pytestmark = pytest.mark.django_db

PAGE = "accounts:tokens"
WISH = {"name": "Weekly report", "scope": "read", "valid_days": "90"}
SECRET = re.compile(r"mb_[A-Za-z0-9_-]{43}")


def make(person, **fields):
    wish = {"name": "Report", "scope": "read", "valid_days": 30, "now": timezone.now(), **fields}
    return create_personal_token(by=person, **wish)


def prove(client):
    """Show once more that one is there, as the page asks before a token is made."""
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


@pytest.fixture
def at_home(client, ann, sign_in):
    """A browser in which Ann has just shown that it is her."""
    sign_in()
    prove(client)
    return client


# --- Making one -------------------------------------------------------------------------------------------------------


def test_token_is_shown_once_and_works(at_home, ann):
    response = at_home.post(reverse(PAGE), WISH)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    [secret] = set(SECRET.findall(response.content.decode()))
    token = ann.personal_tokens.get()
    assert (token.name, token.scope, token.start) == ("Weekly report", "read", secret[:8])
    assert (token.expires_at - token.created_at).days == 90
    assert ask("GET", "/api/auth/me", token=secret).json()["id"] == ann.pk
    for page in (PAGE, "accounts:profile"):
        assert secret not in at_home.get(reverse(page)).content.decode()


def test_secret_is_kept_nowhere(at_home, ann):
    html = at_home.post(reverse(PAGE), WISH).content.decode()
    [secret] = set(SECRET.findall(html))
    kept = [
        *PersonalToken.objects.values_list(),
        *[session.get_decoded() for session in Session.objects.all()],
        at_home.cookies.output(),
        getattr(cache, "_cache", {}),
    ]
    assert secret not in repr(kept)
    assert ann.personal_tokens.get().digest == programs.digest(secret)


def test_person_is_told_by_mail_that_a_token_was_made(at_home, ann):
    html = at_home.post(reverse(PAGE), {**WISH, "name": "Tom & Co"}).content.decode()
    message = mail.outbox[-1]
    assert message.to == [ann.email]
    assert "A token for scripts was made" in message.subject
    assert "“Tom & Co”" in message.body
    assert "set a new password" in message.body
    assert SECRET.search(html).group() not in message.body


def test_one_shows_once_more_who_one_is_before_a_token_is_made(client, ann, sign_in):
    sign_in()
    asked = client.post(reverse(PAGE), WISH)
    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert client.post(asked.url, {"password": "wrong"}).status_code == 422
    assert not ann.personal_tokens.exists()
    made = client.post(asked.url, {"password": PASSWORD})
    assert (made.status_code, len(set(SECRET.findall(made.content.decode())))) == (200, 1)
    assert "no-store" in made["Cache-Control"]
    again = client.post(asked.url, {"password": PASSWORD})
    assert not SECRET.search(again.content.decode())
    assert ann.personal_tokens.count() == 1


def test_form_sent_twice_makes_one_token(at_home, ann):
    at_home.post(reverse(PAGE), WISH)
    again = at_home.post(reverse(PAGE), WISH)
    assert again.status_code == 409
    assert "You have a token with this name." in again.content.decode()
    assert not SECRET.search(again.content.decode())
    assert ann.personal_tokens.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Say what the token is for"),
        ("name", "   ", "Say what the token is for"),
        ("name", "x" * 81, "at most 80 characters"),
        ("name", "x\x00", "Null characters"),
        ("scope", "", "This field is required."),
        ("scope", "everything", "Select a valid choice"),
        ("valid_days", "", "This field is required."),
        ("valid_days", "31", "Select a valid choice"),
        ("valid_days", "x", "Select a valid choice"),
        ("valid_days", "-1", "Select a valid choice"),
    ],
)
def test_token_is_refused_beside_the_field_and_keeps_what_was_typed(at_home, ann, field, value, words):
    response = at_home.post(reverse(PAGE), {**WISH, field: value})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    page = response.content.decode()
    assert words in page
    if field != "name":
        assert 'value="Weekly report"' in page
    assert not ann.personal_tokens.exists()


def test_form_offers_reading_for_90_days_first(at_home):
    page = at_home.get(reverse(PAGE)).content.decode()
    assert re.search(r'value="read"[^>]*checked', page)
    assert '<option value="90" selected>' in page


def test_name_is_free_again_after_revoking_and_may_be_somebody_elses(ann, sam):
    token, _secret = make(ann)
    make(sam)
    with pytest.raises(TokenNameTaken):
        make(ann, name="  REPORT ")
    revoke_personal_token(token, by=ann, now=timezone.now())
    make(ann)
    with pytest.raises(TokenNameMissing):
        make(ann, name=" \0 ")
    with pytest.raises(ValueError, match="scope"):
        make(ann, scope="admin")
    with pytest.raises(ValueError, match="time"):
        make(ann, valid_days=10_000)


def test_twenty_tokens_are_the_most_and_only_those_that_let_in_count(ann):
    for number in range(MAX_TOKENS):
        make(ann, name=f"Script {number}")
    with pytest.raises(TooManyTokens):
        make(ann)
    ann.set_password("another fine harbour lamp")
    ann.save()
    make(ann)


def test_too_many_tokens_are_told_on_the_page(at_home, ann):
    for number in range(MAX_TOKENS):
        make(ann, name=f"Script {number}")
    response = at_home.post(reverse(PAGE), WISH)
    assert response.status_code == 409
    assert "as many tokens as one person can" in response.content.decode()


# --- The list ---------------------------------------------------------------------------------------------------------


def test_page_lists_what_tells_tokens_apart(client, ann, sam):
    now = timezone.now()
    reading, _ = make(ann, name="Reader")
    writing, secret = make(ann, name="<b>Writer</b>", scope="write")
    make(sam, name="Not hers")
    ask("GET", "/api/auth/me", token=secret)
    client.force_login(ann)
    page = client.get(reverse(PAGE)).content.decode()
    for words in ("Reader", "&lt;b&gt;Writer", f"{reading.start}…", "read only", "read and write", "never used"):
        assert words in page
    assert "last used now" in page
    assert "Not hers" not in page
    assert writing.digest not in page
    assert now < writing.expires_at


def test_page_says_why_tokens_ended(client, ann):
    now = timezone.now()
    make(ann, name="Old")
    ann.set_password(PASSWORD)
    ann.save()
    revoked, _ = make(ann, name="Lost")
    revoke_personal_token(revoked, by=ann, now=now)
    make(ann, name="Late", now=now - dt.timedelta(days=31))
    make(ann, name="Fine")
    client.force_login(ann)
    response = client.get(reverse(PAGE))
    assert [token.name for token in response.context["alive"]] == ["Fine"]
    because = {token.name: token.ended_because for token in response.context["ended"]}
    assert because == {"Old": "ended with the old password", "Lost": "revoked", "Late": "expired"}


def test_list_takes_the_same_queries_for_one_and_for_three(client, ann, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.force_login(ann)
    make(ann, name="1")
    make(ann, name="Ended 1", now=timezone.now() - dt.timedelta(days=31))
    with CaptureQueriesContext(connection) as before:
        client.get(reverse(PAGE))
    for number in (2, 3):
        make(ann, name=str(number))
        make(ann, name=f"Ended {number}", now=timezone.now() - dt.timedelta(days=31))
    with django_assert_num_queries(len(before)):
        client.get(reverse(PAGE))


# --- Revoking ---------------------------------------------------------------------------------------------------------


def test_revoking_asks_first_and_ends_the_token_at_once(client, ann):
    token, secret = make(ann, name="Lost laptop")
    client.force_login(ann)
    url = reverse("accounts:revoke_token", args=[token.pk])
    assert "Revoke “Lost laptop”?" in client.get(url).content.decode()
    assert ask("GET", "/api/auth/me", token=secret).status_code == 200
    assert client.post(url).url == reverse(PAGE)
    assert ask("GET", "/api/auth/me", token=secret).status_code == 401
    revoked_at = PersonalToken.objects.get().revoked_at
    assert client.post(url).url == reverse(PAGE)
    assert PersonalToken.objects.get().revoked_at == revoked_at
    assert "lets nobody in any more" in client.get(reverse(PAGE)).content.decode()


def test_all_programs_are_signed_out_and_tokens_stay(client, ann, sam):
    client.force_login(ann)
    assert "Programs that are signed in" not in client.get(reverse(PAGE)).content.decode()
    programs_of_ann, of_sam, personal = [token_of(ann), token_of(ann)], token_of(sam), personal_token(ann)
    assert "2 programs have signed in" in client.get(reverse(PAGE)).content.decode()
    assert client.post(reverse("accounts:sign_out_programs")).url == reverse(PAGE)
    assert "2 programs are signed out." in client.get(reverse(PAGE)).content.decode()
    assert [ask("GET", "/api/auth/me", token=token).status_code for token in programs_of_ann] == [401, 401]
    assert [ask("GET", "/api/auth/me", token=token).status_code for token in (of_sam, personal)] == [200, 200]


def test_token_of_somebody_else_is_like_a_missing_one(client, ann, sam):
    token, secret = make(sam)
    client.force_login(ann)
    for pk in (token.pk, token.pk + 1, 2**70):
        url = f"/people/tokens/{pk}/revoke/"
        assert (client.get(url).status_code, client.post(url).status_code) == (404, 404)
    assert ask("GET", "/api/auth/me", token=secret).status_code == 200
    with pytest.raises(NotAllowed):
        revoke_personal_token(token, by=ann, now=timezone.now())


def test_visitors_sign_in_first(client, db):
    assert client.get(reverse(PAGE)).url.startswith(reverse("account_login"))
    assert client.post(reverse(PAGE), WISH).url.startswith(reverse("account_login"))


def test_a_token_makes_no_other_token(ann):
    """Its page is for people: what a program sends there opens nothing."""
    response = ask("POST", reverse(PAGE), token=personal_token(ann))
    assert response.status_code in (302, 403)
    assert ann.personal_tokens.count() == 1
