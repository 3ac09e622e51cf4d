"""Active learning for dense prediction with PyTorch Lightning.

The public names are imported when they are first used, so that a command that needs no torch starts at once.
"""

from importlib import import_module
from typing import Any

from al_lightning.version import __version__

_PUBLIC = {
    "ActiveLearningLoop": "loop",
    "AnnotationCost": "cost.annotation",
    "Batch": "types",
    "Box": "types",
    "Candidates": "types",
    "DATASETS": "data",
    "DenseDataset": "data",
    "DenseLearner": "learners",
    "LEARNERS": "learners",
    "LabelPool": "core.pool",
    "Learner": "types",
    "ORACLES": "oracles",
    "Oracle": "types",
    "PoolDataModule": "data",
    "Prediction": "types",
    "Query": "types",
    "Region": "types",
    "RegionStrategy": "types",
    "STRATEGIES": "strategies",
    "SampleStatistics": "types",
    "StageContext": "types",
    "Strategy": "types",
    "Task": "types",
    "load": "config",
    "resume": "experiment",
    "run": "experiment",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'al_lightning' has no attribute {name!r}")
    return getattr(import_module(f"al_lightning.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


__all__ = ["__version__", *sorted(_PUBLIC)]
