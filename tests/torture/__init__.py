"""Runs that are killed, starved of disk, signalled and edited, and must lose nothing.

    python -m tests.torture                      # from the root of the repository; `make torture`
    python -m tests.torture --only kills --jobs 4 --seed 1
    python -m tests.torture --short              # what the suite runs

**Protocol.** Every module of this package that has these two functions takes part; nothing else registers it.

    def cases(seed: int) -> Iterable[Case]        # all cases of this seed, always the same ones in the same order
    def run(case: Case, folder: Path) -> Outcome  # one case in an empty folder of its own

`Case` and `Outcome` are in `protocol`. `cases` must be cheap, because it is called at every start. `run` is called in a
process of its own, forked from one that has imported torch, Lightning and al_lightning but started no threads; it may
change its environment, and must leave no process behind. It reports what did not hold as faults in its outcome and does
not raise: an exception counts as a fault of the harness. A fault is `"cause: detail"`; faults are counted by cause.

`processes` starts the program in a fork of its own (`start`, `Program.wait`) with faults injected. `workloads` has
small configurations of every kind, their uninterrupted runs (`reference`), and compares a run with these
(`differences`).

Results are appended to results.jsonl as they come, with a digest of the package's sources; a case that has a result
of the same sources is not run again, so that an interrupted torture goes on where it was.
"""
