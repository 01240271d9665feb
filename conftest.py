"""What every test may use. The same cast everywhere: Ann studies, Max mentors, Sam is a stranger, Ada is staff."""

import shutil

import pytest
from django.conf import settings
from django.db import connection

from mentorbook import triggers


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share the tests out one by one, but for three kinds that come first and stay together on one worker each: those
    who look at the site with the demo data, journeys on sites of their own, because a server and a browser a worker
    would starve a small machine, and races, because two at once would run out of the database server's connections."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(("tests/browser/test_every_page", "tests/browser/test_without_scripts")):
                return "demo"
            if nodeid.startswith("tests/browser/"):
                return "journeys"
            return "races" if "/test_races" in nodeid else nodeid

    return Scheduling(config, log)


def pytest_unconfigure(config):
    """Remove the files that the tests uploaded, once for all workers of the run."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)


@pytest.fixture(autouse=True)
def _flushable_ledger(request, _django_db_marker):
    """Let the flush after a transactional test empty the append-only tables; `post_migrate` restores the triggers."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if marker and (marker.kwargs.get("transaction") or (marker.args and marker.args[0])):
        triggers.drop_all(connection)


@pytest.fixture
def ann(db):
    from accounts.tests.factories import UserFactory

    return UserFactory(email="ann@example.org", name="Ann Archer", timezone="Europe/Madrid")


@pytest.fixture
def sam(db):
    from accounts.tests.factories import UserFactory

    return UserFactory(email="sam@example.org", name="Sam Stone", timezone="Europe/London")


@pytest.fixture
def ada(db):
    from accounts.tests.factories import UserFactory

    return UserFactory(email="ada@example.org", name="Ada Admin", is_staff=True, is_superuser=True)


@pytest.fixture
def mentor(db):
    """Max's mentor profile: approved, 50 points an hour, hours in Europe/Berlin."""
    from mentors.tests.factories import MentorProfileFactory

    return MentorProfileFactory(
        user__email="max@example.org",
        user__name="Max Meyer",
        user__timezone="Europe/Berlin",
        timezone="Europe/Berlin",
        hourly_rate_points=50,
    )


@pytest.fixture
def max(mentor):
    return mentor.user
