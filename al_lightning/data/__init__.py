"""Datasets by name: one file a dataset, one line a name."""

from collections.abc import Callable

from al_lightning.data.base import DataError, DenseDataset
from al_lightning.data.cache import Cache
from al_lightning.data.kvasir import kvasir
from al_lightning.data.module import PoolDataModule
from al_lightning.data.synthetic import synthetic

DATASETS: dict[str, Callable[..., DenseDataset]] = {
    "kvasir": kvasir,
    "synthetic": synthetic,
}
"""name -> what reads it; the parameters are the options of the YAML."""

__all__ = ["DATASETS", "Cache", "DataError", "DenseDataset", "PoolDataModule"]
