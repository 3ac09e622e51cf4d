"""The learner's predictions for the picks of a stage, as a head start for whoever annotates them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch.nn import functional

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.data import DenseDataset
from al_lightning.loop import ActiveLearningLoop, Scorer


def write_guesses(
    loop: ActiveLearningLoop, query: Query, scorer: Scorer, dataset: DenseDataset, root: Path
) -> dict[int, Path]:
    """Write `guesses/stage-<k>/<row>.png` of a run: class numbers at the image's own size; returns row -> file.

    Class probabilities are interpolated to the image's size before the most probable class is taken.

    Args:
        loop: of the run.
        query: the picks.
        scorer: the trained learner.
        dataset: of the run; nothing is written for depth.
        root: folder of the run.
    """
    if dataset.task.kind != "segmentation":
        return {}
    folder = root.resolve() / "guesses" / f"stage-{loop.stage + 1:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.unique(query.rows)

    def write(prediction: Prediction) -> None:
        assert prediction.probabilities is not None
        for row, one in zip(prediction.rows.tolist(), prediction.probabilities.float(), strict=True):
            whole = functional.interpolate(one[None], dataset.native_size(row), mode="bilinear", align_corners=False)
            Image.fromarray(whole[0].argmax(0).to("cpu").numpy().astype(np.uint8)).save(folder / f"{row}.png")

    loop.visit(rows, write, scorer)
    return {row: folder / f"{row}.png" for row in rows.tolist()}
