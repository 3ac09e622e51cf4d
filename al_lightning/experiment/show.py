"""A picture of test images, their targets, and the predictions of runs, from worst to best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from al_lightning.config import Config, plain
from al_lightning.core.arrays import Rows
from al_lightning.core.learner import learner_of
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.run_folder import RunFolder
from al_lightning.core.task import IGNORE
from al_lightning.data import Cache, DenseDataset
from al_lightning.data.cache import resize_target
from al_lightning.experiment.start import dataset_of
from al_lightning.experiment.trained import load_trained, saved_config
from al_lightning.metrics.dense import confusion, foreground, overlaps

WIDTH = 1.7
"""Width of one panel in inches."""


@dataclass(frozen=True)
class Shown:
    """The learner of a run's last finished stage, and how a picture names it."""

    title: str
    config: Config
    learner: pl.LightningModule

    @classmethod
    def of(cls, path: Path, dataset: DenseDataset) -> Shown:
        """Load the best weights of the last finished stage.

        Raises:
            FileNotFoundError: the folder holds no run, no finished stage, or no weights.
        """
        rows = RunFolder(path).rows()
        if not rows:
            raise FileNotFoundError(f"{path}: no stage of this run has finished; wait, or resume it")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        found = load_trained(path, dataset, rows[-1]["stage"], 1, device)
        section = found.config.learner
        name = section.options.get("architecture", section.name)
        title = f"{name}, {found.config.strategy.name}\nseed {found.config.seed}, {rows[-1]['labelled']} labels"
        return cls(title, found.config, found.learner)

    def predict(self, cache: Cache, rows: Rows) -> Iterator[NDArray[Any]]:
        """Classes (H, W) or depth (H, W) in cm of each row."""
        for few in np.array_split(rows, -(-len(rows) // self.config.loader.batch_size)):
            image = torch.from_numpy(np.array(cache.images(few))).to(self.learner.device)
            batch: Batch = {"rows": torch.from_numpy(few).to(self.learner.device), "image": image}
            with torch.no_grad():
                prediction: Prediction = learner_of(self.learner).predict_step(batch, 0)
            if prediction.depth is not None:
                yield from prediction.depth[:, 0].float().cpu().numpy()
            else:
                assert prediction.probabilities is not None
                yield from prediction.probabilities.argmax(1).to(torch.uint8).cpu().numpy()


def picture(paths: Sequence[Path], output: Path, images: int = 6) -> Path:
    """Save a grid as PNG or any other format of matplotlib: a line per image, with its target and a column per run.

    The images are evenly spaced in the order of the first run's score on the test images, worst first. Scores are at
    the learner's size: IoU of the foreground (mean over the classes that occur), or RMSE in cm.

    Args:
        paths: folders of runs on the same dataset with the same options.
        output: file of the picture.
        images: number of lines.

    Raises:
        ValueError: the runs are of different datasets, or images is below 1.
        FileNotFoundError: a folder holds no run, or the data are missing.
    """
    if images < 1:
        raise ValueError(f"images={images}: expected at least one")
    sections = [plain(saved_config(RunFolder(path)))["dataset"] for path in paths]
    for path, section in zip(paths, sections, strict=True):
        if section != sections[0]:
            raise ValueError(f"{path}: its dataset or options differ from those of {paths[0]}; draw them one by one")
    first = RunFolder(paths[0])
    dataset = dataset_of(first, saved_config(first))
    cache = Cache(dataset, "none")
    runs = [Shown.of(path, dataset) for path in paths]
    scores = np.array([score(guess, truth) for guess, truth in _answers(runs[0], cache, dataset.test)])
    better = 1 if dataset.task.kind == "segmentation" else -1
    order = dataset.test[np.argsort(better * scores, kind="stable")]
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(images, len(order))).round().astype(int))]
    answers = [list(_answers(run, cache, rows)) for run in runs]
    height, width = dataset.size
    shape = ((2 + len(runs)) * WIDTH, len(rows) * (WIDTH * height / width + 0.25) + 0.5)
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=shape, layout="constrained")
        grid = figure.subplots(len(rows), 2 + len(runs), squeeze=False)
        for line, row in enumerate(rows.tolist()):
            truth = answers[0][line][1]
            panels = [(cache.images(np.array([row]))[0].transpose(1, 2, 0), Path(dataset.ids[row]).name[-26:])]
            scale = "{:.1f} to {:.1f} cm".format(*measured_range(truth)) if better < 0 else ""
            if better < 0 and not np.isfinite(truth).any():
                scale = "not measured"
            panels += [(colours(truth, dataset, truth), f"truth\n{scale}" if line == 0 else scale)]
            for run, found in zip(runs, answers, strict=True):
                value = score(*found[line])
                text = f"IoU {100 * value:.0f} %" if better > 0 else f"RMSE {value:.2f} cm" if value == value else ""
                panels.append((colours(found[line][0], dataset, truth), f"{run.title}\n{text}" if line == 0 else text))
            for axes, (pixels, text) in zip(grid[line], panels, strict=True):
                axes.imshow(pixels, interpolation="nearest")
                axes.set_title(text, fontsize=7, parse_math=False)  # an id may hold a dollar
                axes.set(xticks=[], yticks=[])  # the frame stays: a white prediction on a white page has no border
                axes.spines[:].set(color="0.6", linewidth=0.6)
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=130)
    return output


def score(guess: NDArray[Any], truth: NDArray[Any]) -> float:
    """IoU of the foreground classes that occur, or RMSE, of one image: maps (H, W) of classes or of cm.

    Example:
        >>> score(np.array([[1, 1, 0]]), np.array([[1, 0, 0]]))
        0.5
    """
    if truth.dtype == np.float32:
        measured = np.isfinite(truth)
        squared = (guess.astype(np.float64)[measured] - truth[measured]) ** 2
        return float(np.sqrt(squared.mean())) if squared.size else float("nan")
    iou, _, present = overlaps(confusion(torch.tensor(guess)[None], torch.tensor(truth)[None], 256))
    return float(foreground(iou, present)[0])


def measured_range(truth: NDArray[Any]) -> tuple[float, float]:
    """Least and largest depth (H, W) in cm, without what is NaN; 0 twice where nothing is measured."""
    found = truth[np.isfinite(truth)]
    return (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)


def colours(values: NDArray[Any], dataset: DenseDataset, truth: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) colours: one per class and grey for void, or depth on the scale of its target."""
    if truth.dtype == np.float32:
        low, high = measured_range(truth)
        scaled = (values - low) / max(high - low, 1e-6)
        return np.asarray(matplotlib.colormaps["magma"].with_extremes(bad="0.5")(scaled.clip(0, 1))[..., :3])
    if len(dataset.task.classes) == 2:
        palette = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    else:
        palette = matplotlib.colormaps["tab20"](np.arange(len(dataset.task.classes)) % 20)[:, :3]
    found = palette[np.where(values == IGNORE, 0, values)]
    return np.where((values == IGNORE)[..., None], 0.5, found)


def _answers(run: Shown, cache: Cache, rows: Rows) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Prediction and target (H, W) of each row at the learner's size."""
    for row, guess in zip(rows.tolist(), run.predict(cache, rows), strict=True):
        yield guess, resize_target(cache.dataset.read_target(row), cache.dataset.size)
