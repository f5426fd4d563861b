# Thin targets: each is a command that you could type yourself.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml ptycho_contrib_*/pyproject.toml))
DISTRIBUTIONS := . $(PLUGINS)
# TensorFlow is large, and the demo trains with torch.
DEMO := $(filter-out ptycho_contrib_tf,$(DISTRIBUTIONS))
editable = $(foreach distribution,$(1),-e ./$(distribution))
# One process a core, each with one thread: threads of several processes would wait for each other's cores.
PYTEST := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadscope

.PHONY: demo test quick lint docs docs-check bench clean

demo: $(VENV)/.installed  ## install, train on the simulated lines scan, show the report's path
	$(BIN)/ptycho train --generator unrolled --clip agc

test: $(VENV)/.installed-dev lint  ## everything that CI runs
	$(PYTEST)

quick: $(VENV)/.installed-dev  ## the tests without the slow ones
	$(PYTEST) -m "not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev  ## write docs/reference from the code
	$(BIN)/python docs/generate

docs-check: $(VENV)/.installed-dev  ## fail when docs/reference is not what the code says; a test does the same
	$(BIN)/python docs/generate --check

bench: $(VENV)/.installed-dev  ## the figures of benchmarks/RESULTS.md (a few hours on two cores)
	$(BIN)/python benchmarks/run_all.py

# torch comes first and pinned: a plain `pip install torch` may choose another build.
$(VENV)/.installed: constraints.txt $(addsuffix /pyproject.toml,$(DEMO))
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) hatchling editables
	$(INSTALL) --no-build-isolation $(call editable,$(DEMO))
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	$(INSTALL) --no-build-isolation --requirement requirements-dev.txt $(call editable,$(filter-out $(DEMO),$(DISTRIBUTIONS)))
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
