"""What an experiment is where nobody says otherwise: `experiments/base/defaults.yaml`. Imports no torch."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from al_lightning.config import catalogue
from al_lightning.config.schema import BudgetSection, Config, ConfigError

DEPTH = ("dataset.options.task=depth", "dataset.name=colonoscopy-depth")
"""Overrides that make depth the task."""
LETTERS = re.compile(r"[^\w.-]+")
BUDGET = ("initial", "per_stage", "stages")
C = TypeVar("C", bound=Config)


def file(depth: bool = False) -> Path:
    """The file of the defaults, by which `load` reads them; its variant for depth."""
    return catalogue.folder() / "base" / f"defaults{'-depth' * depth}.yaml"


def name_of(text: str | Path) -> str:
    """A name of an experiment, which is a folder's name too, after a folder of images or a dataset.

    Example:
        >>> name_of("Warwick QU Dataset (Released 2016_07_08)"), name_of("data/.."), name_of("a/Kvasir-SEG/")
        ('Warwick-QU-Dataset-Released-2016_07_08', 'mine', 'Kvasir-SEG')
    """
    return LETTERS.sub("-", Path(text).name).strip("-._") or "mine"


def completed(overrides: Sequence[str]) -> tuple[list[Path], list[str]]:
    """(files, overrides) for `load`, of overrides that name a dataset or its folder and no file.

    Without `dataset.name` the dataset is `folder`; the experiment is called after the folder, or after the dataset.

    Raises:
        ConfigError: the overrides name neither.
    """
    given = keys(overrides)
    if not {"dataset.name", "dataset.options.root"} & set(given):
        raise ConfigError(
            "no experiment given; name one, such as demo, or a configuration file, or your images with "
            "dataset.options.root=FOLDER"
        )
    dataset = given.get("dataset.name", "folder")
    folder = given.get("dataset.options.root", "")
    called = name_of(Path(folder).expanduser().resolve()) if folder else name_of(dataset.replace(":", "."))
    begin = [f"name={json.dumps(called)}", f"dataset.name={dataset}"]
    return [file(any(item in overrides for item in DEPTH))], [*begin, *overrides]


def assumed(config: Config, overrides: Sequence[str]) -> str:
    """One line: what the defaults decided, as no override says it.

    Args:
        config (Config): as loaded.
        overrides (Sequence[str]): as given.
    """
    given = keys(overrides)
    budget = config.budget
    parts = [
        ("dataset.name", f"dataset {config.dataset.name}"),
        ("learner.name", f"learner {config.learner.name}"),
        ("strategy.name", f"strategy {config.strategy.name}"),
        ("budget", f"budget {budget.initial} + {budget.per_stage} x {budget.stages - 1}"),
        ("trainer.max_epochs", f"{config.trainer.get('max_epochs')} epochs"),
    ]
    whole = {"budget"} if {"budget.initial", "budget.per_stage", "budget.stages"} <= set(given) else set()
    told = [text for key, text in parts if key not in given and key not in whole]
    listed = f": {', '.join(told)}" if told else ""
    return f"no file given{listed}; al-lightning init writes them to a file"


def fitted(config: C, pool: int, overrides: Sequence[str]) -> C:
    """The config with a budget that the pool has, in what the defaults say of it.

    At most a third of the pool is drawn at first, and asked for in a stage; of stages there are as many as fit.

    Args:
        config (Config): its budget is more than the pool has.
        pool (int): number of images.
        overrides (Sequence[str]): what they say stays.
    """
    fitted = copy.deepcopy(config)
    budget, each = fitted.budget, max(1, pool // 3)
    free = [key for key in BUDGET if not {"budget", f"budget.{key}"} & set(keys(overrides))]
    for key in ("initial", "per_stage"):
        if key in free:
            setattr(budget, key, min(getattr(budget, key), each))
    if "stages" in free and budget.initial <= pool:  # else no number of stages helps, and the user is told
        budget.stages = min(budget.stages, 1 - (budget.initial - pool) // budget.per_stage)
    return fitted


def continued(config: Config, overrides: Sequence[str], saved: BudgetSection) -> None:
    """Take over the budget of a run that has begun, in what the defaults say of it: the pool may have grown since."""
    for key in BUDGET:
        if not {"budget", f"budget.{key}"} & set(keys(overrides)):
            setattr(config.budget, key, getattr(saved, key))


def keys(overrides: Sequence[str]) -> dict[str, str]:
    """key -> value, as written, of words key=value.

    Example:
        >>> keys(["dataset.options.root=a=b", "seed=1"])
        {'dataset.options.root': 'a=b', 'seed': '1'}
    """
    return {key: value for key, _, value in (word.partition("=") for word in overrides)}
