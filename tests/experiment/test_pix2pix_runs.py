"""Whole runs of pix2pix, whose two optimisers must survive a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from rich.console import Console
from torch import Tensor

from al_lightning import experiment
from al_lightning.config import ConfigError, load


@pytest.fixture
def config(tiny, write_config) -> Path:
    tiny["dataset"]["options"]["size"] = 32
    tiny["learner"] = {"name": "pix2pix", "options": {"multiplier": 1 / 32, "n_gen": 2, "lr": 0.001}}
    tiny["budget"]["stages"] = 2
    return write_config(tiny)


def test_stopped_between_epochs_it_ends_as_if_never_stopped(config, monkeypatch):
    def weights(folder) -> list[dict[str, Tensor]]:
        files = sorted(folder.path.rglob("best.ckpt"))
        return [torch.load(file, weights_only=True)["state_dict"] for file in files]

    quiet = Console(quiet=True)
    whole = experiment.run(load([config], ["name=whole"]), quiet)
    original = ModelCheckpoint.on_train_epoch_end

    def stop(self, run, module):
        original(self, run, module)
        if self.monitor is None and run.current_epoch == 0:
            raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("al_lightning.experiment.runner.probe", lambda setup: None)
        patch.setattr(ModelCheckpoint, "on_train_epoch_end", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            experiment.run(load([config]), quiet)
    folder = experiment.run_folder(experiment.complete(load([config])))
    last = torch.load(next(folder.path.rglob("last.ckpt")), weights_only=False)
    assert [len(state["state"]) > 0 for state in last["optimizer_states"]] == [True, True]
    experiment.resume(folder.path, quiet)
    for ours, theirs in zip(folder.rows(), whole.rows(), strict=True):
        assert [ours[key] for key in ("val", "test", "selected")] == [
            theirs[key] for key in ("val", "test", "selected")
        ]
    for ours, theirs in zip(weights(folder), weights(whole), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_mistakes_in_a_config_name_the_key(config):
    for override, match in (
        ("dataset.options.size=40", r"learner pix2pix: .*dataset\.options\.size=32"),
        ("learner.options.gan=wgan", "gan"),
        ("learner.options.n_gen=two", r"learner\.options\.n_gen='two'"),
    ):
        with pytest.raises(ConfigError, match=match):
            experiment.prepare(experiment.complete(load([config], [override])))
