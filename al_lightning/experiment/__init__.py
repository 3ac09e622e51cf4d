"""Experiments: from a config to stage rows on disk. Not named `run`, which is the function `al_lightning.run`."""

from al_lightning.experiment.runner import resume, run, run_folder, stage_line
from al_lightning.experiment.setup import Setup, complete, prepare
from al_lightning.experiment.steps import is_main

__all__ = ["Setup", "complete", "is_main", "prepare", "resume", "run", "run_folder", "stage_line"]
