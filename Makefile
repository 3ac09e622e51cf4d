# Every target sets up .venv by itself when it is missing or older than pyproject.toml.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/al-lightning
EXPERIMENTS := $(filter-out demo,$(patsubst experiments/%.yaml,%,$(wildcard experiments/*.yaml)))
# Further files or key=value overrides: make kvasir-random ARGS="seed=1 trainer.max_epochs=20"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench clean $(EXPERIMENTS)

help: ## list the targets
	@echo "Targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-24s %s\n", $$1, $$2}'
	@echo "Experiments (make NAME ARGS=\"key=value ...\"):"
	@for name in $(EXPERIMENTS); do printf "  %s\n" $$name; done

setup: $(READY) ## make .venv with everything installed

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: $(READY) ## three strategies, two seeds, on the built-in set: a table and a report
	$(RUN) run experiments/demo.yaml --sweep strategy.name=ta-coreset,unc-ta-coreset,random --sweep seed=0,1 $(ARGS)

$(EXPERIMENTS): %: $(READY)
	$(RUN) run experiments/$*.yaml $(ARGS)

test: $(READY) ## lint, types and tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 -m "not bench"
	$(VENV)/bin/pytest -m bench

lint: $(READY) ## lint and types only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(READY) ## the figures of the README, measured here
	$(RUN) bench k-center

clean: ## remove .venv and caches, keep runs and data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
