"""Small images of bright discs and their masks, in two folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def blob(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a dark ground (H, W, 3) and its mask (H, W) of 0 and 255."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    centre_y, centre_x = rng.uniform(0.3, 0.7, 2) * size
    mask = (y - centre_y) ** 2 + (x - centre_x) ** 2 < (rng.uniform(0.15, 0.3) * min(size)) ** 2
    ground = rng.integers(20, 110, 3)
    image = np.where(mask[..., None], ground + 100, ground) + rng.normal(0, 12, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), (mask * 255).astype(np.uint8)


def write_pairs(folder: Path, names: list[str], rng: np.random.Generator, size: tuple[int, int] = (40, 48)) -> None:
    """images/<name>.jpg and masks/<name>.jpg, as Kvasir-SEG has them."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        image, mask = blob(rng, size)
        Image.fromarray(image).save(folder / "images" / f"{name}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"{name}.jpg", quality=95)
