"""Hashing of Shi et al. (2019): uncertain images, and images spread evenly over hash buckets of descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import nearest
from al_lightning.strategies.base import highest
from al_lightning.strategies.descriptors import pca_pixels, per_image_pc1
from al_lightning.strategies.uncertain import UncertaintySampling

LABEL = NDArray[np.int64]
MOST = 1024
"""Number of largest groups that are merged one by one; all smaller groups first join the nearest of these at once."""


@dataclass(frozen=True)
class UncPCAHash:
    """⌊ratio·B⌋ images of highest least confidence, and the rest drawn from the others, in turn from each bucket of a
    locality-sensitive hash of image descriptors.

    The published code has two faults that are not reproduced: its slices are one element short, and it takes positions
    for ids. Zero descriptors (of constant images) have a bucket of their own.

    Args:
        ratio (float): fraction of the picks that are made by uncertainty, in [0, 1]; 0.7 in the final experiments of
            the paper. Default 0.7.
        descriptor (str): "per_image_pc1", the first principal component of each image (published code), or
            "pca_pixels", PCA across images. Default "per_image_pc1".
        planes (int): number of random hyperplanes through the mean descriptor, 1 to 62; a bucket is one pattern of
            signs. Default 5.
        bins (int): number of buckets that are left after merging the smallest into the nearest. Default 20.
        banded (bool): group as the published code does: two images are in one bucket if all 30 signs of any of 10
            bands agree. Default False.
        size (int): side in pixels to which images are resized for "per_image_pc1", at least 2. Default 224.
        components (int): number of principal components for "pca_pixels". Default 512.
    """

    ratio: float = 0.7
    descriptor: Literal["per_image_pc1", "pca_pixels"] = "per_image_pc1"
    planes: int = 5
    bins: int = 20
    banded: bool = False
    size: int = 224
    components: int = 512
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities", "images"})

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio={self.ratio}: expected a fraction of the images in [0, 1]")
        if self.descriptor not in ("per_image_pc1", "pca_pixels"):
            raise ValueError(f"descriptor={self.descriptor!r}: expected 'per_image_pc1' or 'pca_pixels'")
        if not 1 <= self.planes <= 62:
            raise ValueError(f"planes={self.planes}: expected 1 to 62 hyperplanes")
        for name, least in {"bins": 1, "size": 2, "components": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least {least}")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return UncertaintySampling("least-confidence").measure(prediction)

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        number = floor(self.ratio * per_stage + 1e-9)
        score = candidates.value("least-confidence")
        uncertain = highest(candidates, score, number, "least-confidence")
        if number == per_stage:
            return uncertain
        if self.descriptor == "pca_pixels":
            descriptors = pca_pixels(candidates, self.components)
        else:
            descriptors = per_image_pc1(candidates, self.size)
        position = candidates.also_labelled(uncertain.rows).unlabelled
        buckets = hash_buckets(descriptors[position], rng, self.planes, self.bins, self.banded)
        pick = round_robin(buckets, per_stage - number, rng)
        return uncertain + Query.of(candidates.rows[position[pick]], "hash")


def hash_buckets(
    descriptors: Floats, rng: np.random.Generator, planes: int = 5, bins: int = 20, banded: bool = False
) -> LABEL:
    """(N, D) -> (N,) bucket, 0 ≤ bucket < number of buckets: at most `bins` and one for zero descriptors.

    Example:
        >>> descriptors = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
        >>> first, copy, opposite, zero = hash_buckets(descriptors, np.random.default_rng(0)).tolist()
        >>> first == copy, first == opposite, zero
        (True, False, 2)
    """
    zero = ~descriptors.any(axis=1)
    label = np.zeros(len(descriptors), dtype=np.int64)
    if not zero.all():
        x = descriptors[~zero]
        x = x - x.mean(axis=0, dtype=np.float64)
        groups = banded_groups(x, rng) if banded else sign_patterns(x, rng, planes)
        label[~zero] = merge(x, groups, bins)
    label[zero] = label.max(initial=-1, where=~zero) + 1
    return label


def sign_patterns(x: Floats, rng: np.random.Generator, planes: int) -> LABEL:
    """(N, D) -> (N,): the signs of `planes` random projections as the bits of a number.

    Example:
        >>> sign_patterns(np.array([[1.0], [-1.0]]), np.random.default_rng(0), planes=5).sum().item()  # 2⁵ − 1
        31
    """
    signs = x @ rng.standard_normal((x.shape[1], planes)) > 0
    pattern: LABEL = signs @ (1 << np.arange(planes, dtype=np.int64))
    return pattern


def banded_groups(x: Floats, rng: np.random.Generator, rows: int = 30, bands: int = 10) -> LABEL:
    """(N, D) -> (N,): components of the graph that joins images whose `rows` signs agree in any of `bands` bands.

    Example:
        >>> banded_groups(np.array([[1.0], [2.0], [-1.0]]), np.random.default_rng(0)).tolist()
        [0, 0, 1]
    """
    n = len(x)
    parent, child = [], []
    for _ in range(bands):
        pattern = sign_patterns(x, rng, rows)
        _, first, inverse = np.unique(pattern, return_index=True, return_inverse=True)
        parent.append(first[inverse])  # an edge from each image to the first of its pattern
        child.append(np.arange(n))
    i, j = np.concatenate(parent), np.concatenate(child)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    label: LABEL = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def merge(x: Floats, groups: LABEL, bins: int) -> LABEL:
    """Merge the smallest group (of equal ones the lowest number) into that of nearest mean until `bins` are left.

    x (N, D), groups (N,) -> (N,) numbers without gaps. Of more than 1,024 groups the smaller ones first join the
    nearest of the 1,024 largest.

    Example:
        >>> merge(np.array([[0.0], [0.0], [1.0], [9.0], [9.0]]), np.array([0, 0, 1, 2, 2]), bins=2).tolist()
        [0, 0, 0, 1, 1]
    """
    label = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    count = np.bincount(label).astype(np.float64)
    sums = _sums(x, label, len(count))
    if len(count) > max(MOST, bins):
        largest = np.sort(np.argsort(-count, kind="stable")[: max(MOST, bins)])
        means = sums / count[:, None]
        target = nearest(means, means[largest])[1]
        target[largest] = np.arange(len(largest))
        label = target[label]
        count = np.bincount(label, minlength=len(largest)).astype(np.float64)
        sums = _sums(x, label, len(largest))
    target = np.arange(len(count))
    for _ in range(len(count) - bins):
        alive = np.flatnonzero(count > 0)
        smallest = alive[count[alive].argmin()]
        others = alive[alive != smallest]
        gap = sums[others] / count[others, None] - sums[smallest] / count[smallest]
        nearest_ = others[(gap**2).sum(axis=1).argmin()]
        sums[nearest_] += sums[smallest]
        count[nearest_] += count[smallest]
        count[smallest] = 0
        target[target == smallest] = nearest_
    return np.unique(target[label], return_inverse=True)[1].astype(np.int64)


def _sums(x: Floats, label: LABEL, groups: int) -> NDArray[np.float64]:
    member = coo_array((np.ones(len(x)), (label, np.arange(len(x)))), shape=(groups, len(x)))
    sums: NDArray[np.float64] = member.tocsr() @ x
    return sums


def round_robin(buckets: LABEL, number: int, rng: np.random.Generator) -> LABEL:
    """`number` positions: one random member of each bucket in turn, skipping empty ones; (N,) -> (number,).

    Example:
        >>> buckets = np.array([0, 0, 0, 1])
        >>> buckets[round_robin(buckets, 3, np.random.default_rng(0))].tolist()
        [0, 1, 0]
    """
    shuffled = rng.permutation(len(buckets))
    by_bucket = shuffled[np.argsort(buckets[shuffled], kind="stable")]
    size = np.bincount(buckets)
    turn = np.arange(len(buckets)) - np.repeat(np.cumsum(size) - size, size)  # position within the bucket
    return by_bucket[np.lexsort((buckets[by_bucket], turn))][:number]
