"""What pages find when their code is run: small data, quiet training, and runs that are there already."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the rendered sets, shared by all pages."""
    return tmp_path_factory.mktemp("synthetic")


@pytest.fixture
def small(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to run code in: the built-in set is small there, Trainers are short and quiet."""
    import pytorch_lightning as pl

    from al_lightning import DATASETS

    synthetic, trainer = DATASETS["synthetic"], pl.Trainer

    @functools.wraps(synthetic)
    def tiny(**options: Any) -> Any:
        most = {"size": 32, "render_size": 32, "pool": 40, "validation": 6, "test": 6}
        return synthetic(**options | {k: min(options.get(k, v), v) for k, v in most.items()} | {"root": str(rendered)})

    @functools.wraps(trainer)
    def quiet(**given: Any) -> pl.Trainer:
        epochs = {"max_epochs": 1} if "max_epochs" in given and not given.get("limit_train_batches") else {}
        return trainer(**given | {"accelerator": "cpu", "enable_progress_bar": False} | epochs)

    monkeypatch.setitem(DATASETS, "synthetic", tiny)  # type: ignore[arg-type]
    monkeypatch.setattr(pl, "Trainer", quiet)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """runs/demo: two strategies, two seeds, three stages, as a run leaves them."""
    rng = np.random.default_rng(0)
    for strategy in ("random", "ta-coreset"):
        for seed in (0, 1):
            folder = tmp_path / "runs" / "demo" / strategy / f"seed-{seed}"
            folder.mkdir(parents=True)
            rows = [
                {
                    "stage": stage,
                    "labelled": 16 * (stage + 1),
                    "fraction": 0.05 * (stage + 1),
                    "cost": {"images": 16 * (stage + 1), "pixels": 9216 * 16 * (stage + 1), "clicks": 100},
                    "val": {"miou": 0.6},
                    "test": {"miou": 0.5 + 0.1 * stage + float(rng.normal(0, 0.02)), "iou": 0.3},
                    "seconds": {"fit": 1.0, "test": 0.1, "score": 0.2, "select": 0.0},
                    "selected": [],
                }
                for stage in range(3)
            ]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / "stages.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path
