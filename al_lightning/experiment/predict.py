"""Masks, overlays and uncertainty of new images, by the learner of a run."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from al_lightning.core.files import write_atomic
from al_lightning.core.learner import Learner
from al_lightning.core.prediction import Batch
from al_lightning.core.progress import Progress, silent
from al_lightning.core.task import Task
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.outlines import outlined
from al_lightning.data.plot import class_colours
from al_lightning.experiment.image_files import batches_of
from al_lightning.experiment.trained import Trained
from al_lightning.uncertainty import entropy

PER_CM = 1000
"""Numbers of a depth file in a centimetre."""


@dataclass(frozen=True)
class Predicted:
    """What was written."""

    table: Path
    count: int
    skipped: Mapping[str, str]
    """Image that could not be read -> why."""
    seconds: float


def predict(
    images: Mapping[str, Path],
    found: Trained,
    output: Path,
    *,
    batch_size: int = 8,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Predicted:
    """Write `masks/`, `overlays/` and `uncertainty/` of images at their own size, and `predictions.csv`.

    A mask is black and white for two classes (255 is the second class), class numbers in a palette for more, and 16-bit
    depth in hundredths of a millimetre. Uncertainty is the entropy of the class probabilities, white where it is
    largest, ln C; for depth it is the deviation of stochastic passes, where the run has several, white at the largest
    depth. A mask that is there already is kept, so that an interrupted call goes on.

    Args:
        images: id -> file; an id is the name of what is written, folders included.
        found: the learner of a run.
        output: folder of the files.
        batch_size: images that are predicted at once.
        device: that the learner is on.
        progress: told of the images that are done.

    Raises:
        DataError: no image can be read.
        OSError: a file cannot be written.
    """
    begin = time.perf_counter()
    task, reading = found.dataset.task, found.dataset.image_reading
    skipped: dict[str, str] = {}
    kept = _kept(output / "predictions.csv", images)
    wanted = {name: path for name, path in images.items() if name not in kept}
    for names, pixels in batches_of(wanted, reading, found.dataset.size, batch_size, skipped, progress):
        batch: Batch = {
            "rows": torch.arange(len(names), device=device),
            "image": torch.from_numpy(pixels).to(device),
        }
        with torch.inference_mode():
            prediction = cast(Learner, found.learner).predict_step(batch, 0)
        maps = prediction.depth if task.kind == "depth" else prediction.probabilities
        assert maps is not None
        for place, name in enumerate(names):
            image = decoded(images[name], reading.decode)
            deviation = prediction.deviation[place : place + 1] if prediction.deviation is not None else None
            kept[name] = [name, *_write(output, name, image, maps[place : place + 1].float(), deviation, task)]
    if not kept:
        first, reason = next(iter(skipped.items()))
        raise DataError(f"{images[first]}: cannot be read, nor can any other of {len(images)} images ({reason})")
    table = output / "predictions.csv"
    write_atomic(table, _table([kept[name] for name in images if name in kept], task))
    if skipped:
        write_atomic(output / "skipped.txt", "".join(f"{name}\t{why}\n" for name, why in skipped.items()))
    return Predicted(table, len(kept), skipped, time.perf_counter() - begin)


def _kept(table: Path, images: Mapping[str, Path]) -> dict[str, list[str]]:
    """Lines of the images that an earlier call has finished."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    return {line[0]: line for line in lines if line and line[0] in images and _mask(table.parent, line[0]).is_file()}


def _mask(output: Path, name: str) -> Path:
    return output / "masks" / f"{name}.png"


def _write(
    output: Path, name: str, image: NDArray[np.uint8], maps: Tensor, deviation: Tensor | None, task: Task
) -> list[str]:
    """Write the files of one image, its mask last; returns the cells of its line."""
    size = image.shape[0], image.shape[1]
    whole = functional.interpolate(maps, size, mode="bilinear", align_corners=False)[0].cpu()
    if task.kind == "depth":
        depth = whole[0].numpy()
        if deviation is not None:
            spread = functional.interpolate(deviation.float(), size, mode="bilinear", align_corners=False)[0, 0]
            _save(output / "uncertainty" / f"{name}.png", _grey(spread.cpu().numpy() / task.maximum))
        _save(output / "overlays" / f"{name}.jpg", Image.fromarray(_shaded(depth, task.maximum)))
        numbers = np.round(depth * PER_CM).clip(0, 65535).astype(np.uint16)
        _save(_mask(output, name), Image.fromarray(numbers))
        return [f"{depth.mean():.3f}", f"{depth.min():.3f}", f"{depth.max():.3f}"]
    classes = len(task.classes)
    label = whole.argmax(0).numpy().astype(np.uint8)
    doubt = entropy(whole[None])[0].numpy() / math.log(classes)
    _save(output / "uncertainty" / f"{name}.png", _grey(doubt))
    _save(output / "overlays" / f"{name}.jpg", outlined(Image.fromarray(image), label, classes))
    if classes == 2:
        mask = Image.fromarray(label * np.uint8(255))
    else:
        mask = Image.fromarray(label, "P")
        mask.putpalette(np.round(class_colours(classes)[:classes] * 255).astype(np.uint8).tobytes())
    _save(_mask(output, name), mask)
    fractions = [f"{float((label == number).mean()):.6f}" for number in range(1, classes)]
    return [*fractions, f"{float(doubt.mean()):.4f}"]


def _grey(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.round(values.clip(0, 1) * 255).astype(np.uint8))


def _shaded(depth: NDArray[np.float32], maximum: float) -> NDArray[np.uint8]:
    import matplotlib

    shades = matplotlib.colormaps["magma"](depth / maximum)[..., :3]
    return np.asarray(np.round(shades * 255), dtype=np.uint8)


def _save(path: Path, image: Image.Image) -> None:
    held = io.BytesIO()
    image.save(held, "JPEG" if path.suffix == ".jpg" else "PNG", **({"quality": 92} if path.suffix == ".jpg" else {}))
    write_atomic(path, held.getvalue(), sync=False)


def _table(lines: list[list[str]], task: Task) -> str:
    head = ["mean_cm", "nearest_cm", "furthest_cm"]
    if task.kind == "segmentation":
        head = [*(f"fraction_{name}" for name in task.classes[1:]), "uncertainty"]
    held = io.StringIO()
    table = csv.writer(held, lineterminator="\n")
    table.writerow(["id", *head])
    table.writerows(lines)
    return held.getvalue()
