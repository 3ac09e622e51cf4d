"""Learners by name, one line each. A learner is imported when it is used."""

from typing import Any

from al_lightning.config.table import Table

LEARNERS: Table[Any] = Table(
    "learner",
    {
        "deeplabv3plus": "al_lightning.learners.published:deeplabv3plus",
        "drn-d-22": "al_lightning.learners.published:drn_d_22",
        "fcn8s": "al_lightning.learners.published:fcn8s",
        "pix2pix": "al_lightning.learners.pix2pix:pix2pix",
        "segnet": "al_lightning.learners.published:segnet",
        "smp": "al_lightning.learners.published:smp_learner",
        "suggestive-fcn": "al_lightning.learners.published:suggestive_fcn",
        "unet": "al_lightning.learners.unet:unet",
    },
)
"""name -> what builds it, a LightningModule that is a `Learner`; its parameters beside task and size are the options
of the YAML."""
