# `make demo` and `make test` are the two commands; each creates what it needs.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env demo test lint fuzz soak bench lock clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headway needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

env: $(STAMP) ## Create .venv with everything in it

demo: env ## Show what there is, on a throwaway stack
	$(BIN)/headway demo

test: lint ## Every check: lint, types, import contracts, all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: env ## ruff, mypy --strict, import contracts, lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: env ## Look for new counterexamples to every property test
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m hypothesis --hypothesis-profile=explore

bench: env ## The figures the issues ask for, beside their references
	$(BIN)/python -m bench

soak: env ## Storms over workers for MINUTES (20): kills, cuts, restarts, wrong clocks
	PYTHONPATH=tests $(BIN)/python -m acceptance.chaos.soak --minutes $(or $(MINUTES),20)

lock: env ## Resolve requirements.lock anew, and the image's from it (names no registry host)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra worker --extra otel --extra pipelines --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file docker/requirements.lock
	$(BIN)/uv pip compile docker/build.in --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file docker/build.lock

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
