"""Who owns a run folder: a process, told apart from every other process on every machine."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process."""

    host: str
    """Name of the machine or container."""
    machine: str
    """/etc/machine-id; "" where there is none."""
    boot: str
    """Id of the boot of the kernel, which containers of one machine share; "" where there is none."""
    processes: str
    """Namespace of process ids: containers of one machine have different ones; "" where there is none."""
    pid: int
    started: str
    """Start of the process in clock ticks since boot, for ids are used again; "" where it is not known."""
    job: str
    """Job of torchrun or SLURM; "" outside one."""
    restart: int
    """How often the job was restarted."""
    flock: bool
    """Whether the process holds `flock` on its lock."""
    since: str
    """When it took the lock, in local time."""
    token: str
    """Tells two locks of one process apart."""

    @property
    def name(self) -> str:
        """As a message calls it."""
        return f"process {self.pid} on {self.host} (since {self.since})"

    def to_json(self) -> bytes:
        """The content of its lock."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"

    @classmethod
    def read(cls, content: bytes) -> Owner | None:
        """The owner that a lock names; None where it cannot be read."""
        try:
            values = json.loads(content)
            found = cls(**{field.name: values[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        texts = (found.host, found.machine, found.boot, found.processes, found.started, found.job, found.since)
        right = all(isinstance(text, str) for text in texts) and type(found.pid) is type(found.restart) is int
        return found if right and found.pid > 0 else None

    def shares_kernel_with(self, other: Owner) -> bool:
        """Whether both run under one kernel, so that each sees the other's `flock`."""
        if self.boot or other.boot:
            return self.boot == other.boot
        return self.host == other.host  # a system that tells no boot, which has no containers either

    def shares_processes_with(self, other: Owner) -> bool:
        """Whether a process id means the same to both."""
        own = (self.boot, self.processes)
        return all(own) and own == (other.boot, other.processes)

    def is_running(self) -> bool:
        """Whether the process is still there; for one whose ids this process shares."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            pass
        state, started = _process(self.pid)
        return state not in ("Z", "X") and (not started or not self.started or started == self.started)

    def was_restarted_as(self, other: Owner) -> bool:
        """Whether the other is of a later start of the same job, whose manager has ended the earlier one."""
        return bool(self.job) and self.job == other.job and self.restart < other.restart

    def was_rebooted_as(self, other: Owner) -> bool:
        """Whether the other is on the same machine after a reboot."""
        same = bool(self.machine) and (self.host, self.machine) == (other.host, other.machine)
        return same and bool(self.boot and other.boot) and self.boot != other.boot


def this_process(flock: bool) -> Owner:
    """This process as an owner."""
    job, restart = _job()
    return Owner(
        host=platform.node() or "unknown",
        machine=_line("/etc/machine-id"),
        boot=_line("/proc/sys/kernel/random/boot_id"),
        processes=_namespace(),
        pid=os.getpid(),
        started=_process(os.getpid())[1],
        job=job,
        restart=restart,
        flock=flock,
        since=time.strftime("%Y-%m-%d %H:%M:%S"),
        token=uuid.uuid4().hex,
    )


def _job() -> tuple[str, int]:
    """Id of the job that a manager restarts, and how often it has."""
    for kind, name, count in (
        ("torchrun", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"),
        ("slurm", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"),
    ):
        job, times = os.environ.get(name, ""), os.environ.get(count, "0")
        if job and job != "none" and times.isdecimal():
            return f"{kind} {job}", int(times)
    return "", 0


def _process(pid: int) -> tuple[str, str]:
    """State and start of a process, from /proc; ("", "") where it cannot be read."""
    # The name of the program, in brackets, can hold spaces and brackets.
    values = _line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (values[0], values[19]) if len(values) > 19 else ("", "")


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
