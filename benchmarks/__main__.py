"""Measure mentorbook and print the README's table: `make bench`, or `make bench-postgres`.

The database is one of its own (`var/bench.sqlite3`, or `mentorbook_bench` on the PostgreSQL server), filled once with
`seed_demo --scale large` and kept for the next time; `--scale small` is for seeing that it runs.
"""

import argparse
import datetime as dt
import importlib
import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each has `run() -> [(what, figure, target), …]`, and raises where too little happened for its figures to mean much.
TOPICS = ["slots", "bookings", "directory", "markdown"]


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


def prepare(scale):
    os.environ.update(
        DATABASE_URL=bench_database(scale),
        DJANGO_SETTINGS_MODULE="mentorbook.settings",
        ENVIRONMENT="development",
        DEBUG="false",
        EMAIL_URL="dummymail://",
    )
    from django.core.management import call_command

    # As a server starts, which leaves what it loads out of garbage collections.
    import mentorbook.wsgi  # noqa: F401

    call_command("migrate", verbosity=0)
    call_command("seed_demo", scale=scale)
    # A planner without statistics measures its own guesses.
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return connection.vendor


def machine(vendor):
    cores = os.cpu_count()
    return f"{dt.date.today()}, {vendor}, {cores} cores, Python {platform.python_version()}, {platform.system()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="all unless named")
    parser.add_argument("--scale", choices=["small", "medium", "large"], default="large")
    options = parser.parse_args()
    vendor = prepare(options.scale)
    print(f"\n{machine(vendor)}, data: {options.scale}\n\n| what | measured | target |\n|---|---|---|", flush=True)
    for topic in options.topics or TOPICS:
        for row in importlib.import_module(f"benchmarks.{topic}").run():
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
