from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import create_personal_token, end_program_sessions_of, revoke_personal_token
from accounts.editing import edit_profile
from accounts.forms import ProfileForm, TimezoneForm, TokenForm
from accounts.models import PersonalToken, ProgramSession, User
from accounts.timezones import COOKIE
from mentorbook.pages import back
from mentorbook.refusals import refusals_on, render_form

ONE_YEAR = 365 * 24 * 3600
ENDED_SHOWN = 20
ask_first = require_http_methods(["GET", "HEAD", "POST"])


def profile(request):
    # A copy to edit: what was typed and refused must not appear as the person's name in the header.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if form.is_valid():
        form.save()
        messages.success(request, _("Your profile is saved."))
        return redirect("accounts:profile")
    return render_form(
        request,
        "account/profile.html",
        form,
        {
            "email_confirmed": EmailAddress.objects.filter(user=request.user, primary=True, verified=True).exists(),
            "second_factor": is_mfa_enabled(request.user, [Authenticator.Type.TOTP]),
        },
    )


@require_POST
@login_not_required
def switch_timezone(request):
    """Show times in another zone from now on: kept in the profile, for visitors in a cookie."""
    response = back(request, "dashboard" if request.user.is_authenticated else "home")
    form = TimezoneForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(form.errors["timezone"]))
    elif request.user.is_authenticated:
        edit_profile(request.user, **form.cleaned_data)
    else:
        response.set_cookie(
            COOKIE, form.cleaned_data["timezone"], max_age=ONE_YEAR, secure=request.is_secure(), samesite="Lax"
        )
    return response


# --- Personal tokens --------------------------------------------------------------------------------------------------


@ask_first
def tokens(request):
    form = TokenForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        return _make_token(request, form)
    return _render_tokens(request, form)


@reauthentication_required
def _make_token(request, form):
    """Answer with the secret, on this page and nowhere else: no session, message or cache keeps it."""
    with refusals_on(form):
        token, secret = create_personal_token(by=request.user, now=timezone.now(), **form.cleaned_data)
        get_adapter().send_notification_mail("account/email/token_made", request.user, {"token": token})
        response = render(request, "account/token_made.html", {"token": token, "secret": secret})
        add_never_cache_headers(response)
        return response
    return _render_tokens(request, form)


def _render_tokens(request, form):
    now = timezone.now()
    alive = list(PersonalToken.objects.alive_of(request.user, now))
    ended = list(request.user.personal_tokens.exclude(pk__in=[token.pk for token in alive])[:ENDED_SHOWN])
    for token in ended:
        token.ended_because = token.ending(now).label
    signed_in = ProgramSession.objects.alive_of(request.user, now).count()
    context = {"alive": alive, "ended": ended, "signed_in": signed_in}
    return render_form(request, "account/tokens.html", form, context)


@ask_first
def revoke_token(request, pk):
    token = get_object_or_404(request.user.personal_tokens, pk=pk)
    if request.method == "POST":
        revoke_personal_token(token, by=request.user, now=timezone.now())
        messages.success(request, _("“%(name)s” lets nobody in any more.") % {"name": token.name})
        return redirect("accounts:tokens")
    context = {"token": token, "confirm_label": _("Revoke the token"), "tone": "danger"}
    return render(request, "account/token_revoke.html", {**context, "cancel_url": reverse("accounts:tokens")})


@require_POST
def sign_out_programs(request):
    count = end_program_sessions_of(request.user, now=timezone.now())
    told = ngettext("%(count)d program is signed out.", "%(count)d programs are signed out.", count)
    messages.success(request, told % {"count": count})
    return redirect("accounts:tokens")
