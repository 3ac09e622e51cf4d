"""A run folder that was moved or copied goes on as it would have in its place."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from crash_host import run_cases

from al_lightning.core.checkpoint_file import pack, unpack
from al_lightning.experiment.checkpoints import RunCheckpoints

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its runs")


@pytest.fixture
def config(tiny):
    """A stage of five epochs, of which the second is the best."""
    tiny["seed"] = 2
    tiny["budget"]["stages"] = 1
    tiny["trainer"]["max_epochs"] = 5
    tiny["loader"]["batch_size"] = 2
    tiny["learner"]["options"]["lr"] = 0.2
    tiny["learner"]["options"]["dropout"] = 0.3
    return tiny


def stopped_and_moved(path, name: str, count: int) -> list[dict]:
    """Killed after the `count`-th checkpoint that has `name` in its path, then gone on with: here, moved, copied."""
    fault = {"call": "replace", "name": name, "count": count, "after": True}
    whole, *answers = run_cases(
        path, [{"fault": fault}, {"fault": fault, "move": "away"}, {"fault": fault, "copy": "b"}]
    )
    for answer in answers:
        assert answer["code"] == -signal.SIGKILL, answer
        assert answer["resume"] == 0, answer["answer"]
        assert answer["results"] == whole["results"]
        assert "dirpath has changed" not in answer["answer"]
    return [whole, *answers]


def test_in_the_middle_of_a_training_whose_best_epoch_is_over(config, write_config):
    whole, *answers = stopped_and_moved(write_config(config), "/.last.ckpt", 4)
    for answer in answers:
        assert answer["stopped"]["weights"] == whole["results"]["weights"], "the best epoch was before the stop"


def test_in_the_second_member_of_a_committee(config, write_config):
    config["learner"]["committee"] = {"members": 2}
    config["trainer"]["max_epochs"] = 2
    stopped_and_moved(write_config(config), "member-1/.last.ckpt", 1)


@pytest.mark.parametrize("kind", ["pseudo-labels", pytest.param("finetune", marks=pytest.mark.slow)])
def test_in_the_second_stage_with(kind, config, write_config):
    config["budget"]["stages"] = 2
    config["trainer"]["max_epochs"] = 2
    if kind == "finetune":
        config["learner"]["restart"] = "finetune"
    else:
        config["strategy"] = {"name": "ceal", "options": {"delta": 10.0}}
    _, moved, _ = stopped_and_moved(write_config(config), "stage-001/.last.ckpt", 1)[1:]
    if kind == "pseudo-labels":
        assert any(name.startswith("pseudo/stage-001/") for name in moved["listed"])


def training(epoch: int, **callbacks: Any) -> dict[str, Any]:
    """What Lightning gives to be written."""
    empty: dict[str, Any] = {"state_dict": {}, "loops": {}, "optimizer_states": [], "lr_schedulers": []}
    return {"epoch": epoch, "global_step": 1, "pytorch-lightning_version": "2", "callbacks": callbacks} | empty


def test_a_checkpoint_names_files_relative_to_the_folder_of_its_run(tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    place = home.resolve() / "checkpoints" / "stage-000"
    best = str(place / "best.ckpt")
    state = {"dirpath": str(place), "best_k_models": {best: torch.tensor(0.5)}, "elsewhere": "/data/x", "n": [best, 1]}
    RunCheckpoints(home).save_checkpoint(training(0, best=state), place / "last.ckpt")
    assert str(tmp_path).encode() not in (place / "last.ckpt").read_bytes()
    home.rename(away)
    moved = away.resolve() / "checkpoints" / "stage-000"
    found = RunCheckpoints(away).load_checkpoint(moved / "last.ckpt")["callbacks"]["best"]
    assert found["dirpath"] == str(moved)
    assert list(found["best_k_models"]) == [str(moved / "best.ckpt")]
    assert (found["elsewhere"], found["n"]) == ("/data/x", [str(moved / "best.ckpt"), 1])


def test_the_checkpoint_before_is_gone_on_from_only_with_its_best_weights(tmp_path, caplog):
    from al_lightning.experiment.checkpoints import unfinished

    place = tmp_path / "checkpoints" / "stage-000"
    checkpoints = RunCheckpoints(tmp_path)
    for epoch in range(3):
        if epoch != 1:  # in this one the weights do not get better
            checkpoints.save_checkpoint({"state_dict": {"w": torch.tensor(epoch)}}, place / "best.ckpt")
        checkpoints.save_checkpoint(training(epoch), place / "last.ckpt")
    last, best = place / "last.ckpt", place / "best.ckpt"
    content = last.read_bytes()
    assert unfinished(tmp_path, place) == last
    assert unpack(last)["epoch"] == 2
    last.write_bytes(content[:-200])
    assert unfinished(tmp_path, place) == last
    assert "goes on from the checkpoint before" in caplog.text
    assert unpack(last)["epoch"] == 1
    assert unpack(best)["state_dict"]["w"] == 0, "the weights that were the best ones then"
    best.unlink()
    with pytest.raises(ValueError, match=r"the best weights that it goes with are not in .*; put its files back .* or"):
        unfinished(tmp_path, place)
    last.write_bytes(pack(training(2))[0])
    with pytest.raises(ValueError, match="does not say which best weights it goes with"):
        unfinished(tmp_path, place)
    last.unlink()
    assert unfinished(tmp_path, place) is None
