"""Label Studio as an oracle: plain HTTP, its masks read and written exactly."""

from al_lightning.oracles.label_studio.oracle import LabelStudio

__all__ = ["LabelStudio"]
