"""Files damaged in ways that disks, editors, spreadsheets and strangers damage them; and the program on them."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from al_lightning.cli.main import main

NUMBERS = (b"1e400", b"-1", b"99999999999999999999999999", b"nan", b"inf", b"0x10", b"1_000", b"\xd9\xa3", b"", b"null")
SNIPPETS = (
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", b"\r", b'"', b"'", b"\n\n", b",,,", b"{", b"[" * 2000, b"&a [*a]",
    b"!!python/object/apply:os.system ['true']", b"${oc.env:NOT_THERE}", b"../../../../etc/passwd", b"/etc/passwd",
    b"\xf0\x9f\x98\x80", b"\x1b[31m", b"x" * 200_000, b"- ", b": ", b"\t", b"=1+1", b"\xed\xa0\x80",
)  # fmt: skip
CELLS = (b"", b"true", b"[1]", b"{a: 1}", b"..", b"/", b"~", b"null", b"-1", b"x" * 300, b"\xff", b"1e999")
BOMB = b"".join(b"k%d: &k%d [%s]\n" % (i, i, b",".join([b"*k%d" % (i - 1) if i else b"x"] * 9)) for i in range(12))


def damage(path: Path, rng: np.random.Generator, others: list[Path]) -> str:
    """Damage one file in one way; what was done, for a message."""
    data = path.read_bytes() if path.is_file() else b""
    kind = str(rng.choice(sorted(WAYS)))
    WAYS[kind](path, data, rng, others)
    return f"{kind} {path.name}"


def _truncate(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.write_bytes(data[: int(rng.integers(0, max(1, len(data))))])


def _empty(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.write_bytes(b"")


def _folder(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.unlink()
    path.mkdir()


def _gone(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.unlink()


def _loop(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.unlink()
    path.symlink_to(path)


def _dangling(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.unlink()
    path.symlink_to(path.parent / "not there")


def _flip(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    changed = bytearray(data)
    for place in rng.integers(0, max(1, len(data)), int(rng.integers(1, 9))) if data else ():
        changed[place] = int(rng.integers(256))
    path.write_bytes(changed)


def _head(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    """Change the first bytes, where sizes and types are."""
    changed = bytearray(data)
    for place in rng.integers(0, max(1, min(len(data), 160)), int(rng.integers(1, 5))) if data else ():
        changed[place] = int(rng.choice([0, 1, 127, 128, 255]))
    path.write_bytes(changed)


def _insert(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    place = int(rng.integers(0, len(data) + 1))
    path.write_bytes(data[:place] + SNIPPETS[int(rng.integers(len(SNIPPETS)))] + data[place:])


def _number(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    """Put another number, or none, where one is."""
    import re

    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found:
        return _insert(path, data, rng, others)
    one = found[int(rng.integers(len(found)))]
    path.write_bytes(data[: one.start()] + NUMBERS[int(rng.integers(len(NUMBERS)))] + data[one.end() :])


def _line(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    """Drop, double or exchange lines."""
    lines = data.splitlines(keepends=True) or [b""]
    place = int(rng.integers(len(lines)))
    way = int(rng.integers(3))
    if way == 0:
        del lines[place]
    elif way == 1:
        lines.insert(place, lines[place])
    else:
        lines.reverse()
    path.write_bytes(b"".join(lines))


def _cell(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    """Put something else between two separators."""
    import re

    found = list(re.finditer(rb"[^,:\n\[\]{}\"]+", data))
    if not found:
        return _insert(path, data, rng, others)
    one = found[int(rng.integers(len(found)))]
    path.write_bytes(data[: one.start()] + CELLS[int(rng.integers(len(CELLS)))] + data[one.end() :])


def _encoding(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    text = data.decode("latin-1") + "é"
    path.write_bytes(text.encode(str(rng.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-16-le", "utf-7"]))))


def _foreign(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    """The content of another file."""
    path.write_bytes(others[int(rng.integers(len(others)))].read_bytes())


def _noise(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.write_bytes(rng.bytes(int(rng.integers(1, 4000))))


def _bomb(path: Path, data: bytes, rng: np.random.Generator, others: list[Path]) -> None:
    path.write_bytes(BOMB if rng.random() < 0.5 else b"a: " + b"[" * 3000 + b"]" * 3000)


WAYS: dict[str, Callable[[Path, bytes, np.random.Generator, list[Path]], None]] = {
    "truncate": _truncate, "empty": _empty, "folder": _folder, "gone": _gone, "loop": _loop, "dangling": _dangling,
    "flip": _flip, "head": _head, "insert": _insert, "number": _number, "line": _line, "cell": _cell,
    "encoding": _encoding, "foreign": _foreign, "noise": _noise, "bomb": _bomb,
}  # fmt: skip


class Begun(BaseException):
    """Raised in place of the first stage of a run."""


def program(words: list[str]) -> tuple[int, str]:
    """(exit code, standard error) of the program in this process; 0 for a run that would begin."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            with mock.patch("al_lightning.experiment.runner._stages", side_effect=Begun):
                code = main(words)
        except Begun:
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
    return code, told.getvalue()


def fault(code: int, told: str) -> str | None:
    """What is wrong with an answer; None for success and for a refusal in one line."""
    lines = [line for line in told.splitlines() if line.startswith("al-lightning: ")]
    if code in (0, 1) and not lines:
        return None
    if code == 2 and len(lines) == 1 and "Traceback" not in told:
        return None if len(lines[0]) < 3000 else f"a line of {len(lines[0])} characters"
    return f"exit {code}: {told[-1500:]}"


def copied(tree: Path, to: Path) -> Path:
    """A fresh copy of a tree."""
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(tree, to, symlinks=True)
    return to


def files_of(tree: Path) -> list[Path]:
    """Its files, sorted."""
    return sorted(Path(folder) / name for folder, _, names in os.walk(tree) for name in names)
