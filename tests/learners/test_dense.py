"""DenseLearner: what it predicts, with and without Monte Carlo passes, and what it refuses."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from learner_parts import DEPTH, POLYP, batch
from torch import nn

from al_lightning.core.learner import set_mc_passes
from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.task import Task
from al_lightning.data import PoolDataModule
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.learners import LEARNERS
from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.losses import Discrepancy
from al_lightning.learners.noise import dropout_layers, keyed_dropout
from al_lightning.learners.outputs import probabilities
from al_lightning.learners.unet import unet
from al_lightning.networks.unet import PlainUNet


@pytest.mark.parametrize("options", [{"widths": [4, 8]}, {"encoder": "resnet18"}])
def test_predict_fills_what_it_provides(options):
    size = (32, 32)
    learner = LEARNERS["unet"](POLYP, size, **options).eval()
    with torch.no_grad():
        found = learner.predict_step(batch(size=32), 0)
    for name in learner.provides:
        assert getattr(found, name) is not None
    assert found.probabilities.shape == (2, 2, 32, 32)
    assert torch.allclose(found.probabilities.sum(1), torch.ones(2, 32, 32))
    assert found.latent.shape == (2, learner.network.width)
    assert torch.allclose(found.latent, found.features.mean((2, 3)))


def test_default_latent_has_512_dimensions():
    assert unet(POLYP, (16, 16)).network.width == 512


def test_a_score_does_not_depend_on_the_neighbours_in_the_batch():
    learner = unet(POLYP, (16, 16), widths=[4, 8]).eval()
    whole = batch(4)
    with torch.no_grad():
        together = learner.predict_step(whole, 0).probabilities
        alone = [
            learner.predict_step({"rows": whole["rows"][i : i + 1], "image": whole["image"][i : i + 1]}, 0)
            for i in range(4)
        ]
    assert torch.allclose(together, torch.cat([a.probabilities for a in alone]), atol=1e-6)


@pytest.mark.parametrize("attention", [False, True])
def test_mc_passes_switch_only_dropout_and_run_the_encoder_once(monkeypatch, attention):
    options = {"widths": [4, 8], "dropout": 0.5, "attention": attention}
    learner = unet(POLYP, (16, 16), **options).eval()
    learner.mc_passes = 7
    network = learner.network
    encodes = []
    original = PlainUNet.encode
    monkeypatch.setattr(PlainUNet, "encode", lambda self, x: (encodes.append(1), original(self, x))[1])
    modes = []
    network.merge[0][1].register_forward_hook(
        lambda *_: modes.append(any(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d)))
    )
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    images = batch()
    with torch.no_grad():
        found = learner.predict_step(images, 0)
        assert (len(encodes), modes) == (1, [False] * 7)
        assert found.passes.count == 7
        # The same passes through the whole network, one after another.
        with keyed_dropout(dropout_layers(network), images["rows"]):
            each = torch.stack([probabilities(learner(images["image"])) for _ in range(7)])
        assert torch.allclose(found.probabilities, each.mean(0), atol=1e-5)
        assert torch.allclose(found.passes.square, (each**2).mean(0), atol=1e-5)
        assert each.std(0).max() > 1e-3, "the passes differ"
        assert torch.allclose(found.deterministic(), probabilities(learner(images["image"])), atol=1e-6)
    assert not any(m.training for m in dropout_layers(network))
    assert all(torch.equal(before[k], v) for k, v in learner.state_dict().items())


def test_mc_passes_without_dropout_are_refused():
    with pytest.raises(ValueError, match=r"mc_passes=5.*no dropout layer.*learner\.options\.dropout"):
        set_mc_passes(unet(POLYP, (16, 16), widths=[4, 8]), 5)


def test_sizes_and_weights_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 16.*dataset\.options\.size=96"):
        unet(POLYP, (100, 100))
    with pytest.raises(ValueError, match="encoder_weights='imagenet'"):
        unet(POLYP, (16, 16), encoder_weights="imagenet")
    with pytest.raises(ValueError, match="resnet18"):
        unet(POLYP, (32, 32), encoder="resnet81")


def test_depth_output_is_a_fraction_of_the_maximum():
    learner = DenseLearner(PlainUNet(1, (4, 8)), DEPTH).eval()
    assert learner.monitor == ("val/rmse_cm", "min")
    with torch.no_grad():
        images = batch()
        assert torch.allclose(learner.predict_step(images, 0).depth, learner(images["image"]) * 20)


def test_unlabelled_batches_train_and_an_epoch_is_a_pass_over_them(kvasir_root):

    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=5, epoch="unlabelled")
    data.unlabelled_batch = 5
    learner = unet(dataset.task, (16, 16), widths=[4, 8], discrepancy=0.5)
    assert learner.wants_unlabelled
    steps: list[tuple[int, int]] = []
    original = learner.training_step

    def spy(both, batch_idx):
        assert "target" not in both["unlabelled"]
        assert not set(both["unlabelled"]["rows"].tolist()) & set(pool.labelled.tolist())
        steps.append((len(both["labelled"]["rows"]), len(both["unlabelled"]["rows"])))
        return original(both, batch_idx)

    learner.training_step = spy  # type: ignore[method-assign]
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(learner, data)
    assert sum(unlabelled for _, unlabelled in steps) == len(dataset.pool) - 4
    assert "train/discrepancy" in trainer.callback_metrics
    with pytest.raises(ValueError, match="depth"):
        DenseLearner(PlainUNet(1, (4, 8)), Task("depth", (), 20.0), discrepancy=Discrepancy())
    with pytest.raises(ValueError, match="weight"):
        Discrepancy(-1.0)
