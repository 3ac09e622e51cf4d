"""A diverged training is no row: it ends early, and the stage is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from experiment_runs import run
from torch import nn

from al_lightning.config import ConfigError
from al_lightning.experiment import stages
from al_lightning.experiment.finite import Finite, check_results, unfinite
from al_lightning.learners.dense import DenseLearner


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_or_a_statistic_that_is_not_finite_is_named(value):
    net = Net()
    assert unfinite(net) is None
    net.layers[1].running_var[1] = value
    assert unfinite(net) == "layers.1.running_var"
    net.layers[0].weight.data[0, 0] = value
    assert unfinite(net) == "layers.0.weight"


def test_results_that_are_not_finite_are_refused_with_their_stage():
    check_results({"loss": 1.0}, {"miou": 0.5, "iou_image": None}, "val/miou", 3)
    check_results({}, {"miou": 0.5}, "val/miou", 3)
    with pytest.raises(ConfigError, match=r"stage 3: the training has diverged \(val/loss is not finite\)"):
        check_results({"loss": None}, {"miou": 0.5}, "val/miou", 3)
    with pytest.raises(ConfigError, match=r"stage 3: .*test/rmse_cm is not finite"):
        check_results({"loss": 1.0}, {"rmse_cm": None}, "val/rmse_cm", 3)


def spoilt(monkeypatch, stage: int) -> list[int]:
    """Training whose weights become NaN in the first epoch of a stage; the epochs that were begun."""
    epochs: list[int] = []
    original = DenseLearner.training_step

    def step(self, batch, batch_idx):
        epochs.append(self.trainer.current_epoch)
        if next(c for c in self.trainer.callbacks if isinstance(c, Finite)).stage == stage:
            with torch.no_grad():
                next(iter(self.network.parameters())).fill_(float("nan"))
        return original(self, batch, batch_idx)

    monkeypatch.setattr("al_lightning.experiment.runner.probe", lambda setup: None)
    monkeypatch.setattr(DenseLearner, "training_step", step)
    return epochs


@pytest.mark.parametrize("members", [1, 2])
def test_a_training_that_diverges_ends_with_its_epoch_and_leaves_no_row(tiny, write_config, monkeypatch, members):
    epochs = spoilt(monkeypatch, 1)
    changes = ["trainer.max_epochs=5", f"learner.committee.members={members}"]
    with pytest.raises(ConfigError, match=r"^stage 1: the training has diverged \(.* after epoch 0\)"):
        run(write_config(tiny), *changes)
    assert epochs[-1] == 0  # four more were asked for
    (rows,) = Path(tiny["runs_dir"]).rglob("stages.jsonl")
    assert len(rows.read_text().splitlines()) == 1
    begun = len(epochs)
    with pytest.raises(ConfigError, match=r"^stage 1: the training has diverged"):
        run(write_config(tiny), *changes)
    assert max(epochs[begun:], default=0) <= 1


def test_a_learning_rate_that_diverges_later_leaves_no_row(tiny, write_config):
    with pytest.raises(ConfigError, match=r"^stage 0: the training has diverged .*learner\.options\.lr"):
        run(write_config(tiny), "learner.options.lr=1e30")
    assert not list(Path(tiny["runs_dir"]).rglob("stages.jsonl"))


@pytest.mark.parametrize("lr", [".inf", ".nan", "-1"])
def test_a_learning_rate_that_cannot_train_is_named_before_anything_is_written(tiny, write_config, lr):
    with pytest.raises(ConfigError, match=r"learner\.options\.lr|learner unet: lr="):
        run(write_config(tiny), f"learner.options.lr={lr}")
    assert not Path(tiny["runs_dir"]).exists()


@pytest.mark.parametrize("option", ["weight_decay=-1", "weight_decay=.nan", "betas=[1.5,0.9]", "betas=[-1,0.9]"])
def test_other_options_of_the_optimiser_are_named(tiny, write_config, option):
    with pytest.raises(ConfigError, match=rf"learner\.options\.{option.partition('=')[0]}"):
        run(write_config(tiny), f"learner.options.{option}")


def test_outputs_that_are_not_finite_are_no_result(tiny, write_config, monkeypatch):
    monkeypatch.setattr(stages, "_strip", lambda values: dict.fromkeys((k.split("/")[1] for k in values), None))
    with pytest.raises(ConfigError, match=r"^stage 0: the training has diverged \(val/loss"):
        run(write_config(tiny))
    assert not list(Path(tiny["runs_dir"]).rglob("stages.jsonl"))
