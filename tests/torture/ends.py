"""What a run that nothing happened to leaves behind, and that it is the same whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import processes, workloads
from .protocol import Case, Outcome
from .workloads import KINDS, WORKERS, Workload

LOGGING = {"csv": True, "tensorboard": True, "wandb": {"mode": "offline"}}


def cases(seed: int) -> Iterator[Case]:
    for kind in KINDS:
        for workers in WORKERS:
            options = {"kind": kind, "workers": workers}
            yield Case(f"again-{kind}-{workers}", "a second run is the same, and leaves nothing", options,
                       short=kind == "ceal" and workers == 0)  # fmt: skip
        yield Case(f"workers-{kind}", "workers 0, 1 and 2 give the same", {"kind": kind})
    yield Case("logging", "with every logger", {"kind": "random", "workers": 0, "changes": {"logging": LOGGING}})


def run(case: Case, folder: Path) -> Outcome:
    kind = case.options["kind"]
    if "workers" not in case.options:
        without, *others = (workloads.reference(Workload(kind, workers)) for workers in WORKERS)
        faults = []
        for workers, other in zip(WORKERS[1:], others, strict=True):
            faults += [
                f"workers {workers}, {fault}" for fault in workloads.differences(other["record"], without["record"])
            ]
        return Outcome(tuple(faults))
    workload = Workload(kind, case.options["workers"], case.options.get("changes", {}))
    wanted = workloads.reference(workload)
    program = processes.start(workload.write(folder), folder)
    place = workload.run_folder(folder / "runs")
    faults = workloads.ended_well(program.wait(), place, wanted, program.temporary)
    names = [name for name in workloads.files_in(place) if name.endswith((".tmp", "last.ckpt"))]
    faults += [f"unfinished file after a whole run: {name}" for name in names]
    return Outcome(tuple(faults))
