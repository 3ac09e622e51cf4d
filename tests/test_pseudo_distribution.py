"""Pseudo-labels are of the distribution that has chosen them, also with MC passes, after a resume, in other batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo, Query
from al_lightning.core.strategy import Candidates
from al_lightning.core.task import IGNORE
from al_lightning.data import PoolDataModule
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.learners.unet import unet
from al_lightning.loop import ActiveLearningLoop, pseudo_targets
from al_lightning.strategies import CEAL, Mixture, Random, choose
from al_lightning.uncertainty import entropy


def two(p: list[float]) -> torch.Tensor:
    return torch.stack([1 - torch.tensor(p), torch.tensor(p)])[None, :, None]


def test_the_passes_and_not_a_single_one_decide_what_is_certain() -> None:
    mean, single = two([0.9999, 0.9, 0.02]), two([0.9, 0.9999, 0.02])
    given = Prediction(torch.tensor([3]), probabilities=mean, deterministic=lambda: single)
    rows = np.array([3])
    assert pseudo_targets(given, Pseudo(rows, "confident", 0.005)).tolist() == [[[1, IGNORE, IGNORE]]]
    asked = Pseudo(rows, "confident", 0.005, "deterministic")
    assert pseudo_targets(given, asked).tolist() == [[[IGNORE, 1, IGNORE]]]
    torch.testing.assert_close(pseudo_targets(given, Pseudo(rows, "soft")), mean[:, 1])
    torch.testing.assert_close(pseudo_targets(given, Pseudo(rows, "soft", distribution="deterministic")), single[:, 1])


class Watched(CEAL):
    """Keeps the entropy of every pixel, and seeds torch in between as a strategy that trains something may."""

    maps: dict[int, NDArray[np.float32]] = {}  # noqa: RUF012  of one test

    def measure(self, prediction):
        assert prediction.probabilities is not None
        for row, one in zip(prediction.rows.tolist(), entropy(prediction.probabilities.float()), strict=True):
            self.maps[row] = one.numpy()
        return super().measure(prediction)

    def select(self, candidates, per_stage, rng):
        torch.manual_seed(999)
        return super().select(candidates, per_stage, rng)


def pseudo_of(kvasir_root: Path, folder: Path, batch: int) -> tuple[Query, dict[int, NDArray[np.uint8]]]:
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    torch.manual_seed(0)
    learner = unet(dataset.task, (16, 16), widths=[4, 8], dropout=0.5)
    with torch.no_grad():
        learner.network.head.weight.mul_(40)  # entropies of untrained weights are all alike
    learner.mc_passes = 4
    loop = ActiveLearningLoop(pool, Watched(threshold="quantile", delta=0.3), per_stage=3, seed=0)
    loop.start(4)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(callbacks=[loop], enable_checkpointing=False, default_root_dir=folder, **quiet)
    query = loop.acquire(trainer, learner, PoolDataModule(dataset, pool, batch_size=batch))
    return query, {row: np.load(file) for row, file in pool.pseudo.items()}


def test_a_target_is_given_where_the_scoring_was_certain(kvasir_root, tmp_path) -> None:
    found = {}
    for batch in (3, 5):
        _, targets = found[batch] = pseudo_of(kvasir_root, tmp_path / str(batch), batch)
        certain = {row: target != IGNORE for row, target in targets.items()}
        assert len(certain) > 2
        assert all(mask.any() for mask in certain.values()), "an image that was chosen has a pixel to learn from"
        most = max(Watched.maps[row][mask].max() for row, mask in certain.items())
        least = min(Watched.maps[row][~mask].min() for row, mask in certain.items() if not mask.all())
        assert most <= least + 1e-6, "one threshold divides the pixels as the passes of the scoring saw them"
    assert found[3][0].rows.tolist() == found[5][0].rows.tolist()
    assert found[3][1].keys() == found[5][1].keys()
    assert all(np.array_equal(found[3][1][row], target) for row, target in found[5][1].items())


def test_a_run_that_ends_between_choice_and_targets_writes_the_same(tiny, write_config, monkeypatch) -> None:
    tiny["learner"] = {"name": "unet", "options": {"widths": [4, 8], "dropout": 0.5}, "mc_passes": 3}
    tiny["strategy"] = {"name": "ceal", "options": {"threshold": "quantile", "delta": 0.97, "decay": 0.0}}
    tiny["budget"]["stages"] = 2
    config, quiet = write_config(tiny), Console(quiet=True)
    whole = experiment.run(load([config], ["name=whole"]), quiet)

    def killed(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("al_lightning.loop.callback.pseudo_targets", killed)
        with pytest.raises(RuntimeError, match="killed"):
            experiment.run(load([config], ["name=halves"]), quiet)
    halves = experiment.run(load([config], ["name=halves"]), quiet)
    files = sorted(path.relative_to(whole.path) for path in whole.path.glob("pseudo/*/*.npy"))
    assert files
    for file in files:
        np.testing.assert_array_equal(np.load(halves.path / file), np.load(whole.path / file))
    assert [row["test"] for row in halves.rows()] == [row["test"] for row in whole.rows()]


def test_a_picked_image_gets_no_pseudo_label() -> None:
    values = {"entropy": np.linspace(0.1, 0.2, 12), "entropy-least": np.zeros(12)}
    candidates = Candidates.of(range(12), [str(row) for row in range(12)], np.zeros(12, dtype=bool), values)
    query = choose(Mixture(CEAL(), Random()), candidates, 6, np.random.default_rng(0))
    assert query.pseudo is not None
    assert set(query.rows.tolist()) & set(query.pseudo.rows.tolist()) == set()
    assert len(query.pseudo.rows) == 6

    class Both(CEAL):
        def select(self, candidates, per_stage, rng):
            query = super().select(candidates, per_stage, rng)
            return Query(query.rows, query.source, query.score, Pseudo(query.rows, "hard"))

    with pytest.raises(ValueError, match="picked images that it also pseudo-labels"):
        choose(Both(), candidates, 3, np.random.default_rng(0))
