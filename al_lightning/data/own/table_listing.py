"""A CSV of images, targets, groups and splits -> Listing."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from al_lightning.data.errors import DataError
from al_lightning.data.files import nfc
from al_lightning.data.own.listing import SPLIT_NAMES, Listing
from al_lightning.data.table_file import SEPARATORS, Lines, read_lines
from al_lightning.data.walk import some

MEANINGS = {
    "image": "image images img imgs file files path paths",
    "target": "target targets label labels annotation annotations groundtruth gt",
    "group": "group groups patient patients patientid case caseid video videoid sequence sequenceid subject subjectid",
    "split": "split splits set subset fold partition",
}
"""What a column means -> names that people give it, in lower case and without spaces, dots, lines and dashes."""
OF_TASK = {
    "segmentation": "mask masks segmentation segmentations",
    "depth": "depth depths depthmap depthmaps",
}
"""Task -> more names of the column of targets; they are not read under the other task."""
EXPECTED = "image, target[, group][, split]"


def locate_csv(csv: str, root: Path) -> Path:
    """The CSV: absolute, below root, or below the working folder.

    Raises:
        FileNotFoundError: it is nowhere.
    """
    tried = [Path(os.path.abspath(base / os.path.expanduser(csv))) for base in (root, Path.cwd())]
    found = next((path for path in tried if path.exists()), None)
    if found is None:
        names = " and ".join(map(str, dict.fromkeys(tried)))
        raise FileNotFoundError(
            f"{tried[0]}: no such file; dataset.options.csv is absolute or relative to {root} or to the working "
            f"folder; tried {names}"
        )
    return found


def meaning_of(column: str, task: str) -> str | None:
    """image, target, group or split; None where a column of this name is not read.

    Example:
        >>> meaning_of("Patient ID", "depth"), meaning_of("mask", "segmentation"), meaning_of("mask", "depth")
        ('group', 'target', None)
    """
    name = _plain(column)
    if name in OF_TASK[task].split():
        return "target"
    return next((meaning for meaning, names in MEANINGS.items() if name in names.split()), None)


def read_columns(lines: Lines, path: Path, task: str) -> tuple[dict[str, int], list[str]]:
    """(meaning -> position of its column, notes on what is read as what and what is not read).

    Raises:
        DataError: two columns mean the same, or none is the image.
    """
    found: dict[str, int] = {}
    unread: list[str] = []
    for position, column in enumerate(lines.header):
        meaning = meaning_of(column, task)
        if meaning in found:
            first = lines.header[found[meaning]]
            raise DataError(
                f"{path}: the columns {first!r} and {column!r} both mean {meaning}; rename or remove one of the two"
            )
        if meaning:
            found[meaning] = position
        elif column:
            unread.append(f"{column!r}{_nearest(column, task)}")
        elif any(position < len(cells) and cells[position] for _, cells in lines.records):
            unread.append(f"number {position + 1}, which has no name")
    missing = [meaning for meaning in ("image", "target") if meaning not in found]
    if missing:
        raise DataError(
            f"{path}: columns {list(lines.header)}; expected {EXPECTED}, named in the first line; no "
            f"{' and no '.join(missing)}" + (f"; not read: {', '.join(unread)}" if unread else "")
        )
    notes = []
    if lines.separator != ",":
        notes.append(f"{path.name}: cells are separated by {SEPARATORS.get(lines.separator, lines.separator)}")
    if any(lines.header[position] != meaning for meaning, position in found.items()):
        read = ", ".join(f"{meaning} = {lines.header[position]!r}" for meaning, position in found.items())
        notes.append(f"{path.name}: columns read: {read}")
    if unread:
        notes.append(f"{path.name}: columns not read: {', '.join(unread)}")
    return found, notes


def read_csv(path: Path, root: Path, task: str) -> Listing:
    """The images that a CSV lists, in its order; an id is the path as written, without suffix.

    Paths are absolute, or relative to the CSV's folder, to `root` or to the working folder.

    Args:
        path (Path): the file.
        root (Path): the option root.
        task (str): segmentation or depth.

    Raises:
        FileNotFoundError: the file is missing.
        DataError: a line contradicts another or names a file that is not there; the message names the line.
    """
    lines = read_lines(path, lambda column: meaning_of(column, task) is not None)
    columns, notes = read_columns(lines, path, task)
    width = max(position + 1 for position, column in enumerate(lines.header) if column)
    if not lines.records:
        raise DataError(f"{path}: names columns and no image; add a line for each image")
    bases = [path.parent.absolute(), root.absolute(), Path.cwd()]
    listing = Listing([], [], [], [], [], must_have_targets=True, notes=notes)
    line_of: dict[str, int] = {}
    users: dict[Path, list[int]] = {}
    named = False
    assert listing.splits is not None
    for number, cells in lines.records:
        where = f"{path}, line {number}"
        _check_width(cells, width, where)
        image_cell, target_cell, group, split = (
            cells[columns[meaning]] if meaning in columns else "" for meaning in MEANINGS
        )
        if not image_cell:
            raise DataError(f"{where}: no image; fill the cell or remove the line")
        image = locate_file(image_cell, bases, where)
        target = locate_file(target_cell, bases, where) if target_cell else None
        real = _real(image)
        if real in line_of:
            raise DataError(f"{where}: {image_cell}: same file as in line {line_of[real]}; keep one of the two")
        line_of[real] = number
        name = nfc(PurePosixPath(image_cell.replace("\\", "/")).with_suffix("").as_posix())
        if line_of.setdefault(f"id {name}", number) != number:
            raise DataError(f"{where}: {name!r} is already in line {line_of[f'id {name}']}; keep one of the two")
        if target is not None:
            if _real(target) == real:
                raise DataError(f"{where}: {image_cell}: the image and its target are one file; name the target")
            users.setdefault(target, []).append(number)
        named |= bool(split)
        listing.ids.append(name)
        listing.images.append(image)
        listing.targets.append(target)
        listing.groups.append(nfc(group) or None)
        listing.splits.append(split_of(split, f"{where}: {lines.header[columns.get('split', 0)]}"))
    if not named:
        listing.splits = None
    shared = [f"lines {some(numbers)}: {target}" for target, numbers in users.items() if len(numbers) > 1]
    if shared:
        listing.notes.append(f"{path.name}: more than one image has the same target: {some(shared)}")
    return listing


def split_of(cell: str, where: str) -> str:
    """pool, validation or test.

    Args:
        cell (str): as written; "" is the pool.
        where (str): file, line and column, for an error's message.

    Raises:
        DataError: it names no split.
    """
    split = SPLIT_NAMES.get(cell.casefold(), "" if cell else "pool")
    if not split:
        number = "; a number does not say which split it is" if re.fullmatch(r"[\d.]+", cell) else ""
        raise DataError(f"{where}={cell!r}; expected train, val or test, or nothing{number}")
    return split


def locate_file(cell: str, bases: Sequence[Path], where: str) -> Path:
    """The file that a cell names.

    Args:
        cell (str): a path, with / or \\, in any Unicode form.
        bases (Sequence[Path]): the CSV's folder, root and the working folder, which a relative path starts from.
        where (str): file and line, for an error's message.

    Raises:
        DataError: it is nowhere, or both below the CSV's folder and below root.
    """
    spellings = [cell, cell.replace("\\", "/")]
    spellings += [unicodedata.normalize(form, text) for text in spellings for form in ("NFC", "NFD")]

    def below(base: Path) -> Path | None:
        paths = (base / os.path.expanduser(text) for text in dict.fromkeys(spellings))
        found = next((path for path in paths if os.path.isfile(path)), None)
        return found or _part_by_part(base, os.path.expanduser(spellings[1]))

    found = {_real(path): path for base in bases[:2] if (path := below(base))}
    if len(found) > 1:
        raise DataError(f"{where}: {cell}: is both {' and '.join(map(str, found.values()))}; write the absolute path")
    path = next(iter(found.values()), None) or below(bases[-1])
    if path is None:
        tried = dict.fromkeys(str(base / os.path.expanduser(spellings[1])) for base in bases)
        kind = "is a folder" if any(map(os.path.isdir, tried)) else "no such file"
        raise DataError(f"{where}: {cell}: {kind}; tried {' and '.join(tried)}")
    return path


def _part_by_part(base: Path, text: str) -> Path | None:
    """The one file below a folder whose path differs in the Unicode form of some of its parts."""
    here = base
    for part in PurePosixPath(text).parts:
        if not os.path.lexists(here / part):
            try:
                part = _by_form(str(here), os.stat(here).st_mtime_ns).get(nfc(part), "")
            except OSError:
                return None
            if not part:
                return None
        here = here / part
    return here if os.path.isfile(here) else None


@lru_cache(maxsize=64)
def _by_form(folder: str, changed: int) -> dict[str, str]:
    """NFC of a name -> the name, of what lies in a folder; "" where two names have one."""
    found: dict[str, str] = {}
    for name in os.listdir(folder):
        found[nfc(name)] = "" if nfc(name) in found else name
    return found


def _check_width(cells: Sequence[str], width: int, where: str) -> None:
    if len(cells) < width:
        raise DataError(
            f"{where}: {len(cells)} cells, but the first line names {width} columns; write each separator, also "
            "beside an empty cell"
        )
    if any(cells[width:]):
        raise DataError(
            f"{where}: {len(cells)} cells, but the first line names {width} columns; quote a path that holds the "
            "separator"
        )


def _plain(column: str) -> str:
    """A column's name in lower case, without signs between words, and without "path" or "file name" at its end."""
    name = re.sub(r"[\W_]+", "", column.casefold())
    return re.sub(r"(?<=.)(path|file|filename|name)s?$", "", name)


def _nearest(column: str, task: str) -> str:
    """What a column that is not read may be meant to be."""
    name = _plain(column)
    other = next((kind for kind, names in OF_TASK.items() if kind != task and name in names.split()), None)
    if other:
        return f" (read with dataset.options.task={other})"
    known = {name: meaning for meaning, names in MEANINGS.items() for name in names.split()}
    known |= dict.fromkeys(OF_TASK[task].split(), "target")
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f" (nearest: {known[near[0]]})" if near else ""


def _real(path: Path) -> str:
    """The file itself, whatever names lead to it."""
    return os.path.normcase(os.path.realpath(path))
