"""What the masks of a set mean: one decision for all, from a sample of their files, before anything is drawn."""

from al_lightning.data.masks.deciding import mask_reading
from al_lightning.data.masks.options import MaskOptions, Masks
from al_lightning.data.masks.reading import MaskReading

__all__ = ["MaskOptions", "MaskReading", "Masks", "mask_reading"]
