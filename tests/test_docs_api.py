"""What docs/api.md promises: its commands and its program run as they stand against a site with the demo data."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import Resolver404, resolve

from tests.browser.conftest import free_port, fresh_database, served, site_on

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
HOST = "http://127.0.0.1:8000"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    with fresh_database(folder) as database_url:
        site = site_on(database_url, folder, f"http://127.0.0.1:{free_port()}")
        site.manage("migrate", "-v0")
        site.manage("seed_demo")
        with served(site, folder):
            yield site.url


def run(command, text, url):
    assert HOST in text
    return subprocess.run(
        command, input=text.replace(HOST, url), capture_output=True, text=True, timeout=120, env=os.environ
    )


def test_the_curl_commands_do_what_they_say(url):
    if shutil.which("curl") is None or shutil.which("bash") is None:
        if os.environ.get("MENTORBOOK_REQUIRE_BROWSER"):  # where everything has to be there
            pytest.fail("curl or bash is missing.")
        pytest.skip("curl or bash is missing.")
    ran = run(["bash", "-euo", "pipefail"], "\n".join(blocks("sh")), url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout.splitlines()
    assert said[-3:] == ["resolved", "closed", "5"], said
    assert "cancelled" in said, said


def test_the_python_program_does_what_it_says(url):
    (program,) = blocks("python")
    ran = run([sys.executable, "-"], program, url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout.splitlines()
    assert len(said) == 3
    assert said[0].endswith("points an hour")
    assert said[1].startswith("booked 20")
    assert said[2] == "now cancelled"


def exists(path):
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def test_every_path_in_the_text_exists():
    paths = set(re.findall(r"(?<=[`/ \d])(/api/[a-z0-9/{}_.-]+)", re.sub(r"\$[A-Z]+", "1", DOCUMENT)))
    assert len(paths) > 8
    assert [path for path in sorted(paths) if not exists(path.replace("{id}", "1"))] == []


def test_the_codes_in_the_text_exist():
    from mentorbook.api import api

    known = str(api.get_openapi_schema())
    for code in ("slot_taken", "not_signed_in", "bad_token", "invalid_input", "idempotency_mismatch"):
        assert f"`{code}`" in DOCUMENT or f'"{code}"' in DOCUMENT
        assert code in known
