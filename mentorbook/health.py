"""What a process needs to do its work, and whether it has it: for `/readyz`."""

import logging
import threading
import time

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from mentorbook.models import JobRun

logger = logging.getLogger(__name__)

OK, LATE, NEVER_RAN, NOT_USED, DOWN = "ok", "late", "never ran", "not used", "down"

# A database that hangs counts as down after so long. Whoever asks waits no longer for the answer.
PATIENCE_SECONDS = 3
STARTED = time.monotonic()

# Anybody may ask, as often as they like: what was seen a moment ago is told again instead of being looked for.
FRESH_SECONDS = 1

_one_at_a_time = threading.Lock()
_migrations_are_there = False
_look_now: "Look | None" = None


class Look:
    """One look at everything, in a thread of its own, whose result all who ask meanwhile are told."""

    def __init__(self):
        self.found = {"database": DOWN, "migrations": DOWN, "channel_layer": NOT_USED, "job_runner": DOWN}
        self.began = time.monotonic()
        self.is_over = threading.Event()

    def start(self):
        threading.Thread(target=self._look, name="readyz", daemon=True).start()

    def _look(self):
        try:
            for name, check in CHECKS.items():
                self.found[name] = check()
        except Exception:
            logger.exception("Not ready: %s", name)
        finally:
            try:
                connection.close()
            finally:
                self.is_over.set()

    def answer(self):
        """What was found, `down` for what has not answered PATIENCE_SECONDS after the look began."""
        self.is_over.wait(max(0, self.began + PATIENCE_SECONDS - time.monotonic()))
        return dict(self.found)

    @property
    def is_old(self):
        """Whether it is time for another. While one hangs no other is begun, so that threads do not pile up."""
        return self.is_over.is_set() and time.monotonic() - self.began >= FRESH_SECONDS


def states() -> dict[str, str]:
    """The state of each thing; `down` for what did not answer in time."""
    global _look_now
    with _one_at_a_time:
        if _look_now is None or _look_now.is_old:
            look = Look()
            look.start()
            _look_now = look
        look = _look_now
    return look.answer()


def _database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


def _migrations():
    """Looked for until they are there: nothing takes them away from a process that runs."""
    global _migrations_are_there
    if not _migrations_are_there:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            logger.warning("Not ready: %d migrations are missing.", len(missing))
        _migrations_are_there = not missing
    return OK if _migrations_are_there else DOWN


def _job_runner():
    """`run_jobs` leaves the time after each job. A process complains only about silence that it saw itself, because
    after a pause both start together."""
    late, down = settings.JOBS_LATE_AFTER_MINUTES * 60, settings.JOBS_DOWN_AFTER_MINUTES * 60
    newest = JobRun.objects.newest_end()
    seen = time.monotonic() - STARTED
    silent = seen if newest is None else min(seen, (timezone.now() - newest).total_seconds())
    if down and silent > down:
        return DOWN
    if newest is None:
        return NEVER_RAN
    return LATE if silent > late else OK


# In this order: what cannot be asked without the one before it stays down.
CHECKS = {"database": _database, "migrations": _migrations, "job_runner": _job_runner}
