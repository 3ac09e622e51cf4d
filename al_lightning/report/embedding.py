"""A map of the pool: features to two dimensions, and where each stage picked."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from al_lightning.report.figures import STYLE

Floats = NDArray[np.floating[Any]]


def embed(features: Floats, random_state: int, perplexity: float = 30.0) -> NDArray[np.float64]:
    """PCA to at most 50 dimensions, then t-SNE to two (van der Maaten & Hinton, 2008), started from the PCA.

    Distances between far groups mean little in such a map; which images are neighbours means something.

    Args:
        features: (N, D), N ≥ 5.
        random_state: seed of both steps.
        perplexity: neighbours that an image weighs; lowered to (N − 1) / 3 for a small N.

    Returns:
        (N, 2).

    Raises:
        ValueError: fewer than five images, or a value is not finite.

    Example:
        >>> embed(np.random.default_rng(0).normal(size=(8, 3)), random_state=0).shape
        (8, 2)
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) < 5:
        raise ValueError(f"features: expected (N, D) with N ≥ 5, got shape {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features hold NaN or infinite values: the learner has diverged; use another checkpoint")
    dimensions = min(50, *features.shape)
    reduced = PCA(dimensions, random_state=random_state).fit_transform(features)
    if dimensions == 1:
        reduced = np.column_stack([reduced[:, 0], np.zeros(len(reduced), dtype=reduced.dtype)])
    tsne = TSNE(perplexity=min(perplexity, (len(features) - 1) / 3), init="pca", random_state=random_state)
    return np.asarray(tsne.fit_transform(reduced), dtype=np.float64)


def scatter(points: Floats, stage: NDArray[np.integer[Any]], size: tuple[float, float] = (5.4, 4.4)) -> str:
    """An SVG document: every image a point, coloured by the stage that picked it.

    Args:
        points: (N, 2) as `embed` gives them.
        stage: (N,) stage after which the image was picked; −1 where it is not labelled, shown small and grey.

    Raises:
        ValueError: the shapes do not belong together.

    Example:
        >>> svg = scatter(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([-1, 0]))
        >>> svg.count("<svg")
        1
    """
    points, stage = np.asarray(points), np.asarray(stage)
    if points.ndim != 2 or points.shape[1] != 2 or stage.shape != (len(points),):
        raise ValueError(f"expected points (N, 2) and stage (N,), got {points.shape} and {stage.shape}")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        never = stage < 0
        x, y = points[never].T
        axes.scatter(x, y, s=6, color="#c8c8c8", linewidths=0, label="not labelled", rasterized=True)
        found = np.unique(stage[~never])
        colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, max(len(found), 2)))
        for k, colour in zip(found, colours, strict=False):
            x, y = points[stage == k].T
            axes.scatter(x, y, s=22, color=[colour], edgecolors="white", linewidths=0.5, label=f"stage {k}")
        figure.legend(loc="outside upper left", ncols=5, frameon=False, fontsize=9.5, handletextpad=0.1)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    return buffer.getvalue()
