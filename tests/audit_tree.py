"""A small clean data set that the tests of the audit spoil."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from al_lightning.audit.audit import Audit
from al_lightning.audit.findings import Finding
from al_lightning.core.task import Task
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.reading import binary_mask

SIZE = (96, 120)
COUNTS = {"pool": 8, "validation": 3, "test": 3}


def scene(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3): tissue-like structure of several sizes, lit from a random side."""
    noise = sum(s * gaussian_filter(rng.normal(size=(*size, 3)), (s, s, 0.6)) for s in (2, 4, 8))
    light = np.linspace(0.6, 1.2, size[1])[None, :: rng.choice([-1, 1]), None]
    return ((np.array([150, 90, 70]) + 90 * noise) * light).clip(0, 255).astype(np.uint8)


class Tree:
    """A clean set: scenes and their masks, which a test then spoils."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.root, rng = root, np.random.default_rng(seed)
        self.ids: list[tuple[str, str]] = []
        """(split, name) of each row."""
        for split, count in COUNTS.items():
            for number in range(count):
                name = f"{split}-{'kqxzvjwp'[number]}"
                self.put(split, name, scene(rng))

    def put(self, split: str, name: str, image: np.ndarray | Image.Image, suffix: str = ".jpg") -> Path:
        """Add an image and a mask of its size; returns the file of the image."""
        for folder in ("images", "masks"):
            (self.root / split / folder).mkdir(parents=True, exist_ok=True)
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).ellipse((20, 20, 50, 60), fill=255)
        mask.save(self.root / split / "masks" / f"{name}.png")
        path = self.root / split / "images" / f"{name}{suffix}"
        image.save(path, **({"quality": 95} if suffix == ".jpg" else {}))
        self.ids.append((split, name))
        return path

    def image(self, split: str, name: str) -> Path:
        return next(p for p in (self.root / split / "images").iterdir() if p.stem == name)

    def mask(self, split: str, name: str) -> Path:
        return self.root / split / "masks" / f"{name}.png"

    def dataset(self, **changes) -> DenseDataset:
        splits = [split for split, _ in self.ids]
        rows = {split: np.array([i for i, s in enumerate(splits) if s == split], dtype=np.int64) for split in COUNTS}
        return DenseDataset(
            **{
                "name": "tree",
                "task": Task(),
                "ids": tuple(f"{split}/{name}" for split, name in self.ids),
                "images": tuple(self.image(*key) for key in self.ids),
                "targets": tuple(self.mask(*key) for key in self.ids),
                "size": (64, 64),
                "decode_target": binary_mask,
                **rows,
                **changes,
            }
        )


DESCRIBED = ("label fraction", "mask values", "depth range", "note")
"""Kinds that describe any set, also a clean one."""


def told(found: Audit) -> list[Finding]:
    """The findings but for those that describe any set."""
    return [one for one in found.findings if one.kind not in DESCRIBED]


def only(found: Audit, kind: str, severity: str) -> Finding:
    """The one finding, of this kind and severity."""
    assert [(f.kind, f.severity) for f in told(found)] == [(kind, severity)], found.findings
    return told(found)[0]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def draw(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint8)).save(path)


def recoded(image: Image.Image) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=40)
    return Image.open(encoded).convert("RGB")


def framed(image: Image.Image) -> Image.Image:
    """In a black frame with writing, and a display in a corner."""
    out = Image.new("RGB", (200, 150), (3, 3, 3))
    out.paste(image, (60, 20))
    drawing = ImageDraw.Draw(out)
    drawing.text((4, 60), "30/02/2020", "white")
    drawing.rectangle((60, 86, 90, 116), (10, 170, 140))
    return out
