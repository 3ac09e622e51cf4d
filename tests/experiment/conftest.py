"""Runs whose stages a test watches, and frames that people will annotate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE, COUNT = 32, 26
PEOPLE = """\
name: people
dataset: {name: folder, options: {root: frames, targets: none, size: 32}}
oracle: {name: folder}
learner: {name: unet, options: {widths: [4, 8]}}
strategy: {name: ta-coreset}
budget: {initial: 4, per_stage: 3, stages: 3, validation: 3, test: 4}
trainer: {max_epochs: 2, accelerator: cpu}
"""


@pytest.fixture
def stages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No first pass over one batch, so that what a test records is of the stages alone."""
    monkeypatch.setattr("al_lightning.experiment.runner.probe", lambda setup: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with frames/, and truth/ with the masks that the annotator will draw."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for part in ("frames", "truth"):
        Path(part).mkdir()
    for number in range(COUNT):
        mask = (y - rng.uniform(8, 24)) ** 2 + (x - rng.uniform(8, 24)) ** 2 < rng.uniform(20, 80)
        image = np.where(mask[..., None], 180, rng.integers(20, 110, 3)) + rng.normal(0, 12, (SIDE, SIDE, 3))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(f"frames/{number:02d}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(f"truth/{number:02d}.png")
    Path("base.yaml").write_text(PEOPLE)
    return tmp_path
