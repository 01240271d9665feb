"""Measure mentorbook and print the README's table: `make bench`, or `make bench-postgres`.

The database is one of its own (`var/bench.sqlite3`, or `mentorbook_bench` on the PostgreSQL server), filled once with
`seed_demo --scale large` and kept for the next time; `--scale small` is for seeing that it runs.
"""

import argparse
import datetime as dt
import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each has `run() -> [(what, figure, target), …]`, and raises where too little happened for its figures to mean much.
TOPICS = ["slots", "bookings", "scheduling", "directory", "markdown", "matching", "api"]
# These run by themselves, on a database of their own.
ALONE = ["search"]


def bench_database(scale):
    """The address of the database to measure on; PostgreSQL where DATABASE_URL names a server, else a file."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        folder = ROOT / "var"
        folder.mkdir(exist_ok=True)
        return f"sqlite:///{folder / f'bench-{scale}.sqlite3'}"
    import psycopg

    name = f"mentorbook_bench_{scale}"
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f'CREATE DATABASE "{name}"')
    return f"{url.rpartition('/')[0]}/{name}"


def set_up(database):
    """Start Django on this database, as a server starts; its vendor."""
    os.environ.update(
        DATABASE_URL=database,
        DJANGO_SETTINGS_MODULE="mentorbook.settings",
        ENVIRONMENT="development",
        DEBUG="false",
        EMAIL_URL="dummymail://",
    )
    from django.core.management import call_command
    from django.db import connection

    # As a server starts, which leaves what it loads out of garbage collections.
    import mentorbook.wsgi  # noqa: F401

    call_command("migrate", verbosity=0)
    return connection.vendor


def prepare(scale):
    vendor = set_up(bench_database(scale))
    from django.core.management import call_command
    from django.db import connection

    call_command("seed_demo", scale=scale)
    # A planner without statistics measures its own guesses.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return vendor


def machine(vendor):
    cores = os.cpu_count()
    return f"{dt.date.today()}, {vendor}, {cores} cores, Python {platform.python_version()}, {platform.system()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, *ALONE, []], help="all unless named")
    parser.add_argument("--scale", choices=["small", "medium", "large"], default="large")
    options = parser.parse_args()
    topics = options.topics or [*TOPICS, *ALONE]
    environment = dict(os.environ)
    vendor = prepare(options.scale)
    print(f"\n{machine(vendor)}, data: {options.scale}\n\n| what | measured | target |\n|---|---|---|", flush=True)
    for topic in topics:
        if topic in ALONE:
            subprocess.run([sys.executable, "-m", f"benchmarks.{topic}", "--rows-only"], env=environment, check=True)
            continue
        for row in importlib.import_module(f"benchmarks.{topic}").run():
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
