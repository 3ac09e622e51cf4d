"""The images of a folder, batch by batch, for what needs no dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Size
from al_lightning.core.progress import Progress
from al_lightning.core.threads import Threads
from al_lightning.data.cache import resize_image
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.images import ImageReading
from al_lightning.data.own.layout import IMAGES, Side, find_parts, read_folder
from al_lightning.data.walk import some


def images_of(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """(id -> file, notes) of all images of a folder and below it, by natural order.

    An id is the path below the folder without suffix. Where sub-folders are named for images and their masks, only
    the images are read, and have the ids that the dataset `folder` gives them.

    Raises:
        FileNotFoundError: there is no such folder.
        DataError: it holds no image, or two of one name.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; name the folder of your images")
    parts, unread = find_parts(folder, "segmentation")
    side, notes = Side(), []
    if any(part.targets for part in parts):
        for part in parts:
            read_folder(part.images, IMAGES, part.images.name, part.prefix, side)
        out = [part.targets for part in parts if part.targets] + unread
        notes.append(f"{folder}: not read: {some(path.relative_to(folder).as_posix() for path in out)}")
    else:
        read_folder(folder, IMAGES, folder.name, "", side)
    if not side.files:
        raise DataError(f"{folder}: holds no image ({', '.join(IMAGES)}){''.join(f'; {n}' for n in side.notes())}")
    return side.files, [*side.notes(), *notes]


def batches_of(
    images: Mapping[str, Path],
    reading: ImageReading,
    size: Size,
    batch: int,
    skipped: dict[str, str],
    progress: Progress,
) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
    """(ids, (b, 3, H, W)) of those that can be read, the next batch being decoded meanwhile; others go to `skipped`."""

    def read(path: Path) -> NDArray[np.uint8] | DataError:
        try:
            return resize_image(decoded(path, reading.decode), size)
        except DataError as error:
            return error

    names = list(images)
    with Threads() as pool:

        def submit(start: int) -> list[tuple[str, Future[NDArray[np.uint8] | DataError]]]:
            return [(name, pool.submit(read, images[name])) for name in names[start : start + batch]]

        waiting = submit(0)
        for start in range(0, len(names), batch):
            current, waiting = waiting, submit(start + batch)
            good: dict[str, NDArray[np.uint8]] = {}
            for name, future in current:
                found = future.result()
                if isinstance(found, DataError):
                    skipped[name] = " ".join(str(found).split())
                elif "\n" in name or "\r" in name:
                    skipped[name.encode("unicode_escape").decode()] = "its name holds a line break; rename the file"
                else:
                    good[name] = found
            if good:
                yield list(good), np.stack([*good.values()])
            progress("images", min(start + batch, len(names)) / len(names))
