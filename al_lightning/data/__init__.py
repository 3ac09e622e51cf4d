"""Datasets by name: one file a dataset, one line a name."""

from collections.abc import Callable

from al_lightning.data.base import DataError, DenseDataset
from al_lightning.data.cache import Cache
from al_lightning.data.camvid import camvid
from al_lightning.data.cityscapes import bdd100k, cityscapes
from al_lightning.data.clinicdb import clinicdb
from al_lightning.data.depth import colonoscopy_depth
from al_lightning.data.folder import folder
from al_lightning.data.glas import glas
from al_lightning.data.isic import isic2017
from al_lightning.data.kvasir import kvasir
from al_lightning.data.module import PoolDataModule
from al_lightning.data.synthetic import synthetic

DATASETS: dict[str, Callable[..., DenseDataset]] = {
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
}
"""name -> what reads it; the parameters are the options of the YAML."""

__all__ = ["DATASETS", "Cache", "DataError", "DenseDataset", "PoolDataModule"]
