"""The one translator from a refusal to what a person or a program gets to see."""

from contextlib import contextmanager
from urllib.parse import urlsplit

from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from mentorbook.errors import Refused


@contextmanager
def refusals_on(form):
    """Turn a refusal inside the block into an error of `form`, beside its field where the form has that field.

    The refusal stays readable as `form.refusal`, for a page that shows more of it (the nearest free times).
    """
    try:
        yield
    except Refused as refusal:
        form.refusal = refusal
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal.message))


def form_status(form):
    """The HTTP status of a page that shows `form`: 200 fresh, the refusal's own, 422 for malformed input."""
    if not form.is_bound or form.is_valid():
        return 200
    refusal = getattr(form, "refusal", None)
    return refusal.status if refusal else 422


def render_form(request, template, form, context=None):
    """Render a page around `form` with the status that tells browsers and htmx how it went."""
    return render(request, template, {"form": form, **(context or {})}, status=form_status(form))


class RefusalMiddleware:
    """Answer a refusal that no form caught with a page that says so, at the refusal's own status."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if isinstance(exception, Refused):
            context = {"refusal": exception, "back_url": page_before(request)}
            return render(request, "refused.html", context, status=exception.status)
        return None


def page_before(request):
    """The page of ours from which this request came, or "" (also for a page that only led to itself)."""
    referrer = request.headers.get("referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return ""
    parts = urlsplit(referrer)
    if request.method == "GET" and parts.path == request.path:
        return ""
    return parts._replace(scheme="", netloc="", fragment="").geturl()
