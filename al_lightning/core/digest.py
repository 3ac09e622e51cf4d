"""SHA-256 of what a run has written, so that a resume sees what was touched since."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(value: Any) -> str:
    """SHA-256, as hex, of a JSON value; the order of keys and the layout of its file do not count.

    Example:
        >>> digest({"a": 1, "b": [0.5, None]})[:12] == digest({"b": [0.5, None], "a": 1})[:12]
        True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256, as hex, of the bytes of a file: what `sha256sum` prints.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, recorded: str | None, remedy: str) -> None:
    """Check that a file is there and is the one that was recorded.

    Args:
        path: the file.
        recorded: its digest; None where none was recorded, so that only its presence is checked.
        remedy: what to do, the end of the message.

    Raises:
        FileNotFoundError: it is gone.
        ValueError: it has other bytes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: {'is a folder' if path.is_dir() else 'is gone'}; {remedy}")
    if recorded is not None and (found := file_digest(path)) != recorded:
        raise ValueError(
            f"{path}: is not the file that the run wrote (sha256 {found[:12]}..., not {recorded[:12]}...); {remedy}"
        )
