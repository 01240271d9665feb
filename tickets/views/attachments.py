"""Sending files back to those who may see them."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import FileResponse, Http404
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe

from tickets.models import Attachment

logger = logging.getLogger("mentorbook.tickets")


@login_not_required  # files of public articles are for everybody
@require_safe
def download(request, key):
    """The file as a download, whatever it is; browsers show pictures in a page all the same.

    Who may see it is asked every time: a browser may keep it, but not use it without asking.
    """
    attachment = Attachment.objects.visible_to(request.user).filter(key=key).first()
    if attachment is None and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if attachment is None:
        raise Http404
    etag = f'"{attachment.key.hex}"'
    return get_conditional_response(request, etag=etag) or file_response(attachment, etag)


def file_response(attachment, etag):
    if not attachment.file.storage.exists(attachment.file.name):
        logger.error("the file of attachment %s is missing: %s", attachment.pk, attachment.file.name)
        raise Http404
    charset = "; charset=utf-8" if attachment.content_type.startswith("text/") else ""
    response = FileResponse(
        attachment.file.open(),
        as_attachment=True,
        filename=attachment.name,
        content_type=attachment.content_type + charset,
    )
    response["ETag"] = etag
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    patch_cache_control(response, private=True, no_cache=True)
    return response
