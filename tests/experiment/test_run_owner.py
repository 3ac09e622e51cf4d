"""One process works on a run; `run` and `resume` of another end at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from al_lightning.cli import main
from al_lightning.core.run_lock import owned

PROGRAM = """
import sys
from al_lightning.cli import main
from al_lightning.experiment import runner

def wait(*_):
    print("owned", flush=True)
    sys.stdin.read()
    raise ValueError("over")

runner.prepare = wait  # what comes after the lock
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words", [["run"], pytest.param(["run", "--sweep", "seed=0,1"], marks=pytest.mark.slow)], ids=["run", "sweep"]
)
def test_of_two_programs_that_start_together_one_runs(words, tiny, write_config):
    command = [sys.executable, "-c", PROGRAM, words[0], str(write_config(tiny)), *words[1:]]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    # The one that ends, and prints nothing, is the one that was refused: the other waits for its input.
    while all(process.poll() is None for process in both):
        time.sleep(0.02)
    loser, winner = sorted(both, key=lambda process: process.poll() is None)
    _, errors = loser.communicate()
    assert loser.returncode == 75, errors
    assert errors.count("\n") == 1
    assert f"process {winner.pid} on " in errors
    assert "works on this run" in errors
    out, errors = winner.communicate(timeout=60)
    assert (winner.returncode, out) == (2, "owned\n"), errors
    assert not Path(tiny["runs_dir"]).exists()


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
