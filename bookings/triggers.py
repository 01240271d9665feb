"""Database triggers: SQLite's version of the overlap constraints of PostgreSQL, and a history that only grows.

SQLite has no exclusion constraints, so a trigger looks for an overlapping row before each insert and update. Its
message is the constraint's name, by which `actions.booking` knows on either database what was violated.

Django stores times there as text, `2026-11-24 14:00:00`, with six decimals where there are microseconds. Such texts
sort as their times do: the digits have fixed places, and a text without decimals is a prefix of, and so sorts before,
the same second with some. Another spelling (a `T`, an offset) would not, so the triggers refuse it.
"""

from bookings.models import Appointment
from mentorbook.triggers import Trigger, append_only

TABLE = "bookings_appointment"
TIMES = ("starts_at", "ends_at", "blocked_from", "blocked_until")
CANONICAL = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
DECIMALS = ".[0-9][0-9][0-9][0-9][0-9][0-9]"


def no_overlap(constraint, person, begin, end):
    """Triggers that refuse a second blocking appointment of `person` that shares an instant of [begin, end)."""
    blocking = ", ".join(f"'{status}'" for status in Appointment.BLOCKING)
    overlapping = (
        f"SELECT 1 FROM {TABLE} WHERE {person} = NEW.{person} AND status IN ({blocking})"  # noqa: S608  constants, see above
        f" AND {begin} < NEW.{end} AND {end} > NEW.{begin}"
    )
    events = {
        f"{constraint}_insert": ("INSERT", overlapping),
        f"{constraint}_update": (
            f"UPDATE OF id, {person}, {begin}, {end}, status",
            f"{overlapping} AND id <> OLD.id",
        ),
    }
    return [
        _before(name, event, f"NEW.status IN ({blocking}) AND EXISTS ({others})", constraint)
        for name, (event, others) in events.items()
    ]


def canonical_times():
    """Triggers that refuse times in a spelling that does not sort."""
    wrong = " OR ".join(f"(NEW.{t} NOT GLOB '{CANONICAL}' AND NEW.{t} NOT GLOB '{CANONICAL}{DECIMALS}')" for t in TIMES)
    message = "bookings_canonical_times"
    return [
        _before(f"{message}_insert", "INSERT", wrong, message),
        _before(f"{message}_update", f"UPDATE OF {', '.join(TIMES)}", wrong, message),
    ]


def _before(name, event, condition, message):
    return Trigger(
        name,
        TABLE,
        sqlite=(
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE {event} ON {TABLE} FOR EACH ROW WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{message}'); END",
        ),
    )


TRIGGERS = [
    *no_overlap("bookings_no_overlap_mentor", "mentor_id", "blocked_from", "blocked_until"),
    *no_overlap("bookings_no_overlap_student", "student_id", "starts_at", "ends_at"),
    *canonical_times(),
    *append_only("bookings_appointmentevent", "A line of an appointment''s history is never changed or deleted."),
]
