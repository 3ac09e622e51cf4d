"""The distance field of one sequence: its wall and the polyps that merge into it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from al_lightning.data.synthetic.scene import TAU, Array, Polyp, SequenceParameters
from al_lightning.data.synthetic.surface import (
    NTHETA,
    REACH,
    WINDOW,
    Cell,
    Surface,
    build_surface,
    cell_of,
    centre,
    lookup,
)

BLEND = 0.18
"""cm over which a polyp merges into the wall."""


def smooth_min(a: Any, b: Any, width: float) -> Any:
    """Polynomial smooth minimum: at most width/4 below min(a, b).

    Example:
        >>> float(smooth_min(1.0, 1.0, 0.4)), float(smooth_min(1.0, 2.0, 0.4))
        (0.9, 1.0)
    """
    overlap = np.maximum(width - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / width)


@lru_cache(maxsize=16)
def _lobe_waves(seed: int, radius: float) -> Array:
    """(3, 3) wave vectors that lobe a polyp."""
    return np.random.default_rng([seed, 7]).normal(0, 2.6 / radius, (3, 3)).astype(np.float32)


def _polyp_distance(sequence: SequenceParameters, polyp: Polyp, base: float, points: Array) -> Array:
    """(3, n) -> (n,) cm to a polyp on a wall at radius `base`, to first order for ellipsoids."""
    cos, sin = math.cos(polyp.theta), math.sin(polyp.theta)
    cx, cy = centre(sequence, polyp.z)
    x, y, z = points[0] - np.float32(cx), points[1] - np.float32(cy), points[2] - np.float32(polyp.z)
    up = np.float32(base) - (x * np.float32(cos) + y * np.float32(sin))
    along = y * np.float32(cos) - x * np.float32(sin)
    r, h = np.float32(polyp.radius), np.float32(polyp.height)
    if polyp.kind == "pedunculated":
        lean = np.float32(0.35 * polyp.height)
        fraction = np.clip(up / h, 0, 1)
        stalk = np.sqrt(along**2 + (z + lean * fraction) ** 2 + (up - fraction * h) ** 2) - np.float32(0.38) * r
        z = z + lean
        head = np.sqrt(along**2 + z**2 + (up - h) ** 2) - r
        distance = smooth_min(head, stalk, 0.2)
        up = up - h
    else:
        square = along**2 + z**2
        k0 = np.sqrt(square / r**2 + up**2 / h**2)
        k1 = np.sqrt(square / r**4 + up**2 / h**4) + np.float32(1e-6)
        distance = k0 * (k0 - 1) / k1 * np.float32(0.5 + 0.5 * min(1.0, polyp.height / polyp.radius))
    if polyp.lobes > 0:
        for i, (a, b, c) in enumerate(_lobe_waves(sequence.seed, polyp.radius)):
            distance += np.float32(0.7 * polyp.lobes) * np.sin(a * along + b * z + c * up + np.float32(i))
    return np.asarray(distance)


class Scene(NamedTuple):
    """Fields of one sequence; points are (3, n)."""

    sequence: SequenceParameters
    surface: Surface

    def polar(self, points: Array) -> tuple[Array, Cell]:
        """Distance r (n,) from the centre line, and where to look the wall up."""
        cx, cy = centre(self.sequence, points[2])
        x, y = points[0] - cx, points[1] - cy
        return np.sqrt(x * x + y * y), cell_of(points[2], np.arctan2(y, x))

    def wall_and_polyp(self, points: Array) -> tuple[Array, Array]:
        """R − r, and the distance to the nearest polyp (infinite where there is none)."""
        r, cell = self.polar(points)
        return lookup(self.surface.radius, cell) - r, self.polyps(points).min(0, initial=np.inf)

    def polyps(self, points: Array) -> Array:
        """(polyps, n) distances."""
        pairs = zip(self.sequence.polyps, self.surface.bases, strict=True)
        distances = [_polyp_distance(self.sequence, polyp, base, points) for polyp, base in pairs]
        return np.array(distances, dtype=np.float32).reshape(len(distances), points.shape[1])

    def field(self, points: Array) -> Array:
        """Positive in the lumen, zero on the surface."""
        return np.asarray(smooth_min(*self.wall_and_polyp(points), BLEND))

    def safe_step(self, points: Array) -> Array:
        """A lower bound of the distance to the surface.

        It is the largest of three: the gap by the steepest slope anywhere; by the steepest slope within reach,
        but no farther than that reach; and the distance to the largest free tube.
        """
        r, cell = self.polar(points)
        gap = lookup(self.surface.radius, cell) - r
        reach = np.minimum(np.float32(REACH), np.float32(0.9 * WINDOW[1] * TAU / NTHETA) * r)
        near = np.minimum(self.surface.near.take(cell[0]) * gap, reach)
        free = np.float32(0.8) * (np.float32(self.surface.inner) - r)
        wall = np.maximum(np.maximum(self.surface.slack * gap, near), free)
        polyp = np.float32(0.8) * self.polyps(points).min(0, initial=np.inf)
        # Where wall and polyp blend, the surface lies up to BLEND/4 before both; 5/4 BLEND from a polyp is wall only.
        apart = np.maximum(np.minimum(wall, polyp) - BLEND / 4, np.minimum(wall, polyp - 1.25 * BLEND))
        blended = self.surface.slack * smooth_min(gap, polyp * np.float32(1 / 0.8), BLEND)
        return np.asarray(np.maximum(apart, blended))


def build_scene(sequence: SequenceParameters) -> Scene:
    """The fields of one sequence."""
    return Scene(sequence, build_surface(sequence))
