# Every target sets up .venv by itself when it is missing or older than pyproject.toml.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
LABEL_STUDIO := .venv-label-studio
READY := $(VENV)/.ready
RUN := $(VENV)/bin/al-lightning
# Further files or key=value overrides: make kvasir-random ARGS="seed=1 trainer.max_epochs=20"
# Quotes keep words together, as in a shell; nothing else in them is for a shell or for make, which would run $(...).
ARGS ?=
unexport ARGS
export AL_LIGHTNING_ARGS := $(value ARGS)
define WITH_ARGS
import os, shlex, sys
try:
    words = [*sys.argv[1:], *shlex.split(os.environ["AL_LIGHTNING_ARGS"])]
except ValueError as error:
    sys.exit("ARGS: %s; close it, or write \\ before it" % error)
print(shlex.join(words), flush=True)
os.execvp(words[0], words)
endef
export WITH_ARGS
WITH := @$(VENV)/bin/python -c "$$WITH_ARGS" $(RUN)

# Prints "<file> <experiment>" for each variant of the files in experiments/, and for each file that has no variants or
# sets a strategy itself. In awk, so that it works before .venv is there; al_lightning/config/catalogue.py says the same
# in Python, and a test compares the two.
CATALOGUE := awk ' \
	function itself() { if (file && (strategy || !variants)) print file, file } \
	FNR == 1 { itself(); file = FILENAME; gsub(/^.*\/|\.yaml$$/, "", file); strategy = variants = inside = 0 } \
	/^[a-z]/ { inside = /^variants:/; variants += inside; strategy += /^strategy:/ } \
	inside && /^  [A-Za-z0-9]/ { sub(/:.*/, ""); print file, file "-" $$1 } \
	END { itself() }' experiments/*.yaml
EXPERIMENTS := $(filter-out demo,$(shell $(CATALOGUE) | cut -d ' ' -f 2))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow label-studio lint bench fuzz torture docs clean $(EXPERIMENTS)

help: ## list the targets
	@echo "Targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | LC_ALL=C sort | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo
	@echo "Experiments, by file (make NAME ARGS=\"key=value ...\"):"
	@$(CATALOGUE) | LC_ALL=C sort | awk ' \
		$$2 == "demo" { next } \
		$$1 != file { printf("%s  %s:\n", (file ? "\n" : ""), $$1); file = $$1; used = 0 } \
		used + length($$2) > 74 { printf "\n"; used = 0 } \
		{ printf("%s%s", (used ? "  " : "    "), $$2); used += length($$2) + 2 } \
		END { printf "\n" }'

setup: $(READY) ## make .venv with everything installed

$(READY): pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: $(READY) ## three strategies, two seeds, built-in data: a table and a report
	$(WITH) run demo --sweep strategy.name=ta-coreset,unc-ta-coreset,random --sweep seed=0,1

$(EXPERIMENTS): %: $(READY)
	$(WITH) run $*

test: $(READY) ## lint, types and tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist worksteal -m "not bench and not slow"
	$(VENV)/bin/pytest --doctest-modules al_lightning -n 2 --dist worksteal
	$(VENV)/bin/pytest -m bench

test-slow: $(READY) ## what `make test` leaves out: the same in more places
	$(VENV)/bin/pytest -n 2 --dist worksteal -m slow

$(LABEL_STUDIO)/.ready:
	$(PYTHON) -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip install --quiet --upgrade pip
	$(LABEL_STUDIO)/bin/python -m pip install --quiet "label-studio>=1.20,<2"
	@touch $@

label-studio: $(LABEL_STUDIO)/.ready ## a Label Studio server in an environment of its own, for the tests
	@echo 'export AL_LIGHTNING_LABEL_STUDIO="$(CURDIR)/$(LABEL_STUDIO)/bin/label-studio"'

lint: $(READY) ## lint and types only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(READY) ## the figures of the README, measured here
	$(RUN) bench k-center

fuzz: $(READY) ## many random images, masks and folders, for minutes
	AL_LIGHTNING_FUZZ=5000 $(VENV)/bin/pytest -m fuzz

torture: $(READY) ## runs killed, starved of disk, signalled, edited; a table
	$(VENV)/bin/python -m tests.torture $(ARGS)

docs: $(READY) ## the documentation as pages in site/
	$(VENV)/bin/mkdocs build --strict

clean: ## remove .venv and caches, keep runs and data
	rm -rf $(VENV) $(LABEL_STUDIO) .mypy_cache .ruff_cache .pytest_cache build dist site *.egg-info
