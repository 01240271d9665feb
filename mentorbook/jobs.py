"""What has to be done again and again: every app registers its sweeps from `AppConfig.ready`, `run_jobs` runs them.

A job looks for rows that are due and deals with each in a transaction of its own, so it may be run at any time, twice
at once, and killed in the middle; with nothing due it costs one cheap query.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.apps import apps
from django.db import DatabaseError, transaction
from django.utils import timezone

logger = logging.getLogger("mentorbook.jobs")

MAX_ERROR = 2000


class Sweep(Protocol):
    def __call__(self, *, now: datetime, dry_run: bool = False) -> int:
        """Deal with everything that is due at `now` (or only count it) and say how many there were."""


@dataclass(frozen=True)
class Job:
    name: str
    sweep: Sweep


@dataclass(frozen=True)
class Outcome:
    name: str
    count: int
    seconds: float
    error: Exception | None = None


_jobs: dict[str, Job] = {}


def register(name: str, sweep: Sweep):
    """Have `sweep` run periodically under `name`. Jobs run in the order in which they were registered."""
    _jobs[name] = Job(name, sweep)


def registered() -> list[Job]:
    return list(_jobs.values())


def deal_with_each(rows: Iterable, deal_with: Callable[..., bool], *, dry_run: bool) -> int:
    """Call `deal_with` for each of `rows` and say how often it did something; with `dry_run` only how many there are.

    One that fails does not keep the others waiting: its error is in the log, and the next sweep tries it again.
    """
    rows = list(rows)
    if dry_run:
        return len(rows)
    done = 0
    for row in rows:
        try:
            done += deal_with(row)
        except Exception:
            logger.exception("%s %s could not be dealt with", row._meta.model_name, row.pk)
    return done


def run(jobs: Iterable[Job], *, now: datetime, dry_run: bool = False, after_each: Callable[[], None] = lambda: None):
    """Run `jobs` one after the other and yield an `Outcome` for each; the failure of one does not stop the next.

    `after_each` is called between jobs, failed or not (a command that runs for days gives up stale connections there).
    """
    for job in jobs:
        started, began_at = time.monotonic(), timezone.now()
        count, error = 0, None
        try:
            count = job.sweep(now=now, dry_run=dry_run) or 0
        except Exception as exception:
            error = exception
            logger.exception("job %s failed", job.name)
        seconds = time.monotonic() - started
        if error is None:
            logger.log(logging.INFO if count else logging.DEBUG, "job %s: %d in %.2f s", job.name, count, seconds)
        if not dry_run:
            _leave_heartbeat(job, began_at, count, error)
        after_each()
        yield Outcome(job.name, count, seconds, error)


def _leave_heartbeat(job, began_at, count, error):
    """Write down how the run went, for `/readyz` and the admin. The error of an earlier run stays readable there."""
    ended_at = timezone.now()
    run = {"began_at": began_at, "ended_at": ended_at, "count": count}
    if error is not None:
        run |= {"failed_at": ended_at, "error": f"{type(error).__name__}: {error}"[:MAX_ERROR].replace("\0", "")}
    job_runs = apps.get_model("mentorbook", "JobRun").objects  # apps import this module before there are models
    try:
        with transaction.atomic():
            job_runs.bulk_create(
                [job_runs.model(name=job.name, **run)],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=list(run),
            )
    except DatabaseError:
        logger.exception("job %s: how it went could not be written down", job.name)
