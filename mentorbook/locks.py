"""Waiting for rows that others hold: not for ever, once more after a deadlock, and then a polite no."""

import functools

from django.db import OperationalError, connection
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import Refused

LOCK_TIMEOUT_SECONDS = 3
DEADLOCK, LOCK_TIMEOUT = "40P01", "55P03"


class Busy(Refused):
    """The rows that are needed were locked for too long; what was asked for was not done."""

    code = "busy"
    status = 503
    message = _(
        "Too many people want the same at this moment. Nothing was changed and no points were touched; try again."
    )


def patiently(action):
    """Run `action` once more when it lost a deadlock or waited too long for a lock, then give up with `Busy`.

    SQLite has waited for its one lock as long as the connection's timeout says when it complains, so there it is
    Busy at once.
    """

    @functools.wraps(action)
    def attempt(*args, **kwargs):
        try:
            return action(*args, **kwargs)
        except OperationalError as error:
            if not _is_lock_conflict(error):
                raise
            if connection.vendor == "sqlite":
                raise Busy from error
        try:
            return action(*args, **kwargs)
        except OperationalError as error:
            if not _is_lock_conflict(error):
                raise
            raise Busy from error

    return attempt


def _is_lock_conflict(error):
    if getattr(error.__cause__, "sqlstate", None) in (DEADLOCK, LOCK_TIMEOUT):
        return True
    return getattr(error.__cause__, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def limit_waiting():
    """Let this transaction wait for a lock a few seconds at most."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
