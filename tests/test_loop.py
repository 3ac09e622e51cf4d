from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.data import PoolDataModule
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.learners.unet import unet
from al_lightning.loop import ActiveLearningLoop, check_needs
from al_lightning.strategies import Mixture, Random, TACoreset, UncertaintySampling

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


@pytest.fixture
def parts(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    torch.manual_seed(0)
    return pool, PoolDataModule(dataset, pool, batch_size=4), unet(dataset.task, (16, 16), widths=[4, 8])


def trainer(loop: ActiveLearningLoop, **more) -> pl.Trainer:
    return pl.Trainer(callbacks=[loop], max_epochs=1, **QUIET | more)


def test_initial_pool_depends_on_the_seed_alone(parts):
    pool, _, _ = parts

    def initial(strategy, seed):
        fresh = LabelPool(pool.rows, pool.ids)
        ActiveLearningLoop(fresh, strategy, per_stage=3, seed=seed).start(5)
        return fresh.labelled.tolist()

    assert initial(Random(), 0) == initial(TACoreset(), 0)
    assert initial(Random(), 0) != initial(Random(), 1)
    with pytest.raises(ValueError, match=r"initial=19.*18"):
        ActiveLearningLoop(LabelPool(pool.rows, pool.ids), Random()).start(19)


def test_acquire_scores_what_the_learner_says_and_commits(parts):
    pool, data, learner = parts
    loop = ActiveLearningLoop(pool, UncertaintySampling("bvsb"), per_stage=3, seed=0)
    loop.start(4)
    before = pool.labelled.tolist()
    query = loop.acquire(trainer(loop), learner, data)
    learner.eval()
    rows = np.array([row for row in pool.rows.tolist() if row not in before])
    with torch.no_grad():
        logit = learner(torch.from_numpy(data.cache.images(rows)))
    expected = (1 - (2 * logit.sigmoid() - 1).abs()).mean((1, 2, 3)).numpy()
    assert query.rows.tolist() == rows[np.argsort(-expected)[:3]].tolist()
    assert np.allclose(query.score, np.sort(expected)[::-1][:3], atol=1e-6)
    assert sorted([*before, *query.rows.tolist()]) == pool.labelled.tolist()
    assert {label.stage for label in pool.labels if label.source == "bvsb"} == {1}
    assert loop.stage == 1


def test_random_runs_no_prediction(parts):
    pool, data, learner = parts
    loop = ActiveLearningLoop(pool, Random(), per_stage=3)
    loop.start(4)
    learner.predict_step = None  # type: ignore[assignment]
    assert len(loop.acquire(trainer(loop), learner, data)) == 3


def test_the_last_images_come_as_the_remainder(parts):
    pool, data, learner = parts
    loop = ActiveLearningLoop(pool, UncertaintySampling("entropy"), per_stage=10)
    loop.start(12)
    assert loop.acquire(trainer(loop), learner, data).source == ("remainder",) * 6
    with pytest.raises(ValueError, match="labelled already"):
        loop.acquire(trainer(loop), learner, data)


def test_needs_are_compared_and_both_named(parts):
    _, _, learner = parts
    with pytest.raises(ValueError, match=r"UncertaintySampling needs \['passes'\].*DenseLearner.*'latent'.*mc_passes"):
        check_needs(UncertaintySampling("bald"), learner)
    check_needs(Mixture(UncertaintySampling("bvsb"), TACoreset()), learner)


def test_a_diverged_learner_is_an_error_that_names_an_image(parts):
    pool, data, learner = parts
    nn.init.constant_(learner.network.levels[0][0][0].weight, float("nan"))
    loop = ActiveLearningLoop(pool, TACoreset(), per_stage=3)
    loop.start(4)
    before = pool.state()
    with pytest.raises(ValueError, match=r"'latent' is NaN or infinite for 18 of 18 images \(first: cju"):
        loop.acquire(trainer(loop), learner, data)
    assert pool.state() == before


def test_a_trainer_without_the_loop_as_callback_is_refused(parts):
    pool, data, learner = parts
    loop = ActiveLearningLoop(pool, TACoreset(), per_stage=3)
    loop.start(4)
    with pytest.raises(ValueError, match=r"callbacks=\[loop\]"):
        loop.acquire(pl.Trainer(**QUIET), learner, data)


@dataclass(frozen=True)
class Brightest:
    """A strategy of a user."""

    needs: ClassVar[frozenset[str]] = frozenset({"latent"})

    def measure(self, prediction: Prediction) -> dict[str, torch.Tensor]:
        return {"brightness": prediction.latent[:, 0]}

    def select(self, candidates, budget, rng) -> Query:
        order = candidates.unlabelled[np.argsort(-candidates.value("brightness")[candidates.unlabelled])]
        return Query.of(candidates.rows[order[:budget]], "brightest")


class Mine(pl.LightningModule):
    """A learner of a user: no class of ours is inherited, no datamodule of ours is used."""

    provides = frozenset({"latent"})

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch["x"]).square().mean()

    def predict_step(self, batch, batch_idx):
        return Prediction(rows=batch["rows"], latent=batch["x"])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Ours(pl.LightningDataModule):
    def __init__(self, pool: LabelPool) -> None:
        super().__init__()
        self.pool = pool

    def loader(self, rows):
        return DataLoader(
            dataset=[{"rows": int(row), "x": torch.tensor([float(row % 7)])} for row in rows], batch_size=3
        )

    def train_dataloader(self):
        return self.loader(self.pool.labelled)

    def predict_dataloader(self):
        return self.loader(self.pool.rows)


def test_a_users_own_learner_data_and_strategy():
    pool = LabelPool(np.arange(20), [f"image {i}" for i in range(20)])
    loop = ActiveLearningLoop(pool, Brightest(), per_stage=2, seed=3)
    loop.start(3)
    data, picked = Ours(pool), []
    for _ in range(3):
        fresh = trainer(loop)
        learner = Mine()
        fresh.fit(learner, data)
        left = pool.unlabelled.tolist()
        query = loop.acquire(fresh, learner, data)
        assert query.rows.tolist() == sorted(left, key=lambda row: (-(row % 7), row))[:2]
        picked += query.rows.tolist()
    assert len(set(picked)) == 6
    assert len(pool.labelled) == 9
