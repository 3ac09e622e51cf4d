"""A first pass over one batch: what cannot run is one line that names the key, before anything is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment import checks

QUIET = Console(quiet=True)


def run(path: Path, *overrides: str) -> RunFolder:
    return experiment.run(load([path], overrides), QUIET)


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("trainer.accelerator=gpu", r"trainer\.accelerator='gpu': No supported gpu"),
        ("trainer.precision=16-true", r"trainer\.precision='16-true': "),
        ("trainer.limit_train_batches=0.1", r"trainer\.limit_train_batches=0\.1: "),
        ("trainer.profiler=bogus", r"trainer\.profiler='bogus': "),
        ("trainer.max_time=soon", r"trainer\.max_time='soon': "),
        ("trainer.gradient_clip_algorithm=huge", r"trainer\.gradient_clip_algorithm='huge': "),
        ("trainer.max_epochs=0", r"trainer\.max_epochs=0: expected a whole number of at least 1"),
        ("trainer.max_epochs=abc", r"trainer\.max_epochs='abc': expected int"),
        ("trainer.min_epochs=abc", r"trainer\.min_epochs='abc': expected int"),
        ("trainer.max_epochs=-1", r"trainer\.max_epochs: no value given"),
        ("trainer.limit_test_batches=0", r"trainer\.limit_test_batches=0: "),
        ("trainer.limit_test_batches=1", r"trainer\.limit_test_batches=1: "),
        ("trainer.limit_predict_batches=1", r"trainer\.limit_predict_batches=1: "),
        ("trainer.overfit_batches=1", r"trainer\.overfit_batches=1: .*budget\.initial"),
        ("trainer.fast_dev_run=true", r"trainer\.fast_dev_run=True: "),
        ("trainer.enable_checkpointing=false", r"trainer\.enable_checkpointing=False: "),
        ("trainer.strategy=ddp_spawn", r"trainer\.strategy=ddp_spawn: "),
        ("runs_dir=s3://bucket/runs", r"runs_dir='s3://bucket/runs': "),
        ("name=a::b", r"name='a::b': "),
        (f"name={'n' * 300}", "name=nnn.*300 bytes long"),
    ],
)
def test_what_cannot_run_is_refused_and_the_corrected_command_runs_in_the_same_folder(
    tiny, write_config, tmp_path, override, match
):
    tiny["budget"]["stages"] = 2
    path = write_config(tiny)
    with pytest.raises(ConfigError, match=match):
        run(path, override)
    assert not Path(tiny["runs_dir"]).exists()
    assert len(run(path).rows()) == 2


def test_the_folder_of_a_file_is_refused(tiny, write_config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"runs_dir=.*file is a file"):
        run(write_config(tiny), f"runs_dir={tmp_path / 'file' / 'runs'}")


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.limit_val_batches=0"],
        ["trainer.check_val_every_n_epoch=9"],
        ["trainer.max_epochs=null", "trainer.max_steps=1"],
    ],
)
def test_without_a_validation_the_last_weights_are_tested_and_it_is_said(tiny, write_config, caplog, overrides):
    tiny["budget"]["stages"] = 2
    rows = run(write_config(tiny), *overrides).rows()
    assert len(rows) == 2
    assert all(0 < row["test"]["miou"] <= 1 for row in rows)
    assert "no validation ran" in caplog.text


def test_a_training_that_diverges_is_no_row(tiny, write_config):
    with pytest.raises(ConfigError, match=r"stage \d: the training has diverged .*learner\.options\.lr"):
        run(write_config(tiny), "learner.options.lr=1e30", "trainer.max_epochs=4")
    folder = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0"
    assert all(row["val"]["miou"] is not None for row in RunFolder(folder).rows())


def test_the_pass_leaves_no_trace(tiny, write_config, monkeypatch):
    """Rows and picks are those of a run without it."""
    first = run(write_config(tiny)).rows()
    monkeypatch.setattr("al_lightning.experiment.runner.probe", lambda setup: None)
    second = run(write_config(tiny), "name=without").rows()
    strip = [[{k: v for k, v in row.items() if k != "seconds"} for row in rows] for rows in (first, second)]
    assert strip[0] == strip[1]


def test_types_of_arguments():
    assert checks.fits(3, (float,))
    assert not checks.fits(True, (int, float))
    assert checks.plain_types(dict[str, int] | None) == ()


def test_two_ranks_name_the_key_and_end(tiny, write_config):
    """A process group does not survive a failed pass, so the key is searched for on one device each."""
    path = write_config(tiny)
    arguments = [sys.executable, "-m", "al_lightning", "run", str(path), "trainer.devices=2", "trainer.strategy=ddp"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*arguments, "trainer.precision=16-true"], capture_output=True, text=True, timeout=200, env=environment
    )
    assert done.returncode == 2
    assert "al-lightning: trainer.precision='16-true': " in done.stderr
    assert not Path(tiny["runs_dir"]).exists()
