"""Files that say something of each row of a table of features: which are labelled, their scores, their groups."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ID_COLUMNS = ("id", "ids", "image", "file", "filename", "path", "name")
SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}


def words_of(path: Path, what: str) -> list[str]:
    """The lines of a text file without the empty ones, or the id column of a .csv or .tsv.

    Raises:
        FileNotFoundError: there is no such file; `what` says what it should hold.
        ValueError: it is no text in UTF-8, or a table without a column of ids.
    """
    if path.suffix.lower() in SEPARATORS:
        head, rows = _table(path, what)
        column = _named(head, ID_COLUMNS)
        if column is None and len(head) > 1:
            raise ValueError(f"{path}: has the columns {', '.join(head)}; call the one with the {what} id")
        column = column or 0
        return [row[column].strip() for row in (rows if _is_head(head) else [head, *rows]) if row[column].strip()]
    return [line.strip() for line in _lines(path, what) if line.strip()]


def column_of(path: Path, name: str, ids: Sequence[str] | None, count: int) -> list[str]:
    """What a file says of each of `count` rows: a line for each, or a .csv or .tsv with a column of ids and one named
    `name` (or one other column), where a row that is not listed gets "".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: lines or columns do not fit.
    """
    if path.suffix.lower() not in SEPARATORS:
        lines = [line.strip() for line in _lines(path, name)]
        if not lines[-1]:  # what follows the last line break
            lines.pop()
        if len(lines) != count:
            raise ValueError(
                f"{path}: has {len(lines)} lines; expected {count}, one {name} for each row of the features"
            )
        return lines
    head, rows = _table(path, name)
    key = _named(head, ID_COLUMNS)
    value = _named(head, (name, f"{name}s"))
    if value is None and key is not None and len(head) == 2:
        value = 1 - key
    if key is None or value is None:
        raise ValueError(f"{path}: has the columns {', '.join(head)}; expected id and {name}")
    if ids is None:
        raise ValueError(f"{path}: is by id, and the features have no ids; give a line for each row instead")
    known = {row[key].strip(): row[value].strip() for row in rows}
    if not any(name in known for name in ids):
        raise ValueError(f"{path}: names none of the ids of the features, such as {ids[0]!r}")
    return [known.get(one, "") for one in ids]


def numbers_of(path: Path, name: str, ids: Sequence[str] | None, count: int) -> NDArray[np.float64]:
    """As `column_of`, or a .npy of shape (count,): a number for each row, NaN where none is given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as of `column_of`, or an entry is no number.
    """
    if path.suffix.lower() == ".npy":
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected a {name} for each row")
        try:
            values: NDArray[Any] = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError):
            raise ValueError(f"{path}: is no array of numbers saved by numpy; save it with numpy.save") from None
        if values.shape != (count,) or values.dtype.kind not in "fiub":
            raise ValueError(
                f"{path}: holds {values.dtype} of shape {values.shape}; expected numbers of shape ({count},)"
            )
        return values.astype(np.float64)
    found = np.empty(count)
    for row, word in enumerate(column_of(path, name, ids, count)):
        try:
            found[row] = float(word) if word else np.nan
        except ValueError:
            raise ValueError(f"{path}: {word!r} of row {row} is no number") from None
    return found


def _table(path: Path, what: str) -> tuple[list[str], list[list[str]]]:
    """The first line of a table, and the others, all of the same length."""
    lines = _lines(path, what)
    separator = max(SEPARATORS[path.suffix.lower()], key=lines[0].count)
    rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    if not rows:
        raise ValueError(f"{path}: is empty; expected a line for each {what}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"{path}, line {number}: {len(row)} cells; expected {len(rows[0])}, as in the first line")
    return [cell.strip() for cell in rows[0]], rows[1:]


def _named(head: Sequence[str], names: Sequence[str]) -> int | None:
    return next((k for k, cell in enumerate(head) if cell.lower() in names), None)


def _is_head(head: Sequence[str]) -> bool:
    return _named(head, ID_COLUMNS) is not None


def _lines(path: Path, what: str) -> list[str]:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"{path}: {found}; expected a text file with one {what} a line")
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not in UTF-8 ({error.reason}); expected a text file") from None
