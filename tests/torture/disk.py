"""A disk that is full after any number of bytes: exit code 74, one line; with space again the run goes on."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import processes, workloads
from .processes import Fault
from .protocol import Case, Outcome
from .workloads import Workload

FULL = 74
"""EX_IOERR."""
WAYS = {
    "write raises ENOSPC": (("random", 12), ("committee", 6), ("ceal", 6), ("pix2pix", 6)),
    "file too large (RLIMIT_FSIZE)": (("random", 6), ("cereals", 4), ("pix2pix", 4)),
    "small file system": (("random", 12), ("committee", 6), ("ceal", 6), ("pix2pix", 6)),
}
NEWNS, NEWUSER = 0x00020000, 0x10000000
"""CLONE_NEWNS and CLONE_NEWUSER of Linux."""


def cases(seed: int) -> Iterator[Case]:
    rng = random.Random(f"disk {seed}")
    for way, kinds in WAYS.items():
        for kind, number in kinds:
            for k in range(number):
                share = (k + rng.random()) / number
                options = {"way": way, "kind": kind, "share": share}
                short = kind == "random" and k == number // 2 and way.startswith("write")
                yield Case(f"{way.split(' (')[0].replace(' ', '-')}-{kind}-{k}", f"disk full: {way}", options, short)


def run(case: Case, folder: Path) -> Outcome:
    options = case.options
    workload = Workload(options["kind"])
    wanted = workloads.reference(workload)
    disk = folder / "disk"
    disk.mkdir()
    fault, way, share = None, options["way"], options["share"]
    arguments, place = workload.write(disk), workload.run_folder(disk / "runs")
    if way == "small file system":
        size = 64 * 1024 + int(share * 4096 * (wanted["pages"] - 8))
        if not mount_small(disk, size):
            return Outcome(skipped="this machine lets no process mount a file system of its own")
        workload.write(disk)  # again: the mount hides the first one
    elif way.startswith("file too large"):
        fault = Fault(place, file_size=max(1, int(share * wanted["largest"])))
    else:
        fault = Fault(place, bytes=int(share * wanted["bytes"]), disk=disk)
    (disk / "tmp").mkdir()
    ended = processes.start(arguments, folder, fault, disk / "tmp").wait(120)
    faults: list[str] = []
    if ended.code is None:
        return Outcome(("hangs: on a full disk",))
    if ended.code == 0:
        # The bound was not reached: what is written varies by the digits of seconds.
        faults += workloads.ended_well(ended, place, wanted, disk / "tmp")
        return Outcome(tuple(faults), tried=0)
    if ended.code != FULL:
        faults.append(f"exit code {ended.code} instead of {FULL}: {ended.said.strip()[-200:]}")
    if len(lines := ended.said.splitlines()) != 1:
        faults.append(f"{'several lines' if lines else 'no line'} on standard error: {' / '.join(lines)[:160]}")
    if ended.left:
        faults.append(f"processes left: {ended.left[0]}")
    if left := workloads.files_in(disk / "tmp"):
        faults.append(f"files left in TMPDIR on a full disk: {', '.join(left[:3])}")
    if way == "small file system":
        subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
    program = processes.start(arguments, folder)
    faults += workloads.ended_well(program.wait(), place, wanted, program.temporary)
    return Outcome(tuple(faults))


def mount_small(folder: Path, size: int) -> bool:
    """Mount a file system of so many bytes over a folder, for this process and its children; whether it is allowed."""
    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if system.unshare(NEWNS) != 0:
        if system.unshare(NEWUSER | NEWNS) != 0:
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        except OSError:
            return False
    private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True).returncode == 0
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return private and subprocess.run(command, capture_output=True).returncode == 0
