"""Runs from a YAML file, for the tests of experiments."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder

QUIET = Console(quiet=True)


def run(path: Path, *overrides: str) -> RunFolder:
    return experiment.run(load([path], overrides), QUIET)


def without_times(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
