# Thin targets: each is a command that you could type yourself.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DISTRIBUTIONS := . $(wildcard plugins/*) ptycho_contrib_fno
EDITABLE := $(foreach distribution,$(DISTRIBUTIONS),-e ./$(distribution))

.PHONY: demo test quick lint bench clean

demo: $(VENV)/.installed  ## install, train on the simulated lines scan, show the report's path
	$(BIN)/ptycho train --generator stable_hybrid --clip agc

test: $(VENV)/.installed-dev lint  ## everything that CI runs
	$(BIN)/python -m pytest

quick: $(VENV)/.installed-dev  ## the tests without the slow ones
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## the figures of benchmarks/RESULTS.md (about an hour on two cores)
	$(BIN)/python benchmarks/run_all.py

# torch comes first and pinned: a plain `pip install torch` may choose another build.
$(VENV)/.installed: constraints.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation $(EDITABLE)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
