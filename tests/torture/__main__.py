"""Runs all cases of all modules, and prints one table at the end."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

if __package__ in (None, ""):
    raise SystemExit("run it from the root of the repository: python -m tests.torture")

from . import processes
from .protocol import Case, Outcome

NO_RESULT = 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 where everything held, 1 where something did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--out", type=Path, default=processes.ROOT / "runs" / "torture", help="folder of the results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time")
    parser.add_argument("--seed", type=int, default=0, help="of all draws; another seed gives other cases")
    parser.add_argument("--only", action="append", default=[], metavar="MODULE[:TEXT]",
                        help="this module, and of it the cases whose row or name holds the text")  # fmt: skip
    parser.add_argument("--short", action="store_true", help="the cases of the suite alone")
    parser.add_argument("--list", action="store_true", help="name the cases, run none")
    parser.add_argument("--again", action="store_true", help="run what failed before again")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(processes.ROOT / "tests"))
    chosen = [
        (name, case) for name, case in every_case(options.seed)
        if wanted(name, case, options.only) and (case.short or not options.short)
    ]  # fmt: skip
    if options.list:
        print("\n".join(f"{name}:{case.name}" for name, case in chosen))
        return 0
    out = options.out.resolve() / sources()
    out.mkdir(parents=True, exist_ok=True)
    # What was rendered is the same for all sources.
    os.environ["AL_LIGHTNING_TORTURE_DATA"] = str(options.out.resolve() / "data")
    os.environ["AL_LIGHTNING_TORTURE"] = str(out)
    known = results(out / "results.jsonl", options.seed)
    if options.again:
        known = {key: result for key, result in known.items() if not result["faults"]}
    todo = [(name, case) for name, case in chosen if (name, case.name) not in known]
    print(f"{len(chosen)} cases, {len(todo)} to run, {options.jobs} at a time; results in {out}", flush=True)
    if todo:
        processes.preload()
        known |= run_all(todo, out, options.jobs, options.seed)
    found = [known[name, case.name] for name, case in chosen if (name, case.name) in known]
    print(table(found))
    return int(len(found) < len(chosen) or any(result["faults"] for result in found))


def modules() -> dict[str, ModuleType]:
    """The modules of this package that have `cases` and `run`, by name."""
    package = __package__ or ""
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    loaded = {
        name: importlib.import_module(f"{package}.{name}") for name in names if not name.startswith(("_", "test"))
    }
    return {name: module for name, module in loaded.items() if hasattr(module, "cases") and hasattr(module, "run")}


def every_case(seed: int) -> list[tuple[str, Case]]:
    """(module, case) of all modules."""
    found = [(name, case) for name, module in modules().items() for case in module.cases(seed)]
    twice = [key for key, number in Counter((name, case.name) for name, case in found).items() if number > 1]
    assert not twice, f"two cases of one name: {twice[0]}"
    return found


def wanted(module: str, case: Case, only: Iterable[str]) -> bool:
    """Whether one of MODULE[:TEXT] names the case; all are where there is none."""
    for entry in only:
        name, _, text = entry.partition(":")
        if name == module and (text in case.row or text in case.name):
            return True
    return not only


def sources() -> str:
    """A digest of the package, for which alone its results count."""
    joined = hashlib.sha256()
    for file in sorted((processes.ROOT / "al_lightning").rglob("*.py")):
        joined.update(file.relative_to(processes.ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return joined.hexdigest()[:12]


def results(file: Path, seed: int) -> dict[tuple[str, str], dict[str, Any]]:
    """(module, case) -> its last result with this seed; an incomplete last line is skipped."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        with contextlib.suppress(ValueError):
            result = json.loads(line)
            if result["seed"] == seed:
                found[result["module"], result["case"]] = result
    return found


def run_all(todo: Sequence[tuple[str, Case]], out: Path, jobs: int, seed: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Run the cases in forks of this process; returns the results, which are appended to results.jsonl as they come."""
    by_name = modules()
    waiting = list(reversed(todo))
    running: dict[int, tuple[str, Case, Path, float]] = {}
    done: dict[tuple[str, str], dict[str, Any]] = {}
    file = out / "results.jsonl"
    if file.exists() and not file.read_bytes().endswith(b"\n"):
        with file.open("a") as lines:
            lines.write("\n")
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, case = waiting.pop()
                folder = out / "cases" / name / case.name
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                sys.stdout.flush()
                if not (pid := os.fork()):
                    _run_case(by_name[name], case, folder)
                running[pid] = (name, case, folder, time.monotonic())
            pid, _ = os.waitpid(-1, 0)
            if pid not in running:
                continue
            name, case, folder, begin = running.pop(pid)
            answer = folder.with_suffix(".json")
            none = Outcome((f"harness: the process of the case ended without a result; see {folder}",), tried=0)
            outcome = json.loads(answer.read_text()) if answer.exists() else asdict(none)
            answer.unlink(missing_ok=True)
            seconds = round(time.monotonic() - begin, 2)
            result = {"module": name, "case": case.name, "row": case.row, "seed": seed, "seconds": seconds, **outcome}
            with file.open("a") as lines:
                lines.write(json.dumps(result) + "\n")
            done[name, case.name] = result
            for fault in result["faults"]:
                print(f"{name}:{case.name}: {fault}", flush=True)
            if not result["faults"]:
                shutil.rmtree(folder, ignore_errors=True)
            if len(done) % 20 == 0:
                print(f"{len(done)} of {len(todo)} done", flush=True)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", flush=True)
        for pid in running:
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(out / "tmp", ignore_errors=True)
    return done


def _run_case(module: ModuleType, case: Case, folder: Path) -> None:
    """In the fork: run the case, write its outcome beside its folder, end."""
    try:
        processes.die_with(os.getppid())
        try:
            outcome = module.run(case, folder)
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            (folder / "traceback.txt").write_text(text)
            outcome = Outcome((f"harness: {type(error).__name__}: {' '.join(str(error).split())[:300]}",), tried=0)
        temporary = folder.with_suffix(".part")
        temporary.write_text(json.dumps(asdict(outcome)))
        temporary.replace(folder.with_suffix(".json"))
    finally:
        os._exit(0)


def table(found: Sequence[dict[str, Any]]) -> str:
    """What was done, how often, in how many cases it held, and the faults by cause."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in found:
        rows.setdefault((result["module"], result["row"]), []).append(result)
    lines = [("what", "cases", "tried", "held", "failed", "skipped")]
    totals = [0] * 5
    for (_, row), of_row in rows.items():
        skipped = sum(bool(result["skipped"]) for result in of_row)
        failed = sum(bool(result["faults"]) for result in of_row)
        tried = sum(result["tried"] for result in of_row if not result["skipped"])
        numbers = [len(of_row), tried, len(of_row) - failed - skipped, failed, skipped]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        lines.append((row, *map(str, numbers)))
    lines.append(("all", *map(str, totals)))
    wide = max(len(line[0]) for line in lines)
    text = [f"{line[0]:<{wide}}" + "".join(f"{cell:>9}" for cell in line[1:]) for line in lines]
    causes: Counter[str] = Counter()
    for result in found:
        causes.update({f"{result['module']}: {fault.partition(':')[0]}" for fault in result["faults"]})
    if causes:
        text += [
            "",
            "cases by cause of the failure:",
            *(f"{number:>6}  {cause}" for cause, number in causes.most_common()),
        ]
    for reason in sorted({result["skipped"] for result in found if result["skipped"]}):
        text.append(f"skipped: {reason}")
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
