"""Object metrics of the GlaS contest: F1 of detection, and Dice and Hausdorff distance of each object.

    G_i, S_j    objects of the truth and of the prediction, sets of pixels
    partner     of S_j: the G_i with most pixels in common (ties: the smaller id), and conversely
    object F1   2 TP / (2 TP + FP + FN): S_j is a TP if it covers more than half of its partner, else an FP;
                FN = truths - TP
    object Dice ½ [Σ_i |G_i| Dice(G_i, S(i)) / Σ|G_i| + Σ_j |S_j| Dice(S_j, G(j)) / Σ|S_j|], 0 without a partner
    object Hausdorff  the same with the Hausdorff distance in pixels of the maps; an object that overlaps none takes
                the smallest of its distances to the image's objects

Sums are over all images of a test part (GlaS: A and B together and separately); `_image` scores are computed for each
image and averaged. Both sides empty: 1, 1, 0. One empty: 0, 0, and the diagonal of the image instead of an infinite
distance; `object_hausdorff_undefined` counts these images.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from torch import Tensor
from torchmetrics import Metric

Map = NDArray[Any]
Floats = NDArray[np.float64]

EIGHT = np.ones((3, 3), dtype=bool)
ANGLES = np.arange(16) * (np.pi / 8)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)])


class ObjectSums(NamedTuple):
    """Sums of one image or of many, from which scores are computed. Areas and distances are in pixels."""

    true_positives: float = 0
    false_positives: float = 0
    false_negatives: float = 0
    truth_area: float = 0
    truth_dice: float = 0
    """Σ_i |G_i| Dice(G_i, S(i))."""
    truth_hausdorff: float = 0
    prediction_area: float = 0
    prediction_dice: float = 0
    prediction_hausdorff: float = 0
    undefined: float = 0
    """Images with objects on one side only."""


class ObjectScores(NamedTuple):
    """The three scores; the distance is in pixels."""

    object_f1: float
    object_dice: float
    object_hausdorff: float


def label_objects(prediction: Map, minimum_area: int = 0, threshold: float = 0.5) -> NDArray[np.int64]:
    """Prediction (H, W) -> objects numbered 1 ... n on background 0.

    Args:
        prediction: bool mask or probabilities of the foreground (≥ threshold), cut into 8-connected components; or
            an integer label map, of which each id is one object, connected or not.
        minimum_area: objects of fewer pixels are dropped.
        threshold: of probabilities.

    Raises:
        ValueError: not two-dimensional, negative ids, or floats outside [0, 1].

    Example:
        >>> label_objects(np.array([[True, False, True, True]])).tolist()
        [[1, 0, 2, 2]]
    """
    if prediction.ndim != 2:
        raise ValueError(f"prediction: shape {prediction.shape}; pass one (H, W) map per image")
    if np.issubdtype(prediction.dtype, np.floating):
        if not ((prediction >= 0) & (prediction <= 1)).all():
            raise ValueError("prediction: floats outside [0, 1]; pass probabilities, a bool mask or integer ids")
        prediction = prediction >= threshold
    if prediction.dtype == bool:
        prediction, _ = ndimage.label(prediction, EIGHT)
    labels = _renumber(prediction, "prediction")
    if minimum_area > 1:
        labels = _renumber(np.where(np.bincount(labels.ravel())[labels] >= minimum_area, labels, 0), "prediction")
    return labels


def object_sums(prediction: Map, truth: Map, minimum_area: int = 0) -> ObjectSums:
    """Prediction (H, W), as `label_objects` takes it, and object ids of the truth (H, W), 0 background -> sums.

    Raises:
        ValueError: shapes differ, the truth is not of integers, or `label_objects` rejects the prediction.

    Example:
        >>> sums = object_sums(np.array([[True, True, False, True]]), np.array([[5, 5, 0, 0]]))
        >>> sums.true_positives, sums.false_positives, sums.truth_area, sums.prediction_dice
        (1, 1, 2.0, 2.0)
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction, truth: shapes {prediction.shape} and {truth.shape}; resize one to the other")
    found = label_objects(prediction, minimum_area)
    if truth.dtype == bool:
        raise ValueError("truth: a bool mask; pass the annotation's object ids; a mask joins touching objects")
    true = _renumber(truth, "truth")
    g, s = _objects(true), _objects(found)
    counts = {"truth_area": float(g.areas.sum()), "prediction_area": float(s.areas.sum())}
    if not len(g.areas) or not len(s.areas):
        far = float(np.hypot(*truth.shape))
        return ObjectSums(
            false_positives=len(s.areas),
            false_negatives=len(g.areas),
            truth_hausdorff=counts["truth_area"] * far,
            prediction_hausdorff=counts["prediction_area"] * far,
            undefined=float(len(g.areas) != len(s.areas)),
            **counts,
        )
    pairs = (len(g.areas) + 1, len(s.areas) + 1)
    overlap = np.bincount((true * pairs[1] + found).ravel(), minlength=pairs[0] * pairs[1]).reshape(pairs)[1:, 1:]
    dice = 2 * overlap / (g.areas[:, None] + s.areas)
    of_g, of_s = overlap.argmax(1), overlap.argmax(0)
    all_g, all_s = np.arange(len(g.areas)), np.arange(len(s.areas))
    hits = int((2 * overlap[of_s, all_s] > g.areas[of_s]).sum())
    from_g, from_s = _distances(g, s, overlap)
    return ObjectSums(
        true_positives=hits,
        false_positives=len(all_s) - hits,
        false_negatives=len(all_g) - hits,
        truth_dice=float(g.areas @ dice[all_g, of_g]),
        truth_hausdorff=float(g.areas @ from_g),
        prediction_dice=float(s.areas @ dice[of_s, all_s]),
        prediction_hausdorff=float(s.areas @ from_s),
        **counts,
    )


def object_scores(sums: ObjectSums) -> ObjectScores:
    """Sums of one image or of many -> scores. A side without any object is left out of the two means.

    Example:
        >>> object_scores(object_sums(np.array([[True, True, False, True]]), np.array([[5, 5, 0, 0]]))).object_f1
        0.6666666666666666
    """
    errors = sums.false_positives + sums.false_negatives
    hits = 2 * sums.true_positives
    sides = [
        (dice / area, hausdorff / area)
        for area, dice, hausdorff in (
            (sums.truth_area, sums.truth_dice, sums.truth_hausdorff),
            (sums.prediction_area, sums.prediction_dice, sums.prediction_hausdorff),
        )
        if area
    ]
    if not sides:
        return ObjectScores(1.0, 1.0, 0.0)
    dice, hausdorff = (sum(column) / len(sides) for column in zip(*sides, strict=True))
    return ObjectScores(hits / (hits + errors), dice, hausdorff)


def glas_scores(predictions: Iterable[Map], truths: Iterable[Map], minimum_area: int = 0) -> dict[str, float]:
    """Predictions and true object ids, one (H, W) map per image and of any size, -> the scores of one test part.

    Returns:
        object_f1, object_dice, object_hausdorff over the whole part; the same with `_image`, averaged over images;
        object_hausdorff_undefined.

    Raises:
        ValueError: no image, unequal numbers of maps, or `object_sums` rejects a pair.

    Example:
        >>> glas_scores([np.array([[True, False]])], [np.array([[7, 0]])])["object_f1"]
        1.0
    """
    total, images, count = np.zeros(len(ObjectSums._fields)), np.zeros(3), 0
    for prediction, truth in zip(predictions, truths, strict=True):
        sums = object_sums(prediction, truth, minimum_area)
        total += sums
        images += object_scores(sums)
        count += 1
    return _report(total, images, count)


class ObjectMetrics(Metric):
    """`glas_scores` over batches. All states are sums, so ranks may have different numbers of images, also none.

    `compute` returns the scores of all images and, for each test part that has images, the same with its name as
    suffix: object_f1_A, object_dice_A, ...

    Args:
        minimum_area: predicted objects of fewer pixels are dropped.
        parts: names of test parts that are also scored separately.
    """

    full_state_update = False
    sums: Tensor
    image_scores: Tensor
    images: Tensor

    def __init__(self, minimum_area: int = 0, parts: Sequence[str] = ()) -> None:
        super().__init__()
        self.minimum_area, self.parts = minimum_area, tuple(parts)
        n = len(self.parts) or 1
        for name, size in (("sums", (n, len(ObjectSums._fields))), ("image_scores", (n, 3)), ("images", (n,))):
            self.add_state(name, torch.zeros(size, dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, prediction: Iterable[Tensor], truth: Iterable[Tensor], parts: Iterable[str] = ()) -> None:
        """B maps (H, W) of each, a list where sizes differ: bool masks, probabilities or ids, and true object ids.

        Args:
            parts: B names of test parts, where the metric has parts.
        """
        predictions = list(prediction)
        indices = [self.parts.index(name) for name in parts] if self.parts else [0] * len(predictions)
        for guess, ids, index in zip(predictions, truth, indices, strict=True):
            # float32 on the host: numpy has no bfloat16, which probabilities may be
            guess = guess.float() if guess.is_floating_point() else guess
            sums = object_sums(guess.cpu().numpy(), ids.cpu().numpy(), self.minimum_area)
            self.sums[index] += self.sums.new_tensor(sums)
            self.image_scores[index] += self.image_scores.new_tensor(object_scores(sums))
            self.images[index] += 1

    def compute(self) -> dict[str, Tensor]:
        total, images = (state.cpu().numpy().astype(np.float64) for state in (self.sums, self.image_scores))
        counts = self.images.cpu().numpy().astype(int)
        values = _report(total.sum(0), images.sum(0), int(counts.sum()))
        for index, part in enumerate(self.parts):
            if counts[index]:
                separate = _report(total[index], images[index], int(counts[index]))
                values |= {f"{name}_{part}": value for name, value in separate.items()}
        return {name: torch.tensor(value) for name, value in values.items()}


def _report(total: Floats, images: Floats, count: int) -> dict[str, float]:
    if not count:
        raise ValueError("predictions: no image; the object metrics need at least one")
    sums = ObjectSums(*total.tolist())
    scores = object_scores(sums)._asdict()
    means = {f"{name}_image": float(value / count) for name, value in zip(scores, images, strict=True)}
    return {**scores, **means, "object_hausdorff_undefined": sums.undefined}


def _renumber(labels: Map, name: str) -> NDArray[np.int64]:
    """Ids (H, W) -> 0 ... n in the order of the ids."""
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < 0):
        raise ValueError(f"{name}: {labels.dtype} {labels.shape}; pass an (H, W) map of integer ids ≥ 0")
    top = int(labels.max(initial=0))
    if top > labels.size:  # ids far apart, for which a table would not fit
        return np.unique(np.append(labels, labels.dtype.type(0)), return_inverse=True)[1][:-1].reshape(labels.shape)
    labels = labels.astype(np.int64)
    present = np.bincount(labels.ravel(), minlength=1) > 0
    present[0] = False
    if top == 1 and (pieces := ndimage.label(labels, EIGHT)[1]) > 1:
        warnings.warn(
            f"{name}: integers 0 and 1 in {pieces} pieces are taken as one object; a mask must be bool", stacklevel=3
        )
    return np.where(present, np.cumsum(present), 0)[labels]


@dataclass(frozen=True)
class _Objects:
    """The n objects of one map (H, W)."""

    labels: NDArray[np.int64]
    areas: NDArray[np.int64]
    boxes: list[tuple[slice, slice]]
    edges: list[NDArray[np.int64]]
    """Pixels (m, 2) of which one of the 4 neighbours is of another object, background or outside the image."""
    trees: list[KDTree]
    """Trees of the edges."""
    supports: Floats
    """(n, 16): maximum over the object's pixels of the coordinate along each direction."""


def _objects(labels: NDArray[np.int64]) -> _Objects:
    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    if not len(areas):
        return _Objects(labels, areas, [], [], [], np.zeros((0, 16)))
    around = np.pad(labels, 1)
    edge = labels != around[:-2, 1:-1]
    for neighbour in (around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        edge |= labels != neighbour
    points = np.argwhere(edge & (labels > 0))
    owner = labels[points[:, 0], points[:, 1]]
    points = points[np.argsort(owner, kind="stable")]
    starts = np.cumsum(np.bincount(owner)[1:])[:-1]
    edges = np.split(points, starts)
    supports = np.maximum.reduceat(points @ DIRECTIONS, np.append(0, starts))
    return _Objects(labels, areas, ndimage.find_objects(labels), edges, [KDTree(e) for e in edges], supports)


def _distances(g: _Objects, s: _Objects, overlap: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The Hausdorff distance of each true object, and of each predicted one, to its partner."""

    @cache
    def distance(i: int, j: int) -> float:
        return max(_directed(g, i, s, j), _directed(s, j, g, i))

    # H(A, B) ≥ |max_A u·a - max_B u·b| for every unit vector u: the farthest point along u is at least that far away
    bound = np.abs(g.supports[:, None] - s.supports).max(2)
    from_s = _partner_distances(bound.T, overlap.T, lambda j, i: distance(i, j))
    return _partner_distances(bound, overlap, distance), from_s


def _partner_distances(bound: Floats, overlap: NDArray[np.int64], distance: Callable[[int, int], float]) -> Floats:
    """Lower bounds and numbers of common pixels (n, m) -> distances (n,) of n objects to their partners."""
    found = np.full(len(bound), np.inf)
    for i, (least, common) in enumerate(zip(bound, overlap, strict=True)):
        if common.any():
            found[i] = distance(i, int(common.argmax()))
            continue
        for j in least.argsort().tolist():  # the bound is tight: one or two distances suffice
            if least[j] >= found[i]:
                break
            found[i] = min(found[i], distance(i, j))
    return found


def _directed(a: _Objects, i: int, b: _Objects, j: int) -> float:
    """max over pixels p of A, the i-th of a, of min over pixels q of B, the j-th of b, of |p - q|: exact.

    Edge pixels of B suffice as q: for p outside B, the neighbour of the nearest q towards p is nearer, hence not in B.
    As p, edge pixels of A do not suffice: where B surrounds A, the middle of A is farthest. But if all four neighbours
    of p are in A and p is not strictly inside B's bounding box, the step away from the box leads to a pixel of A that
    is farther from every q. So p is any edge pixel of A or pixel of A strictly inside that box; p in B has distance 0.
    """
    edge = a.edges[i]
    edge = edge[b.labels[edge[:, 0], edge[:, 1]] != j + 1]
    # strictly inside the box of B, and in the box of A, to test fewer pixels
    inside = tuple(
        slice(max(at.start + 1, own.start), min(at.stop - 1, own.stop))
        for at, own in zip(b.boxes[j], a.boxes[i], strict=True)
    )
    inner = np.argwhere((a.labels[inside] == i + 1) & (b.labels[inside] != j + 1))
    points = np.concatenate([edge, inner + [axis.start for axis in inside]])
    return float(b.trees[j].query(points)[0].max()) if len(points) else 0.0
