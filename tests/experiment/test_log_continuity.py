"""Loggers of a run that was stopped or killed hold what those of an unstopped one do, each thing once."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import slow_parts
from experiment_runs import QUIET
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment.file_loggers import CsvLog
from al_lightning.experiment.wandb_logger import logged_stages

KILLED_AFTER_ITS_ROW = """
import glob, os, signal, sys, time
import torch
from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder
from rich.console import Console

torch.set_num_threads(1)
config, stage, is_flushed = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
original = RunFolder.append_row
def append(self, row):
    original(self, row)
    if row["stage"] == stage:
        end = time.monotonic() + 60
        while is_flushed and time.monotonic() < end and not glob.glob(f"{self.path}/wandb/offline-run-*/*.wandb"):
            time.sleep(0.1)
        time.sleep(10 if is_flushed else 0)
        os.kill(os.getpid(), signal.SIGKILL)
RunFolder.append_row = append
experiment.run(load([config]), Console(quiet=True))
"""


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("al_lightning.core.handling.GRACE", 50.0)
    slow_parts.clear()


@pytest.fixture
def logged(tiny: dict[str, Any]) -> dict[str, Any]:
    """Two stages of three epochs that log each step."""
    tiny["dataset"]["name"] = "slow_parts:data"
    tiny["learner"] = {"name": "slow_parts:learner"}
    tiny["budget"]["stages"] = 2
    tiny["trainer"] |= {"max_epochs": 3, "log_every_n_steps": 1}
    tiny["loader"]["batch_size"] = 2
    return tiny


def lines(folder: RunFolder) -> list[dict[str, str]]:
    """Of the CSV file, without times."""
    with (folder.path / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if v and "seconds" not in k} for row in rows]


def curves(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Of the TensorBoard files, without times."""
    found = {}
    for place in ("tensorboard", "tensorboard/stages"):
        events = EventAccumulator(str(folder.path / place))
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if "seconds" not in tag]
        found |= {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}
    return found


@pytest.mark.parametrize("phase", ["stage-0-epoch-0", "stage-1-epoch-2", "test-test_step", "predict-predict_step"])
def test_csv_and_tensorboard_are_those_of_an_unstopped_run(phase, logged, write_config, monkeypatch):
    logged["logging"] |= {"csv": True, "tensorboard": True}
    path = write_config(logged)
    whole = experiment.run(load([path], ["name=whole"]), QUIET)
    monkeypatch.setenv("AL_SLOW", f"{phase}:{int(signal.SIGTERM)}")
    with pytest.raises(SystemExit):
        experiment.run(load([path]), QUIET)
    folder = experiment.run(load([path]), QUIET)
    assert lines(folder) == lines(whole)
    assert curves(folder) == curves(whole)
    steps = [int(row["step"]) for row in lines(whole)]
    assert steps == sorted(steps)
    assert [row["stage/labelled"] for row in lines(whole) if "stage/number" in row] == ["4", "7"]
    # 4 images in 2 batches, 7 in 3 whole ones; three epochs of both, and one step for each stage row.
    assert steps[-1] == 3 * 2 + 1 + 3 * 3
    assert [step for step, _ in curves(whole)["stage/miou"]] == [4, 7]
    train = [step for step, _ in curves(whole)["train/loss"]]
    assert train == sorted(set(train))


def test_steps_of_a_committee_count_on(logged, write_config):
    logged["logging"]["csv"] = True
    logged["learner"]["committee"] = {"members": 2}
    rows = lines(experiment.run(load([write_config(logged)]), QUIET))
    train = [int(row["step"]) for row in rows if "train/loss" in row]
    assert train == sorted(set(train))
    assert int(rows[-1]["step"]) == 2 * 3 * 2 + 1 + 2 * 3 * 3


def test_a_csv_file_keeps_its_rows_and_gains_columns(tmp_path):
    first = CsvLog(tmp_path)
    first.log_metrics({"a": 1.0}, 0)
    first.log_metrics({"b": 2.5}, 1)
    with first.file.open("a") as file:
        file.write("2,3")  # the process was killed here
    second = CsvLog(tmp_path)
    second.offset = 2
    second.log_metrics({"a": 4.0, "c": 5.0}, 0)
    assert first.file.read_text() == "step,a,b,c\n0,1.0,,\n1,,2.5,\n2,4.0,,5.0\n"
    second.rewind(1)
    assert second.file.read_text() == "step,a,b,c\n0,1.0,,\n"


def wandb_stages(folder: RunFolder) -> list[int]:
    run_id = json.loads(folder.environment.read_text())["wandb_id"]
    return list(logged_stages(folder.path / "wandb", run_id))


@pytest.mark.parametrize(("stage", "flushed"), [(0, False), (0, True), (1, False)], ids=["lost", "flushed", "complete"])
def test_wandb_has_each_stage_once_after_a_kill(stage, flushed, logged, write_config, tmp_path):
    """Killed before and after W&B has written what it holds in memory, and after the last row of all."""
    logged["logging"]["wandb"] = {"mode": "offline"}
    logged["learner"] = {"name": "unet", "options": {"widths": [4, 8]}}
    logged["dataset"]["name"] = "kvasir"
    path = write_config(logged)
    (tmp_path / "killed.py").write_text(KILLED_AFTER_ITS_ROW)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "killed.py"), str(path), str(stage), str(flushed)],
        capture_output=True,
        env={name: value for name, value in os.environ.items() if "WANDB_SERVICE" not in name},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-1000:]
    folder = experiment.run_folder(experiment.complete(load([path])))
    assert wandb_stages(folder) in ([[0]] if flushed else [[], [0]])  # it flushes by itself after a while
    experiment.resume(folder.path, QUIET)
    end = time.monotonic() + 20  # W&B's process closes the file a moment after it has said that the run is finished
    while len(wandb_stages(folder)) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(3)
    assert sorted(wandb_stages(folder)) == [0, 1]
    assert json.loads((folder.path / "loggers.json").read_text()) == {"stages": 2}
    files = sorted(Path(folder.path, "wandb").glob("offline-run-*"))
    experiment.resume(folder.path, QUIET)
    assert sorted(Path(folder.path, "wandb").glob("offline-run-*")) == files
