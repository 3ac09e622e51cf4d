"""Runs on images of bright discs with masks, some of which are spoiled; they train in a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment import run

SIDE = 32
SPOILED = {3: "empty", 8: "inverted", 14: "moved", 21: "empty", 29: "moved", 42: "moved"}
"""Number of an image -> what is wrong with its mask; 42 is a test image."""
BASE = """\
name: discs
dataset: {name: folder, options: {root: set, csv: list.csv, size: 32}}
learner: {name: unet, options: {widths: [8, 16], lr: 0.01}}
strategy: {name: random}
budget: {initial: 36, per_stage: 2, stages: 1}
trainer: {max_epochs: 12, accelerator: cpu, enable_progress_bar: false}
logging: {wandb: {mode: disabled}}
"""


def disc(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An image (32, 32, 3) and its mask."""
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = (y - rng.uniform(8, 24)) ** 2 + (x - rng.uniform(8, 24)) ** 2 < rng.uniform(20, 60)
    image = np.where(mask[..., None], 190, rng.integers(20, 90, 3)) + rng.normal(0, 12, (SIDE, SIDE, 3))
    return image.clip(0, 255).astype(np.uint8), mask


def spoiled(mask: NDArray[np.bool_], how: str) -> NDArray[np.bool_]:
    """What somebody saved by mistake."""
    return {"": mask, "empty": np.zeros_like(mask), "inverted": ~mask, "moved": np.roll(mask, SIDE // 2, 1)}[how]


def write_discs(root: Path, wrong: dict[int, str] | None = None) -> None:
    """36 images of 18 patients for the pool, 4 for validation, 6 for test."""
    rng, lines = np.random.default_rng(0), ["image,target,split,group"]
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for number in range(46):
        image, mask = disc(rng)
        Image.fromarray(image).save(root / f"images/{number:02d}.png")
        mask = spoiled(mask, (wrong or {}).get(number, ""))
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(root / f"masks/{number:02d}.png")
        split = "train" if number < 36 else "val" if number < 40 else "test"
        lines.append(f"images/{number:02d}.png,masks/{number:02d}.png,{split},p{number // 2:02d}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")


def run_discs(folder: Path, *overrides: str, wrong: dict[int, str] | None = None, **changes: Any) -> RunFolder:
    """A run in `folder`, whose data are beside it."""
    write_discs(folder / "set", wrong)
    (folder / "base.yaml").write_text(BASE)
    places = [f"dataset.options.root={folder / 'set'}", f"runs_dir={folder / 'runs'}"]
    return run(load([folder / "base.yaml"], [*places, *overrides]), Console(quiet=True), **changes)
