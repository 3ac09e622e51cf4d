"""The lock of a run folder: one process at a time works on a run, on this machine and on others.

run.lock says who the owner is: host, boot, process id, start of the process, because ids are used again. It comes into
being by a hard link, which one of several processes can make and which is atomic on network file systems too. A lock
whose owner has ended is not deleted, or two processes that both saw that could each delete the other's: the next owner
makes its link under a name that holds the digest of the lock it follows, which again one process can, and then puts
itself in the place of the first. The owner also holds `flock` on the file, which tells of a process that cannot be
looked at, in another container of the same machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from al_lightning.core.lock_owner import Owner, this_process

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = "run.lock"
Verdict = Literal["alive", "dead", "unknown"]


class RunInUse(ValueError):
    """Another process works on the run; the program exits with 75 (try again later)."""


@contextlib.contextmanager
def owned(
    folder: Path, take_over: bool = False, say: Callable[[str], None] | None = None, wanted: bool = True
) -> Iterator[None]:
    """Own a run folder inside the block; `stopping.interruptible` around it gives it back after a signal too.

    Args:
        folder: of the run; made where it is missing, and removed again where nothing was written to it.
        take_over: take the lock of a process that cannot be looked at from here.
        say: takes a line where a lock was left by a process that has ended.
        wanted: False for the ranks that share the lock of the first one: nothing is done.

    Raises:
        RunInUse: another process owns it.
    """
    if not wanted:
        yield
        return
    made = _make(folder)
    lock = _Lock(folder)
    try:
        note = lock.acquire(take_over)
        if note and say is not None:
            say(note)
        yield
    finally:
        lock.release()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


class _Lock:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / f".{NAME}.{uuid.uuid4().hex}.tmp"
        self.content = b""
        self.handle: int | None = None

    def acquire(self, take_over: bool) -> str:
        """Own the folder; returns a line where the lock of another process was taken over.

        Raises:
            RunInUse: another process owns it.
        """
        self._write()
        try:
            while True:
                chain, target = self._chain()
                verdict: Verdict = self._judge(*chain[-1]) if chain else "dead"
                if verdict == "alive" or (verdict == "unknown" and not take_over):
                    raise RunInUse(self._refusal(chain[-1][1], verdict))
                if not self._link(target):
                    continue
                if (now := self._chain()[0]) and now[-1][1] == self.content:
                    break
                target.unlink(missing_ok=True)  # beside the chain, because the lock was released meanwhile
            if chain:
                self._become_first([path for path, _ in chain[1:]] + [target])
        except BaseException:
            self._close()
            raise
        finally:
            self.temporary.unlink(missing_ok=True)
        self._sweep()
        if not chain:
            return ""
        owner = Owner.read(chain[-1][1])
        who = owner.name if owner else "a lock that cannot be read"
        return f"{self.folder}: taken over from {who}{', which has ended' if verdict == 'dead' else ', as asked'}"

    def release(self) -> None:
        """Give the folder back; a lock that another process has taken over is left alone."""
        if self.handle is None:
            return
        with contextlib.suppress(OSError):
            if (self.folder / NAME).read_bytes() == self.content:
                (self.folder / NAME).unlink()
        self._close()

    def _write(self) -> None:
        while True:
            try:
                self.handle = handle = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                break
            except FileNotFoundError:  # its owner has removed the empty folder that it had made
                self.folder.mkdir(parents=True, exist_ok=True)
        has_flock = _flock(handle, exclusive=True) is True
        self.content = this_process(has_flock).to_json()
        os.write(handle, self.content)
        os.fsync(handle)

    def _close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def _chain(self) -> tuple[list[tuple[Path, bytes]], Path]:
        """The locks from the first to the last that follows it, and the name of the next."""
        chain: list[tuple[Path, bytes]] = []
        path = self.folder / NAME
        while (content := _content(path)) is not None:
            chain.append((path, content))
            path = self.folder / f"{NAME}.{hashlib.sha256(content).hexdigest()[:16]}"
        return chain, path

    def _link(self, target: Path) -> bool:
        try:
            os.link(self.temporary, target)
            return True
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            try:
                handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                return False
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
            return True

    def _become_first(self, old: list[Path]) -> None:
        """Put this lock in the place of the first of the chain, whose owners have all ended."""
        again = self.temporary.with_suffix(".first.tmp")
        with contextlib.suppress(FileNotFoundError):
            again.unlink()
        self._link(again)
        again.replace(self.folder / NAME)
        for path in old:
            path.unlink(missing_ok=True)

    def _judge(self, path: Path, content: bytes) -> Verdict:
        owner, me = Owner.read(content), this_process(False)
        if owner is None:
            return "unknown"
        if owner.shares_processes_with(me):
            return "alive" if owner.is_running() else "dead"
        held = _is_held(path)
        if held:
            return "alive"
        if owner.was_restarted_as(me) or owner.was_rebooted_as(me):
            return "dead"
        return "dead" if owner.flock and held is False and owner.shares_kernel_with(me) else "unknown"

    def _refusal(self, content: bytes, verdict: Verdict) -> str:
        owner = Owner.read(content)
        place = self.folder / NAME
        if owner is None:
            return (
                f"{place}: cannot be read, so that its owner is not known; if nobody works on the run, add --take-over"
            )
        if verdict == "alive":
            return f"{self.folder}: {owner.name} works on this run ({place.name}); wait for it, or stop it"
        return (
            f"{self.folder}: {owner.name} works on this run ({place.name}), and whether it still does cannot be "
            f"seen from {this_process(False).host}; if it has ended, add --take-over"
        )

    def _sweep(self) -> None:
        """Remove what processes have left that were killed while they asked for the lock."""
        for path in self.folder.glob(f".{NAME}.*.tmp"):
            content = _content(path)
            if content and self._judge(path, content) == "dead":
                path.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    """Bytes of a lock; None where there is none. One that is just being written is waited for, up to a second."""
    content = b""
    for _ in range(20):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise ValueError(f"{path}: expected a file, found a folder; remove it") from None
        if content:
            break
        time.sleep(0.05)
    return content


def _flock(handle: int, exclusive: bool) -> bool | None:
    """Lock an open file: whether this worked; None where the system or the file system has no such locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def _is_held(path: Path) -> bool | None:
    """Whether some process holds `flock` on a file; None where this cannot be said."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        free = _flock(handle, exclusive=False)
        return None if free is None else not free
    finally:
        os.close(handle)


def _make(folder: Path) -> list[Path]:
    """Make a folder with its parents; returns those that were made, the deepest first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


__all__ = ["NAME", "RunInUse", "owned"]
