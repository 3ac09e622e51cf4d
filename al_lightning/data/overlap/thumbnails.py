"""Thumbnails of what a picture shows, and their local structure, by which two of them are compared.

Three things make two scenes of an endoscope look alike, or two copies of one frame look different:

* the black surround, its octagon and the writing on it: thumbnails show the box of the bright content only, and
  near-black pixels with thin writing on them are masked;
* light that falls off from the centre, and exposure: the local mean is subtracted and the local contrast
  divided out;
* another crop, another aspect, a small camera shift: `correlation` tries shifts and zooms.

Mirrored or rotated copies are not looked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter1d, minimum_filter1d

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Zoom = tuple[float, float]

STORED = 80
"""Side of the thumbnail that is kept of each image: enough for the closest zoom at `SIDE`."""
SIDE = 64
COARSE = 32
FLAT = 2.0
"""Standard deviation in grey levels below which an image shows nothing."""
DARK = 16
"""Grey levels (mean of the channels) below which a pixel is no picture: JPEG leaves up to 10 in black."""
BOX_DARK = 24
"""The same for the brightest channel, by which the content box is found."""
BOX_FRACTION = 0.25
"""A line or column of pixels belongs to the content box if more than this fraction of it is bright: writing is less."""
LOCAL = 4.0
"""Standard deviation, in pixels of a thumbnail, of the neighbourhood that sets local mean and contrast."""
SMOOTH = 0.8
"""The same of the blur before: finer detail does not survive re-encoding."""
BATCH = 256


def thumbnail(image: UInt8) -> UInt8:
    """(H, W, 3) RGB -> (80, 80) grey of the content box, stretched to a square; zeros where the image shows nothing."""
    step = max(1, min(image.shape[:2]) // 256)
    if spread(image[::step, ::step]) < FLAT:
        return np.zeros((STORED, STORED), np.uint8)
    small = Image.fromarray(image).resize((STORED, STORED), Image.Resampling.BOX, content_box(image), reducing_gap=2.0)
    grey: UInt8 = np.asarray(small).mean(axis=2).round().astype(np.uint8)
    return grey


def spread(image: UInt8) -> float:
    """Standard deviation of (H, W, 3) in grey levels, the mean of the channels."""
    red, green, blue = (image[..., i].astype(np.float32) for i in range(3))
    return float(((red + green + blue) / 3).std())


def content_box(image: UInt8) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the bright content of (H, W, 3); all of it where it is mostly dark."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // 256)
    seen = image[::step, ::step]
    bright = np.maximum(np.maximum(seen[..., 0], seen[..., 1]), seen[..., 2]) > BOX_DARK
    lines = np.flatnonzero(bright.mean(axis=1) > BOX_FRACTION)
    columns = np.flatnonzero(bright.mean(axis=0) > BOX_FRACTION)
    if len(lines) < bright.shape[0] / 4 or len(columns) < bright.shape[1] / 4:
        return 0, 0, width, height
    return (
        int(columns[0]) * step,
        int(lines[0]) * step,
        min(width, (int(columns[-1]) + 1) * step),
        min(height, (int(lines[-1]) + 1) * step),
    )


def structure(thumbnails: UInt8, side: int, zoom: Zoom = (1.0, 1.0)) -> tuple[Float32, Float32]:
    """(n, 80, 80) -> local structure (n, side, side), 0 where masked, and the mask (n, side, side) of 0 and 1."""
    width, height = STORED / zoom[0], STORED / zoom[1]
    left, top = (STORED - width) / 2, (STORED - height) / 2
    box = (left, top, left + width, top + height)
    grey = np.stack(
        [np.asarray(Image.fromarray(t).resize((side, side), Image.Resampling.BOX, box)) for t in thumbnails]
    )
    mask = _open_and_erode((grey > DARK).astype(np.uint8), 5 if side >= SIDE else 3).astype(np.float32)
    values = grey * mask
    near, around = np.maximum(_blur(mask, SMOOTH), 1e-3), np.maximum(_blur(mask, LOCAL), 1e-3)
    detail = (_blur(values, SMOOTH) / near - _blur(values, LOCAL) / around) * mask
    contrast = np.sqrt(_blur(detail * detail, LOCAL) / around)
    # One grey level more keeps noise in flat areas from counting as much as structure.
    return np.asarray(detail / (contrast + 1.0), dtype=np.float32), mask


def descriptors(thumbnails: UInt8, zoom: Zoom = (1.0, 1.0)) -> Float32:
    """(n, 80, 80) -> (n, 256) unit vectors (0 for a picture without structure), compared by cosine."""
    out = np.empty((len(thumbnails), (COARSE // 2) ** 2), dtype=np.float32)
    for start in range(0, len(thumbnails), BATCH):
        batch, _ = structure(thumbnails[start : start + BATCH], COARSE, zoom)
        half = batch.reshape(len(batch), COARSE // 2, 2, COARSE // 2, 2).mean(axis=(2, 4))
        out[start : start + BATCH] = half.reshape(len(batch), -1)
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    out[norm[:, 0] < 1e-3] = 0.0
    return np.asarray(out / np.maximum(norm, 1e-3), dtype=np.float32)


def _blur(values: NDArray[Any], sigma: float) -> Float32:
    return np.asarray(gaussian_filter(values, (0, sigma, sigma), mode="constant", truncate=3.0), dtype=np.float32)


def _open_and_erode(mask: UInt8, width: int) -> UInt8:
    """Drop what is thinner than `width` pixels, then one pixel along every edge inside the picture."""

    def minimum(values: Any, size: int) -> Any:
        return minimum_filter1d(minimum_filter1d(values, size, 1, mode="nearest"), size, 2, mode="nearest")

    opened = minimum(mask, width)
    for axis in (1, 2):
        opened = maximum_filter1d(opened, width, axis, mode="nearest")
    return np.asarray(minimum(opened, 3))
