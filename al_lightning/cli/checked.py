"""A config whose names are checked before torch is loaded, of a file or over the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from al_lightning.cli.arguments import split
from al_lightning.config import Config, defaults, load
from al_lightning.config.schema import DatasetSection
from al_lightning.config.static import precheck
from al_lightning.data.table import DATASETS
from al_lightning.learners.table import LEARNERS
from al_lightning.oracles.table import ORACLES
from al_lightning.strategies.table import STRATEGIES


def load_checked(words: Sequence[str | Path], overrides: Sequence[str]) -> Config:
    """`load`, and the names of sections and options; `experiment.complete` checks the rest.

    Raises:
        ConfigError: one line that names the key, its value and what was expected.
    """
    config = load(words, overrides)
    _check_dataset(config.dataset)
    precheck("learner", LEARNERS, config.learner.name, config.learner.options, ("task", "size"))
    precheck("strategy", STRATEGIES, config.strategy.name, config.strategy.options)
    precheck("oracle", ORACLES, config.oracle.name, config.oracle.options, ("target_file",))
    return config


def over_defaults(words: Sequence[str]) -> tuple[list[str | Path], list[str], bool]:
    """(files, overrides, whether the defaults stand for a file) of the words of a command.

    Words that name a dataset, or a folder with `dataset.options.root`, need no file.

    Raises:
        ConfigError: they name neither a file nor a dataset.
    """
    files, overrides = split(words, need_file=False)
    if files:
        return [*files], overrides, False
    default, completed = defaults.completed(overrides)
    return [*default], completed, True


def dataset_config(words: Sequence[str]) -> Config:
    """The config that the words of a command name, for a command that needs its dataset alone.

    Other sections may be missing; the names of the dataset and of its options are checked. Words without a file are
    as of `over_defaults`.

    Raises:
        ConfigError: one line that names the key, its value and what was expected.
        FileNotFoundError: a file does not exist.
    """
    files, overrides, assumed = over_defaults(words)
    config = load(files, overrides) if assumed else load([defaults.file(), *files], ["name=unnamed", *overrides])
    _check_dataset(config.dataset)
    return config


def _check_dataset(section: DatasetSection) -> None:
    precheck("dataset", DATASETS, section.name, section.options)
