# Everything here runs without root, Node or Docker. Python 3.11 or later is all that is asked.
PYTHON ?= python3
BIN := .venv/bin
USER_STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev
BENCH_STAMP := .venv-bench/.installed
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help setup setup-dev run test lint format bench lock clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(USER_STAMP)  ## install songsinh into .venv

setup-dev: $(DEV_STAMP)

run: $(USER_STAMP)  ## start the centre with its example twins
	@$(BIN)/songsinh start

test: $(DEV_STAMP)  ## run every test
	$(BIN)/python -m pytest

lint: $(DEV_STAMP)  ## format, style, types, floors and house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house.py

format: $(DEV_STAMP)  ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_STAMP)  ## race against the peers and write docs/benchmarks.md
	.venv-bench/bin/python -m benchmarks.run

lock:  ## choose newer dependencies (needs the package uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' --group build --extra dev \
	  pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' --group build \
	  -c requirements-dev.lock pyproject.toml -o requirements.lock

clean:  ## remove what was installed, built and cached
	rm -rf .venv .venv-bench build dist reports *.egg-info .pytest_cache .mypy_cache .ruff_cache \
	  .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Songsinh needs Python 3.11 or later; call: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

$(USER_STAMP): requirements.lock pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing Songsinh into .venv; the first time takes a minute or two."
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(USER_STAMP)
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

$(BENCH_STAMP): benchmarks/requirements.txt requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	.venv-bench/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	.venv-bench/bin/python $(PIP_INSTALL) -r benchmarks/requirements.txt
	@touch $@
