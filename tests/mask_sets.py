"""Masks of discs in every encoding that people save, with the truth beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from dataset_trees import save
from PIL import Image

from al_lightning.data.masks import MaskOptions, MaskReading, mask_reading

SIZE = (40, 56)
TWO = ("background", "polyp")
Write = Callable[[Path, np.ndarray], Path]


def discs(number: int = 12, classes: int = 2, empty: tuple[int, ...] = ()) -> list[np.ndarray]:
    """`number` maps (H, W) of class numbers: one disc of each class above 0; those of `empty` are 0."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    found = []
    for i in range(number):
        rng = np.random.default_rng(i)
        target = np.zeros(SIZE, np.uint8)
        for label in range(1, classes):
            radius = rng.uniform(0.15, 0.3) * min(SIZE)
            cy, cx = rng.uniform(radius, SIZE[0] - radius), rng.uniform(radius, SIZE[1] - radius)
            target[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = label
        found.append(target * np.uint8(i not in empty))
    return found


def line_of(target: np.ndarray) -> np.ndarray:
    """The closed line, one pixel wide, around what a map (H, W) of 0 and 1 marks."""
    padded = np.pad(target, 1)
    return target & ~(padded[1:-1, :-2] & padded[1:-1, 2:] & padded[:-2, 1:-1] & padded[2:, 1:-1])


def numbers(table: list[int], dtype: type = np.uint8, suffix: str = "png", **options) -> Write:
    """A writer of grey levels: the number of class k is table[k]."""
    return lambda path, target: save(
        path.with_suffix(f".{suffix}"), np.array(table, dtype)[np.minimum(target, len(table) - 1)], **options
    )


def palette(colours: list[list[int]], indices: list[int] | None = None, suffix: str = "png") -> Write:
    """A writer of palettes: class k has the index indices[k]."""

    def write(path: Path, target: np.ndarray) -> Path:
        where = np.array(indices or list(range(len(colours))), np.uint8)
        full = np.zeros((256, 3), np.uint8)
        full[where] = colours
        image = Image.fromarray(where[target], "P")
        image.putpalette(full.tobytes())
        image.save(path.with_suffix(f".{suffix}"))
        return path.with_suffix(f".{suffix}")

    return write


def colours(table: list[list[int]], suffix: str = "png", **options) -> Write:
    """A writer of RGB or RGBA: class k has the colour table[k]."""
    return lambda path, target: save(path.with_suffix(f".{suffix}"), np.array(table, np.uint8)[target], **options)


def written(folder: Path, targets: list[np.ndarray], *writers: Write) -> list[Path]:
    """The targets as files; several writers take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    return [writers[i % len(writers)](folder / f"m{i:02d}.x", target) for i, target in enumerate(targets)]


def read(files: list[Path], classes: tuple[str, ...] = TWO, **options) -> tuple[MaskReading, list[str]]:
    return mask_reading(files, classes, MaskOptions(**options))


def same(reading: MaskReading, files: list[Path], targets: list[np.ndarray], tolerance: float = 0.0) -> None:
    """The decoded files are the targets; `tolerance` is the fraction of pixels that a lossy codec may turn."""
    for file, target in zip(files, targets, strict=True):
        decoded = reading.decode(file)
        assert decoded.dtype == np.uint8
        assert (decoded != target).mean() <= tolerance, file
