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


def test_of_two_programs_one_runs_and_what_is_left_by_a_kill_is_taken_over(tiny, write_config):
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
    winner.kill()
    winner.communicate()
    assert (folder / "run.lock").is_file()

    third = start("run", path)
    assert third.stdout is not None
    line = third.stdout.readline()
    assert f"taken over from process {winner.pid} on " in line
    third.send_signal(signal.SIGTERM)
    third.communicate(timeout=120)
    assert third.returncode not in (0, 2, 70)
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
