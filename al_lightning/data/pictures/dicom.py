"""DICOM: pictures of a medical archive, through pydicom, which is an extra (`pip install al-lightning[dicom]`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError
from al_lightning.data.pictures.pixels import Pixels, check_page

SUFFIXES = (".dcm", ".dicom")


def is_dicom(path: Path) -> bool:
    """Whether a file is named as DICOM."""
    return path.suffix.lower() in SUFFIXES


def header(path: Path) -> tuple[Size, int, int, int]:
    """((H, W), orientation, which is always 1, frames, bits a channel), without the pixels."""
    found = _open(path, pixels=False)
    bits = 32 if _rescaled(found) else int(found.get("BitsStored", 8))
    return (int(found.Rows), int(found.Columns)), 1, _frames(found), 8 if bits <= 8 else max(16, bits)


def read(path: Path, page: int | None, only_if_several: bool) -> Pixels:
    """The pixels of one frame: RGB, or grey levels after the rescale slope and intercept, black is 0.

    The display window that the file suggests is not applied.

    Raises:
        DataError: pydicom is not installed, the frame is not there, or the file holds no picture that can be decoded.
    """
    found = _open(path, pixels=True)
    index = check_page(path, _frames(found), page, only_if_several)
    from pydicom.pixels import apply_rescale, pixel_array

    try:
        values: Any = pixel_array(found, index=index)  # YBR becomes RGB
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: the pixels of this DICOM cannot be decoded ({reason}); convert it to PNG or to DICOM without "
            "compression"
        ) from None
    kind = str(found.get("PhotometricInterpretation", ""))
    if kind == "PALETTE COLOR":
        raise DataError(f"{path}: a DICOM with a palette; convert it to RGB")
    if kind == "MONOCHROME1":  # its zero is white
        top = -1 if int(found.get("PixelRepresentation", 0)) else 2 ** int(found.BitsStored) - 1
        values = values.dtype.type(top) - values
    if values.ndim == 2 and _rescaled(found):
        values = apply_rescale(values, found).astype(np.float32)
    bits = 32 if values.dtype.kind == "f" else int(found.get("BitsStored", 8))
    if bits <= 8 and values.dtype != np.uint8:
        values = values.astype(np.uint8)
    lossy = str(found.get("LossyImageCompression", "00")) == "01"
    return Pixels(np.ascontiguousarray(values), 8 if bits <= 8 else max(16, bits), lossy=lossy)


def _open(path: Path, pixels: bool) -> Any:
    try:
        import pydicom
    except ImportError:
        raise DataError(
            f"{path}: reading DICOM needs pydicom; pip install 'al-lightning[dicom]', or convert it to PNG"
        ) from None
    found = pydicom.dcmread(path, stop_before_pixels=not pixels)
    if "Rows" not in found or "Columns" not in found:
        raise DataError(f"{path}: a DICOM without a picture; remove it")
    return found


def _frames(found: Any) -> int:
    return int(found.get("NumberOfFrames", 1) or 1)


def _rescaled(found: Any) -> bool:
    slope, intercept = found.get("RescaleSlope", 1), found.get("RescaleIntercept", 0)
    return "ModalityLUTSequence" in found or float(slope or 1) != 1 or float(intercept or 0) != 0
