"""What a load balancer and whoever watches the place are told."""

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from mentorbook import health, jobs
from mentorbook.admin import needs_someone
from mentorbook.models import JobRun

# /readyz looks from a thread of its own, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

ALL_WELL = {
    "status": "ok",
    "database": "ok",
    "migrations": "ok",
    "channel_layer": "not used",
    "job_runner": "ok",
}


def ready():
    response = Client().get("/readyz")
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return response.status_code, response.json()


def job_ended(minutes_ago):
    ended_at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    JobRun.objects.create(name="a job", began_at=ended_at, ended_at=ended_at, count=0)


@pytest.fixture(autouse=True)
def _running_for_an_hour(monkeypatch):
    monkeypatch.setattr(health, "STARTED", time.monotonic() - 3600)
    monkeypatch.setattr(health, "FRESH_SECONDS", 0)


def just_started(monkeypatch):
    monkeypatch.setattr(health, "STARTED", time.monotonic() - 20)


def test_healthz_answers_without_asking_anything(django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"


def test_everything_is_there():
    job_ended(minutes_ago=1)
    assert ready() == (200, ALL_WELL)
    assert Client().head("/readyz").status_code == 200
    assert Client().post("/readyz").status_code == 405


def test_a_runner_that_is_silent_is_late_and_then_down():
    job_ended(minutes_ago=6)
    assert ready() == (200, ALL_WELL | {"job_runner": "late"})
    JobRun.objects.update(ended_at=timezone.now() - dt.timedelta(minutes=11))
    assert ready() == (503, ALL_WELL | {"status": "down", "job_runner": "down"})
    assert Client().get("/readyz")["Retry-After"] == "5"


def test_one_newer_job_is_a_sign_of_the_runner():
    job_ended(minutes_ago=500)
    JobRun.objects.create(name="newer", began_at=timezone.now(), ended_at=timezone.now(), count=0)
    assert ready()[1]["job_runner"] == "ok"


def test_a_fresh_installation_is_ready_before_its_first_round(monkeypatch):
    just_started(monkeypatch)
    assert ready() == (200, ALL_WELL | {"job_runner": "never ran"})


def test_an_installation_that_never_ran_its_jobs_is_not_silently_fine():
    assert ready() == (503, ALL_WELL | {"status": "down", "job_runner": "down"})


def test_after_a_pause_a_process_waits_for_the_first_round(monkeypatch):
    job_ended(minutes_ago=7 * 24 * 60)
    just_started(monkeypatch)
    assert ready() == (200, ALL_WELL)


def test_an_installation_may_be_ready_without_its_runner(settings):
    settings.JOBS_DOWN_AFTER_MINUTES = 0
    assert ready() == (200, ALL_WELL | {"job_runner": "never ran"})
    job_ended(minutes_ago=60)
    assert ready() == (200, ALL_WELL | {"job_runner": "late"})


def broken():
    raise OperationalError("connection refused")


def test_a_database_that_is_down_is_said_and_never_a_500(monkeypatch, caplog):
    monkeypatch.setitem(health.CHECKS, "database", broken)
    status, told = ready()
    assert status == 503
    assert told == ALL_WELL | {"status": "down", "database": "down", "migrations": "down", "job_runner": "down"}
    assert "Not ready: database" in caplog.text


def test_a_database_that_hangs_is_answered_for_in_time(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.3)
    goes_on = threading.Event()
    monkeypatch.setitem(health.CHECKS, "database", goes_on.wait)
    before = threading.active_count()
    began = time.monotonic()
    assert [ready()[0] for _ in range(3)] == [503, 503, 503]
    assert time.monotonic() - began < 3
    assert threading.active_count() <= before + 1  # three askers, one thread that hangs
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "readyz":
            thread.join(5)
    monkeypatch.setitem(health.CHECKS, "database", health._database)
    assert ready()[1]["database"] == "ok"


def test_missing_migrations_are_noticed_and_looked_for_until_they_are_there(monkeypatch):
    class Missing(health.MigrationExecutor):
        def migration_plan(self, targets):
            return ["0002_something"]

    job_ended(minutes_ago=0)
    monkeypatch.setattr(health, "_migrations_are_there", False)
    with monkeypatch.context() as patch:
        patch.setattr(health, "MigrationExecutor", Missing)
        assert ready() == (503, ALL_WELL | {"status": "down", "migrations": "down"})
    assert ready() == (200, ALL_WELL)
    monkeypatch.setattr(health, "MigrationExecutor", None)  # nobody looks a second time
    assert ready() == (200, ALL_WELL)


def test_probes_come_over_plain_http(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # as in production
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/readyz").status_code == 503
    assert Client().get("/").status_code == 301


# --- The heartbeat ----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_jobs(monkeypatch):
    """One that does three things and one that fails as long as `fails` is true."""

    def second(*, now, dry_run=False):
        if second.fails:
            raise ValueError("a \0 strange day")
        return 1

    second.fails = True
    monkeypatch.setattr(jobs, "_jobs", {})
    jobs.register("first", lambda *, now, dry_run=False: 3)
    jobs.register("second", second)
    return second


def test_a_round_leaves_how_each_job_went(two_jobs, ada):
    with pytest.raises(CommandError):
        call_command("run_jobs", stderr=StringIO())
    first, second = JobRun.objects.all()
    assert (first.name, first.count, first.failed_at, first.is_failing) == ("first", 3, None, False)
    assert (second.name, second.error, second.is_failing) == ("second", "ValueError: a  strange day", True)
    assert first.began_at <= first.ended_at <= second.began_at
    assert [said for said, _url in needs_someone(ada)] == ["1 periodic job fails"]


def test_the_next_round_writes_over_the_one_before_and_keeps_the_last_error(two_jobs, ada):
    list(jobs.run(jobs.registered(), now=timezone.now()))
    failed_at = JobRun.objects.get(name="second").failed_at
    two_jobs.fails = False
    list(jobs.run(jobs.registered(), now=timezone.now()))
    second = JobRun.objects.get(name="second")
    assert (second.failed_at, second.is_failing) == (failed_at, False)
    assert second.error
    assert JobRun.objects.count() == 2
    assert needs_someone(ada) == []


def test_a_dry_run_leaves_nothing(two_jobs):
    list(jobs.run(jobs.registered(), now=timezone.now(), dry_run=True))
    assert not JobRun.objects.exists()


def test_a_heartbeat_that_cannot_be_written_stops_no_job(two_jobs, monkeypatch, caplog):
    two_jobs.fails = False
    monkeypatch.setattr("django.db.models.QuerySet.bulk_create", lambda *args, **options: broken())
    assert [outcome.count for outcome in jobs.run(jobs.registered(), now=timezone.now())] == [3, 1]
    assert "could not be written down" in caplog.text


def test_staff_read_in_the_admin_how_the_jobs_go(two_jobs, ada, client):
    list(jobs.run(jobs.registered(), now=timezone.now()))
    client.force_login(ada)
    page = client.get("/admin/mentorbook/jobrun/")
    assert page.status_code == 200
    assert b"strange day" in page.content


def test_a_crowd_that_asks_is_told_of_one_look(monkeypatch):
    looks = []

    def slow():
        looks.append(1)
        time.sleep(0.2)
        return health.OK

    monkeypatch.setattr(health, "FRESH_SECONDS", 60)
    monkeypatch.setattr(health, "_look_now", None)
    monkeypatch.setitem(health.CHECKS, "database", slow)
    job_ended(minutes_ago=1)
    with ThreadPoolExecutor(40) as pool:
        told = list(pool.map(lambda _: health.states()["database"], range(200)))
    assert (set(told), len(looks)) == ({health.OK}, 1)
    monkeypatch.setattr(health, "_look_now", None)
