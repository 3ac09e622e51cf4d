"""Arms that are compared train alike: the same steps at the same number of labels, and one first stage."""

from __future__ import annotations

import io

import pytest
import torch
from experiment_runs import QUIET, run, without_times
from older_runs import before_epochs
from omegaconf import OmegaConf
from rich.console import Console
from test_integrity import cut

from al_lightning import experiment
from al_lightning.config import ConfigError, catalogue, load, plain
from al_lightning.core.run_folder import RunFolder

ARMS = {
    "random": ["strategy.name=random"],
    "entropy": ["strategy.name=entropy"],
    "method": ["strategy.name=uncertainty-clustering", "learner.options.discrepancy=0.5"],
    "no-discrepancy": ["strategy.name=uncertainty-clustering"],
}
PAPER = ["learner.epoch=unlabelled", "learner.unlabelled_from=1", "learner.restart=finetune"]


def weights(folder: RunFolder, stage: int) -> dict[str, torch.Tensor]:
    best = folder.path / folder.progress(stage)["fit"]["checkpoint"]
    return dict(torch.load(best, weights_only=True)["state_dict"])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def uncounted(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "steps"} for row in without_times(rows)]


@pytest.mark.usefixtures("stages_alone")
def test_all_arms_take_the_same_steps_and_share_the_first_stage(tiny, write_config):
    path = write_config(tiny)
    runs = {arm: run(path, f"name={arm}", *PAPER, *words) for arm, words in ARMS.items()}
    steps = {arm: [row["steps"] for row in folder.rows()] for arm, folder in runs.items()}
    assert set(map(tuple, steps.values())) == {(8, 6, 6)}, "2 epochs of 14, 11 and 10 images, 4 a batch"
    first = {arm: weights(folder, 0) for arm, folder in runs.items()}
    assert all(same(first["random"], found) for found in first.values())
    assert {str(folder.rows()[0]["test"]) for folder in runs.values()} == {str(runs["random"].rows()[0]["test"])}
    assert not same(weights(runs["method"], 1), weights(runs["no-discrepancy"], 1)), "the loss is there from stage 1 on"


@pytest.mark.usefixtures("stages_alone")
def test_what_a_stage_trains_is_said_before_it_trains(tiny, write_config):
    tiny["budget"]["stages"] = 2
    path = write_config(tiny)
    told = {
        "a stage trains 2, 4 steps (2 epochs, each a pass over the labelled images)": [],
        "a stage trains 12, 6 steps (3, then 2 epochs, each a pass over the unlabelled images)": [
            "learner.epoch=unlabelled",
            "learner.initial_epochs=3",
        ],
        "a stage trains 5 steps": ["trainer.max_epochs=-1", "trainer.max_steps=5"],
        "a stage trains 2 steps (2 epochs, each a pass over the unlabelled images)": [
            "learner.epoch=unlabelled",
            "trainer.limit_train_batches=2",
            "trainer.accumulate_grad_batches=2",
        ],
        "a stage trains each of 2 networks for at most 2, 4 steps (2 epochs, each a pass over the labelled images)": [
            "learner.committee.members=2",
            "learner.patience=9",
        ],
        "stage 0 trains 2 steps (2 epochs, each a pass over the labelled images)": [
            "strategy.name=region-random",
            "strategy.options.size=8",
        ],
    }
    for number, (line, words) in enumerate(told.items()):
        console = Console(file=io.StringIO(), width=200)
        folder = experiment.run(load([path], [f"name=told-{number}", *words]), console)
        lines = console.file.getvalue().splitlines()
        assert lines[1] == line
        taken = [row["steps"] for row in folder.rows()]
        for steps, (stage, said) in zip(taken, enumerate(line.split(" steps")[0].split(", ")), strict=False):
            assert str(steps) == said.split()[-1], (line, stage)
        table = next(k for k, one in enumerate(lines) if one.startswith("stage  "))
        assert lines[table].split()[4] == "steps"
        assert str(taken[0]) in lines[table + 1].split()


@pytest.mark.usefixtures("stages_alone")
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_run_of_a_version_before_goes_on_as_it_was_begun(tiny, write_config, monkeypatch, weight):
    path = write_config(tiny)
    words = [f"learner.options.discrepancy={weight}"]
    whole = run(path, "name=whole", "learner.epoch=longest", *words)
    assert [row["steps"] for row in whole.rows()] == ([8, 6, 6] if weight else [2, 4, 6])
    with before_epochs(monkeypatch):
        old = run(path, "name=old", "learner.epoch=longest", *words)
    assert not {"epoch", "unlabelled_from"} & set(OmegaConf.load(old.config).learner)
    cut(old, 1)
    rows = experiment.resume(old.path, QUIET).rows()
    assert ["steps" in row for row in rows] == [False, True, True]
    assert uncounted(rows) == uncounted(whole.rows())
    assert same(weights(old, 2), weights(whole, 2))
    cut(old, 1)
    if not weight:  # it trained as it does now
        assert uncounted(run(path, "name=old", *words).rows()) == uncounted(whole.rows())
        return
    with pytest.raises(ConfigError, match=r"another config \(learner\.epoch: longest -> labelled\).*go on as it began"):
        run(path, "name=old", *words)


def test_all_arms_of_the_shipped_experiment_state_the_same_training():
    """Huang et al. 2024: what the rows of its tables differ in is the strategy, the loss, and the committee of asa."""
    names = [name for name in catalogue.names() if name.startswith(("clinicdb-s2", "clinicdb-uncertainty-clustering"))]
    assert len(names) == 9
    trained = []
    for name in names:
        config = plain(load([name]))
        learner = {k: v for k, v in config["learner"].items() if k not in ("options", "committee")}
        trained.append([learner, config["trainer"], config["loader"], config["budget"], config["dataset"]])
    assert all(one == trained[0] for one in trained)
    assert (trained[0][0]["epoch"], trained[0][0]["unlabelled_from"]) == ("unlabelled", 1)
