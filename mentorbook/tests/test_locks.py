import pytest
from django.db import OperationalError

from mentorbook import locks
from mentorbook.locks import Busy, patiently


class LockConflict(Exception):
    sqlstate = "40P01"


def conflict():
    error = OperationalError("deadlock detected")
    error.__cause__ = LockConflict()
    return error


def test_a_lost_deadlock_is_tried_once_more(monkeypatch):
    monkeypatch.setattr(locks, "connection", type("PostgreSQL", (), {"vendor": "postgresql"}))
    outcomes = [conflict(), "done"]

    @patiently
    def action():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert action() == "done"
    outcomes[:] = [conflict(), conflict(), "never"]
    with pytest.raises(Busy) as refusal:
        action()
    assert (refusal.value.status, outcomes) == (503, ["never"])


def test_other_database_errors_are_not_hidden():
    @patiently
    def action():
        raise OperationalError("the server is gone")

    with pytest.raises(OperationalError):
        action()
