"""Signals to the program in processes of its own: workers, ranks, background jobs, and what Python cannot stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import foreground
import pytest

from al_lightning import experiment
from al_lightning.config import load

PROGRAM = """
import sys
if {restore}:
    exec({foreground!r}, {{}})
from al_lightning.cli.main import program
sys.exit(program())
"""


@pytest.fixture
def slow(tiny: dict[str, Any]) -> dict[str, Any]:
    """A config whose parts are those of `slow_parts`."""
    tiny["dataset"]["name"] = "slow_parts:data"
    tiny["learner"] = {"name": "slow_parts:learner"}
    tiny["strategy"] = {"name": "slow_parts:strategy"}
    tiny["budget"]["stages"] = 2
    return tiny


def program(path: Path, slow: str, restore: bool = True, **options: Any) -> subprocess.Popen[str]:
    """`al-lightning run` in a session of its own; AL_SLOW says where it is slow."""
    script = path.parent / "program.py"
    script.write_text(PROGRAM.format(restore=restore, foreground=foreground.RESTORE))
    found = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"AL_SLOW": slow, "PYTHONPATH": os.pathsep.join(found), "OMP_NUM_THREADS": "1"}
    env["AL_SLOW_SECONDS"] = str(60 if restore else 1)
    return subprocess.Popen(
        [sys.executable, str(script), "run", str(path)],
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **options,
    )


def session(process: subprocess.Popen[str]) -> list[int]:
    """Living processes of the session that a process leads."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == process.pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def until_alone(process: subprocess.Popen[str], seconds: float) -> list[int]:
    """What is left of the session after at most so many seconds."""
    end = time.monotonic() + seconds
    while (left := session(process)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def reached(path: Path) -> Path:
    """The checkpoint that a run of the config writes after its first epoch, once it is there."""
    folder = experiment.run_folder(experiment.complete(load([path]))).path
    file = folder / "checkpoints" / "stage-000" / "last.ckpt"
    end = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    return folder


@pytest.mark.parametrize("to_group", [False, True], ids=["process", "group"])
def test_the_workers_of_loaders_end(slow, write_config, to_group):
    slow["loader"]["workers"] = 2
    slow["trainer"]["max_epochs"] = 5000
    path = write_config(slow)
    process = program(path, "nowhere:0")
    reached(path)
    begin = time.monotonic()
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begin < 12
    assert until_alone(process, 6) == []
    assert "Traceback" not in errors
    assert errors.count("al-lightning: stopped by SIGINT; go on with: al-lightning resume ") == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "group-INT"])
def test_all_ranks_end(slow, write_config, signum):
    slow["trainer"] |= {"devices": 2, "strategy": "ddp", "max_epochs": 5000}
    path = write_config(slow)
    process = program(path, "nowhere:0")
    folder = reached(path)
    assert len(session(process)) >= 2
    begin = time.monotonic()
    (os.kill if signum == signal.SIGTERM else os.killpg)(process.pid, signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert time.monotonic() - begin < 12
    assert until_alone(process, 6) == []
    lines = [line for line in errors.splitlines() if line.startswith("al-lightning: ")]
    assert lines == [f"al-lightning: stopped by {signum.name}; go on with: al-lightning resume {folder}"]


def test_what_python_cannot_interrupt_is_ended_by_force(slow, write_config):
    path = write_config(slow)
    process = program(path, f"k-center:{int(signal.SIGTERM)}")
    _, errors = process.communicate(timeout=110)
    assert process.returncode == 143
    assert "stopped by SIGTERM; go on with: al-lightning resume " in errors


def test_a_second_signal_ends_at_once(slow, write_config):
    path = write_config(slow)
    process = program(path, f"deaf:{int(signal.SIGTERM)}")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("deaf"):
            break
    time.sleep(1.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 1
    assert process.returncode == 143
    assert "stopped by SIGTERM" in errors


def test_a_job_of_the_background_ignores_ctrl_c(slow, write_config):
    path = write_config(slow)
    process = program(
        path,
        f"select:{int(signal.SIGINT)}",
        restore=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    process.communicate(timeout=110)
    assert process.returncode == 0
    assert len(experiment.run_folder(experiment.complete(load([path]))).rows()) == 2
