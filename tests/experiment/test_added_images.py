"""Images and masks added while a run is stopped: its splits and its rows stay, the new images join the pool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from older_runs import without_digests
from polyp_pairs import write_pairs
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.core.run_folder import RunFolder

QUIET = Console(quiet=True)


@pytest.fixture
def own(tiny, tmp_path, write_config):
    """A config on a folder of 30 images, and its root."""
    root = tmp_path / "own"
    write_pairs(root, [f"f{i:02d}" for i in range(30)], np.random.default_rng(0))
    tiny["dataset"] = {"name": "folder", "options": {"root": str(root), "size": 16}}
    tiny["strategy"] = {"name": "random"}
    return write_config(tiny), root


def add(root: Path, *names: str) -> None:
    write_pairs(root, list(names), np.random.default_rng(9))


def strip(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def cut(folder: RunFolder, stages: int) -> None:
    """As if killed after so many stages."""
    for file in sorted((folder.path / "state").iterdir())[stages:]:
        file.unlink()
    lines = folder.stages.read_text().splitlines(keepends=True)
    folder.stages.write_text("".join(lines[:stages]))
    for place in sorted((folder.path / "checkpoints").iterdir())[stages:]:
        shutil.rmtree(place)


def test_a_run_goes_on_with_its_splits_and_the_new_images_in_its_pool(own):
    path, root = own
    folder = experiment.run(load([path]), QUIET)
    before = folder.rows()
    splits = json.loads(folder.splits.read_text())
    assert set(splits.values()) == {"pool", "validation", "test"}
    cut(folder, 1)
    add(root, "a-new", "f05-new", "z-new")
    after = experiment.resume(folder.path, QUIET).rows()
    assert strip(after[:1]) == strip(before[:1])
    assert after[1]["labelled"] == before[1]["labelled"]
    pool = sum(split == "pool" for split in splits.values())
    assert after[1]["fraction"] == pytest.approx(after[1]["labelled"] / (pool + 3))
    assert json.loads(folder.splits.read_text()) == splits
    picked = {pick["id"] for row in after for pick in row["selected"]}
    assert picked <= {name for name, split in splits.items() if split == "pool"} | {"a-new", "f05-new", "z-new"}


def test_an_unfinished_first_stage_keeps_its_initial_images(own):
    path, root = own
    folder = experiment.run(load([path]), QUIET)
    initial = [entry["id"] for entry in state_of(folder, 0) if entry["source"] == "initial"]
    cut(folder, 0)
    add(root, "a-new", "b-new", "c-new")
    experiment.resume(folder.path, QUIET)
    assert [entry["id"] for entry in state_of(folder, 0) if entry["source"] == "initial"] == initial


def state_of(folder: RunFolder, stage: int) -> list[dict]:
    return json.loads((folder.path / "state" / f"stage-{stage:03d}.json").read_text())["pool"]


def test_images_that_are_gone_are_named(own):
    path, root = own
    folder = experiment.run(load([path]), QUIET)
    cut(folder, 1)
    (root / "images" / "f03.jpg").unlink()
    with pytest.raises(ValueError, match=r"f03: was in the .* split when the run began and is gone"):
        experiment.resume(folder.path, QUIET)


def test_a_folder_run_of_an_older_version_is_refused(own):
    path, _ = own
    folder = experiment.run(load([path]), QUIET)
    cut(folder, 1)
    without_digests(folder.path)
    folder.splits.unlink()
    with pytest.raises(ConfigError, match="drew the splits of a folder otherwise"):
        experiment.resume(folder.path, QUIET)


def test_what_an_option_of_a_later_version_adds_is_no_difference(own):
    path, _ = own
    folder = experiment.run(load([path]), QUIET)
    saved = folder.config.read_text()
    assert "allow_missing" in saved or "groups" in saved
    lines = [line for line in saved.splitlines(keepends=True) if "groups:" not in line]
    folder.config.write_text("".join(lines))
    cut(folder, 1)
    assert len(experiment.resume(folder.path, QUIET).rows()) == 3


def test_a_kill_before_the_config_was_written_starts_anew(own):
    path, _ = own
    folder = experiment.run(load([path]), QUIET)
    whole = strip(folder.rows())
    shutil.rmtree(folder.path / "state")
    shutil.rmtree(folder.path / "checkpoints")
    folder.stages.unlink()
    folder.config.unlink()
    assert strip(experiment.run(load([path]), QUIET).rows()) == whole
    assert folder.config.is_file()
