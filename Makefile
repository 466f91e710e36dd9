# Each target makes .venv by itself. A second run finds it ready and starts at once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check unit bench test-official clean
.DEFAULT_GOAL := test

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: .venv/ready
	@$(BIN)/rfevals demo

test: check unit

check: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright

unit: .venv/ready
	@$(BIN)/python -m pytest -q -n auto --cov --cov-report=term

bench: .venv/ready .venv-official/ready
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

# The official command against the stand-in, in an environment of its own: a heavy install, so not part of `test`.
.venv-official/ready: tests/official/requirements.txt
	@$(PYTHON) -m venv .venv-official
	@.venv-official/bin/python -m pip install --quiet --disable-pip-version-check -r tests/official/requirements.txt
	@touch $@

test-official: .venv/ready .venv-official/ready
	@$(BIN)/python -m pytest -q --override-ini=testpaths=tests/official tests/official --official .venv-official/bin/roboflow

clean:
	@rm -rf .venv .venv-official .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage demo-export dist
