# Everything a fresh machine with Python 3.11 (and pip) needs: each target does its own set-up in .venv, without sudo.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SET_UP := pyproject.toml setup.py constraints.txt
PYTEST := $(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 1
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test coverage clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## Set up .venv with the rushes command (no sudo, no system ffmpeg)

demo: $(VENV)/installed ## Render a few minutes of footage, curate it, compare with what is known
	$(VENV)/bin/rushes demo

test: $(VENV)/installed-dev ## Ruff, mypy, import floors, and pytest (PYTEST_ARGS="-m 'not slow'" for less)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTEST) $(PYTEST_ARGS)

coverage: $(VENV)/installed-dev ## Which lines the tests reach; half as long again as the tests alone
	$(PYTEST) --cov --cov-report=term $(PYTEST_ARGS)

clean: ## Remove .venv, caches and build leftovers
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.11")'
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/installed: $(SET_UP) | $(PY)
	$(PIP_INSTALL) --editable '.[pages,rights,generate]'
	@touch $@

$(VENV)/installed-dev: $(SET_UP) | $(PY)
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/installed
