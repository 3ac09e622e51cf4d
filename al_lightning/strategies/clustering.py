"""Uncertainty-weighted clustering (Huang et al. 2024): one image per cluster, with clusters weighted by uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.quota import Quota
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import weighted_kmeans
from al_lightning.strategies.base import highest, top_up
from al_lightning.uncertainty import class_features, small_map, too_small

LARGE = 10_000_000
"""Pairs of image and centroid; 13,104 x 655, the depth dataset of the papers, is just below."""


@dataclass(frozen=True)
class UncertaintyClustering:
    """Partition U into B clusters by k-means weighted with w = max(I, 0) + 1e-8, and take the image nearest each
    centroid; of equally near ones the one of higher I.

    Clusters minimise Σ_k Σ_{x ∈ S_k} w(x)‖F(x) − μ_k‖² or, with `size_normalised`, the same with a factor 1/|S_k| of
    each cluster, eq. 4 of the paper.

    I = cos(F₁, F₀), where F_c is the spatial mean of ŷ_c⊙E, E the encoder map of `level` and ŷ the probabilities
    resized to it; descriptors are F, the spatial mean of E. Class 0 is the background, all others foreground.
    Where fewer than B of the F are distinct, the remaining picks are made by descending I.

    Args:
        uncertainty (bool): weight by I; False is the ablation w ≡ 1. Default True.
        clustering (bool): False is the ablation that takes the B images of highest I. Default True.
        restarts (int | None): runs of k-means, at least 1. Default None: 10, or 1 where one step compares more than
            10,000,000 pairs of image and centroid, so that a selection takes a minute instead of an hour.
        iterations (int | None): maximum of Lloyd steps in each run, and of sweeps of `size_normalised`, at least 1.
            Default None: 300, or 20 for so many pairs.
        level (str): the encoder map E, at least 2 x 2 with two channels, because I is 1 for every image on 1 x 1:
            "deepest" as in the paper, or "encoder.i", of which "encoder.0" is the finest. pix2pix has a deepest map of
            1 x 1; its "encoder.6" is 2 x 2 and its "encoder.3" 16 x 16 for 256 x 256 pixels. Default "deepest".
        size_normalised (bool): divide the sum of each cluster by its number of images, as eq. 4 of the paper does, and
            minimise this by moves of single images, each of which lowers it. Default False: weighted k-means, because
            the minimum of eq. 4 is B - 1 single images and one cluster of all others, unless B clusters would leave
            less than about 1/B of the variance inside.
    """

    uncertainty: bool = True
    clustering: bool = True
    restarts: int | None = None
    iterations: int | None = None
    size_normalised: bool = False
    level: str = "deepest"

    def __post_init__(self) -> None:
        if not (self.uncertainty or self.clustering):
            raise ValueError("uncertainty=False with clustering=False: expected at least one True")
        for name in ("restarts", "iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: expected at least 1")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"probabilities", "features" if self.level == "deepest" else "levels"})

    @property
    def keys(self) -> tuple[str, str]:
        """Names of I and F among the values; of each level, so that a mixture can have two."""
        level = "" if self.level == "deepest" else f"-{self.level}"
        return f"feature-similarity{level}", f"feature-mean{level}"

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        features = prediction.level(self.level)
        if too_small(features.shape) and (self.uncertainty or not self.clustering):
            raise ValueError(_refusal(self.level, features, prediction))
        similarity, descriptor = feature_discrepancy(prediction.probabilities, features)
        return dict(zip(self.keys, (similarity, descriptor), strict=True))

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        similarity, features = (candidates.value(key) for key in self.keys)
        if not self.clustering:
            return highest(candidates, similarity, per_stage, self.keys[0])
        position = candidates.unlabelled
        weights = np.maximum(similarity[position].astype(np.float64), 0) + 1e-8
        restarts, iterations = effort(len(position), per_stage)
        found = weighted_kmeans(
            features,
            weights if self.uncertainty else np.ones_like(weights),
            per_stage,
            rng,
            restarts=self.restarts or restarts,
            iterations=self.iterations or iterations,
            size_normalised=self.size_normalised,
            positions=position,
            progress=candidates.progress,
        )
        pick, distance = medoids(
            features, found.centroids, found.assignment, similarity[position], position, candidates.quota
        )
        query = Query.of(candidates.rows[position[pick]], "cluster", distance)
        return top_up(candidates, query, similarity, per_stage)


def effort(vectors: int, clusters: int) -> tuple[int, int]:
    """(restarts, most Lloyd steps) of k-means, so that it takes a minute instead of an hour."""
    return (1, 20) if vectors * clusters > LARGE else (10, 300)


def _refusal(level: str, features: Tensor, prediction: Prediction) -> str:
    """One line on a map that is too small, with the levels that are not, or the image size with which it is not."""
    fits = {name: m.shape for name, m in (prediction.levels or {}).items() if not too_small(m.shape)}
    sizes = [f"{name} ({shape[-2]} x {shape[-1]})" for name, shape in fits.items()]
    if sizes:
        remedy = f"set strategy.options.level={sizes[-1]}" + f", or a finer one, up to {sizes[0]}" * (len(sizes) > 1)
    elif features.shape[1] < 2:
        remedy = "give the learner more channels"
    else:
        assert prediction.probabilities is not None
        image, side = prediction.probabilities.shape[-2:], features.shape[-2:]
        larger = [n * -(-2 // m) for n, m in zip(image, side, strict=True)]
        remedy = f"set dataset.options.size={larger[0] if larger[0] == larger[1] else larger}"
    return f"level={level}: {small_map(features.shape)}; {remedy}"


def feature_discrepancy(probabilities: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """I (B,) and F (B, D) of probabilities (B, C, H, W) and an encoder map E (B, D, h, w); float32 throughout.

    I = cos(F₁, F₀) (eq. 2), and I = 1, the most uncertain, where a norm is below 1e-6: no polyp was found.

    Example:
        >>> background = torch.tensor([[[[1.0, 0.0]]]])  # left pixel background, right pixel foreground
        >>> encoder_map = torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]])
        >>> similarity, mean = feature_discrepancy(torch.cat([background, 1 - background], 1), encoder_map)
        >>> similarity.tolist(), mean.tolist()
        ([0.0], [[1.5, 2.0]])
    """
    f1, f0 = class_features(probabilities, features)
    descriptor = features.float().mean((2, 3))
    norms = f0.norm(dim=1), f1.norm(dim=1)
    cosine = (f0 * f1).sum(1) / (norms[0] * norms[1]).clamp_min(1e-12)
    return torch.where((norms[0] < 1e-6) | (norms[1] < 1e-6), 1.0, cosine), descriptor


def medoids(
    features: Floats,
    centroids: Floats,
    assignment: NDArray[np.int64],
    preferred: Floats,
    positions: NDArray[np.int64] | None = None,
    quota: Quota | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The member of each cluster that is nearest its centroid; of equally near ones that of higher `preferred`.

    features (N, D), centroids (K, D), assignment (n,), preferred (n,) of the features at `positions` (n,), which are
    all where it is None -> which of these (K,), distances (K,). With a quota of groups, clusters pick one after the
    other, each the nearest member whose group has a pick left, and some may pick none.

    Example:
        >>> features, centroids = np.array([[0.0], [1.0], [9.0]]), np.array([[0.75], [9.0]])
        >>> position, distance = medoids(features, centroids, np.array([0, 0, 1]), np.zeros(3))
        >>> position.tolist(), distance.tolist()
        ([1, 2], [0.25, 0.0])
    """
    positions = np.arange(len(features)) if positions is None else positions
    distance = np.empty(len(positions))
    for start in range(0, len(positions), 4096):
        block = slice(start, start + 4096)
        distance[block] = np.linalg.norm(features[positions[block]] - centroids[assignment[block]], axis=1)
    order = np.lexsort((np.arange(len(positions)), -preferred.astype(np.float64), distance, assignment))
    first = np.unique(assignment[order], return_index=True)[1]
    if quota is None:
        pick = order[first]
        return pick, distance[pick]
    left = quota.left.copy()
    nearest = []
    for members in np.split(order, first[1:]):
        groups = quota.group[positions[members]]
        if len(fits := np.flatnonzero(left[groups] > 0)):
            nearest.append(members[fits[0]])
            left[groups[fits[0]]] -= 1
    pick = np.array(nearest, dtype=np.int64)
    return pick, distance[pick]
