"""Pictures that show the same frame: candidates by k-NN on small thumbnails, checked by aligned correlation.

Three things make two scenes of an endoscope look alike, or two copies of one frame look different:

* the black surround, its octagon and the writing on it: thumbnails show the box of the bright content only, and
  near-black pixels with thin writing on them are masked;
* light that falls off from the centre, and exposure: the local mean is subtracted and the local contrast
  divided out;
* another crop, another aspect, a small camera shift: the correlation is maximised over shifts and zooms.

Mirrored or rotated copies are not looked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter, maximum_filter1d, minimum_filter1d

from al_lightning.core.arrays import Rows
from al_lightning.neighbors import nearest_k

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Zoom = tuple[float, float]

SAME_FRAME = 0.8
"""Correlation from which two pictures are the same frame. On Kvasir-SEG with its sessile sibling the 196
re-encoded copies reach 0.98 or more, and 18 pairs inside Kvasir-SEG 0.90 or more: the four that its README names,
and 14 frames that were framed anew, some with a position display drawn over a corner. The next pair is at 0.74.
Copies made for the test, cropped by 5 % at each side or by 10 % at one, with 1.2 times the brightness, gamma
0.7, JPEG quality 30 or half the size, reach 0.88 or more; cropped by 8 % at each side, 0.65 or more."""
SAME_SCENE = 0.53
"""Correlation from which two pictures show one scene, seconds apart. The six pairs of Kvasir-SEG between 0.55
and 0.74 do, as their time stamps say; of the pairs between 0.46 and 0.52 about a third do."""

STORED = 80
"""Side of the thumbnail that is kept of each image: enough for the closest zoom at `SIDE`."""
SIDE = 64
COARSE = 32
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
SHIFT = 5
"""Largest shift in pixels of the 64 x 64 thumbnail, 8 % of the side."""
ZOOMS = ((1.06, 1.06), (1.12, 1.12), (1.08, 1.0), (1.0, 1.08))
"""(x, y) zooms that are tried, of either picture, besides none."""
CANDIDATE = 0.5
"""Cosine of two descriptors below which a pair is not compared any further; a copy cropped by 10 % at one side has
0.56 or more."""
CERTAIN = 0.9
"""Correlation from which no zoom is tried."""
HOPELESS = (0.3, 0.75)
"""(correlation without zoom, cosine) both below which no zoom is tried."""
FFT = 72
"""Side of the padded transform: no wrap-around within `SHIFT`."""
BATCH = 256


def thumbnail(image: UInt8) -> UInt8:
    """(H, W, 3) RGB -> (80, 80) grey of the content box, stretched to a square."""
    small = Image.fromarray(image).resize((STORED, STORED), Image.Resampling.BOX, content_box(image), reducing_gap=2.0)
    grey: UInt8 = np.asarray(small).mean(axis=2).round().astype(np.uint8)
    return grey


def content_box(image: UInt8) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the bright content of (H, W, 3); all of it where it is mostly dark."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // 256)
    bright = image[::step, ::step].max(axis=2) > BOX_DARK
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


def candidates(thumbnails: UInt8, searches: list[tuple[Rows, Rows, int]]) -> tuple[Rows, Float64]:
    """Pairs worth comparing: each query's k nearest in its references, by FAISS, if at least `CANDIDATE`.

    Args:
        thumbnails (NDArray): (n, 80, 80); one without any structure, such as zeros, is in no pair.
        searches (list): (query positions, reference positions, k) each; a query is not its own neighbour.

    Returns:
        (m, 2) positions, the lower first, each pair once, in ascending order; (m,) their largest cosine.
    """
    plain, zoomed = descriptors(thumbnails), descriptors(thumbnails, ZOOMS[1])
    structured: NDArray[np.bool_] = np.asarray(plain.any(axis=1) & zoomed.any(axis=1))
    best: dict[tuple[int, int], float] = {}
    for queries, references, k in searches:
        q, r = queries[structured[queries]], references[structured[references]]
        if not len(q) or not len(r):
            continue
        # Of a picture and its crop either may be the query, so each is zoomed in turn.
        for features, base in ((plain[q], np.concatenate([plain[r], zoomed[r]])), (zoomed[q], plain[r])):
            squared, index = nearest_k(features, base, min(2 * (k + 1), len(base)))
            cosine = 1 - squared.astype(np.float64) / 2
            for i, a in enumerate(q.tolist()):
                # A picture and its zoom are one neighbour; the query itself is none.
                near: dict[int, float] = {}
                for b, value in zip(r[index[i] % len(r)].tolist(), cosine[i].tolist(), strict=True):
                    if b != a and value >= CANDIDATE and len(near) < k:
                        near.setdefault(b, value)
                for b, value in near.items():
                    pair = (min(a, b), max(a, b))
                    best[pair] = max(best.get(pair, -1.0), value)
    pairs = sorted(best)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array([best[pair] for pair in pairs])


def correlations(
    thumbnails: UInt8, pairs: Rows, cosines: Float64, progress: Callable[[int], None] | None = None
) -> Float64:
    """Correlation of the structure of each pair at its best shift and zoom.

    Args:
        thumbnails (NDArray): (n, 80, 80).
        pairs (Rows): (m, 2) positions in `thumbnails`.
        cosines (NDArray): (m,) of the pairs' descriptors; a pair of low cosine is tried at no zoom.
        progress (Callable | None): called with the number of pairs that are done. Default None.

    Returns:
        (m,); -1 where a picture has no structure.
    """
    starts = range(0, len(pairs), BATCH)

    def one(start: int) -> Float64:
        batch = slice(start, start + BATCH)
        return _correlations(thumbnails, pairs[batch], cosines[batch])

    out: list[Float64] = []
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for found in pool.map(one, starts):
            out.append(found)
            if progress:
                progress(sum(map(len, out)))
    return np.concatenate([np.empty(0), *out])


def _correlations(thumbnails: UInt8, pairs: Rows, cosines: Float64) -> Float64:
    best = aligned(thumbnails, pairs, (1.0, 1.0), (1.0, 1.0))
    hopeful = (best >= HOPELESS[0]) | (cosines >= HOPELESS[1])
    for zoom in ZOOMS:
        for first, second in ((zoom, (1.0, 1.0)), ((1.0, 1.0), zoom)):
            left = np.flatnonzero(hopeful & (best < CERTAIN))
            if len(left):
                best[left] = np.maximum(best[left], aligned(thumbnails, pairs[left], first, second))
    return best


def aligned(thumbnails: UInt8, pairs: Rows, first: Zoom, second: Zoom) -> Float64:
    """Masked normalised cross-correlation at the best shift, each picture at its zoom (Padfield 2012, eq. 5).

    Sums run over the pixels that neither mask excludes; six correlations give all of them at every shift.

    Args:
        thumbnails (NDArray): (n, 80, 80).
        pairs (Rows): (m, 2) positions in `thumbnails`.
        first (Zoom): (x, y) zoom of the first picture of each pair.
        second (Zoom): of the second.

    Returns:
        (m,); -1 where a picture has no structure.
    """
    (a, aa, m, area), (b, bb, n, other) = (
        _spectra(thumbnails, pairs[:, column], zoom) for column, zoom in ((0, first), (1, second))
    )
    lags = np.arange(-SHIFT, SHIFT + 1)

    def summed(x: Any, y: Any) -> Float64:
        whole = fft.irfft2(x * np.conj(y), (FFT, FFT))
        return np.asarray(whole[:, lags[:, None], lags], dtype=np.float64)

    count = summed(m, n)
    least = np.maximum(np.minimum(area, other) / 2, SIDE**2 / 8)[:, None, None]
    valid = count >= least
    count = np.maximum(count, 1.0)
    mean_a, mean_b = summed(a, n), summed(m, b)
    variance = (summed(aa, n) - mean_a**2 / count) * (summed(m, bb) - mean_b**2 / count)
    valid &= variance > 1.0
    scores = (summed(a, b) - mean_a * mean_b / count) / np.sqrt(np.maximum(variance, 1.0))
    return np.asarray(np.where(valid, scores, -1.0).max(axis=(1, 2)))


def _spectra(thumbnails: UInt8, rows: Rows, zoom: Zoom) -> tuple[Any, Any, Any, Any]:
    """Transforms of structure, its square and mask for each row (n, 72, 37), and pixels of the mask (n,)."""
    distinct, position = np.unique(rows, return_inverse=True)
    values, mask = structure(thumbnails[distinct], SIDE, zoom)
    a, aa, m = (fft.rfft2(x, (FFT, FFT))[position] for x in (values, values * values, mask))
    return a, aa, m, mask.sum(axis=(1, 2))[position]
