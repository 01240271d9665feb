"""A server of its own and real browsers: what the journeys run in.

`live_server` speaks WSGI only and shares the test's transaction, so the journeys start the real thing:
`mentorbook.asgi` under uvicorn, on a database made for this run, in the database system that the suite runs on.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(settings.BASE_DIR)


@dataclass
class Site:
    """A running mentorbook, and its management commands."""

    url: str
    environment: dict

    def manage(self, *arguments):
        """Run a management command on the site's database; its output."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        """Run `code` in the site's Django shell: what time or staff would do to it."""
        return self.manage("shell", "-v0", "-c", code)


@contextmanager
def fresh_database(folder, copy_of=None):
    """The address of a database in the system that the suite runs on: empty, or a copy of one that nobody uses."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        if copy_of:
            shutil.copy(copy_of.removeprefix("sqlite:///"), folder / "site.sqlite3")
        yield f"sqlite:///{folder / 'site.sqlite3'}"
        return
    name = f"mentorbook_browser_{secrets.token_hex(4)}"
    admin = psycopg.conninfo.make_conninfo(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"] or None,
        dbname="postgres",
    )
    with psycopg.connect(admin, autocommit=True) as connection:
        template = copy_of.rpartition("/")[2] if copy_of else "template1"
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def site_on(database_url, folder, url=""):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "ENVIRONMENT": "development",
        "DEBUG": "false",
        "DATABASE_URL": database_url,
        "MEDIA_ROOT": str(folder / "media"),
        "BASE_URL": url,
        "EMAIL_URL": "dummymail://",
        "MENTORS_NEED_APPROVAL": "true",
    }
    return Site(url, environment)


@contextmanager
def served(site, folder):
    """Serve the site with uvicorn, as `make run` does. An answer of 500 fails."""
    log = folder / "server.log"
    port = site.url.rpartition(":")[2]
    command = [sys.executable, "-m", "uvicorn", "--port", port, "--log-level", "info", "mentorbook.asgi:application"]
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=site.environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(site.url, server, log)
            yield site
        finally:
            server.terminate()
            server.wait(timeout=10)
    assert " 500 " not in log.read_text(), log.read_text()[-5000:]


@pytest.fixture(scope="package")
def migrated(chromium, tmp_path_factory):
    """The address of a migrated database, for others to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    with fresh_database(folder) as database_url:
        site_on(database_url, folder).manage("migrate", "-v0")
        yield database_url


@pytest.fixture(scope="module")
def site(migrated, tmp_path_factory):
    """An empty site of the module's own. A module that can share one overrides this with `demo_site`."""
    folder = tmp_path_factory.mktemp("site")
    with fresh_database(folder, copy_of=migrated) as database_url:
        site = site_on(database_url, folder, f"http://127.0.0.1:{free_port()}")
        with served(site, folder):
            yield site


@pytest.fixture(scope="package")
def demo_site(migrated, tmp_path_factory):
    """A site with the demo data, shared by the journeys that add to it and leave alone what is there."""
    folder = tmp_path_factory.mktemp("demo")
    with fresh_database(folder, copy_of=migrated) as database_url:
        site = site_on(database_url, folder, f"http://127.0.0.1:{free_port()}")
        site.manage("seed_demo")
        with served(site, folder):
            yield site


def wait_until_it_answers(url, server, log):
    for _ in range(150):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/accounts/login/", timeout=2).read()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server did not start:\n" + log.read_text()[-5000:])


@pytest.fixture(scope="package")
def chromium():
    """One Chromium for all journeys."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("MENTORBOOK_REQUIRE_BROWSER"):
            pytest.fail(f"{CHROMIUM} is missing and this run requires a browser.")
        pytest.skip(f"{CHROMIUM} is missing (Debian: apt install chromium); journeys in a real browser are left out.")
    # Playwright keeps an event loop running in this thread, which Django takes for code that must not use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def person(chromium, site):
    """Open a page as somebody of their own: `person(width=390, javascript=False)`. Faults in the page fail the test."""
    contexts, faults = [], []

    def open_page(width=1280, height=900, timezone="Europe/Madrid", **options):
        options.setdefault("java_script_enabled", options.pop("javascript", True))
        context = chromium.new_context(
            base_url=site.url, viewport={"width": width, "height": height}, timezone_id=timezone, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        # A violation of the content security policy is reported on the console as an error.
        page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "response",
            lambda response: faults.append(f"{response.status} {response.url}") if response.status >= 500 else None,
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def is_fault(message):
    return message.type == "error" and "Failed to load resource" not in message.text
