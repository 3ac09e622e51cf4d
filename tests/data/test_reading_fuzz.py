"""Images of every mode with masks of every encoding: a one-line error, or the picture and the foreground as they are.

`AL_LIGHTNING_FUZZ=5000 pytest -m fuzz` tries that many; the suite tries a few, always the same.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder

NUMBER = 8
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16B", "F")
SUFFIXES = ("png", "tif", "jpg", "gif", "bmp", "webp", "jp2")
EXIF_OF_MASK = (1, 1, 1, 3, 6)


def picture(mode: str, shape: tuple[int, int], seed: int, opaque: bool) -> Image.Image:
    """Some picture of a mode."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    if mode in ("I", "I;16", "I;16B", "F"):
        kind = {"I": np.int32, "F": np.float32, "I;16": "<u2", "I;16B": ">u2"}[mode]
        return Image.fromarray((colours[..., 0].astype(float) * 16).astype(kind))
    if mode in ("LA", "PA", "RGBA"):
        alpha = np.full(shape, 255, np.uint8) if opaque else colours[..., 2]
        base = Image.fromarray(colours).convert({"LA": "L", "PA": "P", "RGBA": "RGB"}[mode])
        base.putalpha(Image.fromarray(alpha))
        return base
    if mode == "P":
        return Image.fromarray(colours).quantize(17)
    return Image.fromarray(colours).convert(mode if mode != "LAB" else "RGB")


def grey(low: float, high: float, kind: Any) -> Callable[[np.ndarray], Image.Image]:
    return lambda mask: Image.fromarray(np.where(mask, high, low).astype(kind))


def palette(indices: tuple[int, int], colours: list[int]) -> Callable[[np.ndarray], Image.Image]:
    def make(mask: np.ndarray) -> Image.Image:
        table = np.zeros((256, 3), np.uint8)
        table[list(indices)] = np.reshape(colours, (2, 3))
        image = Image.fromarray(np.where(mask, indices[1], indices[0]).astype(np.uint8), "P")
        image.putpalette(table.tobytes())
        return image

    return make


def coloured(first: list[int], second: list[int], mode: str) -> Callable[[np.ndarray], Image.Image]:
    return lambda mask: Image.fromarray(np.where(mask[..., None], second, first).astype(np.uint8), mode)


@st.composite
def encodings(draw: st.DrawFn, kind: str = "") -> Callable[[np.ndarray], Image.Image]:
    """A writer of masks in which the foreground is brighter, or has the higher number, or is more opaque."""
    kind = kind or draw(st.sampled_from(("8", "8", "16", "32", "float", "1", "palette", "rgb", "rgba", "la", "usual")))
    byte = st.integers(0, 255)
    ordered = st.tuples(byte, byte).filter(lambda pair: pair[0] < pair[1])
    if kind == "usual":
        low, high, number = draw(st.sampled_from(((0, 255, "u1"), (0, 1, "u1"), (0, 65535, "u2"), (0, 255, "u2"))))
        return grey(low, high, number)
    if kind in ("8", "16", "32", "float"):
        top = {"8": 255, "16": 65535, "32": 2**20, "float": 300}[kind]
        low, high = draw(st.tuples(st.integers(0, top), st.integers(0, top)).filter(lambda pair: pair[0] < pair[1]))
        return grey(low, high, {"8": "u1", "16": "u2", "32": "i4", "float": "f4"}[kind])
    if kind == "1":
        return lambda mask: Image.fromarray(mask)
    if kind == "palette":
        first, second = draw(st.lists(byte, min_size=3, max_size=3)), draw(st.lists(byte, min_size=3, max_size=3))
        brighter = sorted((first, second), key=lambda c: 299 * c[0] + 587 * c[1] + 114 * c[2])
        return palette(draw(ordered), [*brighter[0], *brighter[1]])
    if kind == "la":
        low, high = draw(ordered)
        return coloured([draw(byte), low], [draw(byte), high], "LA")
    level = draw(ordered)
    greys = draw(st.booleans())
    first = [level[0]] * 3 if greys else [draw(st.integers(0, level[0])) for _ in range(3)]
    second = [level[1]] * 3 if greys else draw(st.permutations([level[1], *first[:2]]))
    if kind == "rgb":
        return coloured(first, list(second), "RGB")
    low, high = draw(ordered)
    return coloured([*first, low], [*second, high], "RGBA")


def discs(shape: tuple[int, int], seed: int, empty: int) -> list[np.ndarray]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    found = []
    for i in range(NUMBER):
        rng = np.random.default_rng([seed, i])
        radius = rng.uniform(0.2, 0.4) * min(shape)
        centre = rng.uniform(0.3, 0.7, 2) * shape
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        found.append(disc if i >= empty else np.zeros(shape, bool))
    return found


def save(image: Image.Image, path: Path, orientation: int) -> bool:
    """Whether the format takes the mode; with an orientation it is stored the other way round, and shown right."""
    back = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    options: dict[str, Any] = {"quality": 95} if path.suffix == ".jpg" else {}
    if path.suffix == ".webp":
        options["lossless"] = True
    if back is not None:
        image = image.transpose(back)
        exif = Image.Exif()
        exif[274] = orientation
        options["exif"] = exif
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        image.save(path, **options)
    except Exception:  # the format has no such mode
        path.unlink(missing_ok=True)
        return False
    return True


@st.composite
def sets(draw: st.DrawFn) -> dict[str, Any]:
    masks = draw(st.sampled_from(("auto", "auto", "auto", "auto", "threshold", "alpha")))
    lossless = [suffix for suffix in SUFFIXES if suffix not in ("jpg", "jp2")]
    return {
        "mode": draw(st.sampled_from(MODES)),
        "opaque": draw(st.booleans()),
        "image_suffix": draw(st.sampled_from(SUFFIXES)),
        "orientation": draw(st.sampled_from((1, 1, 3, 6))),
        "writer": draw(encodings("8" if masks == "threshold" else "")),
        "suffix": draw(st.sampled_from(SUFFIXES if masks == "auto" else lossless)),
        "mask_orientation": draw(st.sampled_from(EXIF_OF_MASK)),
        "shape": (draw(st.integers(16, 28)), draw(st.integers(29, 40))),
        "empty": draw(st.integers(0, 3)),
        "seed": draw(st.integers(0, 999)),
        "masks": masks,
    }


def check(one: dict[str, Any]) -> None:
    truths = discs(one["shape"], one["seed"], one["empty"])
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for i, truth in enumerate(truths):
            image = picture(one["mode"], one["shape"], one["seed"] + i, one["opaque"])
            turned = one["orientation"] if one["image_suffix"] in ("png", "jpg", "webp", "tif") else 1
            if not save(image, root / "images" / f"{i}.{one['image_suffix']}", turned):
                return
            turned = one["mask_orientation"] if one["suffix"] in ("png", "jpg", "webp", "tif") else 1
            mask = one["writer"](truth)
            if "A" in mask.mode and one["suffix"] in ("gif", "bmp", "jpg", "jp2"):  # without the alpha that it is in
                return
            if not save(mask, root / "masks" / f"{i}.{one['suffix']}", turned):
                return
        problem = compare(root, truths, one)
        assert problem is None or ("\n" not in problem and str(root) in problem), problem


def compare(root: Path, truths: list[np.ndarray], one: dict[str, Any]) -> str | None:
    """What the folder's error says, or None where images and masks are what was saved."""
    try:
        data = folder(str(root), size=16, masks=one["masks"], validation=0.2, test=0.2)
        targets = [data.read_target(row) for row in range(NUMBER)]
        images = [data.read_image(row) for row in range(NUMBER)]
    except DataError as error:
        return str(error)
    lossy = one["suffix"] in ("jpg", "jp2")
    for name, image, target in zip(data.ids, images, targets, strict=True):
        assert image.shape == (*one["shape"], 3)
        assert image.dtype == np.uint8
        wrong = (target != truths[int(name)]).mean()
        with Image.open(next((root / "masks").glob(f"{name}.*"))) as mask:
            assert wrong <= 0.03 * lossy, (
                data.notes,
                mask.mode,
                np.unique(np.asarray(mask).reshape(-1)),
                mask.getcolors(),
            )
    return None


@given(sets())
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_image_with_any_mask(one):
    check(one)


@pytest.mark.fuzz
@pytest.mark.skipif("AL_LIGHTNING_FUZZ" not in os.environ, reason="AL_LIGHTNING_FUZZ says how many inputs to try")
def test_many_images_with_many_masks():
    many = settings(
        max_examples=int(os.environ["AL_LIGHTNING_FUZZ"]),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    many(given(sets())(check))()
