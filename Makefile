# The two commands of the README set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test lint bench clean

demo: setup ## run the main job on the embedded teacher, about a minute after set-up
	$(BIN)/python -m jobs.generate run.dir=runs/demo

test: setup ## the test suite
	$(BIN)/python -m pytest

lint: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: setup ## benchmarks: tables and JSON under build/bench
	$(BIN)/python -m tests.bench

setup: $(STAMP)

$(STAMP): locks/cpu.txt locks/test.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r locks/cpu.txt -r locks/test.txt
	$(BIN)/python -c 'import torch, sys; sys.exit(torch.version.cuda and "torch came as a CUDA build: see Set-up in README.md")'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv runs build dist *.egg-info
