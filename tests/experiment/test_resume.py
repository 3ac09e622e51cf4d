"""A run that was stopped or killed goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from experiment_runs import QUIET, run, without_times
from foreground import RESTORE

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.core.run_folder import RunFolder


def test_a_finished_run_is_not_run_again_and_drift_is_refused(tiny, write_config):
    path = write_config(tiny)
    folder = run(path)
    before = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    run(path)
    experiment.resume(folder.path, QUIET)
    assert before == {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    with pytest.raises(ConfigError, match=r"learner\.options\.lr: 0\.01 -> 0\.02"):
        run(path, "learner.options.lr=0.02")


KILLER = """
import os, signal, sys
import torch
from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment import stages
from rich.console import Console
from pytorch_lightning.callbacks import ModelCheckpoint

torch.set_num_threads(1)  # as in the tests' own process: sums depend on how many threads share them
where, config = sys.argv[1:3]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "row":
    RunFolder.append_row = die
elif where == "torn":
    def torn(self, row):
        with self.stages.open("ab") as file:
            file.write(b'{"stage": 0, "labell')
        die()
    RunFolder.append_row = torn
elif where == "patience":
    # Early stopping has ended the training, and nobody has noted so yet.
    original = stages._fit
    def fit(*arguments):
        original(*arguments)
        die()
    stages._fit = fit
elif where == "epoch":
    original = ModelCheckpoint.on_train_epoch_end
    def after(self, trainer, module):
        original(self, trainer, module)
        if self.monitor is None and trainer.current_epoch == 1:
            assert os.path.exists(os.path.join(self.dirpath, "last.ckpt"))
            die()
    ModelCheckpoint.on_train_epoch_end = after
else:
    original_finish = RunFolder.finish
    def finish(self, stage, **steps):
        done = original_finish(self, stage, **steps)
        if stage == 1 and where in steps:
            die()
        return done
    RunFolder.finish = finish
experiment.run(load([config]), Console(quiet=True))
"""


@pytest.mark.parametrize(
    "where",
    [
        "epoch",
        "pool",
        "torn",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("patience", "fit", "test", "row")),
    ],
)
def test_killed_anywhere_resume_ends_with_the_rows_of_an_unstopped_run(where, tiny, write_config, tmp_path):
    tiny["learner"]["options"]["dropout"] = 0.5
    tiny["trainer"]["max_epochs"] = 4
    tiny["loader"]["batch_size"] = 2
    if where == "patience":
        tiny["learner"]["patience"] = 1
        tiny["trainer"]["max_epochs"] = 12
    path = write_config(tiny)
    whole = without_times(run(path, "name=whole").rows())
    (tmp_path / "killer.py").write_text(KILLER)
    done = subprocess.run([sys.executable, str(tmp_path / "killer.py"), where, str(path)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-1000:]
    folder = experiment.run_folder(experiment.complete(load([path])))
    assert len(folder.rows()) < 3
    experiment.resume(folder.path, QUIET)
    assert without_times(folder.rows()) == whole


def test_resume_of_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config\.yaml"):
        experiment.resume(tmp_path)


INTERRUPTIBLE = (
    RESTORE
    + """
import sys
from al_lightning.cli import main
sys.exit(main(sys.argv[1:]))
"""
)


def test_interrupt_leaves_a_resumable_run(tiny, write_config):
    tiny["trainer"]["max_epochs"] = 2000
    tiny["budget"]["stages"] = 2
    path = write_config(tiny)
    # A shell that starts the tests in the background lets its children ignore SIGINT; this one must not.
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "run", str(path)], stderr=subprocess.PIPE, env=os.environ
    )
    place = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0" / "checkpoints" / "stage-000" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not place.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in errors
    assert place.exists()
    assert RunFolder(place.parents[2]).rows() == ()
    assert not (place.parents[2] / "run.lock").exists()
