"""Files -> `Pixels`: any mode of Pillow, the TIFFs that it cannot read, and DICOM; one page, upright."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError
from al_lightning.data.pictures import dicom, tiff
from al_lightning.data.pictures.limit import bounded, check_pixels
from al_lightning.data.pictures.pillow import bits_of, may_be_oriented, of_pillow, orientation_of, pages_of
from al_lightning.data.pictures.pixels import Pixels, check_page


@dataclass(frozen=True)
class Header:
    """What is known of a file without its pixels."""

    size: Size
    """(H, W) as stored."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 where there is none."""
    pages: int
    bits: int
    """A channel."""

    def shown(self, upright: bool = True) -> Size:
        """(H, W) as the picture is shown, or as it is stored."""
        return self.size[::-1] if upright and self.orientation in (5, 6, 7, 8) else self.size


def read_pixels(path: Path, page: int | None = None, upright: bool = True, only_if_several: bool = False) -> Pixels:
    """The pixels of one page of a file.

    Args:
        path (Path): a file that Pillow, tifffile or pydicom reads.
        page (int | None): which, from 1. Default None: the file holds one.
        upright (bool): turn the picture as its EXIF orientation says. Default True.
        only_if_several (bool): read a file of one page whatever `page` says. Default False.

    Raises:
        DataError: several pages and no `page`, or no such page, more pixels than `dataset.max_pixels`, or a kind that
            is not read.
        OSError, ValueError: what Pillow raises for a file that is missing, foreign or truncated.
    """
    if dicom.is_dicom(path):
        check_pixels(path, dicom.header(path)[0])
        return dicom.read(path, page, only_if_several)
    found = tiff.layout(path, page) if tiff.is_tiff(path) else None
    if found is None:
        with _open(path, path) as image:
            check_pixels(path, (image.height, image.width))
            index = check_page(path, pages_of(image), page, only_if_several)
            pixels = of_pillow(_at(image, index), lambda: _at(_open(path, path), index))
            # Pillow turns a TIFF upright by itself, and where tifffile cannot parse one that is all that can be had.
            return pixels.upright(orientation_of(image)) if upright and image.format != "TIFF" else pixels
    check_page(path, found.pages, page, only_if_several)
    check_pixels(path, found.size)
    if not found.by_pillow:
        pixels = tiff.read(path, found)
    else:
        data = tiff.fixed(path, found) if found.fixes else None
        with _open(BytesIO(data) if data else path, path) as image:
            pixels = of_pillow(
                _at(image, found.index), lambda: _at(_open(BytesIO(data) if data else path, path), found.index)
            )
    return pixels.upright(found.orientation) if upright else pixels


def _open(source: Path | BytesIO, path: Path) -> Image.Image:
    """Image.open, with an OSError where Pillow finds impossible values in a header.

    Args:
        source (Path | BytesIO): the file, or its content.
        path (Path): the file, for errors.
    """
    try:
        with bounded(path):
            return Image.open(source)
    except DataError:
        raise
    except ValueError as error:
        raise OSError(str(error)) from None


def _at(image: Image.Image, index: int) -> Image.Image:
    """The picture at a page, from 0; pages have sizes of their own.

    Raises:
        ValueError: it has too many pixels.
    """
    if index:
        image.seek(index)
        check_pixels(Path(getattr(image, "filename", "") or "page"), (image.height, image.width))
    return image


def read_header(path: Path, page: int | None = None) -> Header:
    """Size, orientation, pages and bits of a file, without decoding it wherever the format allows.

    A page that is not there is not an error here.

    Raises:
        DataError: it has more pixels than `dataset.max_pixels`.
        OSError, ValueError: what Pillow raises for a file that is missing or foreign.
    """
    head = _header(path, page)
    check_pixels(path, head.size)
    return head


def _header(path: Path, page: int | None) -> Header:
    if dicom.is_dicom(path):
        return Header(*dicom.header(path))
    if tiff.is_tiff(path) and (found := tiff.layout(path, page)) is not None:
        return Header(found.size, found.orientation, found.pages, found.bits)
    with _open(path, path) as image:
        pages = pages_of(image)
        if page is not None and 1 < page <= pages:
            image.seek(page - 1)
        orientation = 1 if image.format == "PNG" and not may_be_oriented(image, path) else orientation_of(image)
        size = image.height, image.width
        if image.format == "TIFF" and orientation in (5, 6, 7, 8):
            size = size[::-1]  # Pillow says how it will be shown
        return Header(size, orientation, pages, bits_of(image))
