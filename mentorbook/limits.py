"""What is refused before anything of it is read or stored."""

from django.conf import settings
from django.shortcuts import render

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class RequestLimitsMiddleware:
    """Refuse bodies that no form of ours sends.

    Too long ones: Django's own limit leaves out files, which it would write to disk, and nothing here takes files. What
    names no length has none under WSGI. And forms in another encoding than UTF-8: Django refuses them with 400 while it
    reads them, then reads them again for the page that says so, and ends with 500.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length[:18]) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return render(request, "413.html", status=413)
        charset = request.content_params.get("charset", "utf-8").lower()
        if request.content_type in FORMS and charset not in ("utf-8", "utf8"):
            return render(request, "400.html", status=400)
        return self.get_response(request)
