"""Runs that end at a chosen write, and go on: a program that the tests of stopped runs start.

    python crash_host.py CONFIG < CASES

It loads torch once and forks a process per run, so that each takes only as long as its epochs. It runs CONFIG to its
end, then each case: a run that is killed (or whose storage fails), what is done to its folder, and the resume. It
prints one JSON object per case, after one for the whole run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


def run_cases(config: Path, cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of this program: the first is of the whole run.

    Args:
        config: of one run; its runs_dir is replaced.
        cases: each with "fault": arguments of `install`, and where wanted "move" or "copy": where to, before the
            resume.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = subprocess.run(
        [sys.executable, str(HERE), str(config)],
        input=json.dumps(list(cases)),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def install(
    call: str, name: str, count: int = 1, after: bool = False, part: float | None = None, error: int | None = None
) -> None:
    """Let the `count`-th call of `os.<call>` on a file with `name` in its path kill the process.

    Args:
        call: "write", "fsync" or "replace".
        after: after the call, not before it.
        part: of the bytes of a write still reach the file.
        error: raise this error number instead, from then on.
    """
    original, opened, seen = getattr(os, call), os.open, 0
    names: dict[int, str] = {}

    def open_(path: Any, *arguments: Any, **options: Any) -> int:
        handle = opened(path, *arguments, **options)
        names[handle] = os.fspath(path)
        return handle

    def patched(first: Any, *rest: Any) -> Any:
        nonlocal seen
        where = names.get(first, "") if isinstance(first, int) else f"{os.fspath(first)} {os.fspath(rest[0])}"
        if name not in where:
            return original(first, *rest)
        seen += 1
        if seen < count or (seen > count and error is None):
            return original(first, *rest)
        if part is not None:
            original(first, rest[0][: int(part * len(rest[0]))])
        if after:
            original(first, *rest)
        if error is not None:
            raise OSError(error, os.strerror(error))
        os.kill(os.getpid(), signal.SIGKILL)

    os.open = open_  # type: ignore[assignment]
    setattr(os, call, patched)


def child(work: Callable[[], int | None]) -> tuple[int, str]:
    """Run `work` in a process of its own: its exit code, or minus a signal's number, and what it said on stderr."""
    with tempfile.TemporaryFile() as said:
        pid = os.fork()
        if pid == 0:
            code: int | None = 99
            try:
                os.dup2(said.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                code = work()
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code or 0)
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def results(folder: Path) -> dict[str, Any]:
    """What two runs that are the same have in common: rows without times, and digests of the best weights."""
    from al_lightning.core.checkpoint_file import digest_of
    from al_lightning.core.run_folder import read_rows

    rows = [
        {key: value for key, value in row.items() if key != "seconds"} for row in read_rows(folder / "stages.jsonl")
    ]
    weights = {file.relative_to(folder).as_posix(): digest_of(file) for file in sorted(folder.rglob("best.ckpt"))}
    return {"rows": rows, "weights": weights}


def one_case(config: Any, number: int, case: dict[str, Any], root: Path) -> dict[str, Any]:

    from al_lightning.cli import main

    def begin() -> int:
        if case.get("fault"):
            install(**case["fault"])
        return main(["run", str(file)])

    file, place = root / f"case-{number}.yaml", root / f"case-{number}"
    from omegaconf import OmegaConf

    file.write_text(OmegaConf.to_yaml(OmegaConf.create(config | {"runs_dir": str(place / "runs")})))
    answer: dict[str, Any] = {"case": case}
    answer["code"], answer["said"] = child(begin)
    folder = next(place.rglob("config.yaml"), place / "none").parent
    answer["stopped"] = results(folder)
    for kind in ("copy", "move"):
        if kind in case:
            target = place / case[kind] / "seed-0"
            target.parent.mkdir(parents=True)
            (shutil.copytree if kind == "copy" else shutil.move)(folder, target)
            folder = target
    answer["listed"] = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if case.get("fault"):
        answer["resume"], answer["answer"] = child(lambda: main(["resume", str(folder)]))
    answer["left"] = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return answer | {"results": results(folder)}


def work(config: Path) -> None:
    """Run all cases from stdin."""
    import torch
    from omegaconf import OmegaConf

    import al_lightning.experiment.runner as runner

    torch.set_num_threads(1)
    runner.probe = lambda setup: None  # the first pass is the same for all
    plain: Any = OmegaConf.to_container(OmegaConf.load(config))
    root = Path(tempfile.mkdtemp(prefix="crash-host-", dir=config.parent))
    for number, case in enumerate([{}, *json.load(sys.stdin)]):
        print(json.dumps(one_case(plain, number, case, root)), flush=True)


if __name__ == "__main__":
    work(Path(sys.argv[1]).resolve())
