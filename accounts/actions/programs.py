"""Letting programs in: by address and password for a session, or by a personal token made on the settings page."""

import datetime as dt
import logging
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts import programs
from accounts.models import PersonalToken, ProgramSession, RefreshToken
from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import limit_waiting, patiently

MAX_TOKENS = 20
VALID_DAYS = (30, 90, 365)
logger = logging.getLogger(__name__)


class BadToken(Refused):
    """Not one of ours, used before, ended or expired."""

    code = "bad_token"
    status = 401
    message = _("This token does not let anybody in (any more). Sign in again.")


class TokenNameMissing(Refused):
    code = "name_missing"
    status = 422
    field = "name"
    message = _("Say what the token is for, such as the name of the script.")


class TokenNameTaken(Refused):
    """So that tokens can be told apart, and a form that is sent twice makes one token."""

    code = "name_taken"
    field = "name"
    message = _("You have a token with this name. Choose another, or revoke that one first.")


class TooManyTokens(Refused):
    code = "too_many_tokens"
    message = _("You have as many tokens as one person can. Revoke one that is not used any more.")


class Tokens(NamedTuple):
    """What a program gets when it signs in, and at each refresh."""

    user: object
    access_token: str
    refresh_token: str


def start_session(user, *, now) -> Tokens:
    """Let a program act for `user`, whose password was right, until it signs out or stays away."""
    with transaction.atomic():
        session = ProgramSession.objects.create(
            user=user, version=user.session_version, created_at=now, expires_at=_end_of_session(now)
        )
        return _hand_out(session, now)


@patiently
def refresh_session(refresh_token: str, *, now) -> Tokens:
    """The next pair of tokens for an unused refresh token. One that was used before ends its session: it was copied."""
    with transaction.atomic():
        limit_waiting()
        token = _locked(refresh_token)
        if token is None or not token.session.lets_in(now):
            raise BadToken
        is_copy = token.used_at is not None
        if is_copy:
            _end(token.session, now)
            logger.warning("A refresh token of person %s came twice; its session is ended.", token.session.user_id)
        else:
            token.used_at = now
            token.save(update_fields=["used_at"])
            token.session.expires_at = _end_of_session(now)
            token.session.save(update_fields=["expires_at"])
            tokens = _hand_out(token.session, now)
    if is_copy:  # outside, so that the end of the session stays
        raise BadToken
    return tokens


@patiently
@transaction.atomic
def end_session(refresh_token: str, *, now) -> None:
    """Sign the program out: neither its refresh token nor its access tokens let in any more. Twice changes nothing."""
    limit_waiting()
    token = _locked(refresh_token)
    if token is None:
        raise BadToken
    if token.session.ended_at is None:
        _end(token.session, now)


def end_program_session(session, *, by, now) -> ProgramSession:
    """Staff sign a program out: none of its tokens lets in any more. A second time nothing changes."""
    if not by.has_perm("accounts.change_programsession"):
        raise NotAllowed
    ProgramSession.objects.filter(pk=session.pk, ended_at=None).update(ended_at=now)
    session.refresh_from_db()
    return session


def end_program_sessions_of(user, *, now) -> int:
    """Sign out every program that signed in with the password of `user`; how many. Personal tokens stay."""
    return ProgramSession.objects.alive_of(user, now).update(ended_at=now)


def create_personal_token(*, by, name: str, scope: str, valid_days: int, now: dt.datetime) -> tuple[PersonalToken, str]:
    """A new key for scripts of `by`, and its secret, which nobody can show again."""
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise TokenNameMissing
    if scope not in PersonalToken.Scope.values or valid_days not in VALID_DAYS:
        raise ValueError("Neither a scope nor a time that forms offer.")
    secret = programs.new_secret(programs.PERSONAL)
    with transaction.atomic():
        # Two forms sent at once are counted one after the other.
        get_user_model().objects.select_for_update(no_key=True).get(pk=by.pk)
        own = PersonalToken.objects.alive_of(by, now)
        if own.filter(name__iexact=name).exists():
            raise TokenNameTaken
        if own.count() >= MAX_TOKENS:
            raise TooManyTokens
        token = PersonalToken.objects.create(
            user=by,
            name=name,
            start=secret[: programs.SHOWN_CHARACTERS],
            digest=programs.digest(secret),
            scope=scope,
            version=by.session_version,
            created_at=now,
            expires_at=now + dt.timedelta(days=valid_days),
        )
    logger.info("Person %s made the personal token %s.", by.pk, token.pk)
    return token, secret


def revoke_personal_token(token, *, by, now) -> PersonalToken:
    """The token lets nobody in any more. A second time nothing changes."""
    if token.user_id != by.pk and not by.has_perm("accounts.change_personaltoken"):
        raise NotAllowed
    PersonalToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    token.refresh_from_db()
    return token


def forget_old_tokens(*, now, dry_run=False) -> int:
    """Delete what has let nobody in for long; how many rows.

    Sessions that ran out, or ended a day ago, with their refresh tokens; of living sessions the refresh tokens whose
    use is so long ago that copies of them are no news; personal tokens three months after their end, until when the
    page still lists them.
    """
    sessions = ProgramSession.objects.filter(Q(expires_at__lte=now) | Q(ended_at__lte=now - DAY))
    used = RefreshToken.objects.filter(used_at__lte=now - dt.timedelta(days=settings.API_REFRESH_DAYS))
    listed = now - LISTED_AFTER_END
    personal = PersonalToken.objects.filter(Q(expires_at__lte=listed) | Q(revoked_at__lte=listed))
    used = used.exclude(session__in=sessions)
    if dry_run:
        return sum(rows.count() for rows in (sessions, used, personal))
    return (
        sessions.delete()[1].get("accounts.ProgramSession", 0)
        + RefreshToken.objects.filter(pk__in=list(used.values_list("pk", flat=True))).delete()[0]
        + personal.delete()[0]
    )


DAY = dt.timedelta(days=1)
LISTED_AFTER_END = 90 * DAY


def _end_of_session(now):
    return now + dt.timedelta(days=settings.API_REFRESH_DAYS)


def _hand_out(session, now):
    refresh_token = programs.new_secret(programs.REFRESH)
    RefreshToken.objects.create(session=session, digest=programs.digest(refresh_token), created_at=now)
    return Tokens(session.user, programs.sign_access_token(session, now=now), refresh_token)


def _locked(refresh_token):
    """The token with its session, locked until the transaction ends, or None."""
    tokens = RefreshToken.objects.select_related("session__user").select_for_update(of=("self", "session"))
    return tokens.filter(digest=programs.digest(refresh_token)).first()


def _end(session, now):
    session.ended_at = now
    session.save(update_fields=["ended_at"])
