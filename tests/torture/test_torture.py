"""The short version of the torture, and that its harness sees what it is there to see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import processes, workloads
from .growth import per_stage

SHORT_OF = ("kills:before", "kills:middle", "kills:at-a-random-time", "ends")
"""Modules of the short cases that the suite runs."""


def torture(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture", "--out", str(out), *arguments],
        cwd=processes.ROOT,
        env=dict(os.environ, PYTHONPATH=str(processes.ROOT), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
    )


def test_the_short_cases_hold_and_are_not_run_again(tmp_path):
    only = [word for name in SHORT_OF for word in ("--only", name)]
    done = torture(tmp_path, "--short", *only)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    table = done.stdout.splitlines()
    assert any(line.split()[:2] == ["what", "cases"] for line in table)
    again = torture(tmp_path, "--short", *only)
    assert again.returncode == 0
    assert " 0 to run" in again.stdout
    assert again.stdout.splitlines()[1:] == table[-len(again.stdout.splitlines()) + 1 :]


RECORD = {
    "files": ["a", "b"],
    "rows": [{"stage": 0, "test": 0.5}],
    "pools": {"s": [1]},
    "weights": {"w": "1"},
    "pseudo": {},
}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"rows": [{"stage": 0, "test": 0.25}]}, "other rows"),
        ({"rows": []}, "other rows"),
        ({"pools": {"s": [2]}}, "other labels"),
        ({"weights": {"w": "2"}}, "other weights"),
        ({"weights": {}}, "other weights"),
        ({"pseudo": {"p": "1"}}, "other pseudo-labels"),
        ({"files": ["a", "b", "c"]}, "files left in the run's folder"),
        ({"files": ["a"]}, "files missing"),
    ],
)
def test_every_difference_is_a_fault(change, cause):
    assert workloads.differences(RECORD, RECORD) == []
    (fault,) = workloads.differences(RECORD | change, RECORD)
    assert fault.partition(":")[0] == cause


INJECTED = """
import json, os, pathlib, shutil, sys, tempfile
sys.path.insert(0, {root!r})
from tests.torture.processes import Fault, inject
place = pathlib.Path({folder!r}) / "run"
inject(Fault(place, **{fault!r}), counted := [], written := [])
other = place.parent / "other"
other.write_text("not counted")
place.mkdir()
with (place / "a").open("w") as file:
    file.write("12345")
    file.flush()
    os.fsync(file.fileno())
other.replace(place / "b")
(place / "a").unlink()
(place / "b").read_text()
print(json.dumps([counted, sum(written)]))
"""
POINTS = ["os.mkdir .", "open a", "os.fsync a", "os.rename b", "os.remove a"]


def injected(folder: Path, **fault) -> subprocess.CompletedProcess[str]:
    text = INJECTED.format(root=str(processes.ROOT), folder=str(folder), fault=fault)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)


def test_every_change_below_the_root_is_a_point_and_every_byte_is_counted(tmp_path):
    counted, written = json.loads(injected(tmp_path, bytes=100).stdout)
    assert counted == POINTS
    assert written == 5


def test_it_dies_before_the_change_of_that_number(tmp_path):
    for number, there in ((0, []), (1, []), (3, ["a"]), (4, ["a", "b"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert injected(folder, point=number).returncode == -9
        run = folder / "run"
        assert (sorted(file.name for file in run.iterdir()) if run.exists() else []) == there


def test_a_full_disk_takes_the_first_bytes_and_then_raises_or_kills(tmp_path):
    for full, code, said in (("enospc", 1, "[Errno 28] No space left on device"), ("kill", -9, "")):
        folder = tmp_path / full
        folder.mkdir()
        done = injected(folder, bytes=3, full=full)
        assert done.returncode == code
        assert said in done.stderr
        assert (folder / "run" / "a").read_text() == "123"


def test_the_slope_of_growth():
    assert per_stage([7.0, 7.0, 7.0]) == 0
    assert per_stage([1.0, 2.0, 2.0, 3.0]) == pytest.approx(0.6)
