"""A run that is killed, or whose disk is full, while it writes a checkpoint goes on as if nothing had been."""

from __future__ import annotations

import errno
import os
import signal
import shutil
import subprocess

import pytest
from crash_host import run_cases

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its runs")
LEFT = ("last", "previous", ".tmp")


@pytest.fixture
def config(tiny, write_config):
    """One stage whose weights get better in the first epochs."""
    tiny["budget"]["stages"] = 1
    tiny["trainer"]["max_epochs"] = 3
    tiny["loader"]["batch_size"] = 2
    return write_config(tiny)


def left(answer: dict) -> list[str]:
    return [name for name in answer["left"] if any(part in name.rpartition("/")[2] for part in LEFT)]


KILLS = [
    *[{"call": "write", "name": "last.ckpt", "count": 2, "part": part} for part in (0.0, 0.01, 0.5, 0.999)],
    {"call": "fsync", "name": "last.ckpt", "count": 2},
    # A replacement takes two renames: of the old file (at first there is none), and of the new one.
    {"call": "replace", "name": "last.ckpt", "count": 3},
    {"call": "replace", "name": "last.ckpt", "count": 3, "after": True},
    {"call": "replace", "name": "last.ckpt", "count": 4, "after": True},
    {"call": "write", "name": "best.ckpt", "count": 1, "part": 0.5},
    {"call": "write", "name": "best.ckpt", "count": 2, "part": 0.5},
    {"call": "replace", "name": "best.ckpt", "count": 3, "after": True},
    {"call": "replace", "name": "best.ckpt", "count": 4, "after": True},
]


def test_killed_at_any_moment_of_a_write_it_ends_with_the_same_rows_and_weights(config, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
    whole, *answers = run_cases(config, [{"fault": kill} for kill in KILLS])
    assert len(whole["results"]["rows"]) == 1
    for answer in answers:
        assert answer["code"] == -signal.SIGKILL, answer
        assert not answer["stopped"]["rows"]
        assert (answer["resume"], answer["results"]) == (0, whole["results"]), answer
        assert left(answer) == []
    # A write that was cut short has left its file, which the resume has cleared.
    assert any(name.endswith(".tmp") for name in answers[0]["listed"])
