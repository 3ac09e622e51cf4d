"""SIGKILL, at any moment and before any change of a file; the run goes on and ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import processes, workloads
from .processes import Fault, Program
from .protocol import Case, Outcome
from .workloads import KINDS, WORKERS, Workload

MOST = 12
"""Starts of one run after which it is given up."""
ELSEWHERE = Path("/dev/shm")
"""A folder that is usually on another file system than the runs."""


def cases(seed: int) -> Iterator[Case]:
    rng = random.Random(seed)
    for kind in KINDS:
        for workers in WORKERS:
            few = workers > 0
            yield from _several("before a change of a file", kind, workers, 3 if few else 6, rng)
            yield from _several("at a random time", kind, workers, 2 if few else 4, rng)
            if not few:
                yield from _several("in the middle of a write", kind, workers, 3, rng)
                yield from _several("TMPDIR on another file system", kind, workers, 1, rng)
            if workers != 1:
                yield from _several("then the folder was moved", kind, workers, 1, rng)
                yield from _several("several in one run", kind, workers, 1, rng)


def _several(way: str, kind: str, workers: int, number: int, rng: random.Random) -> Iterable[Case]:
    for k in range(number):
        share = (k + rng.random()) / number
        name = f"{way.replace(' ', '-')}-{kind}-{workers}-{k}"
        options = {"way": way, "kind": kind, "workers": workers, "share": share, "seed": rng.randrange(2**31)}
        short = kind == "random" and workers == 0 and k == 0
        yield Case(name, f"kill {way}" + (", workers" if workers else ""), options, short)


def run(case: Case, folder: Path) -> Outcome:
    options = case.options
    workload = Workload(options["kind"], options["workers"])
    wanted = workloads.reference(workload)
    rng = random.Random(options["seed"])
    arguments = workload.write(folder)
    place = workload.run_folder(folder / "runs")
    way, share = options["way"], options["share"]
    elsewhere = None
    if way == "TMPDIR on another file system":
        if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == folder.stat().st_dev:
            return Outcome(skipped=f"{ELSEWHERE} is not on another file system")
        elsewhere = ELSEWHERE / f"al-lightning-torture-{os.getpid()}"
    faults: list[str] = []
    kills = 0
    try:
        for start in range(MOST):
            fault, wait = None, None
            if start == 0 or (way == "several in one run" and start < 4):
                kind = way if way != "several in one run" else rng.choice(ways())
                here = share if way != "several in one run" else rng.random() * 0.6
                fault, wait = planned(kind, here, wanted, place, folder)
            # One of its own for every start, because a program that is killed cannot clean up.
            program = processes.start(arguments, folder, fault, elsewhere and elsewhere / str(start))
            if wait is not None:
                kill_after(program, wait)
            ended = program.wait()
            kills += ended.code == -signal.SIGKILL
            if ended.code is None:
                faults.append(f"hangs: start {start} did not end")
                break
            if ended.left:
                faults.append(f"processes left: {ended.left[0]}")
            if ended.code != -signal.SIGKILL:
                break
            if way == "then the folder was moved" and (place / "config.yaml").exists():
                moved = folder / "elsewhere" / place.relative_to(folder / "runs")
                moved.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(place, moved)
                place = moved
            can_resume = (place / "config.yaml").exists()
            if can_resume and (way == "then the folder was moved" or rng.random() < 0.5):
                arguments = ["resume", str(place)]
        faults += workloads.ended_well(ended, place, wanted, program.temporary)
    finally:
        if elsewhere is not None:
            shutil.rmtree(elsewhere, ignore_errors=True)
    return Outcome(tuple(faults), tried=kills)


def ways() -> list[str]:
    """Those of a single kill."""
    return ["before a change of a file", "at a random time", "in the middle of a write"]


def planned(
    way: str, share: float, wanted: Mapping[str, Any], place: Path, folder: Path
) -> tuple[Fault | None, float | None]:
    """The fault, or the seconds after which to kill, at this share of the whole run.

    `place` is the folder of the run, `folder` that of the case, which holds it and TMPDIR.
    """
    if way == "at a random time":
        return None, share * wanted["seconds"]
    if way == "in the middle of a write":
        return Fault(place, bytes=1 + int(share * wanted["bytes"]), full="kill", disk=folder), None
    return Fault(place, point=int(share * len(wanted["points"]))), None


def kill_after(program: Program, seconds: float) -> None:
    """SIGKILL after so many seconds, unless it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not program.ended():
        time.sleep(0.001)
    if not program.ended():
        program.send(signal.SIGKILL)
