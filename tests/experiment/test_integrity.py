"""What a run records of itself, and what its remedies are worth; tests/torture/edits.py has the edits one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from experiment_runs import QUIET, run, without_times
from older_runs import without_digests
from polyp_pairs import write_pairs

from al_lightning import experiment
from al_lightning.core.checkpoint_file import digest_of
from al_lightning.core.digest import digest
from al_lightning.core.run_folder import RunFolder
from al_lightning.data import DataError


def test_each_file_holds_the_digests_of_the_one_before_of_config_ids_and_weights(tiny, write_config):
    folder = run(write_config(tiny))
    before = json.loads(folder.manifest.read_text())
    splits = json.loads(folder.splits.read_text())
    assert before["splits"] == splits
    for stage in range(3):
        state = json.loads(folder.state(stage).read_text())
        assert state["format"] == 1
        assert state["chain"]["before"] == digest(before)
        assert state["chain"]["config"] == digest(json.loads(folder.manifest.read_text())["config"])
        selection = ("asked", "given") if stage < 2 else ()
        assert state["chain"]["steps"] == {
            step: digest(state[step]) for step in ("dataset", "fit", "test", *selection, "row", "pool", "last")
        }
        seen = {name: split for name, split in splits.items() if split != "none"}
        assert state["dataset"] == {"sha256": digest(seen), "images": len(seen), "joined": []}
        assert state["fit"]["digest"] == digest_of(folder.path / state["fit"]["checkpoint"])
        before = state


@pytest.mark.parametrize("restart", ["scratch", "finetune"])
def test_the_remedy_of_an_edited_state_gives_the_same_rows(restart, tiny, write_config):
    tiny["learner"]["restart"] = restart
    folder = run(write_config(tiny))
    whole = without_times(folder.rows())
    state = json.loads(folder.state(1).read_text())
    state["pool"].pop()
    folder.state(1).write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"delete stage-001\.json, all later ones and their lines of stages\.jsonl"):
        experiment.resume(folder.path, QUIET)
    folder.state(1).unlink()
    folder.state(2).unlink()
    folder.stages.write_text(folder.stages.read_text().splitlines(keepends=True)[0])
    assert without_times(experiment.resume(folder.path, QUIET).rows()) == whole


def test_weights_that_a_later_stage_starts_from_are_checked(tiny, write_config):
    tiny["learner"]["restart"] = "finetune"
    folder = run(write_config(tiny))
    folder.state(2).unlink()
    folder.stages.write_text("".join(folder.stages.read_text().splitlines(keepends=True)[:2]))
    best = folder.path / folder.progress(1)["fit"]["checkpoint"]
    shutil.copy(folder.path / folder.progress(0)["fit"]["checkpoint"], best)
    with pytest.raises(ValueError, match=r"stage-001/best\.ckpt: is not the file that the run wrote"):
        experiment.resume(folder.path, QUIET)


def test_a_run_of_an_older_version_goes_on_and_is_checked_from_then_on(tiny, write_config):
    folder = run(write_config(tiny))
    whole = without_times(folder.rows())
    without_digests(folder.path)
    folder.state(2).unlink()
    folder.stages.write_text("".join(folder.stages.read_text().splitlines(keepends=True)[:2]))
    resumed = experiment.resume(folder.path, QUIET)
    assert without_times(resumed.rows()) == whole
    assert "format" not in json.loads(folder.state(1).read_text())
    assert json.loads(folder.state(2).read_text())["chain"]["before"] == digest(json.loads(folder.state(1).read_text()))
    state = json.loads(folder.state(0).read_text())
    state["pool"][0]["score"] = 0.5
    folder.state(0).write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"stage-000\.json: was changed after it was written"):
        experiment.resume(folder.path, QUIET)


def test_images_that_joined_and_are_gone_are_named(tiny, write_config, tmp_path):
    root = tmp_path / "own"
    write_pairs(root, [f"f{i:02d}" for i in range(30)], np.random.default_rng(0))
    tiny["dataset"] = {"name": "folder", "options": {"root": str(root), "size": 16}}
    tiny["strategy"] = {"name": "random"}
    path = write_config(tiny)
    folder = run(path)
    cut(folder, 1)
    write_pairs(root, ["new-a", "new-b"], np.random.default_rng(9))
    whole = without_times(experiment.resume(folder.path, QUIET).rows())
    state = json.loads(folder.state(1).read_text())
    assert state["dataset"]["joined"] == ["new-a", "new-b"]
    assert json.loads(folder.state(0).read_text())["dataset"]["joined"] == []
    cut(folder, 2)
    write_pairs(root, ["new-c"], np.random.default_rng(8))
    again = experiment.resume(folder.path, QUIET)
    assert json.loads(folder.state(2).read_text())["dataset"]["joined"] == ["new-a", "new-b", "new-c"]
    assert without_times(again.rows())[:2] == whole[:2]
    cut(folder, 2)
    labelled = {entry["id"] for entry in json.loads(folder.state(1).read_text())["pool"]}
    unlabelled = next(name for name in ("new-a", "new-b") if name not in labelled)
    for part in ("images", "masks"):
        (root / part / f"{unlabelled}.jpg").unlink()
    with pytest.raises(DataError, match=f"{unlabelled}: had joined the pool at stage 1 and is gone"):
        experiment.resume(folder.path, QUIET)


def cut(folder: RunFolder, stages: int) -> None:
    """As if killed after so many stages."""
    for stage in folder.begun_stages()[stages:]:
        folder.state(stage).unlink()
        shutil.rmtree(folder.checkpoints(stage))
    folder.stages.write_text("".join(folder.stages.read_text().splitlines(keepends=True)[:stages]))


def test_a_config_that_was_not_written_yet_is_written_by_resume(tiny, write_config):
    folder = run(write_config(tiny))
    whole = without_times(folder.rows())
    shutil.rmtree(folder.path / "state")
    folder.stages.unlink()
    folder.config.unlink()
    assert without_times(experiment.resume(folder.path, QUIET).rows()) == whole
    assert folder.config.is_file()


def test_states_without_a_config_are_refused(tiny, write_config):
    path = write_config(tiny)
    folder = run(path)
    without_digests(folder.path)
    folder.config.unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.yaml: no such file; put it back"):
        run(path)
    assert not Path(folder.manifest).exists()
