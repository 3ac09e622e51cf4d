"""Learners, each in a file of its own, and the table of their names."""

from typing import Any

from al_lightning.config.table import Table
from al_lightning.core.learner import Learner
from al_lightning.learners.committee import Committee
from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.pix2pix import Pix2Pix, pix2pix
from al_lightning.learners.published import deeplabv3plus, drn_d_22, fcn8s, segnet, smp_learner, suggestive_fcn
from al_lightning.learners.unet import unet

LEARNERS: Table[Any] = Table(
    "learner",
    {
        "deeplabv3plus": deeplabv3plus,
        "drn-d-22": drn_d_22,
        "fcn8s": fcn8s,
        "pix2pix": pix2pix,
        "segnet": segnet,
        "smp": smp_learner,
        "suggestive-fcn": suggestive_fcn,
        "unet": unet,
    },
)
"""name -> what builds it, a LightningModule that is a `Learner`; its parameters except task and size are the options
of the YAML."""

__all__ = ["LEARNERS", "Committee", "DenseLearner", "Learner", "Pix2Pix"]
