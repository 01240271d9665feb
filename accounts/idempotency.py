"""`Idempotency-Key`: what a program asks for twice is done once.

The answer is stored in the transaction of the work. A second request with the same key waits for the first one at the
unique index, and then finds either its answer or nothing: a process that dies leaves no key behind. Only what was done
is remembered. A refusal has changed nothing, so asking again with the same key is asking anew.
"""

import datetime as dt
import hashlib
import math
import re

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.bearer import Bearer, PerPerson, only_reads
from accounts.models import IdempotentAnswer
from mentorbook.errors import Refused
from mentorbook.locks import Busy, limit_waiting, patiently
from mentorbook.rest.middleware import JSON, PREFIX, is_for_programs

HEADER = "Idempotency-Key"
# What is answered here lets people in, and the database keeps no secret as it is.
SECRETS = re.compile(rf"{PREFIX}(auth/.*|project-groups/[^/]+/invitations)")
KEPT = dt.timedelta(hours=24)
MAX_LENGTH = IdempotentAnswer._meta.get_field("key").max_length


class IdempotencyMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        key = request.headers.get(HEADER)
        if key is None or not _is_done_once(request) or _is_too_long(request):
            return self.get_response(request)
        if not (0 < len(key) <= MAX_LENGTH and key.isascii() and key.isprintable()):
            words = _("An idempotency key has 1 to %(most)d printable ASCII characters.") % {"most": MAX_LENGTH}
            return _refused(422, "bad_idempotency_key", words)
        content = b"\n".join([request.method.encode(), request.get_full_path().encode(), request.body])
        fingerprint = hashlib.sha256(content).hexdigest()
        try:
            return self._answer(request, key, fingerprint, timezone.now())
        except Busy as busy:
            response = _refused(busy.status, busy.code, str(busy.message))
            response["Retry-After"] = "1"
            return response

    def _answer(self, request, key, fingerprint, now):
        if earlier := _earlier(request.user, key, fingerprint, now):
            return _refusal_to_let_in(request) or earlier
        try:
            return self._work(request, key, fingerprint, now)
        except IntegrityError:  # the same request came at the same time, and is done by now
            return _earlier(request.user, key, fingerprint, now) or _refused(*_IN_THE_WORKS)

    @patiently
    def _work(self, request, key, fingerprint, now):
        with transaction.atomic():
            limit_waiting()
            IdempotentAnswer.objects.filter(user=request.user, key=key, created_at__lte=now - KEPT).delete()
            row = IdempotentAnswer.objects.create(user=request.user, key=key, fingerprint=fingerprint, created_at=now)
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            else:
                row.status, row.body = response.status_code, response.content.decode()
                row.save(update_fields=["status", "body"])
            return response


def takes_key(address) -> bool:
    """Whether a POST to this address is done once. Otherwise it is done as often as it is asked for, because what it
    answers is not for keeping, or because it only reads."""
    return SECRETS.fullmatch(address) is None and not only_reads("POST", address)


def _is_done_once(request):
    if request.method != "POST" or not is_for_programs(request) or not takes_key(request.path_info):
        return False
    return request.user.is_authenticated


def _refusal_to_let_in(request):
    """What the operation itself would have asked first: an answer that is told again goes around nothing."""
    try:
        Bearer()(request)
    except Refused as refusal:
        return _refused(refusal.status, refusal.code, str(refusal.message))
    throttle = PerPerson()
    if throttle.allow_request(request):
        return None
    response = _refused(429, "too_many_requests", _("That was too often. Wait as many seconds as Retry-After says."))
    response["Retry-After"] = str(math.ceil(throttle.wait()))
    return response


def _is_too_long(request):
    """What `RequestLimitsMiddleware` refuses when it knows the view; reading it here would be a fault."""
    return int(request.META.get("CONTENT_LENGTH") or "0") > settings.DATA_UPLOAD_MAX_MEMORY_SIZE


_IN_THE_WORKS = (409, "in_the_works", "The first request with this key is still being worked on. Ask again.")


def _earlier(user, key, fingerprint, now):
    """What was answered to the same key before: the same again, or that it belongs to something else."""
    row = IdempotentAnswer.objects.filter(user=user, key=key, created_at__gt=now - KEPT).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        return _refused(
            422, "idempotency_mismatch", _("This idempotency key was used for something else. Use a new one.")
        )
    response = HttpResponse(row.body, status=row.status, content_type=f"{JSON}; charset=utf-8")
    response["Idempotency-Replayed"] = "true"
    return response


def _refused(status, code, detail):
    return JsonResponse({"detail": detail, "code": code, "field": None}, status=status)


def forget_old_answers(*, now, dry_run=False) -> int:
    """Delete answers that are kept no longer; how many."""
    old = IdempotentAnswer.objects.filter(created_at__lte=now - KEPT)
    return old.count() if dry_run else old.delete()[0]
