from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import ProfileForm, TimezoneForm
from accounts.models import User
from accounts.timezones import COOKIE
from mentorbook.pages import back
from mentorbook.refusals import render_form

ONE_YEAR = 365 * 24 * 3600


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
        request.user.timezone = form.cleaned_data["timezone"]
        request.user.save(update_fields=["timezone"])
    else:
        response.set_cookie(
            COOKIE, form.cleaned_data["timezone"], max_age=ONE_YEAR, secure=request.is_secure(), samesite="Lax"
        )
    return response
