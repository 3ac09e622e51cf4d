"""The dataset that the section `dataset` of a config names."""

from __future__ import annotations

from al_lightning.config.options import build
from al_lightning.config.schema import DatasetSection
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.pictures.limit import allow_pixels
from al_lightning.data.table import DATASETS


def build_section(section: DatasetSection) -> DenseDataset:
    """The dataset, with its files limited to `section.max_pixels`.

    Raises:
        ConfigError, DataError, FileNotFoundError: an option or the data are invalid; the message is one line.
    """
    allow_pixels(section.max_pixels)
    dataset: DenseDataset = build("dataset", DATASETS, section.name, section.options)
    return dataset
