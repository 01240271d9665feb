# mentorbook: everything a newcomer or a machine needs. Python 3.11 or newer and make are all it takes.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
# The checks of production settings need the secrets that production needs; these are for this one command.
AS_PRODUCTION := env -u DEBUG ENVIRONMENT=production ALLOWED_HOSTS=mentorbook.example BASE_URL=https://mentorbook.example \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG DATABASE_URL=sqlite:////tmp/unused.sqlite3

# Compiled files are kept, also where the environment forbids it: the suite starts Python some twenty times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-postgres check format bench bench-postgres lock demo clean
.DEFAULT_GOAL := help

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mentorbook needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

$(BIN)/uv: | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements-dev.txt)"

# A stamp file a lock: made again only when the lock changes, so that `make run` and `make test` start at once.
.venv/.installed: requirements.txt | $(BIN)/uv
	$(BIN)/uv pip install -q --require-hashes --python $(BIN)/python -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt | $(BIN)/uv
	$(BIN)/uv pip install -q --require-hashes --python $(BIN)/python -r requirements-dev.txt
	@touch $@ .venv/.installed

.env:
	cp .env.example .env

run: .venv/.installed .env ## set up, load demo data once, serve at http://127.0.0.1:8000
	$(MANAGE) migrate -v0
	$(MANAGE) seed_demo
	@echo "mentorbook runs at http://127.0.0.1:$(PORT); Ctrl+C ends it."
	@$(MANAGE) run_jobs --every 30 & jobs=$$!; trap "kill $$jobs 2>/dev/null" EXIT INT TERM; \
	$(BIN)/uvicorn --host 127.0.0.1 --port $(PORT) --log-level warning --no-server-header mentorbook.asgi:application

test: .venv/.installed-dev ## the test suite on SQLite, in parallel
	$(BIN)/pytest -q -n auto $(ARGS)

test-postgres: .venv/.installed-dev ## the same suite on PostgreSQL, running or thrown up for it
	$(BIN)/python tests/with_postgres.py $(BIN)/pytest -q -n auto $(ARGS)

check: .venv/.installed-dev ## formatting, lint, import order, migrations, production settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djlint --quiet --check .
	$(BIN)/djlint --quiet --lint .
	$(BIN)/lint-imports
	ENVIRONMENT=development $(MANAGE) makemigrations --check --dry-run
	$(AS_PRODUCTION) $(MANAGE) check --deploy --fail-level WARNING

format: .venv/.installed-dev ## rewrite Python and templates the way `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	-$(BIN)/djlint --quiet --reformat .

bench: .venv/.installed-dev ## the performance table of the README, on SQLite
	$(BIN)/python -m benchmarks $(ARGS)

bench-postgres: .venv/.installed-dev ## the same on PostgreSQL
	$(BIN)/python tests/with_postgres.py $(BIN)/python -m benchmarks $(ARGS)

lock: .venv/.installed-dev ## compile the pinned lists from requirements*.in
	$(BIN)/uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 -c requirements.txt requirements-dev.in -o requirements-dev.txt

demo: .venv/.installed .env ## throw the local SQLite database away and load the demo data again
	rm -f db.sqlite3 db.sqlite3-wal db.sqlite3-shm
	$(MANAGE) migrate -v0
	$(MANAGE) seed_demo

clean: ## remove what the other commands made, the database excepted
	rm -rf .venv staticfiles .coverage .ruff_cache .import_linter_cache
