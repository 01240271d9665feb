import logging
from smtplib import SMTPException

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts import guessing
from accounts.models import User
from mentorbook.rest.middleware import is_for_programs

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Where allauth asks the house: our words, our limits, where people land."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed. Ask the people who run this site."),
        "duplicate_email": _("This is your address already."),
        "email_password_mismatch": _(
            "This address and password do not fit together. After ten wrong passwords an account takes none for five"
            " minutes."
        ),
        "email_taken": _("There is an account with this address already. Sign in, or set a new password."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_code": _("This code is not right. Codes change every 30 seconds: take the one shown now."),
        "incorrect_password": _("This is not your password. After ten wrong ones we take none for five minutes."),
        "invalid_or_expired_key": _("This link is no longer valid."),
        "invalid_password_reset": _("This link is no longer valid. Ask for a new one."),
        "rate_limited": _("That was too often in a short time. Try again in a few minutes."),
        "same_as_current": _("This is the same as before."),
        "too_many_login_attempts": _("That was too often in a short time. Try again in a few minutes."),
        "unverified_primary_email": _("Confirm this address first: the link is in the mail we sent there."),
    }

    def pre_authenticate(self, request, **credentials):
        """Nothing: wrong passwords are counted where they are compared, in `accounts.backends`."""

    def reauthenticate(self, user, password):
        return authenticate(self.request, email=user.email, password=password) == user

    def _delete_login_attempts_cached_email(self, request, **credentials):
        """allauth calls this after a password was reset: guesses at the old one no longer count."""
        for pk in User.objects.filter(email=credentials["email"].lower()).values_list("pk", flat=True):
            guessing.forget(pk)

    def save_user(self, request, user, form, commit=True):
        form.describe(user)
        return super().save_user(request, user, form, commit)

    def get_signup_redirect_url(self, request):
        """Who came to mentor goes on to the mentor profile; everybody else to the dashboard."""
        if request.user.is_authenticated and request.user.wants_to_mentor:
            try:
                return reverse("mentors:create")
            except NoReverseMatch:  # an installation without the mentors' pages
                pass
        return super().get_signup_redirect_url(request)

    def get_password_change_redirect_url(self, request):
        return reverse("accounts:profile")

    def is_safe_url(self, url):
        try:
            return super().is_safe_url(url)
        except ValueError:  # no address at all, such as http://[
            return False

    def get_client_ip(self, request):
        """The address as allauth finds it; behind a Unix socket without a proxy header there is none."""
        return super().get_client_ip(request) if request.META.get("REMOTE_ADDR") else "127.0.0.1"

    def format_email_subject(self, subject):
        return f"{subject} · {settings.SITE_NAME}"

    def send_mail(self, template_prefix, email, context):
        """Send now; when the mail server does not take it, say so on the page instead of failing it."""
        context = {"site_name": settings.SITE_NAME, "base_url": settings.BASE_URL, **context}
        try:
            super().send_mail(template_prefix, email, context)
        except (SMTPException, OSError):
            logger.exception("The mail %s could not be sent.", template_prefix)
            if self.request is not None and not is_for_programs(self.request):
                messages.warning(
                    self.request, gettext("The mail could not be sent just now. Ask for it again in a few minutes.")
                )


class MFAAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "add_email_blocked": _("Turn the second factor off before you change your e-mail address."),
        "cannot_delete_authenticator": _("Staff keep their second factor. Set up a new app before you remove the old."),
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "unverified_email": _("Confirm your e-mail address first; then set up the second factor."),
    }

    def get_totp_issuer(self):
        return settings.SITE_NAME

    def build_totp_svg(self, url):
        """The QR code as SVG for the page itself: the content security policy lets no data: URI show it."""
        code = qrcode.QRCode(border=4)
        code.add_data(url)
        rows = code.get_matrix()
        path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
        label = pgettext("picture", "QR code for your authenticator app")
        return render_to_string("mfa/totp/qr.svg", {"size": len(rows), "path": path, "label": label})
