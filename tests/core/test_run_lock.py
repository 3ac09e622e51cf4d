"""One process owns a run folder; what is left by one that has ended is taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from foreground import RESTORE

from al_lightning.core import run_lock
from al_lightning.core.lock_owner import Owner, this_process
from al_lightning.core.run_lock import NAME, RunInUse, owned

HOLD = (
    RESTORE
    + """
import sys, time
from pathlib import Path
from al_lightning.core.run_lock import owned
from al_lightning.core.stopping import interruptible
with interruptible(), owned(Path(sys.argv[1])):
    print("owned", flush=True)
    time.sleep(60)
"""
)


def owning(folder: Path) -> subprocess.Popen[str]:
    """A process that owns a folder until it is ended."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def left(folder: Path, **changes: object) -> Owner:
    """Leave the lock of an owner like this process, but for some values."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = replace(this_process(True), **changes)  # type: ignore[arg-type]
    (folder / NAME).write_bytes(owner.to_json())
    return owner


CONTEND = """
import sys
from pathlib import Path
from al_lightning.core.run_lock import RunInUse, owned
print("ready", flush=True)
for line in sys.stdin:
    try:
        with owned(Path(line.strip())):
            print("owned", flush=True)
            sys.stdin.readline()  # until all have asked
    except RunInUse as error:
        print(error, flush=True)
        sys.stdin.readline()
    print("over", flush=True)
"""


def test_of_processes_that_ask_together_exactly_one_owns_the_folder(tmp_path):
    """Also where all find the lock of a process that has ended, and where the folder is not there yet."""
    processes = [
        subprocess.Popen([sys.executable, "-c", CONTEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]

    def tell(line: str) -> None:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()

    def heard() -> list[str]:
        return [process.stdout.readline().strip() for process in processes if process.stdout is not None]

    assert heard() == ["ready"] * 3
    for attempt in range(60):
        folder = tmp_path / str(attempt)
        if attempt % 2:
            left(folder, started="1")
        tell(str(folder))
        said = heard()
        assert said.count("owned") == 1, said
        assert sum("works on this run" in text for text in said) == 2, said
        tell("")
        assert heard() == ["over"] * 3
        assert not folder.exists() or list(folder.iterdir()) == []
    for process in processes:
        process.communicate()
        assert process.returncode == 0


def test_the_lock_of_a_process_that_was_killed_is_taken_over_in_a_line(tmp_path):
    process = owning(tmp_path)
    with (
        pytest.raises(RunInUse, match=rf"process {process.pid} on \S+ \(since .*\) works on this run"),
        owned(tmp_path),
    ):
        pass
    process.kill()
    process.wait()
    assert (tmp_path / NAME).is_file()
    notes: list[str] = []
    with owned(tmp_path, say=notes.append):
        assert len(notes) == 1
        assert f"taken over from process {process.pid} on" in notes[0]
        assert Owner.read((tmp_path / NAME).read_bytes()).pid == os.getpid()  # type: ignore[union-attr]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_lock_back(tmp_path, number):
    process = owning(tmp_path)
    process.send_signal(number)
    assert process.wait(timeout=30) != 0
    assert list(tmp_path.iterdir()) == []


def test_an_error_gives_the_lock_back_and_removes_what_was_made_for_it(tmp_path):
    def fail() -> None:
        with owned(tmp_path / "a" / "b"):
            assert (tmp_path / "a" / "b" / NAME).is_file()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with owned(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "config.yaml").write_text("")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["config.yaml"]


def test_a_process_cannot_own_a_folder_twice(tmp_path):
    with owned(tmp_path):
        with pytest.raises(RunInUse, match=f"process {os.getpid()} "), owned(tmp_path):
            pass
        assert (tmp_path / NAME).is_file()


def test_another_process_of_the_same_id_is_not_the_owner(tmp_path):
    """Ids are used again: this process has the id of the owner, and another start."""
    left(tmp_path, started="1")
    with owned(tmp_path):
        pass
    left(tmp_path)
    with pytest.raises(RunInUse), owned(tmp_path):
        pass


def test_a_process_that_has_ended_and_was_not_waited_for_is_not_the_owner(tmp_path):
    process = owning(tmp_path)
    process.kill()
    for _ in range(200):
        if "Z" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]:
            break
        time.sleep(0.05)
    with owned(tmp_path):
        pass
    process.wait()


@pytest.mark.parametrize(
    ("changes", "owns"),
    [
        ({"host": "other", "boot": "b", "machine": "m"}, False),
        ({"host": "other", "boot": "b", "machine": ""}, False),
        ({"boot": "b"}, True),  # the same machine before a reboot
        ({"boot": "b", "machine": ""}, False),  # the same name, and not known to be the same machine
        ({"boot": "", "host": "other"}, False),
        ({"processes": "pid:[1]"}, True),  # another container of this machine, which does not hold flock any more
        ({"processes": "pid:[1]", "flock": False}, False),
    ],
)
def test_an_owner_that_cannot_be_looked_at_needs_take_over(tmp_path, changes, owns):
    left(tmp_path, pid=2**22 - 1, **changes)
    if owns:
        with owned(tmp_path):
            pass
        return
    with pytest.raises(RunInUse, match=r"cannot be seen from .*; if it has ended, add --take-over"), owned(tmp_path):
        pass
    notes: list[str] = []
    with owned(tmp_path, take_over=True, say=notes.append):
        assert notes[0].endswith("as asked")
    assert list(tmp_path.iterdir()) == []


def test_an_owner_in_another_container_that_holds_flock_is_alive(tmp_path):
    process = owning(tmp_path)
    content = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps(content | {"processes": "pid:[1]", "pid": 2**22 - 1}))  # the same file
    for take_over in (False, True):
        with pytest.raises(RunInUse, match="wait for it, or stop it"), owned(tmp_path, take_over):
            pass
    process.kill()
    process.wait()
    with owned(tmp_path):
        pass


@pytest.mark.parametrize(
    ("variables", "owner", "owns"),
    [
        ({"TORCHELASTIC_RUN_ID": "j", "TORCHELASTIC_RESTART_COUNT": "1"}, {"job": "torchrun j", "restart": 0}, True),
        ({"TORCHELASTIC_RUN_ID": "j", "TORCHELASTIC_RESTART_COUNT": "1"}, {"job": "torchrun j", "restart": 1}, False),
        ({"TORCHELASTIC_RUN_ID": "k", "TORCHELASTIC_RESTART_COUNT": "1"}, {"job": "torchrun j", "restart": 0}, False),
        ({"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "1"}, {"job": "", "restart": 0}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"}, {"job": "slurm 7", "restart": 0}, True),
        ({"SLURM_JOB_ID": "7"}, {"job": "slurm 7", "restart": 0}, False),
    ],
)
def test_a_job_that_was_restarted_on_another_machine_goes_on(tmp_path, monkeypatch, variables, owner, owns):
    for name in ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    left(tmp_path, host="other", boot="b", machine="m", **owner)
    if owns:
        with owned(tmp_path):
            pass
    else:
        with pytest.raises(RunInUse), owned(tmp_path):
            pass


def test_ranks_that_share_a_lock_do_nothing(tmp_path):
    with owned(tmp_path / "run"), owned(tmp_path / "run", wanted=False):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [NAME]


def test_a_file_system_without_hard_links_has_locks_too(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr("os.link", refuse)
    with owned(tmp_path), pytest.raises(RunInUse), owned(tmp_path):
        pass
    left(tmp_path, started="1")
    with owned(tmp_path):
        assert Owner.read((tmp_path / NAME).read_bytes()).pid == os.getpid()  # type: ignore[union-attr]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_released_while_another_asked_is_not_followed(tmp_path, monkeypatch):
    """The second process judged the owner ended, a third took over and gave back meanwhile, and a fourth owns it."""
    left(tmp_path, started="1")
    real = run_lock._Lock._link
    others: list[object] = []

    def late(self: run_lock._Lock, target: Path) -> bool:
        if not others:
            others.append(None)
            with owned(tmp_path):
                pass
            others.append(left(tmp_path))  # of a process that runs
        return real(self, target)

    monkeypatch.setattr(run_lock._Lock, "_link", late)
    with pytest.raises(RunInUse), owned(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"5", b"{}", b'{"pid": "x"}', b"\xff\xfe"])
def test_a_lock_that_cannot_be_read_needs_take_over(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RunInUse, match=r"run\.lock: cannot be read.*--take-over"), owned(tmp_path):
        pass
    with owned(tmp_path, take_over=True):
        pass
