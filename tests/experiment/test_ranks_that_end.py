"""One rank of two is killed: the other one ends by itself, and the run goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from experiment_runs import QUIET, run

from al_lightning import experiment
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment import runner

WAITING = """
import os, sys, time
from al_lightning.experiment.orphans import follow_launcher
follow_launcher(0.1)
follow_launcher(0.1)
print(os.getpid(), flush=True)
time.sleep(60)
"""
LAUNCHER = """
import subprocess, sys, time
rank = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""


def test_ranks_follow_their_launcher_in_a_run_and_in_a_resume(tiny, write_config, monkeypatch):
    followed: list[str] = []
    monkeypatch.setattr(runner, "follow_launcher", lambda: followed.append("."))
    tiny["budget"]["stages"] = 1
    folder = run(write_config(tiny))
    assert followed == ["."]
    experiment.resume(folder.path, QUIET)
    assert followed == [".", "."]


def alive(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(process: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(process)


def launch(environment: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", LAUNCHER, WAITING]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert launcher.stdout is not None
    return launcher, int(launcher.stdout.readline())


def test_a_rank_ends_with_its_launcher_and_no_other_process_does():
    launcher, rank = launch(os.environ | {"LOCAL_RANK": "1"})
    time.sleep(0.5)
    assert alive(rank)
    launcher.kill()
    assert ends(rank, 10)
    assert "the process that started this rank has ended" in launcher.communicate()[1]
    plain = {key: value for key, value in os.environ.items() if key != "LOCAL_RANK"}
    launcher, process = launch(plain)
    launcher.kill()
    launcher.wait()
    assert not ends(process, 1.5)
    os.kill(process, signal.SIGKILL)
    launcher.communicate()


def test_the_other_rank_ends_and_the_run_is_resumed(tiny, write_config):
    """Both are killed in turn: the second one, and after a resume the first one, which had launched it."""
    tiny["trainer"] |= {"max_epochs": 60, "devices": 2, "strategy": "ddp"}
    tiny["budget"]["stages"] = 2
    path = write_config(tiny)
    folder = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0"
    last = folder / "checkpoints" / "stage-000" / "last.ckpt"
    command = [sys.executable, "-m", "al_lightning", "run", str(path)]
    for victim in (1, 0):
        before = last.stat().st_mtime_ns if last.exists() else 0
        first = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        deadline = time.monotonic() + 200
        while (not last.exists() or last.stat().st_mtime_ns == before) and time.monotonic() < deadline:
            assert first.poll() is None, first.communicate()[1][-2000:]
            time.sleep(0.1)
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        (second,) = [int(child) for child in children if b"LOCAL_RANK=1" in Path(f"/proc/{child}/environ").read_bytes()]
        os.kill((first.pid, second)[victim], signal.SIGKILL)
        assert ends(second, 60), "the second rank waits"
        assert first.wait(60) != 0
        assert "Traceback" not in first.communicate()[1]
        assert RunFolder(folder).rows() == ()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "al_lightning", "resume", str(folder)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(RunFolder(folder).rows()) == 2
