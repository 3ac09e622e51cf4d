"""The label files of a run: what people drew, as it was when the run took it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from al_lightning.core.files import write_atomic
from al_lightning.data.labels import write_label

RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}
"""Names that a file cannot have on Windows."""


@dataclass(frozen=True)
class Kept:
    """One version of a label."""

    file: str
    """Relative to the store's folder."""
    digest: str
    """Of the drawing that it was made from."""
    source: str
    """Where that drawing was."""
    stage: int
    """First stage that is trained with it."""


class LabelStore:
    """Every version of every label that was accepted, in the run's folder `labels/`, with an index.

    A label file is never changed, so that a stage that is trained again is trained with the same labels, whatever
    happens to the drawings.

    Args:
        folder: `labels/` of a run.

    Raises:
        ValueError: the index cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = folder / "index.json"
        self._kept: dict[str, list[Kept]] = {}
        if self._index.is_file():
            try:
                held = json.loads(self._index.read_text(encoding="utf-8"))
                self._kept = {name: [Kept(**one) for one in versions] for name, versions in held.items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{self._index}: cannot be read ({error}); restore it from a copy of the run"
                ) from None

    def newest(self, name: str) -> Kept | None:
        """The newest version of an image's label, by its id."""
        versions = self._kept.get(name)
        return versions[-1] if versions else None

    def versions(self, name: str) -> tuple[Kept, ...]:
        """All versions, the first one first."""
        return tuple(self._kept.get(name, ()))

    def path(self, kept: Kept) -> str:
        """The file, absolute."""
        return str((self.folder / kept.file).resolve())

    def add(self, name: str, label: NDArray[Any], digest: str, source: str, stage: int) -> str:
        """Keep a new version; returns its file. `save` makes it durable."""
        versions = self._kept.setdefault(name, [])
        stem = self.folder / f"{file_name(name)}-v{len(versions) + 1}"
        file = write_label(stem, label).relative_to(self.folder).as_posix()
        versions.append(Kept(file, digest, source, stage))
        return str((self.folder / file).resolve())

    def save(self) -> None:
        """Write the index."""
        held = {name: [asdict(one) for one in versions] for name, versions in sorted(self._kept.items())}
        write_atomic(self._index, json.dumps(held, indent=1, ensure_ascii=False))


def file_name(name: str, most: int = 100) -> str:
    """An id as the name of a file, on any system; different ids have different names.

    Example:
        >>> file_name("patient-3/frame 12"), file_name("a"), file_name("../x")
        ('patient-3__frame 12', 'a', '__x-d6b96a97')
    """
    plain = re.sub(r'[\x00-\x1f<>:"|?*\\]', "_", name.replace("/", "__"))
    kept = plain == name.replace("/", "__") and "__" not in name and not plain.startswith(".")
    kept = kept and plain.split(".")[0].upper() not in RESERVED
    if kept and len(plain.encode()) <= most and not plain.endswith((" ", ".")):
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    while len(plain.encode()) > most:
        plain = plain[1:]
    return f"{plain.strip(' .')}-{digest}"
