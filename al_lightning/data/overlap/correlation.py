"""Correlation of the structure of two thumbnails, the largest over shifts and zooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from al_lightning.core.arrays import Rows
from al_lightning.core.threads import Threads
from al_lightning.data.overlap.thumbnails import BATCH, SIDE, UInt8, Zoom, structure

Float64 = NDArray[np.float64]

SHIFT = 5
"""Largest shift in pixels of the 64 x 64 thumbnail, 8 % of the side."""
ZOOMS: tuple[Zoom, ...] = ((1.06, 1.06), (1.12, 1.12), (1.08, 1.0), (1.0, 1.08))
"""(x, y) zooms that are tried, of either picture, besides none."""
CERTAIN = 0.9
"""Correlation from which no zoom is tried."""
HOPELESS = (0.3, 0.75)
"""(correlation without zoom, cosine of the descriptors) both below which no zoom is tried."""
FFT = 72
"""Side of the padded transform: no wrap-around within `SHIFT`."""


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
    with Threads() as pool:
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
