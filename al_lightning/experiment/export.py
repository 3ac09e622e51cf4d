"""The learner of a run as a file that needs none of this package: TorchScript or ONNX, with its preprocessing."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from al_lightning.core.files import write_atomic
from al_lightning.core.learner import learner_of
from al_lightning.data import Cache
from al_lightning.experiment.probe import quiet
from al_lightning.experiment.trained import Trained
from al_lightning.learners.outputs import probabilities

TOLERANCE = 1e-4
"""Largest difference of a probability, or of depth as a fraction of the largest, between the file and the learner."""
SAMPLES = 8
"""Images of the run on which the two are compared."""
Format = Literal["torchscript", "onnx"]


class Exported(nn.Module):
    """uint8 images (B, 3, H, W) -> class probabilities (B, C, H, W), or depth in cm (B, 1, H, W).

    Args:
        learner: in evaluation mode.
    """

    def __init__(self, learner: nn.Module) -> None:
        super().__init__()
        self.learner = learner
        task = learner_of(learner).task  # type: ignore[arg-type]
        self.depth, self.maximum = task.kind == "depth", float(task.maximum)

    def forward(self, image: Tensor) -> Tensor:
        output: Tensor = self.learner(image)
        return output.float() * self.maximum if self.depth else probabilities(output.float())


@dataclass(frozen=True)
class ExportedFile:
    """What was written."""

    model: Path
    description: Path
    difference: float
    """Largest difference to the learner over the images that were compared."""
    compared: int


def export(found: Trained, output: Path, kind: Format = "torchscript") -> ExportedFile:
    """Write the learner of a run, and `<name>.json` beside it: how to make its input and read its output.

    Args:
        found: the learner.
        output: file of the model.
        kind: torchscript, which `torch.jit.load` reads, or onnx, which needs onnx and onnxruntime installed.

    Raises:
        ValueError: the learner cannot be traced, the file's answers differ from the learner's, or a package is missing.
        OSError: a file cannot be written.
    """
    data = found.dataset
    learner = found.learner.cpu()
    # torch.jit looks at every property, and that of a LightningModule without a Trainer is an error.
    with quiet():
        trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    for part in learner.modules():
        if isinstance(part, pl.LightningModule):
            part.trainer = trainer
    module = Exported(learner).eval()
    rows = np.unique(np.linspace(0, len(data.ids) - 1, min(SAMPLES, len(data.ids))).astype(np.int64))
    images = torch.from_numpy(np.array(Cache(data, "none").images(rows)))
    with torch.no_grad():
        wanted = module(images)
    content, run = _torchscript(module, images) if kind == "torchscript" else _onnx(module, images)
    answers = run(images)
    scale = float(data.task.maximum) if data.task.kind == "depth" else 1.0
    difference = float((answers - wanted).abs().max()) / scale
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{output}: the exported model differs from the learner by up to {difference:.3g} on {len(rows)} images, "
            f"and was not written; take --format {'onnx' if kind == 'torchscript' else 'torchscript'}"
        )
    description = output.with_suffix(".json")
    write_atomic(output, content)
    write_atomic(description, json.dumps(describe(found, kind, difference, len(rows)), indent=1, ensure_ascii=False))
    return ExportedFile(output, description, difference, len(rows))


def describe(found: Trained, kind: Format, difference: float, compared: int) -> dict[str, Any]:
    """What a program needs to know to use the file."""
    data, (height, width) = found.dataset, found.dataset.size
    out = (
        {"name": "depth", "shape": ["B", 1, height, width], "meaning": "cm"}
        if data.task.kind == "depth"
        else {
            "name": "probabilities",
            "shape": ["B", len(data.task.classes), height, width],
            "meaning": "of each class; the mask is the class of the largest",
            "classes": list(data.task.classes),
        }
    )
    return {
        "format": kind,
        "input": {
            "name": "image",
            "type": "uint8",
            "shape": ["B", 3, height, width],
            "channels": "RGB",
            "steps": [
                "turn upright by the EXIF orientation",
                *([f"8 bits from {data.image_reading.window}"] if data.image_reading.window else []),
                f"resize to {width} x {height} with Pillow, Image.Resampling.BILINEAR (antialiased)",
                "channels first; numbers stay 0 to 255, as normalisation is part of the model",
            ],
        },
        "output": out,
        "run": {"folder": found.folder.path.name, "stage": found.stage, "learner": found.config.learner.name}
        | ({"tested": found.said} if found.said else {}),
        "checked": {"images": compared, "largest_difference": difference},
    }


def _torchscript(module: Exported, images: Tensor) -> tuple[bytes, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            traced = cast(Any, torch.jit).trace(module, images[:2], check_trace=False)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"the learner cannot be traced for TorchScript ({reason})") from None
        held = io.BytesIO()
        torch.jit.save(traced, held)
        loaded = cast(Any, torch.jit).load(io.BytesIO(held.getvalue()))

    def run(batch: Tensor) -> Tensor:
        with torch.no_grad():
            answer: Tensor = loaded(batch)
        return answer

    return held.getvalue(), run


def _onnx(module: Exported, images: Tensor) -> tuple[bytes, Any]:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ValueError(f"--format onnx needs {error.name}: pip install 'al-lightning[onnx]'") from None
    with tempfile.TemporaryDirectory(prefix="al-lightning-") as folder:
        file = Path(folder) / "model.onnx"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    module,
                    (images[:2],),
                    file,
                    input_names=["image"],
                    output_names=["output"],
                    dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}},
                    dynamo=False,
                )
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"the learner cannot be exported to ONNX ({reason})") from None
        content = file.read_bytes()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, lambda batch: torch.from_numpy(session.run(None, {"image": batch.numpy()})[0])


__all__ = ["Exported", "ExportedFile", "describe", "export"]
