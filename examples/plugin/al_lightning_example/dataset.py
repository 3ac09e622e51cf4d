"""A dataset of one's own: bright discs on a dark ground, drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from al_lightning.data.dataset import DenseDataset
from al_lightning.data.reading import binary_mask
from al_lightning.types import Task


def discs(
    root: str = "data/discs",
    size: int = 32,
    pool: int = 24,
    validation: int = 6,
    test: int = 6,
) -> DenseDataset:
    """Discs and their masks, 40 x 48 pixels as PNG below `root`; drawn where they are not there yet.

    Args:
        root (str): folder of the files. Default "data/discs".
        size (int): pixels that the learner sees. Default 32.
        pool, validation, test (int): numbers of images. Default 24, 6, 6.
    """
    folder, total = Path(root), pool + validation + test
    ids = tuple(f"disc-{number:03d}" for number in range(total))
    images = tuple(folder / "images" / f"{name}.png" for name in ids)
    masks = tuple(folder / "masks" / f"{name}.png" for name in ids)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if not mask.is_file():
            draw(image, mask, np.random.default_rng(number))
    rows = np.arange(total)
    return DenseDataset(
        name="discs",
        task=Task("segmentation", ("background", "disc")),
        ids=ids,
        images=images,
        targets=masks,
        pool=rows[:pool],
        validation=rows[pool : pool + validation],
        test=rows[pool + validation :],
        size=(size, size),
        decode_target=binary_mask,
    )


def draw(image: Path, mask: Path, rng: np.random.Generator) -> None:
    """One disc and its mask, the mask last."""
    y, x = np.mgrid[:40, :48]
    inside = (y - rng.uniform(10, 30)) ** 2 + (x - rng.uniform(12, 36)) ** 2 < rng.uniform(5, 10) ** 2
    ground = rng.integers(20, 110, 3)
    pixels = np.where(inside[..., None], ground + 90, ground) + rng.normal(0, 12, (40, 48, 3))
    for path, values in ((image, pixels.clip(0, 255)), (mask, inside * 255)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.astype(np.uint8)).save(path)
