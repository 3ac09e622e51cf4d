"""A config whose names are checked before torch is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from al_lightning.config import Config, load
from al_lightning.config.static import precheck
from al_lightning.data.table import DATASETS
from al_lightning.learners.table import LEARNERS
from al_lightning.oracles.table import ORACLES
from al_lightning.strategies.table import STRATEGIES


def load_checked(words: Sequence[str], overrides: Sequence[str]) -> Config:
    """`load`, and the names of sections and options; `experiment.complete` checks the rest.

    Raises:
        ConfigError: one line that names the key, its value and what was expected.
    """
    config = load(words, overrides)
    precheck("dataset", DATASETS, config.dataset.name, config.dataset.options)
    precheck("learner", LEARNERS, config.learner.name, config.learner.options, ("task", "size"))
    precheck("strategy", STRATEGIES, config.strategy.name, config.strategy.options)
    precheck("oracle", ORACLES, config.oracle.name, config.oracle.options, ("target_file",))
    return config
