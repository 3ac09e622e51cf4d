"""Images of the test set that the pool holds under another name or encoding.

One detector, for what a run records and for `al-lightning check`: both compare the images at their own size.
"""

from __future__ import annotations

from typing import Literal

from al_lightning.data.cache import Cache, default_folder
from al_lightning.data.overlap.bounds import Bounds
from al_lightning.data.overlap.comparison import Comparison
from al_lightning.data.overlap.prints import Prints, print_of, read_prints


def overlap(cache: Cache, split: Literal["pool", "validation"] = "pool") -> dict[str, int]:
    """How many test images occur in the pool: {"by_id": n, "by_thumbnail": n}.

    by_id counts test images whose file has the name of one in the pool, where equal names mean one image. by_thumbnail
    counts test images whose picture is in the pool, also re-encoded, resized, or cropped a little.

    Args:
        cache (Cache): of the dataset, whose files are read at their own size; of a cache on disk the prints are on disk
            too.
        split (str): pool or validation. Default "pool".
    """
    dataset = cache.dataset
    prints = read_prints(dataset, default_folder() if cache.mode == "disk" else None)
    names = [path.stem for path in dataset.images]
    found = Comparison(prints, Bounds.of(prints), names, dataset.test, getattr(dataset, split))
    return {"by_id": len(found.by_name), "by_thumbnail": len(found.by_picture)}


__all__ = ["Bounds", "Comparison", "Prints", "overlap", "print_of", "read_prints"]
