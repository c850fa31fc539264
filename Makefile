# The two commands of the README, and what those who work on feedsvc use beside them.
PYTHON ?= python3
PORT ?= 8000
CONFIG ?= config.toml
SIZE ?= default
# Most tests wait for servers: more of them at once than there are cores.
PROCESSES ?= 3
BIN := .venv/bin
INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The sample site is where it is served; a site of your own says in its file where it is.
ifeq ($(CONFIG),config.toml)
serve: export FEEDSVC_SITE_URL ?= http://127.0.0.1:$(PORT)
endif

.PHONY: serve test test-fast lint format bench constraints clean

serve: .venv/installed
	$(BIN)/feedsvc serve --config $(CONFIG) --port $(PORT)

test: .venv/installed-dev
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist worksteal $(TESTS)

# What can be known within a minute: no services, no PostgreSQL, no long searches.
test-fast: .venv/installed-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not e2e and not postgresql and not slow" $(TESTS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What README's figures come from: BENCH=serve for one, SIZE=full for a million stories, SIZE=small for a look.
# Takes the machine for itself; nginx, wrk and hugo are left out if they are not on the path.
bench: .venv/installed-bench
	$(BIN)/python -m benchmarks $(BENCH) --size $(SIZE)

# Pins what a fresh environment gets today; run the tests before committing the result.
constraints:
	rm -rf .venv/fresh && $(PYTHON) -m venv .venv/fresh
	.venv/fresh/bin/python -m pip install --quiet hatchling '.[dev]'
	.venv/fresh/bin/python -m pip freeze --exclude feedsvc | sort --ignore-case > constraints.txt
	rm -rf .venv/fresh

clean:
	rm -rf .venv var

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable '.[dev]'
	touch .venv/installed $@

.venv/installed-bench: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable '.[bench]'
	touch .venv/installed $@
