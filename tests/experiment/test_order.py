"""The order of training batches is a function of seed, stage, member and epoch: no resume and no worker changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from experiment_runs import QUIET, without_times
from pytorch_lightning.callbacks import ModelCheckpoint

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.experiment import stages

Weights = list[dict[str, torch.Tensor]]
LEARNERS: dict[str, dict[str, Any]] = {
    "plain": {"learner": {"epoch": "unlabelled", "options": {"dropout": 0.5}}},
    "unlabelled": {"learner": {"epoch": "unlabelled", "options": {"dropout": 0.5, "discrepancy": 0.1}}},
    "unlabelled, epochs of the labelled": {"learner": {"unlabelled_from": 1, "options": {"discrepancy": 0.1}}},
    "pix2pix": {"learner": {"name": "pix2pix", "options": {"multiplier": 1 / 32, "lr": 0.001}}},
    "committee": {"learner": {"committee": {"members": 2, "bootstrap": True}}, "strategy": {"name": "suggestive"}},
}


@pytest.fixture
def write(tiny, write_config):
    """The config of a kind of learner, as a file."""

    def config(kind: str) -> Path:
        tiny["trainer"] |= {"max_epochs": 3, "num_sanity_val_steps": 2}
        tiny["loader"]["batch_size"] = 2
        tiny["budget"] = {"initial": 5, "per_stage": 2, "stages": 2}
        tiny["learner"]["augment"] = "flips"
        for section, values in LEARNERS[kind].items():
            old = tiny.get(section, {})
            tiny[section] = old | values if "name" not in values else dict(values)
        if kind in ("unlabelled", "unlabelled, epochs of the labelled"):
            tiny["learner"]["options"] = {"widths": [4, 8], "lr": 0.01, "dropout": 0.5, "discrepancy": 0.1}
        if kind == "plain":
            tiny["learner"]["options"] = {"widths": [4, 8], "lr": 0.01, "dropout": 0.5}
        if kind == "pix2pix":
            tiny["dataset"]["options"]["size"] = 32
        return write_config(tiny)

    return config


@pytest.fixture
def last_weights(monkeypatch) -> Weights:
    """The weights at the end of each training, which need not be the best ones."""
    found: Weights = []
    original = stages.check_finite

    def record(trainer, learner, stage, member):
        found.append({name: value.clone() for name, value in learner.state_dict().items()})
        original(trainer, learner, stage, member)

    monkeypatch.setattr(stages, "check_finite", record)
    return found


def run_whole(path: Path, name: str, last_weights: Weights, *overrides: str) -> tuple[list[dict], Weights]:
    folder = experiment.run(load([path], [f"name={name}", *overrides]), QUIET)
    weights = list(last_weights)
    last_weights.clear()
    return without_times(folder.rows()), weights


def run_stopped(
    path: Path, name: str, last_weights: Weights, monkeypatch, epoch: int, *overrides: str, fits: tuple[int, ...]
) -> tuple[list[dict], Weights]:
    """A run that stops after an epoch once this many trainings are over, is resumed, and stops again after the next."""
    original = ModelCheckpoint.on_train_epoch_end
    config = load([path], [f"name={name}", *overrides])
    folder = experiment.run_folder(experiment.complete(config))
    for before in fits:

        def stop(self, trainer, module, before=before):
            original(self, trainer, module)
            if self.monitor is None and trainer.current_epoch == epoch and len(last_weights) == before:
                raise RuntimeError("stopped")

        with monkeypatch.context() as patch:
            patch.setattr(ModelCheckpoint, "on_train_epoch_end", stop)
            with pytest.raises(RuntimeError, match="stopped"):
                experiment.run(config, QUIET)
    experiment.resume(folder.path, QUIET)
    weights = list(last_weights)
    last_weights.clear()
    return without_times(folder.rows()), weights


def same(a: Weights, b: Weights) -> bool:
    return len(a) == len(b) and all(
        x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.usefixtures("stages_alone")
@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("plain", "unlabelled") else pytest.param(kind, marks=pytest.mark.slow) for kind in LEARNERS],
)
def test_stopped_after_an_epoch_with_any_number_of_workers_it_ends_with_the_same_weights(
    kind, write, last_weights, monkeypatch
):
    path = write(kind)
    rows, weights = run_whole(path, "whole", last_weights)
    trainings = 4 if kind == "committee" else 2
    assert len(weights) == trainings
    for workers, epoch in ((0, 1), (1, 0), (2, 1)):
        other = run_stopped(
            path,
            f"workers-{workers}",
            last_weights,
            monkeypatch,
            epoch,
            f"loader.workers={workers}",
            fits=(0, trainings - 1) if workers == 1 else (trainings - 1,),
        )
        assert other[0] == rows, f"{workers} workers"
        assert same(other[1], weights), f"{workers} workers"


@pytest.mark.usefixtures("stages_alone")
def test_validations_within_epochs_and_loaders_made_anew_change_no_order(write, last_weights, monkeypatch):
    path, one = write("unlabelled"), "budget.stages=1"
    often, rare = "trainer.val_check_interval=0.5", "trainer.check_val_every_n_epoch=2"
    _, weights = run_whole(path, "whole", last_weights, often, one)
    anew = "trainer.reload_dataloaders_every_n_epochs=1"
    assert same(run_whole(path, "anew", last_weights, anew, one, "loader.workers=1")[1], weights)
    for name, how in (("often", often), ("rarely", rare)):
        assert same(run_stopped(path, name, last_weights, monkeypatch, 0, how, one, fits=(0,))[1], weights), name
