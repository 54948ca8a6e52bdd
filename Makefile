# Two commands: `make run` and `make test`. `make setup` makes .venv alone, with what a run needs.
#   make setup EXTRAS=mlflow,onnx   adds optional packages (pyproject.toml lists them)
#   make setup TORCH=cpu            PyTorch without CUDA, from PyTorch's own index (Linux; a new .venv, which
#                                   remembers it)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?=
TORCH ?= $(shell cat $(VENV)/.torch 2>/dev/null)
UV_INSTALL := $(BIN)/uv pip install --python $(BIN)/python
# The pinned packages as they stand; or, for another build of PyTorch, their versions alone: what CUDA needs
# is pinned too, and is left out where nothing asks for it.
PINNED = $(if $(TORCH),--torch-backend $(TORCH) --constraints requirements/$(1).txt --editable $(2),--requirements requirements/$(1).txt)
# Tests run in a process per processor; ARGS="-n 0" runs them in one.
WORKERS := -n logical --maxprocesses 4 --dist loadfile
export RAY_USAGE_STATS_ENABLED ?= 0
# Otherwise each process compiles all that it imports anew: 12 s of a processor for PyTorch and Ray, not 4.
unexport PYTHONDONTWRITEBYTECODE

# Each target's line with ## is what `make help` prints.
.PHONY: help run test test-times test-slow test-long test-rotation lint types setup dev check docs lock dist dist-check clean

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 24

run: setup ## the loop on an embedded stand-in world; ARGS=... adds settings
	$(BIN)/imitate run ray_config.yaml $(ARGS)

test: dev ## the quick tests; ARGS=... goes to pytest
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) $(ARGS)

test-times: dev ## the quick tests, and what they cost in processor seconds, by folder and test
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) --cpu 40 $(ARGS)

test-slow: dev ## real runs and killed processes that fit into CI
	$(BIN)/python -m pytest -m "slow and not long" $(WORKERS) $(ARGS)

test-long: dev ## whole sweeps, comparisons, clusters
	$(BIN)/python -m pytest -m long $(ARGS)

# A tenth of them, another one every four hours in the life of the checkout's last commit; what three minutes do
# not reach is first when that tenth comes again. One at a time: each starts a cluster or several trainings.
test-rotation: dev ## a tenth of the long ones, others for a later commit
	$(BIN)/python -m pytest -v -m long --minutes 3 \
		--turn $$(($$(git log -1 --format=%ct 2>/dev/null || echo 0) / 14400)) $(ARGS)

lint: dev ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev ## types
	$(BIN)/mypy

setup: check $(VENV)/.installed ## .venv with what a run needs
ifneq ($(EXTRAS),)
	$(UV_INSTALL) $(if $(TORCH),--torch-backend $(TORCH)) --constraints requirements/dev.txt --editable ".[$(EXTRAS)]"
endif

# What the tests need besides.
dev: check $(VENV)/.installed-dev ## .venv with what the tests need besides

# Before anything else: a Python that is new enough, and what the renderer needs from the system.
check:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 ...")'
	@$(PYTHON) sim_actors/simulators/opengl/preflight.py

# uv, because it resolves torch and torchvision to matching builds and installs in seconds.
$(VENV)/.installed: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	@echo "$(TORCH)" > $(VENV)/.torch
	$(UV_INSTALL) $(call PINNED,run,.)
	$(UV_INSTALL) --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(UV_INSTALL) $(call PINNED,dev,".[dev]")
	@touch $@

docs: dev ## the API reference, from the docstrings, in build/reference
	$(BIN)/python docs/reference.py build/reference

# Both files, of one resolution: run.txt is the part of dev.txt that a run needs.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header pyproject.toml
lock: $(VENV)/.installed ## pins the packages anew
	$(COMPILE) --extra dev --output-file requirements/dev.txt
	$(COMPILE) --constraints requirements/dev.txt --output-file requirements/run.txt

# The wheel and the sdist in dist/; dist-check installs them elsewhere and runs there (minutes).
dist: $(VENV)/.installed ## wheel and sdist in dist/
	$(BIN)/uv build --out-dir dist

dist-check: dev ## installs both elsewhere and runs there
	$(BIN)/python -m pytest -m long tests/test_distribution.py $(ARGS)

clean: ## takes away .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
