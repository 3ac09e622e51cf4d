"""Datasets by name: one file a dataset, one line a name."""

from al_lightning.config.table import Table
from al_lightning.data.cache import Cache
from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.bdd100k import bdd100k
from al_lightning.data.datasets.camvid import camvid
from al_lightning.data.datasets.cityscapes import cityscapes
from al_lightning.data.datasets.clinicdb import clinicdb
from al_lightning.data.datasets.depth import colonoscopy_depth
from al_lightning.data.datasets.folder import folder
from al_lightning.data.datasets.glas import glas
from al_lightning.data.datasets.isic import isic2017
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.datasets.synthetic import synthetic
from al_lightning.data.module import PoolDataModule

DATASETS: Table[DenseDataset] = Table(
    "dataset",
    {
        "bdd100k": bdd100k,
        "camvid": camvid,
        "cityscapes": cityscapes,
        "clinicdb": clinicdb,
        "colonoscopy-depth": colonoscopy_depth,
        "folder": folder,
        "glas": glas,
        "isic2017": isic2017,
        "kvasir": kvasir,
        "synthetic": synthetic,
    },
)
"""name -> what reads it; the parameters are the options of the YAML."""

__all__ = ["DATASETS", "Cache", "DataError", "DenseDataset", "PoolDataModule"]
