"""Memory, threads and open files by stage: a run of many stages needs no more at its end than near its beginning."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .processes import ROOT
from .protocol import Case, Outcome
from .workloads import Workload

STAGES = 20
SETTLED = 8
"""Stage from which on nothing may grow: allocators and lazy imports have then seen everything."""
MOST_MB = 0.3
"""Growth per stage, in MB, of the line through the stages from SETTLED on."""
MEASURED = ("random", "ta-coreset", "mc-dropout", "vaal", "committee", "cereals", "pix2pix", "ceal")


def cases(seed: int) -> Iterator[Case]:
    for kind in MEASURED:
        for workers in (0, 2):
            yield Case(
                f"{kind}-{workers}", f"{STAGES} stages: memory, threads, files", {"kind": kind, "workers": workers}
            )


def run(case: Case, folder: Path) -> Outcome:
    kind, workers = case.options["kind"], case.options["workers"]
    trainer = {"max_epochs": 2}
    workload = Workload(kind, workers, {"budget": {"initial": 4, "per_stage": 1, "stages": STAGES}, "trainer": trainer})
    arguments = workload.write(folder)
    measured = folder / "measured.jsonl"
    # A fork shares pages with its parent, which count as its own once it touches them.
    # oneDNN keeps the kernels of the last 1024 shapes: each stage has batches of new ones, which are no leak.
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", ONEDNN_PRIMITIVE_CACHE_CAPACITY="0")
    command = [sys.executable, "-m", f"{__package__}.growth", str(measured), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        return Outcome((f"exit code {done.returncode} instead of 0: {done.stderr.strip()[-300:]}",))
    lines = [json.loads(line) for line in measured.read_text().splitlines()]
    faults = []
    if len(lines) != STAGES:
        faults.append(f"harness: {len(lines)} stages measured")
    late = lines[SETTLED:]
    slope = per_stage([line["mb"] for line in late])
    if slope > MOST_MB:
        faults.append(f"memory grows: {kind}, workers {workers}: {slope:.2f} MB a stage")
    for name in ("threads", "files", "children"):
        if late[-1][name] > late[0][name]:
            faults.append(f"{name} grow: {kind}, workers {workers}: {late[0][name]} to {late[-1][name]}")
    figures = {"mb_per_stage": round(slope, 2), **{name: [line[name] for line in lines] for name in lines[0]}}
    return Outcome(tuple(faults), figures=figures)


def per_stage(values: list[float]) -> float:
    """Slope of the least-squares line through values of successive stages.

    Example:
        >>> per_stage([1.0, 3.0, 5.0])
        2.0
    """
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((k - middle) ** 2 for k in range(len(values)))
    return sum((k - middle) * (value - mean) for k, value in enumerate(values)) / spread


def now() -> dict[str, float]:
    """Memory of this process in MB, its threads, open files and children.

    Without mapped files, whose pages the system drops and reads again as it likes, and without what is freed and kept
    by the allocator.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    children = [Path(f"/proc/self/task/{task}/children").read_text().split() for task in os.listdir("/proc/self/task")]
    return {
        "mb": round(sum(int(status[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024, 1),
        "threads": int(status["Threads"]),
        "files": len(os.listdir("/proc/self/fd")),
        "children": sum(map(len, children)),
    }


def watched(file: Path, arguments: list[str]) -> int:
    """The program, with a line of `now` in a file for every stage."""
    from al_lightning.cli.main import main
    from al_lightning.core.run_folder import RunFolder

    append = RunFolder.append_row

    def spy(self, row):  # type: ignore[no-untyped-def]
        append(self, row)
        with file.open("a") as lines:
            lines.write(json.dumps(now()) + "\n")

    RunFolder.append_row = spy  # type: ignore[method-assign]
    return main(arguments)


if __name__ == "__main__":
    sys.exit(watched(Path(sys.argv[1]), sys.argv[2:]))
