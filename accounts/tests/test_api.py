"""Signing up, in and out for programs; the person behind a token; what ends a token."""

import datetime as dt
import json
import re
import time

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import joining, programs
from accounts.actions import (
    create_personal_token,
    end_program_session,
    forget_old_tokens,
    refresh_session,
    revoke_personal_token,
    start_session,
)
from accounts.idempotency import forget_old_answers
from accounts.models import IdempotentAnswer, PersonalToken, ProgramSession, RefreshToken, User
from accounts.tests.factories import PASSWORD, UserFactory
from mentorbook import jobs
from mentorbook.errors import NotAllowed
from tests.programs import ask, personal_token, token_of, told

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another fine harbour lamp"
NADIA = {"email": "nadia@example.org", "password": PASSWORD, "name": "Nadia", "timezone": "Asia/Kathmandu"}
ME = "/api/auth/me"


def sign_in(person, password=PASSWORD, **more):
    return ask("POST", "/api/auth/signin", {"email": person.email, "password": password, **more})


def refresh(token):
    return ask("POST", "/api/auth/refresh", {"refresh_token": token})


def lets_in(token):
    return ask("GET", ME, token=token).status_code == 200


def points_of(person):
    return ask("GET", "/api/wallet/", by=person).json()["balance_points"]


def code_of(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


# --- Signing up -------------------------------------------------------------------------------------------------------


def test_sign_up_answers_the_person_and_tokens_that_work():
    response = ask("POST", "/api/auth/signup", {**NADIA, "email": "Nadia@Example.org"})
    assert response.status_code == 201, response.content
    answer = response.json()
    person = User.objects.get()
    assert answer["user"] == {
        "id": person.pk,
        "email": "nadia@example.org",
        "name": "Nadia",
        "bio": "",
        "timezone": "Asia/Kathmandu",
        "skills": [],
        "roles": ["student"],
        "mentor_id": None,
    }
    assert set(answer) == {"user", "access_token", "refresh_token", "token_type"}
    assert answer["token_type"] == "bearer"
    assert ask("GET", ME, token=answer["access_token"]).json() == answer["user"]
    assert refresh(answer["refresh_token"]).status_code == 200
    assert person.check_password(PASSWORD)
    assert not response.cookies
    assert not Session.objects.exists()


def test_sign_up_gives_the_points_and_the_mail_that_the_page_gives(client, settings, sign_up):
    sign_up(email="page@example.org")
    ask("POST", "/api/auth/signup", NADIA)
    page, program = (User.objects.get(email=f"{name}@example.org") for name in ("page", "nadia"))
    assert points_of(program) == points_of(page) == settings.SIGNUP_GRANT_POINTS
    assert [message.to for message in mail.outbox] == [["page@example.org"], ["nadia@example.org"]]
    assert mail.outbox[0].subject == mail.outbox[1].subject


def test_sign_up_waits_for_the_address_where_the_installation_insists(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    response = ask("POST", "/api/auth/signup", NADIA)
    answer = response.json()
    assert (response.status_code, answer["access_token"], answer["refresh_token"]) == (201, None, None)
    person = User.objects.get()
    assert points_of(person) == 0
    refused = sign_in(person)
    assert told(refused) == (403, "email_not_confirmed")
    assert refused.json()["field"] == "email"
    client.post(re.search(r"https?://[^/\s]+(/accounts\S+)", mail.outbox[0].body).group(1))
    assert sign_in(person).status_code == 200
    assert points_of(person) == settings.SIGNUP_GRANT_POINTS


def test_sign_up_works_without_any_confirmation(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "none"
    assert ask("POST", "/api/auth/signup", NADIA).json()["access_token"]
    assert not mail.outbox


@pytest.mark.parametrize("needs_approval", [True, False])
def test_mentor_signs_up_with_a_profile_that_waits_where_the_setting_says_so(settings, needs_approval):
    settings.MENTORS_NEED_APPROVAL = needs_approval
    answer = ask("POST", "/api/auth/signup", {**NADIA, "role": "mentor"}).json()
    person = User.objects.get()
    profile = person.mentor_profile
    assert person.wants_to_mentor
    assert profile.is_approved is not needs_approval
    assert profile.timezone == "Asia/Kathmandu"
    assert answer["user"]["mentor_id"] == profile.pk
    assert answer["user"]["roles"] == (["student"] if needs_approval else ["student", "mentor"])


def test_sign_up_makes_the_whole_or_nothing(monkeypatch):
    def fail(user):
        raise RuntimeError("no profile")

    monkeypatch.setattr(joining, "_beginnings", [fail])
    with pytest.raises(RuntimeError):
        ask("POST", "/api/auth/signup", {**NADIA, "role": "mentor"})
    assert not User.objects.exists()
    assert not mail.outbox


@pytest.mark.parametrize("confirmation", ["optional", "mandatory"])
def test_taken_address_is_refused(ann, settings, confirmation):
    settings.ACCOUNT_EMAIL_VERIFICATION = confirmation
    EmailAddress.objects.create(user=ann, email=ann.email, primary=True, verified=True)
    response = ask("POST", "/api/auth/signup", {**NADIA, "email": "ANN@example.org"})
    assert told(response) == (409, "email_taken")
    assert response.json()["field"] == "email"
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("password", "short", "not_accepted"),
        ("password", "", "not_accepted"),
        ("password", "correct horse battery staple", "not_accepted"),
        ("password", "nadia@example.org", "not_accepted"),
        ("password", "x7#vQz!m2Lp " * 400, "invalid_input"),
        ("password", None, "invalid_input"),
        ("password", 17, "invalid_input"),
        ("email", "nadia", "not_accepted"),
        ("email", "n@" + "example." * 31 + "example.org", "invalid_input"),
        ("email", ["nadia@example.org"], "invalid_input"),
        ("name", "   ", "invalid_input"),
        ("name", "N" * 101, "invalid_input"),
        ("name", "a\nb", "not_accepted"),
        ("name", "a\0b", "invalid_input"),
        ("timezone", "Mars/Olympus", "not_accepted"),
        ("timezone", None, "invalid_input"),
        ("role", "admin", "invalid_input"),
        ("is_staff", True, "invalid_input"),
    ],
)
def test_sign_up_names_the_field_that_it_does_not_take(field, value, code):
    response = ask("POST", "/api/auth/signup", {**NADIA, field: value})
    assert told(response) == (422, code)
    assert response.json()["field"] == field
    assert PASSWORD not in response.content.decode()
    assert not User.objects.exists()


def test_sign_up_without_a_zone_takes_that_of_the_installation(settings):
    settings.DEFAULT_TIMEZONE = "Europe/Lisbon"
    wish = {name: value for name, value in NADIA.items() if name != "timezone"}
    assert ask("POST", "/api/auth/signup", wish).json()["user"]["timezone"] == "Europe/Lisbon"


# --- Signing in -------------------------------------------------------------------------------------------------------


def test_sign_in_answers_tokens_and_the_person(ann):
    response = ask("POST", "/api/auth/signin", {"email": " ANN@example.org", "password": PASSWORD})
    answer = response.json()
    assert response.status_code == 200
    assert answer["user"]["id"] == ann.pk
    assert lets_in(answer["access_token"])
    assert not response.cookies
    ann.refresh_from_db()
    assert ann.last_login
    assert "no-cache" in response["Cache-Control"]


def test_wrong_unknown_and_closed_are_answered_alike(ann, sam):
    User.objects.filter(pk=sam.pk).update(is_active=False)
    refused = [sign_in(ann, "wrong"), sign_in(UserFactory.build(), "wrong"), sign_in(sam), sign_in(ann, "")]
    assert {response.content for response in refused} == {refused[0].content}
    assert told(refused[0]) == (401, "bad_credentials")
    assert refused[0]["WWW-Authenticate"] == "Bearer"


def test_wrong_passwords_count_together_with_those_of_the_page(client, ann):
    for number in range(5):
        sign_in(ann, f"wrong {number}")
        client.post(reverse("account_login"), {"login": ann.email, "password": f"wrong {number}"})
    assert told(sign_in(ann)) == (401, "bad_credentials")
    response = client.post(reverse("account_login"), {"login": ann.email, "password": PASSWORD})
    assert response.status_code != 302
    cache.clear()  # five minutes later
    assert sign_in(ann).status_code == 200


@pytest.fixture
def second_factor(ann):
    """The secret of Ann's app."""
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    RecoveryCodes.activate(ann)
    return secret


def test_second_factor_is_asked_for_and_takes_a_code_of_the_app_once(ann, second_factor):
    asked = sign_in(ann)
    assert told(asked) == (401, "second_factor_needed")
    assert asked.json()["field"] == "code"
    assert told(sign_in(ann, "wrong", code=code_of(second_factor))) == (401, "bad_credentials")
    code = code_of(second_factor)
    answer = sign_in(ann, code=code)
    assert answer.status_code == 200
    assert lets_in(answer.json()["access_token"])
    assert Authenticator.objects.get(user=ann, type="totp").last_used_at
    assert told(sign_in(ann, code=code)) == (401, "bad_code")


def test_recovery_code_lets_in_once(ann, second_factor):
    codes = RecoveryCodes(Authenticator.objects.get(user=ann, type="recovery_codes")).get_unused_codes()
    assert sign_in(ann, code=codes[3]).status_code == 200
    assert told(sign_in(ann, code=codes[3])) == (401, "bad_code")
    assert sign_in(ann, code=codes[4]).status_code == 200


def test_codes_can_be_guessed_five_times_at_all_doors_together(client, ann, second_factor):
    client.post(reverse("account_login"), {"login": ann.email, "password": PASSWORD})
    for number in range(3):
        assert told(sign_in(ann, code=f"00000{number}")) == (401, "bad_code")
    for number in range(2):
        client.post(reverse("mfa_authenticate"), {"code": f"10000{number}"})
    right = sign_in(ann, code=code_of(second_factor))
    assert told(right) == (401, "bad_code")
    assert "too often" in right.json()["detail"]
    assert not ProgramSession.objects.exists()


def test_staff_set_up_their_second_factor_first(ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = True
    for token in (token_of(ada), personal_token(ada)):
        assert told(ask("GET", ME, token=token)) == (403, "second_factor_missing")
    TOTP.activate(ada, generate_totp_secret())
    assert ask("GET", ME, by=ada).json()["roles"] == ["student", "admin"]


# --- Refreshing and signing out ---------------------------------------------------------------------------------------


def test_refresh_answers_the_next_pair(ann):
    first = start_session(ann, now=timezone.now())
    answer = refresh(first.refresh_token).json()
    assert answer["user"]["id"] == ann.pk
    assert answer["refresh_token"] != first.refresh_token
    assert lets_in(answer["access_token"])
    assert refresh(answer["refresh_token"]).status_code == 200
    assert ProgramSession.objects.count() == 1


def test_refresh_token_that_comes_twice_ends_the_session_at_once(ann):
    first = start_session(ann, now=timezone.now())
    second = refresh(first.refresh_token).json()
    other = token_of(ann)
    assert lets_in(second["access_token"])
    assert told(refresh(first.refresh_token)) == (401, "bad_token")
    assert not lets_in(second["access_token"])
    assert not lets_in(first.access_token)
    assert told(refresh(second["refresh_token"])) == (401, "bad_token")
    assert lets_in(other)  # another session is none of its business


def test_idempotency_key_neither_saves_the_session_of_a_copied_token_nor_keeps_tokens(ann):
    first = start_session(ann, now=timezone.now())
    key = {"token": personal_token(ann), "idempotency-key": "once"}
    second = ask("POST", "/api/auth/refresh", {"refresh_token": first.refresh_token}, **key).json()
    assert not IdempotentAnswer.objects.exists()
    assert told(ask("POST", "/api/auth/refresh", {"refresh_token": first.refresh_token}, **key)) == (401, "bad_token")
    assert not lets_in(second["access_token"])


@pytest.mark.parametrize("token", ["mbr_nonsense", "x", "ü", "mbr_" + "x" * 190])
def test_token_that_is_none_of_ours_refreshes_and_ends_nothing(ann, token):
    assert told(refresh(token)) == (401, "bad_token")
    assert told(ask("POST", "/api/auth/signout", {"refresh_token": token})) == (401, "bad_token")


@pytest.mark.parametrize("body", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": "x" * 201}])
def test_refresh_and_signout_say_what_they_miss(body):
    for path in ("/api/auth/refresh", "/api/auth/signout"):
        response = ask("POST", path, body)
        assert told(response) == (422, "invalid_input")
        assert response.json()["field"] == "refresh_token"


def test_access_and_personal_tokens_are_no_refresh_tokens(ann):
    for token in (personal_token(ann),):
        assert told(refresh(token)) == (401, "bad_token")
    assert told(ask("GET", ME, token=start_session(ann, now=timezone.now()).refresh_token)) == (401, "bad_token")


def test_sign_out_ends_the_session_and_a_second_time_changes_nothing(ann):
    tokens = start_session(ann, now=timezone.now())
    other = token_of(ann)
    for _ in range(2):
        response = ask("POST", "/api/auth/signout", {"refresh_token": tokens.refresh_token})
        assert (response.status_code, response.content) == (204, b"")
    assert not lets_in(tokens.access_token)
    assert told(refresh(tokens.refresh_token)) == (401, "bad_token")
    assert lets_in(other)


def test_session_lives_as_long_as_its_program_comes_back(ann, fast_forward, settings):
    tokens = start_session(ann, now=timezone.now())
    fast_forward(minutes=settings.API_ACCESS_MINUTES, seconds=1)
    assert told(ask("GET", ME, token=tokens.access_token)) == (401, "bad_token")
    fast_forward(days=settings.API_REFRESH_DAYS - 1)
    second = refresh(tokens.refresh_token).json()
    fast_forward(days=settings.API_REFRESH_DAYS - 1)
    third = refresh(second["refresh_token"]).json()
    fast_forward(days=settings.API_REFRESH_DAYS)
    assert told(refresh(third["refresh_token"])) == (401, "bad_token")


# --- What ends everything at once -------------------------------------------------------------------------------------


def change_on_the_page(client, ann):
    client.post(reverse("account_login"), {"login": ann.email, "password": PASSWORD})
    page = reverse("account_change_password")
    assert client.post(page, {"oldpassword": PASSWORD, "password1": NEW_PASSWORD}).status_code == 302


def change_in_the_admin(client, ann):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = reverse("admin:auth_user_password_change", args=[ann.pk])
    passwords = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert client.post(page, passwords).status_code == 302


def deactivate_in_the_admin(client, ann):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    client.post(reverse("admin:accounts_user_changelist"), {"_selected_action": [ann.pk], "action": "deactivate"})


@pytest.mark.parametrize("end", [change_on_the_page, change_in_the_admin, deactivate_in_the_admin])
def test_every_token_ends_at_once(client, ann, sam, end):
    tokens, personal, others = start_session(ann, now=timezone.now()), personal_token(ann), token_of(sam)
    assert lets_in(tokens.access_token)
    assert lets_in(personal)
    end(client, ann)
    assert not lets_in(tokens.access_token)
    assert not lets_in(personal)
    assert told(refresh(tokens.refresh_token)) == (401, "bad_token")
    assert lets_in(others)
    ann.refresh_from_db()
    assert sign_in(ann, NEW_PASSWORD).status_code == (200 if ann.is_active else 401)


def test_staff_end_the_session_of_a_program(ann, ada, sam):
    access = token_of(ann)
    session = ProgramSession.objects.get()
    with pytest.raises(NotAllowed):
        end_program_session(session, by=sam, now=timezone.now())
    ended = end_program_session(session, by=ada, now=timezone.now())
    assert not lets_in(access)
    again = end_program_session(session, by=ada, now=timezone.now() + dt.timedelta(hours=1))
    assert again.ended_at == ended.ended_at


# --- Personal tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_token_to_read_does_nothing_else(ann, method):
    token = personal_token(ann, "read")
    path = "/api/tickets/" if method == "POST" else "/api/tickets/1" if method == "DELETE" else ME
    refused = told(ask(method, path, {}, token=token))
    assert refused == ((405, "method_not_allowed") if method == "PATCH" else (403, "read_only_token"))


def test_token_to_read_reads(ann):
    token = personal_token(ann, "read")
    assert ask("GET", ME, token=token).status_code == 200
    assert ask("HEAD", ME, token=token).status_code in (200, 405)
    ann.refresh_from_db()
    assert ann.name == "Ann Archer"


def test_token_to_write_writes(ann):
    assert ask("PUT", ME, {"name": "Anna"}, token=personal_token(ann, "write")).json()["name"] == "Anna"


def test_personal_token_ends_when_it_expires_or_is_revoked(ann, fast_forward):
    token, secret = create_personal_token(by=ann, name="x", scope="read", valid_days=30, now=timezone.now())
    fast_forward(days=29, hours=23)
    assert lets_in(secret)
    fast_forward(hours=2)
    assert told(ask("GET", ME, token=secret)) == (401, "bad_token")
    token, secret = create_personal_token(by=ann, name="x", scope="read", valid_days=30, now=timezone.now())
    revoke_personal_token(token, by=ann, now=timezone.now())
    assert told(ask("GET", ME, token=secret)) == (401, "bad_token")


def test_last_use_is_written_every_five_minutes_and_not_at_every_request(ann, fast_forward):
    secret = personal_token(ann)
    ask("GET", ME, token=secret)
    first = PersonalToken.objects.get().last_used_at
    assert first
    fast_forward(minutes=4)
    ask("GET", ME, token=secret)
    assert PersonalToken.objects.get().last_used_at == first
    fast_forward(minutes=2)
    ask("GET", ME, token=secret)
    assert PersonalToken.objects.get().last_used_at > first


# --- Who is let in ----------------------------------------------------------------------------------------------------


def test_cookie_alone_lets_nobody_in(client, ann):
    client.force_login(ann)
    assert client.get(reverse("accounts:profile")).status_code == 200
    assert told(client.get(ME)) == (401, "not_signed_in")
    refused = client.put(ME, json.dumps({"name": "X"}), content_type="application/json")
    assert told(refused) == (401, "not_signed_in")


def test_token_lets_in_on_no_page(ann):
    response = ask("GET", reverse("accounts:profile"), token=token_of(ann))
    assert response.url.startswith(reverse("account_login"))


def forged(session, *, key=None, algorithm="HS256", **claims):
    right = {
        "aud": programs.PURPOSE,
        "sub": str(session.user_id),
        "sid": session.pk,
        "ver": session.version,
        "exp": timezone.now() + dt.timedelta(minutes=5),
    }
    both = {name: value for name, value in {**right, **claims}.items() if value is not None}
    return jwt.encode(both, programs._key() if key is None else key, algorithm=algorithm)


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_token_that_we_did_not_sign_lets_nobody_in(ann, sam, settings):
    token_of(ann)
    session = ProgramSession.objects.get()
    assert lets_in(forged(session))
    header, claims, signature = forged(session).split(".")
    no_signature = jwt.encode(jwt.decode(forged(session), options={"verify_signature": False}), "", algorithm="none")
    fakes = [
        no_signature,
        no_signature.rstrip(".") + "." + signature,
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        forged(session, key=b"x" * 32),
        forged(session, key=settings.SECRET_KEY.encode()),
        forged(session, algorithm="HS512"),
        forged(session, exp=timezone.now() - dt.timedelta(seconds=1)),
        forged(session, exp=None),
        forged(session, aud="something-else"),
        forged(session, aud=None),
        forged(session, sub=str(sam.pk)),
        forged(session, sub=None),
        forged(session, sub="x"),
        forged(session, sid=session.pk + 1),
        forged(session, sid=None),
        forged(session, sid="x"),
        forged(session, sid=2**80),
        forged(session, sid=[1]),
        forged(session, ver="something else", sid=session.pk + 1),
        "mb_",
        "mb_" + "x" * 43,
        "mb_ü",
        "..",
        "null",
        "\x7f",
    ]
    for fake in fakes:
        response = ask("GET", ME, token=fake)
        assert told(response) == (401, "bad_token"), fake
        assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YW5uOnB3", "Token {token}", "{token}"])
def test_only_bearer_lets_in(ann, header):
    token = token_of(ann)
    response = ask("GET", ME, authorization=header.format(token=token))
    assert response.status_code == 401


def test_bearer_may_be_written_in_any_case(ann):
    assert ask("GET", ME, authorization=f"bearer  {token_of(ann)}").status_code == 200


def test_too_many_requests_a_minute_are_refused_for_each_person_alone(ann, sam, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    tokens = [token_of(ann), personal_token(ann)]
    answers = [ask("GET", ME, token=tokens[number % 2]) for number in range(4)]
    assert [response.status_code for response in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert ask("GET", ME, by=sam).status_code == 200


def test_too_many_requests_a_minute_are_refused_for_each_address_of_strangers(ann, settings):
    settings.API_REQUESTS_PER_MINUTE_UNKNOWN = 2
    assert [sign_in(ann, "wrong").status_code for _ in range(3)] == [401, 401, 429]
    assert ask("GET", ME, by=ann).status_code == 200


def test_asking_who_one_is_takes_the_same_few_queries(ann, mentor):
    counts = set()
    for person in (ann, mentor.user):
        token = token_of(person)
        with CaptureQueriesContext(connection) as queries:
            ask("GET", ME, token=token)
        counts.add(len(queries))
    assert len(counts) == 1
    assert counts.pop() <= 2


# --- The profile ------------------------------------------------------------------------------------------------------


def test_me_is_the_person_with_their_roles(mentor, ada):
    me = ask("GET", ME, by=mentor.user)
    assert me.json() == {
        "id": mentor.user.pk,
        "email": "max@example.org",
        "name": "Max Meyer",
        "bio": "",
        "timezone": "Europe/Berlin",
        "skills": [],
        "roles": ["student", "mentor"],
        "mentor_id": mentor.pk,
    }
    token = token_of(mentor.user)
    again = ask("GET", ME, token=token, **{"if-none-match": ask("GET", ME, token=token)["ETag"]})
    assert again.status_code == 304
    assert ask("GET", ME, by=ada).json()["roles"] == ["student", "admin"]


def test_changing_me_changes_what_is_sent_and_nothing_else(ann):
    before = ask("GET", ME, by=ann).json()
    assert ask("PUT", ME, {}, by=ann).json() == before
    after = ask("PUT", ME, {"bio": "I read. ", "timezone": "Asia/Tokyo"}, by=ann).json()
    assert after == {**before, "bio": "I read.", "timezone": "Asia/Tokyo"}
    ann.refresh_from_db()
    assert (ann.bio, ann.timezone) == ("I read.", "Asia/Tokyo")


def test_skills_are_kept_as_the_page_keeps_them(client, ann):
    client.force_login(ann)
    typed = [" python", "CSS ", "Python", "c++", "data  science, sql"]
    profile = {"name": "Ann", "timezone": "UTC", "bio": "", "skills": ",".join(typed)}
    client.post(reverse("accounts:profile"), profile)
    ann.refresh_from_db()
    assert ann.skills == ["python", "CSS", "c++", "data science", "sql"]
    assert ask("PUT", ME, {"skills": typed}, by=ann).json()["skills"] == ann.skills
    assert ask("PUT", ME, {"skills": []}, by=ann).json()["skills"] == []
    assert len(ask("PUT", ME, {"skills": [f"skill {n}" for n in range(20)]}, by=ann).json()["skills"]) == 20


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", "   "),
        ("name", "N" * 101),
        ("name", "a\nb"),
        ("name", "\u202e"),
        ("name", "a\0b"),
        ("name", ["Ann"]),
        ("bio", None),
        ("bio", "x" * 2001),
        ("bio", "x\0"),
        ("timezone", None),
        ("timezone", ""),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("skills", None),
        ("skills", "python"),
        ("skills", [f"skill {number}" for number in range(21)]),
        ("skills", [",".join(f"skill {number}" for number in range(6))] * 1 + ["a,b,c,d,e,f,g,h,i,j,k,l,m,n,o"]),
        ("skills", ["x" * 51]),
        ("skills", [""]),
        ("skills", [None]),
        ("skills", [["python"]]),
        ("skills", ["x\0"]),
        ("email", "other@example.org"),
        ("id", 1),
        ("is_staff", True),
        ("roles", ["admin"]),
        ("mentor_id", 1),
        ("language", "xx"),
    ],
)
def test_what_a_profile_does_not_take_changes_nothing(ann, field, value):
    before = User.objects.values().get()
    response = ask("PUT", ME, {"bio": "New.", field: value}, by=ann)
    assert told(response) == (422, "invalid_input")
    assert User.objects.values().get() == before


def test_profile_page_writes_no_more_than_it_shows(client, ann, monkeypatch):
    """Somebody deactivated or given another password between the look-up and the saving stays so."""
    from accounts.forms import ProfileForm

    whole, save = {}, User.save
    monkeypatch.setattr(User, "save", lambda user, **options: (whole.update(options), save(user, **options))[1])
    form = ProfileForm({"name": "Anna", "timezone": "UTC", "bio": "", "skills": ""}, instance=ann)
    assert form.is_valid()
    form.save()
    assert set(whole["update_fields"]) == {"name", "timezone", "bio", "skills"}


# --- What is forgotten ------------------------------------------------------------------------------------------------


def test_old_tokens_are_forgotten_by_a_job(ann, fast_forward, settings):
    now = timezone.now()
    ended, kept = start_session(ann, now=now), start_session(ann, now=now)
    ask("POST", "/api/auth/signout", {"refresh_token": ended.refresh_token})
    job = next(job for job in jobs.registered() if job.name == "forget old tokens")
    assert job.sweep is forget_old_tokens
    assert job.sweep(now=timezone.now()) == 0
    later = now + dt.timedelta(days=1, minutes=1)
    assert job.sweep(now=later, dry_run=True) == 1
    assert ProgramSession.objects.count() == 2
    assert job.sweep(now=later) == 1
    assert RefreshToken.objects.get().digest == programs.digest(kept.refresh_token)
    assert job.sweep(now=now + dt.timedelta(days=settings.API_REFRESH_DAYS, minutes=1)) == 1
    assert not RefreshToken.objects.exists()


def test_used_refresh_tokens_of_a_living_session_are_forgotten_in_time(ann, settings):
    now, life = timezone.now(), dt.timedelta(days=settings.API_REFRESH_DAYS)
    first = start_session(ann, now=now)
    second = refresh_session(first.refresh_token, now=now + life / 2)
    third = refresh_session(second.refresh_token, now=now + life * 1.4)
    assert forget_old_tokens(now=now + life * 1.6, dry_run=True) == 1
    assert forget_old_tokens(now=now + life * 1.6) == 1
    digests = {programs.digest(token.refresh_token) for token in (second, third)}
    assert set(RefreshToken.objects.values_list("digest", flat=True)) == digests
    assert ProgramSession.objects.get().ended_at is None


def test_personal_tokens_are_forgotten_three_months_after_their_end(ann):
    now, day = timezone.now(), dt.timedelta(days=1)
    wish = {"by": ann, "scope": "read", "valid_days": 30, "now": now}
    create_personal_token(name="Expires", **wish)
    revoked, _secret = create_personal_token(name="Revoked", **wish)
    revoke_personal_token(revoked, by=ann, now=now)
    assert forget_old_tokens(now=now + 89 * day) == 0
    assert forget_old_tokens(now=now + 91 * day) == 1
    assert forget_old_tokens(now=now + 119 * day) == 0
    assert forget_old_tokens(now=now + 121 * day, dry_run=True) == 1
    assert forget_old_tokens(now=now + 121 * day) == 1


def test_old_answers_are_forgotten_by_a_job(ann):
    now = timezone.now()
    for key, hours in (("old", 25), ("new", 23)):
        IdempotentAnswer.objects.create(
            user=ann, key=key, fingerprint=key, status=201, created_at=now - dt.timedelta(hours=hours)
        )
    job = next(job for job in jobs.registered() if job.name == "forget idempotency keys")
    assert job.sweep is forget_old_answers
    assert job.sweep(now=now, dry_run=True) == 1
    assert job.sweep(now=now) == 1
    assert IdempotentAnswer.objects.get().key == "new"
