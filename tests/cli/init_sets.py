"""Small sets as people have them: pictures with noise, so that no two are alike, and masks of discs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dataset_trees import save

from al_lightning.cli import main
from al_lightning.config import Config, load

SIZE = (36, 48)
Values = Callable[[np.ndarray, int], Any]
"""(mask of a disc, number of the image) -> what is saved."""


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3): blocks of random grey, another one for each number."""
    rng = np.random.default_rng(number)
    blocks = rng.integers(0, 256, (size[0] // 6, size[1] // 6, 3), dtype=np.uint8)
    picture = blocks.repeat(6, axis=0).repeat(6, axis=1) + rng.normal(0, 8, (*size, 1))
    return picture.clip(0, 255).astype(np.uint8)


def disc(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - size[0] / 2) ** 2 + (x - size[1] / 3 - number % 5) ** 2 < (5 + number % 4) ** 2


def white(mask: np.ndarray, number: int) -> np.ndarray:
    return (mask * 255).astype(np.uint8)


def write(
    root: Path,
    names: Sequence[str],
    image: str = "images/{}.png",
    target: str = "masks/{}.png",
    values: Values = white,
    bare: Sequence[str] = (),
) -> Path:
    """A set in `root`; {} stands for the name. `bare` are without target."""
    for number, name in enumerate(names):
        save(root / image.format(name), picture(number))
        if name not in bare:
            save(root / target.format(name), values(disc(number), number))
    return root


def names(count: int) -> list[str]:
    """Names that do not count up."""
    return [f"{chr(97 + number % 26)}{chr(97 + number // 26)}x" for number in range(count)]


def init(root: Path, output: Path, *words: str, code: int = 0) -> Config:
    """Run the command; what it wrote, as a config."""
    assert main(["init", str(root), "-o", str(output), *words]) == code
    return load([output])
