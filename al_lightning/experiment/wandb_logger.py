"""A W&B logger that a run never waits for: a thread talks to W&B, and all that fails is one warning."""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from al_lightning.core.stopping import is_stopping
from al_lightning.experiment.file_loggers import STAGE
from al_lightning.experiment.ranks import is_main

log = logging.getLogger(__name__)

START, FINISH = 20.0, 15.0
"""Seconds that W&B has to answer when a run starts and when it ends; offline it answers at once."""
FINISH_STOPPED = 3.0
"""The same at the end of a run that a signal stops."""
FLUSH = 2.0
"""Seconds between writes to the run's .wandb file; only what it holds outlives a killed process."""
TAG, NAME = 64, 128
"""Longest tag, and longest name of a project, group or run, that W&B takes."""


class Nothing:
    """Takes all calls and does nothing."""

    def __getattr__(self, name: str) -> Nothing:
        return self

    def __call__(self, *arguments: Any, **options: Any) -> Nothing:
        return self


class PatientWandbLogger(WandbLogger):
    """One W&B run of all stages and resumes.

    Args:
        folder: of the run; W&B writes to its `wandb/`.
        mode: "online" or "offline"; a run that cannot start online is offline.
        options: other arguments of `wandb.init`.
    """

    offset = 0
    """Steps of all earlier trainings of the run."""

    def __init__(self, folder: Path, mode: str, **options: Any) -> None:
        options |= {
            "project": project_name(options["project"]),
            "tags": [shortened(tag, TAG) for tag in dict.fromkeys(options["tags"]) if tag],
            "group": shortened(options["group"], NAME),
        }
        super().__init__(name=shortened(options.pop("name"), NAME), save_dir=folder, **options)
        self._folder, self._mode = folder, mode
        self._complained = False
        self._known: set[int] = set()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if is_main():
            self._thread = threading.Thread(target=self._work, name="wandb-logger", daemon=True)
            self._thread.start()

    @property
    def experiment(self) -> Any:
        """The W&B run; before it has started and where it cannot, an object that takes all calls and does nothing."""
        return self._experiment or Nothing()

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        self._tasks.put(lambda: WandbLogger.log_hyperparams(self, params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        at = None if step is None else step + self.offset
        values = dict(metrics)
        self._tasks.put(lambda: WandbLogger.log_metrics(self, values, at))

    @rank_zero_only
    def log_stage(self, values: Mapping[str, float], labelled: int, step: int) -> None:
        """A stage row, unless an earlier process has logged it."""
        found = dict(values)

        def task() -> None:
            if int(found[STAGE]) not in self._known:
                WandbLogger.log_metrics(self, found)

        self._tasks.put(task)

    def rewind(self, step: int) -> None:
        """Nothing: W&B only appends. The steps of an epoch that is trained again are there twice with equal values."""

    def close(self) -> bool:
        """Finish the W&B run; whether it has all that was logged."""
        if self._thread is None:
            return True
        done = threading.Event()

        def task() -> None:
            if self._experiment is not None:
                self._experiment.finish()
                done.set()

        self._tasks.put(task)
        self._tasks.put(None)
        self._thread.join(FINISH_STOPPED if is_stopping() else START + FINISH)
        if not done.is_set():
            self._complain("no answer")
        return done.is_set()

    def _work(self) -> None:
        try:
            self._start()
        except Exception as error:
            self._complained = True
            log.warning("W&B could not start (%s); the run goes on without it", _line(error))
        for task in iter(self._tasks.get, None):
            if self._experiment is None:
                continue
            try:
                task()
            except Exception as error:
                self._complain(error)

    def _start(self) -> None:
        earlier = set(logged_stages(self._folder / "wandb", str(self._id)))
        try:
            run = self._init(self._mode)
        except Exception as error:
            if wandb.run is not None:
                raise
            if self._mode != "offline":
                log.warning("W&B did not start online (%s); the run logs offline", _line(error))
                self._mode = "offline"
            wandb.teardown()  # W&B's process holds on to the id of a run that did not start, or did not finish in time
            run = self._init("offline")
        if self._mode == "offline":
            self._known = earlier
        elif (last := run.summary.get(STAGE)) is not None:
            self._known = set(range(int(last) + 1))
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        run.define_metric("stage/labelled", hidden=True)
        run.define_metric(STAGE, hidden=True)
        run.define_metric("stage/*", step_metric="stage/labelled")
        self._experiment = run

    def _init(self, mode: str) -> Any:
        wanted = {
            "console": "off",
            "silent": True,
            "quiet": True,
            "x_disable_stats": True,
            "init_timeout": START,
            "login_timeout": START,
            "finish_timeout": FINISH,
            "finish_timeout_raises": True,
            "x_transaction_log_flush_interval": FLUSH,
        }
        # Later versions know more of them.
        settings = wandb.Settings(**{k: v for k, v in wanted.items() if k in wandb.Settings.model_fields})
        wandb.setup(settings=settings)
        if wandb.run is not None:  # of the program around this one
            settings.reinit = "create_new"
        return wandb.init(**{**self._wandb_init, "mode": mode, "settings": settings})

    def _complain(self, error: object) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "W&B did not take all of the run (%s); stages.jsonl has all results, and `wandb sync` uploads what is "
                "in %s",
                _line(error),
                self._folder / "wandb",
            )


def project_name(name: str) -> str:
    """A name that W&B takes: without / \\ # ? % : and not longer than 128.

    Example:
        >>> project_name("polyps")
        'polyps'
    """
    taken = shortened("".join("-" if letter in "/\\#?%:" else letter for letter in name), NAME)
    if taken != name:
        log.warning("logging.wandb.project=%r: W&B does not take this name; it is logged as %r", name, taken)
    return taken


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and 8 characters that tell it from others of the same beginning.

    Example:
        >>> shortened("pilot", 64), len(shortened("x" * 100, 64))
        ('pilot', 64)
    """
    if len(text) <= limit:
        return text
    return f"{text[: limit - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def logged_stages(folder: Path, run_id: str) -> Iterator[int]:
    """Numbers of the stages in the .wandb files of a run; none of a file that cannot be read."""
    for file in sorted(folder.glob(f"offline-run-*/run-{run_id}.wandb")):
        try:
            from wandb.proto.wandb_internal_pb2 import Record

            for data in records(file.read_bytes()):
                for item in Record.FromString(data).history.item:
                    if (item.key or "/".join(item.nested_key)) == STAGE:
                        yield int(json.loads(item.value_json))
        except Exception as error:
            log.warning("%s: cannot be read (%s); its stages are logged again", file, _line(error))


def records(data: bytes) -> Iterable[bytes]:
    """The records of a .wandb file: a LevelDB log of 32 KiB blocks behind a header of 7 bytes. An incomplete last one
    is left out."""
    position, parts = 7, list[bytes]()
    while position + 7 <= len(data):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        begin, position = position + 7, position + 7 + length
        if position > len(data):
            return
        parts.append(data[begin:position])
        if kind in (1, 4):  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
