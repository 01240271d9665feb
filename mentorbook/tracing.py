"""An id for each request: in its answer as `X-Request-ID`, and in every line of the log that was written for it."""

import logging
import re
import uuid
from contextvars import ContextVar

from django.core.signals import request_finished
from django.dispatch import receiver

request_id: ContextVar[str] = ContextVar("request_id", default="-")
# What a caller or a proxy may choose by itself; anything else could forge lines of the log.
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        sent = request.headers.get("X-Request-ID", "")
        request.id = sent if ACCEPTABLE.fullmatch(sent) else uuid.uuid4().hex
        request_id.set(request.id)
        response = self.get_response(request)
        response["X-Request-ID"] = request.id
        return response


@receiver(request_finished)
def forget(**kwargs):
    """After Django's own line about the answer, which is written when all middleware is done."""
    request_id.set("-")


class RequestIdFilter(logging.Filter):
    def filter(self, record):
        record.request_id = request_id.get()
        return True
