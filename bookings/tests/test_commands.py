import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from mentorbook import jobs

pytestmark = pytest.mark.django_db
NAMES = ["expire_requests", "complete_past_appointments", "refresh_next_free_times"]


@pytest.fixture
def overdue():
    """A request that nobody answered and a session that nobody concluded."""
    past = timezone.now() - dt.timedelta(days=3)
    return (
        AppointmentFactory(status=Appointment.Status.REQUESTED, starts_at=past),
        AppointmentFactory(status=Appointment.Status.CONFIRMED, starts_at=past),
    )


def states(appointments):
    return [Appointment.objects.get(pk=appointment.pk).status for appointment in appointments]


def test_expire_requests_says_what_it_did(overdue, capsys):
    call_command("expire_requests", dry_run=True)
    call_command("expire_requests")
    call_command("expire_requests")
    assert capsys.readouterr().out.splitlines() == ["1 would expire", "1 expired", "0 expired"]
    assert states(overdue) == ["expired", "confirmed"]


def test_complete_past_appointments_says_what_it_did(overdue, capsys):
    call_command("complete_past_appointments", dry_run=True)
    call_command("complete_past_appointments")
    assert capsys.readouterr().out.splitlines() == ["1 would be completed", "1 completed"]
    assert states(overdue) == ["requested", "completed"]


def test_jobs_are_registered():
    assert set(NAMES) <= {job.name for job in jobs.registered()}


def test_run_jobs_runs_them_all(overdue, capsys):
    call_command("run_jobs", only=NAMES, dry_run=True)
    assert states(overdue) == ["requested", "confirmed"]
    assert "expire_requests: 1" in capsys.readouterr().out
    call_command("run_jobs", only=NAMES)
    assert states(overdue) == ["expired", "completed"]
    assert capsys.readouterr().out.splitlines()[:2] == ["expire_requests: 1", "complete_past_appointments: 1"]
    call_command("run_jobs", only=NAMES)
    assert capsys.readouterr().out == ""


def test_a_job_that_fails_does_not_stop_the_next(monkeypatch, capsys, caplog):
    ran = []

    def broken(*, now, dry_run=False):
        raise RuntimeError("out of order")

    def sound(*, now, dry_run=False):
        ran.append(now)
        return 1

    monkeypatch.setattr(jobs, "_jobs", {})
    jobs.register("broken", broken)
    jobs.register("sound", sound)
    with pytest.raises(CommandError):
        call_command("run_jobs")
    assert len(ran) == 1
    assert "broken: failed, out of order" in capsys.readouterr().err
    assert "job broken failed" in caplog.text


def test_run_jobs_refuses_an_interval_of_nothing():
    with pytest.raises(CommandError):
        call_command("run_jobs", every=0)
