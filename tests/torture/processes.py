"""The program in a fork of a process that has imported everything, with faults that come from outside of it.

The product is not changed: an audit hook of Python sees a file opened, renamed, removed and made before it happens, and
`os.fsync` and `open` are replaced in the fork alone.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import errno
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import foreground

ROOT = Path(__file__).resolve().parents[2]
"""Of the repository."""
LIMIT = 600.0
"""Seconds after which a program that has not ended counts as hanging."""
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.")
"""Audit events, or beginnings of their names, of what changes the file system."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in the program."""

    root: Path
    """Points are counted below this folder."""
    point: int | None = None
    """Die by SIGKILL just before the change of the file system of this number, from 0."""
    count: Path | None = None
    """When the program ends, write to this file how many bytes were written, and then a line for every point."""
    bytes: int | None = None
    """Files below `disk` take so many bytes in all."""
    disk: Path | None = None
    """`root` where left out."""
    full: str = "enospc"
    """What happens to a write beyond `bytes`, after its first part: "enospc", or "kill", which tears the file."""
    file_size: int | None = None
    """RLIMIT_FSIZE: the largest size of any single file."""


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int | None
    """Exit code, -n for a signal; None for one that had to be killed because it did not end."""
    said: str
    """What it wrote to standard error."""
    shown: str
    """What it wrote to standard output."""
    left: tuple[str, ...]
    """Command lines of its children that were alive after it."""


class Program:
    """A running program."""

    def __init__(self, pid: int, folder: Path, number: int, temporary: Path) -> None:
        self.pid, self.folder, self.number = pid, folder, number
        self.temporary = temporary
        """Its TMPDIR."""

    def send(self, number: int) -> None:
        """A signal to the program alone, not to its children; nothing where it has ended."""
        os.kill(self.pid, number)  # not yet waited for, so that the number is still its own

    def ended(self) -> bool:
        """Whether it has ended; `wait` is still needed."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, limit: float = LIMIT) -> Ended:
        """Wait until it ends; its children are then given time to end, and killed where they do not."""
        deadline = time.monotonic() + limit
        while not (over := self.ended()) and time.monotonic() < deadline:
            time.sleep(0.005)
        if not over:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        # Workers of a loader look for their parent every 5 s.
        deadline = time.monotonic() + 15
        while (left := of_session(self.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        names = tuple(_command(child) for child in left)
        for child in left:
            os.kill(child, signal.SIGKILL)
        said, shown = (
            (self.folder / f"{name}-{self.number}.txt").read_text(encoding="utf-8", errors="replace")
            for name in ("stderr", "stdout")
        )
        return Ended(os.waitstatus_to_exitcode(status) if over else None, said, shown, names)


def die_with(parent: int) -> None:
    """End this process by SIGKILL when its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def of_session(leader: int) -> list[int]:
    """Processes, except zombies, of the session that a program leads."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state not in "ZX" and int(entry.name) != leader:
            found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[-60:]
    except OSError:
        return "?"


def preload() -> None:
    """Import all that the program imports, so that a fork of it starts at once. Starts no threads."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ["WANDB_MODE"] = "offline"
    import al_lightning.audit.audit
    import al_lightning.cli.main
    import al_lightning.experiment
    import al_lightning.learners.pix2pix
    import al_lightning.learners.unet
    import al_lightning.report.page  # noqa: F401
    from al_lightning.strategies import STRATEGIES

    for name in STRATEGIES:
        STRATEGIES.get(name)


def start(
    arguments: list[str],
    folder: Path,
    fault: Fault | None = None,
    temporary: Path | None = None,
    interpreter: bool = False,
) -> Program:
    """Start the program in a fork.

    Args:
        arguments: of al-lightning.
        folder: standard output and error are written here.
        fault: what goes wrong in it.
        temporary: TMPDIR; one of its own by default, on the file system of all results.
        interpreter: in an interpreter of its own, which imports everything first; without a fault.
    """
    number = len(list(folder.glob("stdout-*.txt")))
    if temporary is None:
        # Not below the folder: the address of a socket there, which loaders make, may have 107 bytes.
        above = Path(os.environ["AL_LIGHTNING_TORTURE"]) / "tmp"
        above.mkdir(exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="", dir=above))
    temporary.mkdir(parents=True, exist_ok=True)
    (folder / f"stdout-{number}.txt").touch()
    parent = os.getpid()
    if pid := os.fork():
        return Program(pid, folder, number, temporary)
    code = 70
    try:
        die_with(parent)
        os.setsid()
        for name, handle in (("stdout", 1), ("stderr", 2)):
            target = os.open(folder / f"{name}-{number}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(target, handle)
            os.close(target)
        foreground.restore()
        os.environ["TMPDIR"] = str(temporary)
        tempfile.tempdir = None
        if interpreter:
            os.environ["PYTHONPATH"] = str(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "al_lightning", *arguments])
        sys.argv = ["al-lightning", *arguments]
        code = _main(arguments, fault)
    finally:
        # As at the end of any Python process, but without going back through the frames of the parent.
        try:
            atexit._run_exitfuncs()  # type: ignore[attr-defined]
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _main(arguments: list[str], fault: Fault | None) -> int:
    import traceback

    import torch

    from al_lightning.cli.main import main

    torch.set_num_threads(1)
    counted: list[str] = []
    written: list[int] = []
    if fault is not None:
        inject(fault, counted, written)
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        if fault is not None and fault.count is not None:
            fault.count.write_text("".join(f"{line}\n" for line in [sum(written), *counted]))


def inject(fault: Fault, counted: list[str], written: list[int]) -> None:
    """Make the fault happen in this process, but not in its children.

    `counted` gets every point, and `written` the number of bytes of every write.
    """
    own, root = os.getpid(), str(fault.root)

    def point(event: str, path: object) -> None:
        if os.getpid() != own:
            return
        counted.append(f"{event} {os.path.relpath(str(path), root)}")
        if len(counted) - 1 == fault.point:
            os.kill(own, signal.SIGKILL)
            time.sleep(60)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not event.startswith(CHANGES) or not arguments:
            return
        if event == "open" and not _writes(arguments):
            return
        two = event in ("os.rename", "os.link", "shutil.move", "shutil.copyfile")
        for path in arguments[1::-1] if two else arguments[:1]:
            if isinstance(path, (str, bytes, os.PathLike)) and _below(os.fsdecode(path), root):
                return point(event, os.fsdecode(path))

    sys.addaudithook(hook)
    sync = os.fsync

    def fsync(handle: Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")
        if _below(path, root):
            point("os.fsync", path)
        sync(handle)

    os.fsync = fsync
    if fault.bytes is not None:
        _meter(str(fault.disk or fault.root), fault.bytes, fault.full, written)
    if fault.file_size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.file_size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = (*arguments, None, None)[:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _below(path: str, root: str) -> bool:
    return os.path.abspath(path).startswith((root + os.sep, root + " ")) or os.path.abspath(path) == root


def _meter(root: str, limit: int, full: str, counted: list[int]) -> None:
    """Replace `open` so that files below root take `limit` bytes in all; `counted` gets every write."""
    left = limit
    usual = io.open

    class Metered(io.FileIO):
        def write(self, data: Any, /) -> int:
            nonlocal left
            view = memoryview(data).cast("B")
            if left <= 0 and len(view):
                if full == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)
            written = super().write(view[:left])
            left -= written
            counted.append(written)
            if full == "kill" and left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return written

    def metered(file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
                newline: Any = None, closefd: bool = True, opener: Any = None) -> Any:  # fmt: skip
        name = file if isinstance(file, (str, bytes, os.PathLike)) else os.readlink(f"/proc/self/fd/{file}")
        if not any(letter in mode for letter in "wax+") or not _below(os.fsdecode(name), root):
            return usual(file, mode, buffering, encoding, errors, newline, closefd, opener)
        binary = mode.replace("b", "").replace("t", "")
        raw = Metered(file, binary, closefd, opener)
        if buffering == 0:
            return raw
        kind: Callable[..., Any] = io.BufferedRandom if "+" in mode else io.BufferedWriter
        buffered = kind(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    builtins.open = io.open = metered
    shutil._USE_CP_SENDFILE = False  # type: ignore[attr-defined]  # a copy inside the kernel passes no Python
