"""DenseDataset: the files of one dataset by row, and its splits; DatasetInfo: what its documentation says.

Files become arrays in `data.reading`, and a whole dataset of them in `data.cache`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows, Size
from al_lightning.core.task import Task
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.images import ImageReading
from al_lightning.data.labels import is_label, read_label
from al_lightning.data.splits import NONE, keep
from al_lightning.data.walk import many, some

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = ("pool", "validation", "test")
"""Names of the splits; each is an attribute of `DenseDataset`."""


@dataclass(frozen=True)
class DatasetInfo:
    """Where a dataset comes from and how its files lie; the documentation lists it."""

    title: str
    source: str
    """URL where it is published, or how it is made where nobody publishes it."""
    licence: str
    """Terms of use, or "see the source" where they are not known for sure."""
    citation: str
    layout: str
    """The files that are read, one pattern a line, relative to the folder that holds the dataset."""


@dataclass(frozen=True)
class DenseDataset:
    """Images and targets of a dataset with its splits. Nothing is decoded here.

    Targets are opened only by `read_target`, which a run calls for revealed, validation and test rows alone.
    """

    name: str
    task: Task
    ids: tuple[str, ...]
    """Stable name of each row."""
    images: tuple[Path, ...]
    targets: tuple[Path | None, ...]
    """None where no label exists yet."""
    pool: Rows
    validation: Rows
    test: Rows
    size: Size
    """(H, W) that the learner sees."""
    decode_target: Callable[[Path], NDArray[Any]]
    """File -> (H, W) uint8 class indices or float32 cm, at its own size."""
    decode_objects: Callable[[Path], NDArray[Any]] | None = None
    """File -> (H, W) int32 object ids, where the task scores objects."""
    part_of: Mapping[int, str] = field(default_factory=dict)
    """Test row -> its part, where the test set has parts (A and B of GlaS)."""
    polygons: Callable[[Path], Path] | None = None
    """Target file -> the file of its annotator's polygons, where the dataset publishes them."""
    evaluate_at: Literal["native", "resized"] = "native"
    """Whether test metrics compare at the target's own size or at `size`."""
    protocol: str = "clean"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the loader found and the results should carry, such as the overlap of pool and test."""
    groups: tuple[str, ...] = ()
    """The group of each row (a patient, a video), whose rows belong in one split; () where each row is its own."""
    notes: tuple[str, ...] = ()
    """What the loader decided for its user or left out, a line each, to be shown before a run."""
    image_reading: ImageReading = ImageReading()  # noqa: RUF009 - frozen
    """How image files become RGB."""
    drawn: tuple[str, ...] = ()
    """Those of `notes` that are about the splits as they were drawn; recorded splits replace them."""

    def __post_init__(self) -> None:
        assert len(self.ids) == len(self.images) == len(self.targets)
        if min(self.size) < 1:
            raise ValueError(f"size={self.size}: expected a positive height and width")
        for split in SPLITS if self.has_targets else SPLITS[:1]:
            if len(getattr(self, split)) == 0:
                raise DataError(f"{self.name}: the {split} split is empty")

    @property
    def has_targets(self) -> bool:
        """Whether any image has a target; where none has, people are asked for those of validation and test too."""
        return any(target is not None for target in self.targets)

    def split_of(self) -> dict[str, str]:
        """id -> pool, validation, test or none: what to record, for `with_splits` when the set is read again."""
        splits = dict.fromkeys(self.ids, NONE)
        return splits | {self.ids[row]: split for split in SPLITS for row in getattr(self, split).tolist()}

    def with_splits(self, recorded: Mapping[str, str], asked: bool = False) -> DenseDataset:
        """This dataset with the splits that it had before, whatever images were added since.

        New images join the pool; those in no split, and those whose group is held out, stay out. A note says how many.

        Args:
            recorded (Mapping[str, str]): id -> pool, validation, test or none, as `split_of` gave it.
            asked (bool): whether people are asked for targets of validation and test. Default False.

        Raises:
            DataError: an image is gone, or one that is held out has no target any more.
        """
        drawn = self.split_of()
        splits, joined = keep(self.ids, self.groups or self.ids, list(drawn.values()), recorded)
        bare = [row for row, split in enumerate(splits) if split in SPLITS[1:] and self.targets[row] is None]
        if bare and self.has_targets and not asked:
            raise DataError(
                f"{self.images[bare[0]]}: an image of {splits[bare[0]]} whose target is gone ({len(bare)} are); put "
                "the files back, or start a new run"
            )
        notes = list(self.notes)
        if splits != list(drawn.values()) and self.has_targets:
            counts = ", ".join(f"{split} {splits.count(split)}" for split in SPLITS)
            notes = [note for note in notes if note not in self.drawn]
            notes.append(f"splits are kept as recorded ({counts}), whatever was added since")
        if joined:
            notes.append(f"{many(len(joined), 'new image')} joined the pool ({some(joined)})")
        if out := [name for name in self.ids if name not in recorded and name not in set(joined)]:
            stay = many(len(out), "new image stays", "new images stay")
            notes.append(f"{stay} out, in a held-out group or drawn for no split ({some(out)})")
        pool, validation, test = (np.flatnonzero(np.array(splits) == split) for split in SPLITS)
        known = {
            "pool_images_without_target": sum(self.targets[row] is None for row in pool.tolist()),
            "left_out": splits.count(NONE),
        }
        facts = {**self.facts, **{key: value for key, value in known.items() if key in self.facts}}
        return replace(self, pool=pool, validation=validation, test=test, notes=tuple(notes), facts=facts)

    def with_targets(self, files: Mapping[int, Path]) -> DenseDataset:
        """This dataset with other targets for some rows, such as label files of people."""
        return replace(self, targets=tuple(files.get(row, target) for row, target in enumerate(self.targets)))

    def target_file(self, row: int) -> Path:
        """The row's target file.

        Raises:
            DataError: there is none.
        """
        path = self.targets[row]
        if path is None or not path.is_file():
            where = path or self.images[row]
            raise DataError(f"{where}: image {self.ids[row]!r} has no target; add it, or remove the image")
        return path

    def read_image(self, row: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB at its own size.

        Raises:
            DataError: the file is missing, unreadable or truncated.
        """
        return decoded(self.images[row], self.image_reading.decode)

    def native_size(self, row: int) -> Size:
        """(H, W) of the image as it is shown, from its header wherever the format allows.

        Raises:
            DataError: the file is missing or unreadable.
        """
        return decoded(self.images[row], self.image_reading.size)

    def read_target(self, row: int, file: Path | None = None) -> NDArray[Any]:
        """(H, W) uint8 class indices or float32 cm, at its own size.

        Args:
            row (int): dataset row.
            file (Path | None): the target's file where the oracle gave one: a label file (`data.labels`), or a file
                that is encoded as the dataset's own. Default None: the dataset's own.

        Raises:
            DataError: missing, unreadable, or of another size than its image.
        """
        path = file or self.target_file(row)
        target = decoded(path, read_label if is_label(path) else self.decode_target)
        size = self.native_size(row)
        if target.shape[:2] != size:
            turns = self.image_reading.turns(self.images[row])
            raise DataError(
                f"{path}: the target is {target.shape[1]} x {target.shape[0]} pixels but its image "
                f"{self.images[row].name} is {size[1]} x {size[0]}{turns}; give both the same size"
            )
        return target

    def plot(self, row: int, width: float = 8.0) -> Figure:
        """A figure of one sample: the image beside its target, with the classes named or a scale in cm.

        It opens the target of any row, also of a hidden one of the pool: it is for people who look at a dataset,
        and no run calls it. It needs no display; `figure.savefig("sample.png")` writes a file.

        Args:
            row (int): dataset row.
            width (float): of the figure, in inches. Default 8.

        Returns:
            A figure titled with the row's id, with the axes "image" and "target". A row without target has a note
            in place of the target.

        Raises:
            DataError: a file is missing or unreadable, or image and target differ in size.
        """
        from al_lightning.data.plot import plot_sample

        target = None if self.targets[row] is None else self.read_target(row)
        return plot_sample(self.read_image(row), target, self.task, self.ids[row], width)


__all__ = ["SPLITS", "DataError", "DatasetInfo", "DenseDataset"]
