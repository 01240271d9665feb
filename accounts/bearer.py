"""Who a program acts for: the person behind the bearer token. Under /api/ cookies count for nothing."""

import datetime as dt
import time
from typing import NamedTuple

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle

from accounts import programs
from accounts.actions import BadToken
from accounts.models import PersonalToken, ProgramSession
from accounts.sessions import NoSession
from mentorbook.errors import NotAllowed
from mentorbook.rest.middleware import PREFIX, is_for_programs

LAST_USED_EVERY = dt.timedelta(minutes=5)
SAFE = ("GET", "HEAD", "OPTIONS")
# Of the others, those that change nothing: what they ask for is too long for an address.
READS = frozenset({f"{PREFIX}appointments/match"})


class ReadOnly(NotAllowed):
    code = "read_only_token"
    message = _("This token may read only. Make one with the scope “read and write”.")


class SecondFactorMissing(NotAllowed):
    code = "second_factor_missing"
    message = _("Staff sign in with a second factor. Set up yours on the site first.")


class Program(NamedTuple):
    """What was let in."""

    user: object
    may_write: bool


class BearerMiddleware:
    """Set `request.user` under /api/ to the person behind the token, so that zone and language are theirs as well.

    There is no session there: signing up would leave one, with a cookie, as it does on the page.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if is_for_programs(request):
            request.user, request.session = AnonymousUser(), NoSession()
            request.program = program_behind(_token_of(request), now=timezone.now())
            if request.program is not None:
                request.user = request.program.user
        return self.get_response(request)


def program_behind(token: str, *, now) -> Program | None:
    """Whose token this is; None for one that lets nobody in (any more). One query; another every five minutes."""
    if token.startswith(programs.PERSONAL):
        return _by_personal_token(token, now)
    claims = programs.read_access_token(token) if token else None
    if claims is None:
        return None
    session = ProgramSession.objects.select_related("user").filter(pk=claims.session_id, user=claims.user_id).first()
    if session is None or not session.lets_in(now):
        return None
    return Program(session.user, may_write=True)


def _by_personal_token(secret, now):
    token = PersonalToken.objects.select_related("user").filter(digest=programs.digest(secret)).first()
    if token is None or not token.lets_in(now):
        return None
    if cache.add(f"token-seen:{token.pk}", 1, LAST_USED_EVERY.total_seconds()):
        PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Program(token.user, may_write=token.scope == PersonalToken.Scope.WRITE)


def only_reads(method: str, address: str) -> bool:
    """Whether what is asked for changes nothing, so that a token for reading is enough and a key of no use."""
    return method.upper() in SAFE or address in READS


def _token_of(request):
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Bearer(HttpBearer):
    """`Authorization: Bearer <access token or personal token>`."""

    def __call__(self, request):
        program = request.program
        if program is None:
            if request.headers.get("Authorization"):
                raise BadToken
            return None
        user = program.user
        if user.is_staff and settings.STAFF_NEED_SECOND_FACTOR and not is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            raise SecondFactorMissing
        if not program.may_write and not only_reads(request.method, request.path_info):
            raise ReadOnly
        return user

    def authenticate(self, request, token):
        """Not asked: the middleware has done it."""


def visitors_too(request):
    """Let in who sends no token at all; a wrong one stays wrong."""
    return not request.headers.get("Authorization") and request.user


class _PerMinute(BaseThrottle):
    """So many requests in each minute of the clock.

    Counted in the cache in one step: threads share this object, and ninja's own throttles keep whom they are counting
    on themselves, so that one person's requests are written down for another.
    """

    scope = setting = ""

    def allow_request(self, request):
        whom = self.whom(request)
        if whom is None:
            return True
        key = f"{self.scope}:{whom}:{int(time.time()) // 60}"
        cache.add(key, 0, 2 * 60)
        try:
            return cache.incr(key) <= getattr(settings, self.setting)
        except ValueError:  # pushed out of the cache at this moment
            return True

    def wait(self):
        return 60 - time.time() % 60


class PerPerson(_PerMinute):
    """For each person, whichever token they come with."""

    scope, setting = "api-person", "API_REQUESTS_PER_MINUTE"

    def whom(self, request):
        return request.user.pk


class PerAddress(_PerMinute):
    """For each address of those who send no token. A whole class comes from one."""

    scope, setting = "api-address", "API_REQUESTS_PER_MINUTE_UNKNOWN"

    def whom(self, request):
        return None if request.user.is_authenticated else get_adapter().get_client_ip(request)
