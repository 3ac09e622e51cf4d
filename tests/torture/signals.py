"""SIGINT and SIGTERM at any time: 130 or 143, one line, nothing left, and the run goes on."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from . import processes, workloads
from .protocol import Case, Outcome
from .workloads import Workload

SIGNALS = {"SIGINT": 130, "SIGTERM": 143}
"""Signal -> exit code."""
TORTURED = ("random", "committee", "vaal", "cereals", "ceal", "pix2pix", "finetune")


def cases(seed: int) -> Iterator[Case]:
    rng = random.Random(f"signals {seed}")
    for name in SIGNALS:
        for kind in TORTURED:
            for workers, number in ((0, 3), (2, 2)):
                for k in range(number):
                    share = (k + rng.random()) / number * 0.95
                    options = {"signal": name, "kind": kind, "workers": workers, "share": share}
                    row = f"{name} at a random time" + (", workers" if workers else "")
                    yield Case(
                        f"{name}-{kind}-{workers}-{k}", row, options, short=kind == "random" and k == 1 > workers
                    )
        for k in range(3):
            options = {"signal": name, "kind": "random", "workers": 0, "seconds": 0.3 + 2.5 * k + rng.random()}
            yield Case(f"{name}-start-{k}", f"{name} while the program starts", options)


def run(case: Case, folder: Path) -> Outcome:
    options = case.options
    workload = Workload(options["kind"], options["workers"])
    wanted = workloads.reference(workload)
    arguments, place = workload.write(folder), workload.run_folder(folder / "runs")
    number = getattr(signal, options["signal"])
    own = "seconds" in options
    program = processes.start(arguments, folder, interpreter=own)
    seconds = options["seconds"] if own else options["share"] * wanted["seconds"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not program.ended():
        time.sleep(0.001)
    sent = not program.ended()
    program.send(number)
    ended = program.wait(60)
    faults = []
    if ended.code is None:
        return Outcome((f"hangs: 60 s after {options['signal']}",))
    expected = SIGNALS[options["signal"]]
    # Before the program has taken over the signals, Python ends without a word.
    early = own and ended.code in (-number, expected) and not ended.said
    if sent and ended.code not in (expected, 0) and not early:
        faults.append(f"exit code {ended.code} instead of {expected}: after {seconds:.2f} s")
    if sent and ended.code != 0 and not early and len(lines := ended.said.splitlines()) != 1:
        faults.append(f"{'several lines' if lines else 'no line'} on standard error: {' / '.join(lines[-2:])[-160:]}")
    if ended.left:
        faults.append(f"processes left after {options['signal']}: {ended.left[0]}")
    if left := workloads.files_in(program.temporary):
        faults.append(f"files left in TMPDIR after {options['signal']}: {', '.join(left[:3])}")
    again = ["resume", str(place)] if (place / "config.yaml").exists() else arguments
    program = processes.start(again, folder)
    faults += workloads.ended_well(program.wait(), place, wanted, program.temporary)
    return Outcome(tuple(faults), tried=int(sent))
