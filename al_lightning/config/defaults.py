"""What an experiment is where nobody says otherwise: `experiments/base/defaults.yaml`. Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from al_lightning.config import catalogue
from al_lightning.config.schema import Config, ConfigError

DEPTH = ("dataset.options.task=depth", "dataset.name=colonoscopy-depth")
"""Overrides that make depth the task."""
LETTERS = re.compile(r"[^\w.-]+")


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


def keys(overrides: Sequence[str]) -> dict[str, str]:
    """key -> value, as written, of words key=value.

    Example:
        >>> keys(["dataset.options.root=a=b", "seed=1"])
        {'dataset.options.root': 'a=b', 'seed': '1'}
    """
    return {key: value for key, _, value in (word.partition("=") for word in overrides)}
