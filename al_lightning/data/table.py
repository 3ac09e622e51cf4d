"""Datasets by name, one line each. A dataset is imported when it is used."""

from typing import Any

from al_lightning.config.table import Table

DATASETS: Table[Any] = Table(
    "dataset",
    {
        "bdd100k": "al_lightning.data.datasets.bdd100k:bdd100k",
        "camvid": "al_lightning.data.datasets.camvid:camvid",
        "cityscapes": "al_lightning.data.datasets.cityscapes:cityscapes",
        "clinicdb": "al_lightning.data.datasets.clinicdb:clinicdb",
        "colonoscopy-depth": "al_lightning.data.datasets.depth:colonoscopy_depth",
        "folder": "al_lightning.data.datasets.folder:folder",
        "glas": "al_lightning.data.datasets.glas:glas",
        "isic2017": "al_lightning.data.datasets.isic:isic2017",
        "kvasir": "al_lightning.data.datasets.kvasir:kvasir",
        "synthetic": "al_lightning.data.datasets.synthetic:synthetic",
    },
)
"""name -> what reads it, a `DenseDataset`; the parameters are the options of the YAML."""
