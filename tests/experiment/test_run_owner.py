"""One process works on a run; `run` and `resume` of another end at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from al_lightning.cli import main
from al_lightning.core.run_lock import owned


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "al_lightning", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_two_programs_one_runs_and_gives_its_lock_back_when_it_is_terminated(tiny, write_config):
    tiny["trainer"]["max_epochs"] = 100_000
    path = str(write_config(tiny))
    folder = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0"
    both = [start("run", path), start("run", path)]
    deadline = time.monotonic() + 240
    while all(process.poll() is None for process in both) and time.monotonic() < deadline:
        time.sleep(0.1)
    loser, winner = sorted(both, key=lambda process: process.poll() is None)
    _, errors = loser.communicate()
    assert loser.returncode == 75, errors
    assert winner.poll() is None
    said = [line for line in errors.splitlines() if line.startswith("al-lightning: ")]
    assert len(said) == 1
    assert f"process {winner.pid} on " in said[0]
    assert "works on this run" in said[0]
    trained = folder / "checkpoints" / "stage-000" / "last.ckpt"
    while not trained.exists() and winner.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (folder / "run.lock").is_file()
    winner.send_signal(signal.SIGTERM)  # in the middle of a training, where Lightning handles it too
    winner.communicate(timeout=120)
    assert winner.returncode not in (0, 2, 70)
    assert trained.exists()
    assert not (folder / "run.lock").exists()


@pytest.mark.parametrize("command", ["run", "sweep", "resume"])
def test_every_command_that_writes_a_run_takes_the_lock(command, tiny, write_config, capsys, tmp_path):
    tiny["budget"]["stages"] = 1
    tiny["trainer"]["max_epochs"] = 1
    path = str(write_config(tiny))
    assert main(["run", path]) == 0
    folder = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0"
    words = {"run": ["run", path], "sweep": ["run", path, "--sweep", "seed=0"], "resume": ["resume", str(folder)]}
    capsys.readouterr()
    with owned(folder):
        assert main(words[command]) == 75
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith(f"al-lightning: {folder}: process ")
        assert main(["report", str(folder), "-o", str(tmp_path / "report.html")]) == 0  # readers need no lock
    assert main(words[command]) == 0
    assert not (folder / "run.lock").exists()
