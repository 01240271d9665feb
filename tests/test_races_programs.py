"""Many threads at once on what lets programs in. Each race is run a second time against a version that is broken on
purpose, to prove that the check would notice."""

import datetime as dt
import time

import pytest

from accounts import programs
from accounts.actions import (
    BadToken,
    TokenNameTaken,
    TooManyTokens,
    create_personal_token,
    refresh_session,
    start_session,
)
from accounts.actions.programs import MAX_TOKENS, Tokens, _hand_out
from accounts.models import PersonalToken, ProgramSession, RefreshToken, User
from accounts.tests.factories import PASSWORD, UserFactory
from tests.programs import ask
from tests.test_races_bookings import A_MOMENT, NOW, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

CROWD = 12


# --- One refresh token, used by many ----------------------------------------------------------------------------------


def careless_refresh(refresh_token, *, now):
    """refresh_session as it must not be: it looks, thinks, and then writes."""
    token = RefreshToken.objects.select_related("session__user").get(digest=programs.digest(refresh_token))
    if token.used_at is not None:
        raise BadToken
    time.sleep(A_MOMENT)
    token.used_at = now
    token.save(update_fields=["used_at"])
    return _hand_out(token.session, now)


def race_for_the_next_pair(refresh):
    """What is wrong after many programs came with the same refresh token at once."""
    first = start_session(UserFactory(), now=NOW)
    answers = [answer.value for answer in at_once([lambda: refresh(first.refresh_token, now=NOW)] * CROWD)]
    faults = [repr(value) for value in answers if not isinstance(value, (Tokens, BadToken))]
    worked = sum(isinstance(value, Tokens) for value in answers)
    if worked != 1:
        faults.append(f"it worked {worked} times")
    if not ProgramSession.objects.get().ended_at:
        faults.append("a copied token did not end the session")
    if RefreshToken.objects.count() != 2:
        faults.append(f"there are {RefreshToken.objects.count()} refresh tokens")
    return faults


def test_a_refresh_token_serves_once_and_its_copy_ends_the_session():
    assert race_for_the_next_pair(refresh_session) == []


def test_the_race_for_the_next_pair_notices_a_missing_lock():
    faults = race_for_the_next_pair(careless_refresh)
    assert any(fault.startswith("it worked") for fault in faults)


# --- One form, sent many times ----------------------------------------------------------------------------------------


def careless_token(*, by, name, scope, valid_days, now):
    """create_personal_token as it must not be: it counts, thinks, and then writes."""
    own = PersonalToken.objects.alive_of(by, now)
    if own.filter(name=name).exists():
        raise TokenNameTaken
    if own.count() >= MAX_TOKENS:
        raise TooManyTokens
    time.sleep(A_MOMENT)
    secret = programs.new_secret(programs.PERSONAL)
    return PersonalToken.objects.create(
        user=by,
        name=name,
        start=secret[:8],
        digest=programs.digest(secret),
        version=by.session_version,
        expires_at=now + dt.timedelta(days=valid_days),
    )


def race_for_tokens(create):
    """Half of the crowd sends one form again and again, the others want more tokens than one person may have."""
    ann = UserFactory()
    for number in range(MAX_TOKENS - 4):
        create_personal_token(by=ann, name=f"Old {number}", scope="read", valid_days=30, now=NOW)
    names = [f"New {number}" if number % 2 else "The same" for number in range(CROWD)]
    calls = [
        lambda name=name: create(by=User.objects.get(pk=ann.pk), name=name, scope="read", valid_days=30, now=NOW)
        for name in names
    ]
    answers = [answer.value for answer in at_once(calls)]
    faults = [repr(v) for v in answers if not isinstance(v, (tuple, PersonalToken, TokenNameTaken, TooManyTokens))]
    same, tokens = ann.personal_tokens.filter(name="The same").count(), ann.personal_tokens.count()
    if same > 1:
        faults.append(f"{same} tokens have one name")
    if tokens != MAX_TOKENS:
        faults.append(f"{tokens} tokens")
    return faults


def test_a_form_sent_many_times_makes_one_token_and_nobody_has_too_many():
    assert race_for_tokens(create_personal_token) == []


def test_the_race_for_tokens_notices_a_missing_lock():
    assert race_for_tokens(careless_token) != []


# --- One address, signed up many times --------------------------------------------------------------------------------


def test_an_address_is_signed_up_once():
    wish = {"email": "nadia@example.org", "password": PASSWORD, "name": "Nadia", "role": "mentor"}
    answers = [answer.value for answer in at_once([lambda: ask("POST", "/api/auth/signup", wish)] * 6)]
    statuses = sorted(response.status_code for response in answers)
    assert statuses == [201, 409, 409, 409, 409, 409], [response.content for response in answers]
    assert User.objects.count() == 1
