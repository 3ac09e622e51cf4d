"""Pictures that show the same frame: candidates by k-NN on small thumbnails, checked by aligned correlation.

Three things make two frames of an endoscope look alike that are not, and two copies of one frame look
different. Each has its remedy here:

* the black surround, its octagon and the text on it: thumbnails are cut to the box of the bright content, and
  near-black pixels with thin writing on them are masked;
* light that falls off from the centre: the local mean is subtracted and the local contrast divided out, which
  also makes exposure irrelevant;
* another crop, another aspect, a small camera shift: the correlation is maximised over shifts and zooms.

Evidence (Kvasir-SEG, all pairs of 1,000 images, measured when this was written): see `SAME_FRAME`.
Mirrored or rotated copies are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter, maximum_filter1d, minimum_filter1d

from al_lightning.neighbors import nearest_k

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Pairs = NDArray[np.int64]

STORED = 80
"""Side of the thumbnail that is kept of each image: enough for the closest zoom at `SIDE`."""
SIDE = 64
COARSE = 32
DARK = 16
"""Grey levels (mean of the channels) below which a pixel is no picture: JPEG leaves up to 10 in black."""
BOX_DARK = 24
"""The same for the brightest channel, by which the content box is found."""
BOX_SHARE = 0.25
"""A row or column belongs to the content box if more than this share of it is bright: writing is less."""
LOCAL = 4.0
"""Standard deviation, in pixels of a thumbnail, of the neighbourhood that sets local mean and contrast."""
SMOOTH = 0.8
"""The same of the blur before: finer detail does not survive re-encoding."""
SHIFT = 5
"""Largest shift in pixels of the 64 x 64 thumbnail, 8 % of the side."""
ZOOMS = ((1.06, 1.06), (1.12, 1.12), (1.08, 1.0), (1.0, 1.08))
"""(x, y) zooms that are tried, of either picture, besides none."""
SAME_FRAME = 0.8
SAME_SCENE = 0.55
CANDIDATE = 0.5
"""Cosine of two 16 x 16 descriptors below which a pair is not looked at again."""
CERTAIN = 0.9
"""Correlation from which no zoom is tried."""
FFT = 72
"""Side of the padded transform: no wrap-around within `SHIFT`."""
BATCH = 256


def thumbnail(image: UInt8) -> UInt8:
    """(H, W, 3) RGB -> (80, 80) grey of the content box, stretched to a square."""
    height, width = image.shape[:2]
    left, top, right, bottom = content_box(image)
    if right - left == width and bottom - top == height:
        left, top, right, bottom = 0, 0, width, height
    small = Image.fromarray(image).resize(
        (STORED, STORED), Image.Resampling.BOX, (left, top, right, bottom), reducing_gap=2.0
    )
    return np.asarray(small).mean(axis=2).round().astype(np.uint8)


def content_box(image: UInt8) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the bright content of (H, W, 3); all of it where it is mostly dark."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // 256)
    bright = image[::step, ::step].max(axis=2) > BOX_DARK
    rows = np.flatnonzero(bright.mean(axis=1) > BOX_SHARE)
    columns = np.flatnonzero(bright.mean(axis=0) > BOX_SHARE)
    if len(rows) < bright.shape[0] / 4 or len(columns) < bright.shape[1] / 4:
        return 0, 0, width, height
    return (
        int(columns[0]) * step,
        int(rows[0]) * step,
        min(width, (int(columns[-1]) + 1) * step),
        min(height, (int(rows[-1]) + 1) * step),
    )


def structure(thumbnails: UInt8, side: int, zoom: tuple[float, float] = (1.0, 1.0)) -> tuple[Float32, Float32]:
    """(n, 80, 80) -> local structure (n, side, side), 0 where masked, and the mask (n, side, side) of 0 and 1."""
    width, height = STORED / zoom[0], STORED / zoom[1]
    left, top = (STORED - width) / 2, (STORED - height) / 2
    box = (left, top, left + width, top + height)
    grey = np.stack(
        [np.asarray(Image.fromarray(t).resize((side, side), Image.Resampling.BOX, box)) for t in thumbnails]
    )
    mask = _open_and_erode((grey > DARK).astype(np.uint8), 5 if side >= SIDE else 3).astype(np.float32)
    weight = _blur(mask, LOCAL)
    values = grey.astype(np.float32) * mask
    detail = _blur(values, SMOOTH) / np.maximum(_blur(mask, SMOOTH), 1e-3) - values_mean(values, weight)
    detail *= mask
    contrast = np.sqrt(_blur(detail * detail, LOCAL) / np.maximum(weight, 1e-3))
    # 1 grey level keeps noise in flat areas from counting as much as structure.
    return detail / (contrast + np.float32(1.0)), mask


def values_mean(values: Float32, weight: Float32) -> Float32:
    """Mean of the unmasked pixels around each pixel."""
    return _blur(values, LOCAL) / np.maximum(weight, np.float32(1e-3))


def _blur(values: Float32, sigma: float) -> Float32:
    return np.asarray(gaussian_filter(values, (0, sigma, sigma), mode="constant", truncate=3.0), dtype=np.float32)


def _open_and_erode(mask: UInt8, width: int) -> UInt8:
    """Drop what is thinner than `width` pixels, then one pixel along every edge inside the picture."""

    def minimum(values: Any, size: int) -> Any:
        return minimum_filter1d(minimum_filter1d(values, size, 1, mode="nearest"), size, 2, mode="nearest")

    opened = minimum(mask, width)
    for axis in (1, 2):
        opened = maximum_filter1d(opened, width, axis, mode="nearest")
    return np.asarray(minimum(opened, 3))


def descriptors(thumbnails: UInt8, zoom: tuple[float, float] = (1.0, 1.0)) -> Float32:
    """(n, 80, 80) -> (n, 256) unit vectors (0 for a picture without structure), compared by cosine."""
    out = np.empty((len(thumbnails), (COARSE // 2) ** 2), dtype=np.float32)
    for start in range(0, len(thumbnails), BATCH):
        part, _ = structure(thumbnails[start : start + BATCH], COARSE, zoom)
        half = part.reshape(len(part), COARSE // 2, 2, COARSE // 2, 2).mean(axis=(2, 4))
        out[start : start + BATCH] = half.reshape(len(part), -1)
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    return np.divide(out, norm, out=np.zeros_like(out), where=norm > 1e-3)
