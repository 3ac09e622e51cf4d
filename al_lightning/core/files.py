"""Files that are replaced as a whole, and errors of the storage below them. Imports neither torch nor numpy."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STORAGE_ERRORS = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS", "ESTALE", "ENODEV", "ENXIO")
    if hasattr(errno, name)
)
"""Error numbers of a storage that is full, over its quota, broken, gone or read-only."""
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")


def write_atomic(path: Path, content: str | bytes | memoryview, keep: Path | None = None, sync: bool = True) -> None:
    """Write to a temporary name in the same folder, fsync, rename, fsync the folder.

    A reader finds the old file or the new one, never an incomplete one, also after a loss of power.

    Args:
        path: the file; folders above it are made.
        content: text is written in UTF-8.
        keep: name in the same folder that the old file gets. For a moment between two renames there is no `path`, and
            `keep` is the newest file.
        sync: make the new name durable too; otherwise do so with `sync_folder` after the last of many files.

    Raises:
        OSError: nothing was written, and the old file is as it was; the error names the file.
    """
    data = memoryview(content.encode() if isinstance(content, str) else content).cast("B")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(temporary, data)
            if keep is not None:
                with suppress(FileNotFoundError):
                    os.replace(path, keep)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if sync:
            sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Whether `write_atomic` gave a file its temporary name: it was killed while it wrote.

    Example:
        >>> is_temporary(Path("runs/.last.ckpt.4711.tmp")), is_temporary(Path("runs/last.ckpt"))
        (True, False)
    """
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError that has no file name, as those of writing have, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def storage_error(error: BaseException | None) -> OSError | None:
    """The error of the storage that an error is, or that it was raised for; None where there is none.

    Example:
        >>> storage_error(OSError(errno.ENOSPC, "No space left on device")) is not None
        True
        >>> storage_error(FileNotFoundError(errno.ENOENT, "No such file")) is None
        True
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Threads that end with an error of the storage print no traceback."""
    before = threading.excepthook

    def hook(ended: threading.ExceptHookArgs) -> None:
        if storage_error(ended.exc_value) is None:
            before(ended)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Let an error of the storage say how to go on with the run in `folder`.

    What is raised on the way out for it, by a logger that is closed or by Lightning, is the same fault; so is what the
    thread of a logger meets, which is not printed.
    """
    with _quiet_threads():
        yield from _resumable(folder)


def _resumable(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        found = None if isinstance(error, ValueError) else storage_error(error)
        if found is None:
            raise
        said = f"{found.strerror or found}; what is finished is safe: make room, then al-lightning resume {folder}"
        raise OSError(found.errno, said, found.filename or str(folder)) from error


def _write(path: Path, data: memoryview) -> None:
    # Not through a link that somebody left under this name.
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        while data:
            data = data[os.write(handle, data[:CHUNK]) :]
        os.fsync(handle)
    finally:
        os.close(handle)


CHUNK = 1 << 22
"""Bytes of one call of write."""


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder durable."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
