"""Several masks of one image: parts of it that are one after the other, or one thing outlined by several people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from al_lightning.data.errors import DataError
from al_lightning.data.init.choices import Choice, Options
from al_lightning.data.masks import MaskOptions, mask_reading
from al_lightning.data.sample import evenly
from al_lightning.data.walk import many

TRIED = 20
"""Images whose masks are looked at."""
TOUCHING = 0.1
"""Fraction of the smaller of two masks that both may mark where they are of two objects."""
UNION: Options = {"several_masks": "union"}


def choices(further: Mapping[Path, Sequence[Path]], given: Options) -> tuple[list[Choice], Choice | None]:
    """(the union, with what the masks of an image have in common; the same where they are of several objects)."""
    first = list(further)
    sample = [[first[row], *further[first[row]]] for row in evenly(len(first), TRIED)]
    apart = sum(_apart(masks, given) for masks in sample)
    images = f"{many(len(further), 'image')} with several masks"
    if apart == len(sample):
        union = Choice(
            UNION, "one mask of all objects", f"{images}, which do not overlap and so are of several objects"
        )
        return [union], union
    says = f"{images}, which overlap in {len(sample) - apart} of {len(sample)} looked at: foreground is what any marks"
    return [Choice(UNION, says)], None


def _apart(masks: Sequence[Path], given: Options) -> bool:
    """Whether no two of an image's masks mark the same."""
    named = {name: given[name] for name in ("masks", "threshold", "foreground", "void", "invert") if name in given}
    try:
        reading, _ = mask_reading(masks, ("background", "foreground"), MaskOptions(**named, allow_missing_classes=True))
        marked = [reading.decode(mask) == 1 for mask in masks]
    except (DataError, OSError):
        return False
    if len({mask.shape for mask in marked}) > 1:
        return False
    shared = (np.sum(marked, axis=0) > 1).sum()
    areas = [int(mask.sum()) for mask in marked if mask.any()]
    return not areas or bool(shared <= TOUCHING * min(areas))
