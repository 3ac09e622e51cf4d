"""Choose rows of a table of features without any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.neighbors import k_center_greedy


def select_rows(
    features: NDArray[Any],
    labelled: Sequence[int] | NDArray[np.int64],
    per_stage: int,
    strategy: Literal["k-center", "random"] = "k-center",
    seed: int = 0,
) -> NDArray[np.int64]:
    """Choose the rows to label next, from features that were made elsewhere.

    >>> select_rows(np.array([[0.0], [1.0], [2.0], [10.0]]), labelled=[0], per_stage=2).tolist()
    [3, 2]

    Args:
        features: (N, D), a row an image.
        labelled: rows that have a label already.
        per_stage: number of rows to choose.
        strategy: "k-center" takes the row farthest from all that are labelled or chosen, again and again;
            "random" draws.
        seed: of "random".

    Returns:
        The chosen rows in the order of choice.

    Raises:
        ValueError: an argument is wrong; the error names it.
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features: has shape {features.shape}; expected (N, D)")
    known = np.asarray(labelled)
    if known.ndim != 1 or (known.size and not np.issubdtype(known.dtype, np.integer)):
        raise ValueError(f"labelled: has shape {known.shape} and type {known.dtype}; expected a list of row numbers")
    if known.size and not 0 <= known.min() <= known.max() < len(features):
        raise ValueError(f"labelled: rows {known.min()} to {known.max()}; expected 0 to {len(features) - 1}")
    mask = np.zeros(len(features), dtype=bool)
    mask[known.astype(np.int64)] = True
    if not 0 < per_stage <= (~mask).sum():
        raise ValueError(f"per_stage={per_stage}: expected between 1 and the {(~mask).sum()} unlabelled rows")
    if strategy == "random":
        return np.random.default_rng(seed).choice(np.flatnonzero(~mask), per_stage, replace=False)
    if strategy != "k-center":
        raise ValueError(f"strategy={strategy!r}: expected 'k-center' or 'random'")
    picks, _ = k_center_greedy(features, mask, per_stage)
    return np.asarray(picks, dtype=np.int64)
