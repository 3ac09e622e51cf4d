"""Parts of a run that take long in one phase and send this process a signal there.

AL_SLOW is "<phase>:<signal number>". Only the first that comes there is slow: what resumes goes on at full speed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.query import Pseudo, Query
from al_lightning.core.task import Task
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.images import ImageReading
from al_lightning.learners.unet import unet
from al_lightning.loop import ActiveLearningLoop
from al_lightning.neighbors import k_center_greedy
from al_lightning.strategies import TACoreset
from al_lightning.strategies.vaal import VAAL

LONG = float(os.environ.get("AL_SLOW_SECONDS", 60))
"""Seconds that the phase takes where nothing stops it."""
begun: list[float] = []
"""When the signal was sent."""
sent: list[None] = []
"""Whether one is about to be sent, from where images are decoded."""
decoded: Counter[Path] = Counter()
"""How often each file was."""


def clear() -> None:
    """As if no signal had been sent."""
    begun.clear()
    sent.clear()
    decoded.clear()


def is_at(phase: str) -> bool:
    return os.environ.get("AL_SLOW", "").split(":")[0] == phase


def here(phase: str) -> None:
    """Where this is the phase: have a signal sent in a moment, and go on for a minute."""
    if is_at(phase):
        send()
        wait()


def send() -> None:
    signum = int(os.environ.pop("AL_SLOW").split(":")[1])

    def later() -> None:
        time.sleep(0.1)
        begun.append(time.monotonic())
        os.kill(os.getpid(), signum)

    threading.Thread(target=later, daemon=True).start()


def wait() -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        time.sleep(0.02)


@dataclass(frozen=True)
class SlowReading(ImageReading):
    """Two seconds for each file, in the threads that fill the cache, or in those that look for overlap after it."""

    def decode(self, path: Path) -> Any:
        decoded[path] += 1
        if is_at("decode") or (is_at("overlap") and decoded[path] == 2):
            sent.append(send())
        if sent:
            time.sleep(2)
        return super().decode(path)


def data(root: str, size: int = 16, validation: int = 4) -> Any:
    here("load")
    if inside("_pictures"):
        here("report")
    found = kvasir(root, size, validation=validation)
    return replace(found, image_reading=SlowReading()) if is_at("decode") or is_at("overlap") else found


def inside(function: str) -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False


def learner(task: Task, size: tuple[int, int], dropout: float = 0.5) -> Any:
    """A U-Net whose steps are slow."""
    made = unet(task, size, widths=(4, 8), dropout=dropout, lr=0.01)
    for name in ("training_step", "validation_step", "test_step", "predict_step"):
        setattr(made, name, slowed(getattr(made, name), name, made))
    return made


def slowed(step: Callable[..., Any], name: str, made: Any) -> Callable[..., Any]:
    """The phases are "fit-training_step", "test-test_step", ..., "probe", and "fit-1" for the second of a committee."""

    def call(*arguments: Any) -> Any:
        if made._trainer is None:  # as a member of a committee
            return step(*arguments)
        loop = next((c for c in made.trainer.callbacks if isinstance(c, ActiveLearningLoop)), None)
        here("probe" if loop is None else f"{made.trainer.state.fn.value}-{name}")
        if loop is not None and name == "training_step":
            here(f"stage-{loop.stage}-epoch-{made.current_epoch}")
        if loop is not None and loop.member == 1:
            here("fit-1")
        if loop is not None and inside("_pseudo_label"):
            here("pseudo")
        return step(*arguments)

    return call


class Coreset(TACoreset):
    """k-center-greedy on the latents, slow in `select` and in its C code, with two pseudo-labels."""

    def select(self, candidates: Any, per_stage: int, rng: np.random.Generator) -> Query:
        here("select")
        if is_at("deaf"):
            send()
            while True:
                try:
                    wait()
                except BaseException:
                    print("deaf", file=sys.stderr, flush=True)
        if is_at("swallowed"):
            Swallow()
            wait()
        if is_at("k-center"):
            send()
            points = np.random.default_rng(0).random((60_000, 256), np.float32)
            k_center_greedy(points, np.arange(60_000) < 1, 30_000)
        query = super().select(candidates, per_stage, rng)
        rest = np.setdiff1d(candidates.rows[candidates.unlabelled], query.rows)[:2]
        return Query(query.rows, query.source, query.score, Pseudo(rest, "hard"))


class Swallow:
    """An object whose `__del__` is where the signal comes: Python drops what is raised there."""

    def __del__(self) -> None:
        signum = int(os.environ.pop("AL_SLOW").split(":")[1])
        begun.append(time.monotonic())
        os.kill(os.getpid(), signum)
        sum(range(1000))


def strategy() -> Coreset:
    return Coreset()


@dataclass(frozen=True)
class SlowVAAL(VAAL):
    """Slow in its own training."""

    def score(self, images: Any, *others: Any) -> Any:
        def slow(rows: Any) -> Any:
            if inside("fit"):
                here("vaal")
            return images(rows)

        return super().score(slow, *others)


def vaal() -> SlowVAAL:
    return SlowVAAL(multiplier=1 / 64, iterations=3, batch_size=4)
