# `make demo` and `make test` do all the set-up; Python 3.11 or newer is the only thing a machine needs.
# Another interpreter: make test PYTHON=python3.12. The set-up is done once, and again when its inputs change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
READY := $(VENV)/.ready

.PHONY: help setup assets demo test lint bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    set up, then the whole way on one clip: motion, policy, verdict, report (runs/demo/report.html)'
	@echo 'make test    set up, then ruff, mypy, lint-imports and pytest'
	@echo 'make assets  fetch the detector weights that video needs (54 MB, once; part of the set-up)'
	@echo 'make lint    ruff, mypy and lint-imports alone'
	@echo 'make bench   how to repeat the measurements'
	@echo 'make clean   remove .venv and the tools'"'"' caches; runs/ stays'

setup: $(READY)

# torch goes first: the rest then builds on the pinned one instead of pulling its own choice.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'Touchstone needs Python 3.11 or newer, and "$(PYTHON)" is not. Name one: make $(or $(MAKECMDGOALS),test) PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'The venv module of "$(PYTHON)" is missing. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Setting up $(VENV) (once; some minutes, mostly torch) ...'
	$(PIP) install -c constraints.txt torch hatchling editables
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev,mjx]'
	@$(MAKE) --no-print-directory assets || echo 'Everything but video works without them.' >&2
	@touch $@

# The weights of the pose detector that `touchstone reconstruct` uses (54 MB, once); kept outside of .venv.
assets:
	@$(BIN)/python -m recon.vision.assets

demo: $(READY)
	$(BIN)/touchstone demo $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One process a core, each with one thread. A single process, for a debugger: make test ARGS="-n 0"
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal $(ARGS)

bench: $(READY)
	@echo 'What is measured, how to repeat it and the figures: benchmarks/README.md'
	@for file in benchmarks/*.py; do [ -f "$$file" ] && echo "  $(BIN)/python $$file" || true; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
