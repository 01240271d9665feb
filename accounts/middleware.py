from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.timezones import find_timezone, visitor_timezone
from mentorbook.rest.middleware import is_for_programs


class TimezoneMiddleware:
    """Show every time in the zone of the person who looks: the chosen one, or for visitors their browser's."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        name = request.user.timezone if request.user.is_authenticated else visitor_timezone(request)
        with timezone.override(find_timezone(name) or settings.DEFAULT_TIMEZONE):
            return self.get_response(request)


class LanguageMiddleware:
    """Speak the language that a person chose; visitors get what their browser asks for (LocaleMiddleware)."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.user.is_authenticated:
            return self.get_response(request)
        with translation.override(request.user.language):
            return self.get_response(request)


class SessionActivityMiddleware:
    """Keep "last seen" in a person's list of sessions, to within five minutes.

    allauth's own middleware writes at every request, which would make each page wait for SQLite's one writer. Sessions
    that did not come from a sign-in on our pages have no row and are left alone.
    """

    SECONDS = 5 * 60

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if (
            request.user.is_authenticated
            and AUTHENTICATION_METHODS_SESSION_KEY in request.session
            and cache.add(f"session-seen:{request.session.session_key}", 1, self.SECONDS)
        ):
            UserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=timezone.now())
        return self.get_response(request)


class SecondFactorMiddleware:
    """Send staff without a second factor to where one is set up, before they can use what staff can do.

    What stays open is what they need for it: the pages of their own account, and signing out.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        user = request.user
        if not settings.STAFF_NEED_SECOND_FACTOR or not user.is_authenticated or not user.is_staff:
            return None
        if is_for_programs(request):  # they get an answer of their own, from accounts.bearer
            return None
        if view.__module__.startswith("allauth.") or is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            return None
        if EmailAddress.objects.filter(user=user, verified=False).exists():
            messages.info(request, _("Staff sign in with a second factor. Confirm your e-mail address first."))
            return redirect("account_email")
        messages.info(request, _("Staff sign in with a second factor. Set up yours to go on."))
        return redirect("mfa_activate_totp")


class InvalidFormMiddleware:
    """Answer a form of allauth's pages that was refused with 422, as all our own forms do, where allauth says 200."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_template_response(self, request, response):
        match = request.resolver_match
        if request.method == "POST" and response.status_code == 200 and match.func.__module__.startswith("allauth."):
            form = (response.context_data or {}).get("form")
            if form is not None and form.is_bound and form.errors:
                response.status_code = 422
        return response
