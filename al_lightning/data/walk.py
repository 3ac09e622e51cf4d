"""Files of a folder as they lie on real disks: links are followed, litter is left out, and what is left out is counted.

What a system, a network drive or a notebook leaves behind (`.Trash-1000/`, `@eaDir/`, `__MACOSX/`, `._x.png`,
`~$x.png`, `Thumbs.db`, anything that starts with a dot) is never an image of yours.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from al_lightning.data.errors import DataError

LITTER = re.compile(
    r"\..*|~\$.*|@eadir|@recycle|@recently-snapshot|@tmp|#recycle|#snapshot|\$recycle\.bin|lost\+found|__macosx"
    r"|__pycache__|system volume information|thumbs\.db|ehthumbs.*\.db|desktop\.ini|synofile_thumb.*",
    re.IGNORECASE,
)
"""Names of files and folders that hold none of your images."""
NAMED = 3
"""Names that a note spells out."""


@dataclass
class Found:
    """What one walk found."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    """Files of the wanted kinds, in no order."""
    real: dict[Path, str] = field(default_factory=dict)
    """file -> its path with all links resolved."""
    others: Counter[str] = field(default_factory=Counter)
    """suffix -> files of other kinds."""
    litter: list[Path] = field(default_factory=list)
    """Hidden files and folders, and what systems leave behind."""
    broken: list[Path] = field(default_factory=list)
    """Links to what is not there."""
    again: list[Path] = field(default_factory=list)
    """Linked folders that were read already; a cycle of links ends there."""

    def take(self, other: Found) -> None:
        """Add what another walk found."""
        self.folder = Path(os.path.commonpath([self.folder, other.folder]))
        self.files += other.files
        self.real |= other.real
        self.others += other.others
        self.litter += other.litter
        self.broken += other.broken
        self.again += other.again

    def notes(self) -> list[str]:
        """At most one line: what was left out, by kind."""
        parts = [f"{count} {suffix or 'without suffix'}" for suffix, count in sorted(self.others.items())]
        what = [f"{many(self.others.total(), 'file')} left out: {', '.join(parts)}"] if parts else []
        for paths, noun, plural in (
            (self.litter, "hidden file or folder", "hidden files and folders"),
            (self.broken, "broken link", "broken links"),
            (self.again, "link to a folder that was read already", "links to folders that were read already"),
        ):
            if paths:
                names = some(path.relative_to(self.folder).as_posix() for path in paths)
                what.append(f"{many(len(paths), noun, plural)} left out ({names})")
        return [f"{self.folder}: {'; '.join(what)}"] if what else []


def many(count: int, noun: str, plural: str = "") -> str:
    """A number of things.

    Example:
        >>> many(1, "image"), many(2, "image"), many(2, "link to a file", "links to files")
        ('1 image', '2 images', '2 links to files')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def some(names: Iterable[object]) -> str:
    """The first few names, and how many more there are.

    Example:
        >>> some("abcde")
        'a, b, c and 2 more'
    """
    listed = [str(name) for name in names]
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is left out.

    Example:
        >>> is_litter("._a.png"), is_litter("@eaDir"), is_litter("a.png")
        (True, True, False)
    """
    return LITTER.fullmatch(name) is not None


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); give yourself the right to read it") from None


def sub_folders(folder: Path) -> list[Path]:
    """Folders in a folder, linked ones too, without litter, by name."""
    return [Path(entry.path) for entry in entries(folder) if _kind(entry) == "folder" and not is_litter(entry.name)]


def walk(folder: Path, suffixes: Iterable[str], recursive: bool = True) -> Found:
    """The files of some kinds in a folder, and what else lies there.

    Folders are read before links to folders, so that a file that can be reached twice has the name without link.

    Args:
        folder (Path): an existing folder.
        suffixes (Iterable[str]): such as ".png"; case does not count.
        recursive (bool): read sub-folders too. Default True.

    Raises:
        DataError: a folder cannot be listed.
    """
    wanted = {suffix.lower() for suffix in suffixes}
    found = Found(folder)
    above = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    seen: set[str] = set()
    linked = [folder]
    while linked:
        waiting = [linked.pop(0)]
        while waiting:
            here = waiting.pop()
            real = os.path.realpath(here)
            if real in seen | above:
                found.again.append(here)
                continue
            seen.add(real)
            folders: list[Path] = []
            for entry in entries(here):
                path = Path(entry.path)
                if is_litter(entry.name):
                    found.litter.append(path)
                elif (kind := _kind(entry)) == "folder":
                    (linked if entry.is_symlink() else folders).append(path)
                elif kind == "broken link":
                    found.broken.append(path)
                elif kind == "file" and path.suffix.lower() in wanted:
                    found.files.append(path)
                    found.real[path] = os.path.realpath(path) if entry.is_symlink() else os.path.join(real, entry.name)
                else:
                    found.others[path.suffix.lower() if kind == "file" else "device"] += 1
            waiting += reversed(folders) if recursive else []
        linked = linked if recursive else []
    return found


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "broken link", "other"]:
    """What an entry is, links followed; only links cost a look at the disk."""
    if entry.is_symlink():
        if os.path.isdir(entry.path):
            return "folder"
        return "file" if os.path.isfile(entry.path) else "broken link"
    return "folder" if entry.is_dir() else "file" if entry.is_file() else "other"
