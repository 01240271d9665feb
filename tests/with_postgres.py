"""Run a command with DATABASE_URL naming a PostgreSQL server: the one that runs, or one thrown up for this run.

    python tests/with_postgres.py COMMAND [ARGUMENT ...]

TEST_DATABASE_URL names a server by hand (a role that may create databases). Without it a server on 127.0.0.1:5432 that
lets `postgres` in is used; else a throwaway cluster, made from PostgreSQL's own programs on a Unix socket.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from urllib.parse import quote

import psycopg

LOCAL = "postgres://postgres@127.0.0.1:5432/postgres"
ADVICE = (
    "No PostgreSQL server was found, and no programs to start one. Install it (Debian: apt install postgresql;"
    " macOS: brew install postgresql), or name a server with TEST_DATABASE_URL. `make test` does not need it."
)


def answers(url):
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def programs():
    """The folder of initdb and pg_ctl, newest version first, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*found, *([os.path.dirname(on_path)] if on_path else [])]
    return next((folder for folder in folders if os.path.exists(f"{folder}/initdb")), None)


def run_with(url, command):
    return subprocess.call(command, env={**os.environ, "DATABASE_URL": url})


def run_with_throwaway_cluster(folder, command):
    # PostgreSQL refuses to run as root, which is what a container usually is.
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = tempfile.mkdtemp(prefix="mentorbook-postgres-")
    try:
        if as_owner:
            shutil.chown(home, "postgres")
        cluster = f"{home}/cluster"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": home}
        subprocess.run([*as_owner, f"{folder}/initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-N"], **quiet)
        options = f"-k {home} -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200"
        control = [*as_owner, f"{folder}/pg_ctl", "-D", cluster, "-w", "-l", f"{home}/log"]
        subprocess.run([*control, "-o", options, "start"], **quiet)
        try:
            return run_with(f"postgres://postgres@{quote(home, safe='')}/postgres", command)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main(command):
    if not command:
        sys.exit(__doc__)
    url = os.environ.get("TEST_DATABASE_URL")
    if url or answers(LOCAL):
        return run_with(url or LOCAL, command)
    folder = programs()
    if folder is None:
        sys.exit(ADVICE)
    return run_with_throwaway_cluster(folder, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
