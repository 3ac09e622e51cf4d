"""Cells of a CSV as spreadsheets and scripts write it, with the line that each record starts in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from al_lightning.data.errors import DataError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between cells -> its name."""
REMEDY = "save it as CSV UTF-8"


@dataclass(frozen=True)
class Lines:
    """A CSV, cell by cell; spaces around cells are removed."""

    header: tuple[str, ...]
    records: tuple[tuple[int, tuple[str, ...]], ...]
    """(line it starts in, cells); lines without any content are left out."""
    separator: str


def read_lines(path: Path, is_known: Callable[[str], bool] = bool) -> Lines:
    """The header and the records of a CSV; a byte-order mark, any line ends and Excel's `sep=;` are understood.

    The separator is the one by which the header names most columns: of the known ones, then of any; the comma where
    this does not tell.

    Args:
        path (Path): the file.
        is_known (Callable): whether a cell of the header names a column that is read. Default bool: any cell does.

    Raises:
        FileNotFoundError: it is not there.
        DataError: it is a folder, empty, or no CSV in UTF-8; the message names the line.
    """
    text = _text(path)
    skipped, separator = 0, ""
    if named := re.match(r"sep=(.)(?:\r\n|\r|\n)", text, re.IGNORECASE):
        separator, text, skipped = named[1], text[named.end() :], 1
    start = 1 + skipped
    records: list[tuple[int, tuple[str, ...]]] = []
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator or _separator(text, is_known),
        skipinitialspace=True,
        strict=True,
    )
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                records.append((start, stripped))
            start = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise DataError(f"{path}, line {start}: {_reason(error)}") from None
    if not records:
        raise DataError(f"{path}: is empty; its first line names the columns")
    return Lines(records[0][1], tuple(records[1:]), reader.dialect.delimiter)


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Column names and records of a CSV; a record is column -> cell, "" where its line is short.

    Raises:
        FileNotFoundError, DataError: as `read_lines`.
    """
    lines = read_lines(path)
    width = len(lines.header)
    records = [(*cells, *[""] * (width - len(cells))) for _, cells in lines.records]
    return list(lines.header), [dict(zip(lines.header, cells[:width], strict=True)) for cells in records]


def _text(path: Path) -> str:
    """The file's text, without byte-order mark."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a CSV file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; name a CSV file")
    data = path.read_bytes()
    if data.startswith(b"PK\3\4") or data.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: is a spreadsheet, not a CSV; {REMEDY}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: not in UTF-8 but in UTF-16; {REMEDY}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not in UTF-8 ({error.reason}); {REMEDY}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: holds a NUL byte, which no text has; {REMEDY}")
    return text


def _separator(text: str, is_known: Callable[[str], bool]) -> str:
    """The separator that reads most from the first line with content."""
    header = next((line for line in text.splitlines() if re.search(r"\w", line)), "")

    def columns(separator: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            return 0, 0
        return sum(is_known(cell.strip()) for cell in cells), len(cells)

    return max(SEPARATORS, key=columns)


def _reason(error: csv.Error) -> str:
    """What a user can do about an error of the csv module."""
    text = str(error)
    if "field limit" in text:
        return f"a cell of more than {csv.field_size_limit():,} characters; close the quote that is open, or shorten it"
    if "end of data" in text:
        return "a quote is opened here and never closed; close it"
    return f"{text}; quote a whole cell, and write a quote inside it twice"
