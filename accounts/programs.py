"""What the secrets of programs look like, and how an access token is signed and read. No database.

Access tokens are JSON Web Tokens (RFC 7519) signed with HMAC-SHA256. Refresh and personal tokens are random, 256 bits.
"""

import datetime as dt
import hashlib
import secrets
from typing import NamedTuple

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

PERSONAL, REFRESH = "mb_", "mbr_"
SHOWN_CHARACTERS = 8  # of a personal token, in the list of them
ALGORITHM, PURPOSE = "HS256", "mentorbook-access"


class Claims(NamedTuple):
    session_id: int
    user_id: int
    version: str


def new_secret(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret. It is random, so nothing slower than SHA-256 is needed (OWASP, Session Management)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def sign_access_token(session, *, now: dt.datetime) -> str:
    """A token for `session`, valid for API_ACCESS_MINUTES."""
    claims = {
        "aud": PURPOSE,
        "sub": str(session.user_id),
        "sid": session.pk,
        "ver": session.version,
        "iat": now,
        "exp": now + dt.timedelta(minutes=settings.API_ACCESS_MINUTES),
    }
    return jwt.encode(claims, _key(), algorithm=ALGORITHM)


def read_access_token(token: str) -> Claims | None:
    """What a token says that we signed and that has not expired; None for anything else."""
    try:
        claims = jwt.decode(
            token, _key(), algorithms=[ALGORITHM], audience=PURPOSE, options={"require": ["exp", "sub", "aud"]}
        )
        return Claims(int(claims["sid"]), int(claims["sub"]), str(claims["ver"]))
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
        return None


def _key():
    return salted_hmac("mentorbook.accounts.programs", "access", algorithm="sha256").digest()
