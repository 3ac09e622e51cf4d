"""Whole runs of committees, and epochs of the first stage."""

from __future__ import annotations

import json

import pytest
import torch
from experiment_runs import QUIET

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.data import PoolDataModule
from al_lightning.learners.dense import DenseLearner


@pytest.fixture
def committee_config(tiny):
    tiny["learner"]["committee"] = {"members": 3}
    tiny["strategy"] = {"name": "suggestive"}
    tiny["trainer"]["max_epochs"] = 1
    tiny["budget"]["stages"] = 2
    return tiny


@pytest.mark.usefixtures("stages_alone")
def test_members_train_on_bootstraps_of_what_is_labelled(committee_config, write_config, monkeypatch):
    seen: list[list[int]] = []
    original = PoolDataModule.train_dataloader

    def spy(self):
        seen.append(sorted(self.train_rows.tolist()))
        return original(self)

    monkeypatch.setattr(PoolDataModule, "train_dataloader", spy)
    folder = experiment.run(load([write_config(committee_config)]), QUIET)
    labelled = [4, 7]
    assert [len(rows) for rows in seen] == [labelled[0]] * 3 + [labelled[1]] * 3
    assert len({tuple(rows) for rows in seen[3:]}) == 3, "three different resamples"
    assert any(len(set(rows)) < len(rows) for rows in seen), "with replacement"
    assert {pick["source"] for pick in folder.rows()[0]["selected"]} == {"max-cover"}
    assert len(list(folder.path.rglob("best.ckpt"))) == 6
    state = json.loads((folder.path / "state" / "stage-001.json").read_text())
    assert {"fit", "fit-1", "fit-2", "test", "row", "pool"} <= set(state)


@pytest.mark.usefixtures("stages_alone")
def test_without_bootstrap_members_differ_in_weights_only(committee_config, write_config, monkeypatch):
    committee_config["learner"]["committee"]["bootstrap"] = False
    seen = []
    original = PoolDataModule.train_dataloader
    monkeypatch.setattr(
        PoolDataModule, "train_dataloader", lambda self: (seen.append(self.train_rows), original(self))[1]
    )
    folder = experiment.run(load([write_config(committee_config)]), QUIET)
    assert seen == [None] * 6
    heads = [
        torch.load(folder.path / "checkpoints" / "stage-000" / f"member-{m}" / "best.ckpt", weights_only=True)
        for m in range(3)
    ]
    weights = [h["state_dict"]["network.head.weight"] for h in heads]
    assert not torch.equal(weights[0], weights[1])


def test_a_strategy_of_committees_refuses_a_single_learner(tiny, write_config):
    with pytest.raises(ValueError, match=r"needs \['members', 'passes'\].*committee\.members"):
        experiment.run(load([write_config(tiny)], ["strategy.name=suggestive"]), QUIET)


def test_initial_epochs_hold_for_the_first_stage_alone(tiny, write_config, monkeypatch):
    epochs = []
    original = DenseLearner.on_validation_epoch_end
    monkeypatch.setattr(
        DenseLearner,
        "on_validation_epoch_end",
        lambda self: (
            epochs.append((self.trainer.max_epochs, self.trainer.state.fn.value == "fit")),
            original(self),
        )[1],
    )
    tiny["budget"]["stages"] = 2
    experiment.run(load([write_config(tiny)], ["learner.initial_epochs=3", "trainer.max_epochs=1"]), QUIET)
    fitted = [limit for limit, fit in epochs if fit]
    assert sorted(set(fitted)) == [1, 3]
