"""What is refused before anything of it is read or stored."""

from django.conf import settings
from django.shortcuts import render

FILES = "multipart/form-data"
FORMS = ("application/x-www-form-urlencoded", FILES)


def takes_files(view):
    """Let people who are signed in send files to `view`: up to UPLOAD_MAX_REQUEST_BYTES in one form."""
    view.takes_files = True
    return view


class RequestLimitsMiddleware:
    """Refuse bodies that no form of ours sends.

    Too long ones: Django's own limit leaves out files, which it would write to disk. Only views that say so
    (`takes_files`) get more, from people who are signed in. What names no length has none under WSGI. And forms in
    another encoding than UTF-8: Django refuses them with 400 while it reads them, then reads them again for the page
    that says so, and ends with 500.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length[:18]) > settings.UPLOAD_MAX_REQUEST_BYTES:
            return render(request, "413.html", status=413)
        charset = request.content_params.get("charset", "utf-8").lower()
        if request.content_type in FORMS and charset not in ("utf-8", "utf8"):
            return render(request, "400.html", status=400)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        """Who asks and for what is known here, and nothing has read the body yet (the CSRF check is the first to)."""
        length = int(request.META.get("CONTENT_LENGTH") or "0")
        if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return None
        takes_files = getattr(view, "takes_files", False) and request.content_type == FILES
        if takes_files and request.user.is_authenticated:
            return None
        return render(request, "413.html", status=413)
