"""What the two databases write differently, and what reading thousands of rows needs to be cheap.

A datetime costs Python more to make than the row to fetch, and the slot arithmetic wants whole seconds anyhow.
"""

from collections import defaultdict
from functools import lru_cache

from django.db.models import Aggregate, BigIntegerField, F, Func, TextField

MINUTES = 2_048  # more than a day's, so that two of them make one number


class SecondOf(Func):
    """A moment as whole seconds since 1970, a fraction rounded down: the start of what takes time."""

    output_field = BigIntegerField()
    arity = 1
    on_postgresql = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
    # Django stores 2026-11-24 14:00:00, longer where there are microseconds; bookings.triggers keeps it so.
    on_sqlite = "CAST(STRFTIME('%%%%s', SUBSTR(%(expressions)s, 1, 19)) AS INTEGER)"

    def as_postgresql(self, compiler, connection, **extra_context):
        return self.as_sql(compiler, connection, template=self.on_postgresql, **extra_context)

    def as_sqlite(self, compiler, connection, **extra_context):
        return self.as_sql(compiler, connection, template=self.on_sqlite, **extra_context)


class SecondAfter(SecondOf):
    """The same, a fraction rounded up: the end of what takes time."""

    on_postgresql = "CEIL(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
    on_sqlite = f"{SecondOf.on_sqlite} + (LENGTH(%(expressions)s) > 19)"


class Joined(Aggregate):
    """A group's numbers as one text, with commas, in any order."""

    output_field = TextField()
    arity = 1

    def as_postgresql(self, compiler, connection, **extra_context):
        return self.as_sql(compiler, connection, template="STRING_AGG((%(expressions)s)::text, ',')", **extra_context)

    def as_sqlite(self, compiler, connection, **extra_context):
        return self.as_sql(compiler, connection, template="GROUP_CONCAT(%(expressions)s)", **extra_context)


def week():
    """All windows of a mentor's WeeklyHours in one text, which `windows_of_week` reads."""
    return Joined((F("weekday") * MINUTES + F("start_minute")) * MINUTES + F("end_minute"))


@lru_cache(maxsize=2**12)
def windows_of_week(text: str) -> dict[int, list[tuple[int, int]]]:
    """The windows by weekday, in any order. Shared by those who have the same week, so not to be changed."""
    windows = defaultdict(list)
    for number in map(int, text.split(",")):
        weekday_and_start, end = divmod(number, MINUTES)
        weekday, start = divmod(weekday_and_start, MINUTES)
        windows[weekday].append((start, end))
    return dict(windows)
