"""Learners by name: one file a learner, one line a name."""

from collections.abc import Callable

from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.unet import unet

LEARNERS: dict[str, Callable[..., DenseLearner]] = {
    "unet": unet,
}
"""name -> what builds it; the parameters are the options of the YAML."""

__all__ = ["LEARNERS", "DenseLearner"]
