# The tasks of this repository. `make demo` and `make test` need nothing but make and a Python of 3.11 or newer:
# what else they use goes into a virtual environment, .venv, which is made when it is first needed.
#
#   make demo        a real API and a real issuer answer a dozen requests, and say why
#   make test        the tests; some of them, with ARGS: make test ARGS="-k scopes"
#   make lint        ruff: rules and format
#   make typecheck   mypy
#   make docs        run every block of the documentation, and compare its tables with the code
#   make site        build the documentation as a site into site/; any warning is an error
#   make bench       all benchmarks; one of them: make bench ARGS="verify --quick". What needs wrk or Node is skipped
#                    where they are not installed: apt-get install wrk nodejs npm
#   make nox         the tests with other Pythons and other versions: make nox ARGS="-s lowest"; see noxfile.py
#   make fuzz        hostile tokens, key sets and headers, ten minutes in all; longer: make fuzz MINUTES=60
#   make mutate      mistakes that no test would notice, in the files that decide; of one: make mutate ARGS=checks
#   make clean       forget the virtual environment
#
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
MINUTES ?= 10

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Stamps: one per set of packages, older than pyproject.toml when that has changed. The first one names
# the Python's version, so that another PYTHON begins anew.
MADE := $(VENV)/.made-$(VERSION)

.DELETE_ON_ERROR:
.PHONY: demo test lint typecheck docs site bench nox fuzz mutate clean

demo: $(VENV)/.demo
	$(BIN)/jwtauthz demo $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.lint
	$(BIN)/mypy

docs: $(VENV)/.test
	$(BIN)/python -m pytest tests/test_readme.py $(wildcard tests/test_docs_*.py) $(ARGS)

site: $(VENV)/.site
	PATH="$(abspath $(BIN)):$$PATH" NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(or $(ARGS),all)

nox: $(VENV)/.nox
	$(BIN)/nox $(ARGS)

fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(ARGS)

mutate: $(VENV)/.test
	$(BIN)/python -m tests.mutation $(ARGS)

clean:
	rm -rf $(VENV)

$(VENV)/.demo: $(MADE) pyproject.toml
	@echo "Installing jwtauthz and what its demo needs into $(VENV) ..."
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(MADE) pyproject.toml
	@echo "Installing jwtauthz and what its tests need into $(VENV) ..."
	@$(PIP) install --editable . --group test
	@touch $@

$(VENV)/.lint: $(MADE) pyproject.toml
	@echo "Installing jwtauthz and what its linters need into $(VENV) ..."
	@$(PIP) install --editable . --group lint
	@touch $@

$(VENV)/.site: $(MADE) pyproject.toml
	@echo "Installing what builds the site into $(VENV) ..."
	@$(PIP) install --group docs
	@touch $@

$(VENV)/.bench: $(MADE) pyproject.toml
	@echo "Installing jwtauthz and what its benchmarks need into $(VENV) ..."
	@$(PIP) install --editable . --group bench
	@touch $@

$(VENV)/.nox: $(MADE) pyproject.toml
	@$(PIP) install --group nox
	@touch $@

$(VENV)/.fuzz: $(MADE) pyproject.toml
	@echo "Installing jwtauthz and what fuzzes it into $(VENV) ..."
	@$(PIP) install --editable . --group fuzz
	@touch $@

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "jwtauthz needs Python 3.11 or newer, and '$(PYTHON)' is none; try: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'  # older ones know no --group
	@touch $@
