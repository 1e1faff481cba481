# The commands of this repository, one each. `make help` lists them.
#
# A target that needs the environment depends on a stamp in .venv, so that make itself decides that nothing is to be
# done: a second run costs no more than looking at a few files' times.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:

# Extra arguments: make test ARGS="tests/kit -k label", make lock ARGS=--upgrade
ARGS ?=
# The port of `make run`; empty: HIGHROAD_PORT, else 8080, else another free one.
PORT ?=
WORKERS ?= 2
SOURCES := src tests tools $(wildcard benchmarks)
LINTED := $(SOURCES) docs/conf.py
BIN := .venv/bin

# A venv does not survive that its Python was removed or that the checkout was moved: then its stamps do not count.
$(shell test -x $(BIN)/python && test "$$(cat .venv/.checkout 2>/dev/null)" = "$$(pwd)" || rm -f .venv/.run .venv/.dev)

.venv/.run: requirements/run.txt requirements/uv.txt pyproject.toml tools/bootstrap
	@tools/bootstrap run

.venv/.dev: requirements/dev.txt requirements/uv.txt pyproject.toml tools/bootstrap
	@tools/bootstrap dev

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: run
run: .venv/.run ## Start Highroad and deploy an example by git push; PORT=8080
	@HIGHROAD_DATA="$${HIGHROAD_DATA:-$$(pwd)/.highroad}" $(BIN)/python tools/demo.py $(if $(PORT),--port $(PORT))

.PHONY: setup
setup: .venv/.dev ## Everything for working on Highroad: environment, tools, commit hooks
	@if git rev-parse --git-dir >/dev/null 2>&1; then $(BIN)/pre-commit install --install-hooks; fi

.PHONY: test
test: .venv/.dev ## The whole test suite, on SQLite and PostgreSQL; ARGS="-k name"
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

.PHONY: check
check: lint types imports docs test ## What CI checks

.PHONY: lint
lint: .venv/.dev ## Format and lint rules, without changing a file
	@$(BIN)/ruff format --check $(LINTED)
	@$(BIN)/ruff check $(LINTED)

.PHONY: format
format: .venv/.dev ## Format, and repair what can be repaired
	@$(BIN)/ruff format $(LINTED)
	@$(BIN)/ruff check --fix $(LINTED)

.PHONY: types
types: .venv/.dev ## Strict type check of source, tests and tools
	@$(BIN)/mypy $(SOURCES)

.PHONY: imports
imports: .venv/.dev ## The import contracts of .importlinter
	@$(BIN)/lint-imports

.PHONY: reference
reference: .venv/.dev ## Write docs/reference/ from the code
	@$(BIN)/python tools/reference.py

.PHONY: docs
docs: .venv/.dev ## Build the documentation into site/; a stale reference or a broken link fails
	@$(BIN)/python tools/reference.py --check
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -b html docs site
	@echo "The documentation is in site/index.html"

.PHONY: bench
bench: .venv/.dev ## The figures in benchmarks/, each against what it is compared with
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: lock
lock: .venv/.dev ## Write requirements/ from pyproject.toml; ARGS=--upgrade for newer versions
	@tools/lock $(ARGS)

.PHONY: clean
clean: ## Remove the environment and everything built; Highroad's data stays
	rm -rf .venv site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
