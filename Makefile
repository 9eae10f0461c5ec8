# SPDX-License-Identifier: GPL-2.0-or-later
# make check-help lists the targets.  After `make setup` nothing here uses the network.

PYTHON ?= python3
J      ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
MEM    ?= 3G
O      ?=
ifndef SEED
SEED   := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.lostirq-stamp
CHECKED := lostirq tests benchmarks build_hook.py

ifeq ($(V),1)
Q :=
else
Q := @
endif

.PHONY: setup check check-standard check-deep check-bugs check-proofs check-help test test-slow lint docs docs-check mutants \
	bench wheel clean

# BASE=REV: compare with that revision, and search only what changed since.
check: $(STAMP)
ifdef BASE
	$(Q)$(BIN)/lostirq patch --workspace . --base '$(BASE)' --tier quick -j $(J) --max-memory $(MEM) $(O)
else
	$(Q)$(BIN)/lostirq check --workspace . --tier quick --memory both -j $(J) --max-memory $(MEM) --with-bugs $(O)
	$(Q)$(BIN)/lostirq recheck --workspace . -j $(J)
endif

setup: $(STAMP)

# pip reaches the network only here; the stamp is newer than pyproject.toml when the environment is up to date.
$(STAMP): pyproject.toml
	$(Q)test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(Q)$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lostirq needs Python 3.11 or newer: make setup PYTHON=python3.11" >&2; exit 2; }
	$(Q)$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(Q)touch $(STAMP)

check-standard: $(STAMP)
	$(Q)$(BIN)/lostirq check --workspace . --tier standard --memory both -j $(J) --max-memory $(MEM) $(O)

check-deep: $(STAMP)
	$(Q)$(BIN)/lostirq check --workspace . --tier deep --memory both -j $(J) $(O)

check-proofs: $(STAMP)
	$(Q)$(BIN)/lostirq prove --workspace . -j $(J) $(O)

check-bugs: $(STAMP)
	$(Q)$(BIN)/lostirq bugs --workspace . -j $(J) --max-memory $(MEM) $(O)

test: $(STAMP)
	$(Q)$(BIN)/python -m pytest -n $(J) --dist loadfile -m "not slow" $(O)

test-slow: $(STAMP)
	@echo "random examples: make test-slow SEED=$(SEED) draws the same again"
	$(Q)$(BIN)/python -m pytest -n $(J) --dist loadfile --hypothesis-profile anew --hypothesis-seed $(SEED) $(O)

lint: $(STAMP)
	$(Q)$(BIN)/ruff check $(CHECKED)
	$(Q)$(BIN)/mypy

docs: $(STAMP)
	$(Q)$(BIN)/python -m lostirq.workflow.docs --workspace . --out docs

docs-check: $(STAMP)
	$(Q)$(BIN)/python -m lostirq.workflow.docs --workspace . --out docs --check

mutants: $(STAMP)
	$(Q)$(BIN)/lostirq mutate --workspace . --out docs/mutants.jsonl -j $(J) --max-memory $(MEM) $(O) || test $$? -eq 125
	$(Q)$(BIN)/python -m lostirq.workflow.mutate_runs --workspace . --out docs/interleavings.md

bench: $(STAMP)
	$(Q)$(BIN)/python -m benchmarks.run $(O)

wheel: $(STAMP)
	$(Q)$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps -w dist .

clean:
	$(Q)rm -rf build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache

check-help:
	@echo "make check           every property in the quick scenarios, SC and TSO (the pairs of features under TSO, which has all states of SC),"
	@echo "                     the known bugs, and the certificates of proofs (the default)"
	@echo "make check BASE=REV  compare with a git revision: only what changed since is searched"
	@echo "make check-standard  every property in the standard scenarios (minutes)"
	@echo "make check-deep      every property in the deep scenarios (a night, and all the memory there is)"
	@echo "make check-bugs      the known bugs alone: each must be found again, at its recorded length"
	@echo "make check-proofs    the proofs at full width, found anew and written as certificates (minutes)"
	@echo "make test            the test suite;  make test-slow: with the tests that take minutes"
	@echo "make lint            ruff and mypy"
	@echo "make docs            regenerate docs/model.md, docs/properties.md, and what other pages quote;  make docs-check: are they current?"
	@echo "make mutants         every small change of the model: which property notices (hours; goes on where it stopped)"
	@echo "make bench           side by side with SPIN and Rumur (benchmarks/README.md)"
	@echo "make wheel           a wheel in dist/ that carries the workspace"
	@echo "make setup           the virtual environment in .venv (the other targets call it when it is missing or old)"
	@echo "Variables: J=2 processes  MEM=3G memory in all  O='--property Q-7' more options  V=1 print commands  PYTHON=python3  SEED=N (test-slow)"
