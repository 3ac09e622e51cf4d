"""A run that is killed, or whose disk is full, while it writes a checkpoint goes on as if nothing had been."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys

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


def said(text: str) -> list[str]:
    assert "Traceback" not in text, text
    return [line for line in text.splitlines() if line.startswith("al-lightning: ")]


@pytest.mark.parametrize("number", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.slow)])
def test_a_full_or_broken_disk_is_one_message_and_the_run_goes_on_when_it_is_mended(config, number):
    files = ["config.yaml", "best.ckpt", "last.ckpt", "state/"] if number == errno.ENOSPC else ["last.ckpt"]
    faults = [
        {"call": "write", "name": name, "count": 2 if name == "last.ckpt" else 1, "part": 0.5, "error": number}
        for name in files
    ]
    whole, *answers = run_cases(config, [{"fault": fault} for fault in faults])
    for name, answer in zip(files, answers, strict=True):
        (message,) = said(answer["said"])
        assert answer["code"] == 74, answer
        assert os.strerror(number) in message
        assert name.strip("/") in message
        if name == "config.yaml":
            assert answer["resume"] == 2, "nothing has begun"
            continue
        assert "al-lightning resume " in message
        assert not any(entry.endswith(".tmp") for entry in answer["listed"]), "what takes room is not left there"
        assert (answer["resume"], answer["results"]) == (0, whole["results"]), answer
        assert left(answer) == []


@pytest.mark.skipif(shutil.which("unshare") is None, reason="mounts a small disk")
@pytest.mark.parametrize("logger", [pytest.param("csv", marks=pytest.mark.slow), "tensorboard"])
def test_on_a_disk_that_is_full_for_good_it_is_one_message_too(config, tmp_path, logger):
    """Sizes in KiB, at which the config, the checkpoints, or the files of the logger find no room."""
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run([*mount, f"mount -t tmpfs tmpfs {disk}"], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no small disk")
    for size in (8, 16, 20, 24, 60):
        script = f'mount -t tmpfs -o size={size}k tmpfs {disk} && exec "$@"'
        command = ["run", str(config), f"runs_dir={disk}/runs", f"logging.{logger}=true"]
        done = subprocess.run(
            [*mount, script, "sh", sys.executable, "-m", "al_lightning", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        (message,) = said(done.stderr)
        assert done.returncode == 74, done.stderr
        assert os.strerror(errno.ENOSPC) in message
