"""The wall of one sequence as tables over (z, θ): radius, albedo, and what bounds a step toward it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from al_lightning.data.synthetic.scene import TAU, Array, SequenceParameters, wrap

Z0, DZ, NZ, NTHETA = -6.0, 0.04, 768, 384
"""The wall's tables: first z, step in z, rows, columns (θ from −π)."""
REACH, WINDOW = 0.4, (10, 24)
"""cm that the local bound of the step is good for, and the rows and columns on either side that it looks at."""

Cell = tuple[NDArray[np.intp], Array, Array]


class Surface(NamedTuple):
    """The wall's tables and the numbers that make stepping safe."""

    radius: Array
    """(NZ, NTHETA + 1) R(z, θ) in cm; the last column repeats the first."""
    albedo: Array
    """(3, NZ, NTHETA + 1)."""
    inner: float
    """Smallest R."""
    bases: tuple[float, ...]
    """R where each polyp stands."""
    slack: float
    """A step of slack · field never passes the surface: 1/√(1 + slope²)."""
    near: Array
    """(NZ, NTHETA + 1) the same from the slopes within WINDOW alone; good for steps up to REACH."""


def _nearest(z: float, theta: float) -> tuple[int, int]:
    """Row and column of the tables nearest to a point of the wall; the column may be one turn too far."""
    return round((z - Z0) / DZ), round((theta + math.pi) / TAU * NTHETA)


def _close(table: NDArray[Any]) -> Array:
    """(..., NTHETA) -> (..., NTHETA + 1), the first column once more at the end."""
    return np.concatenate([table, table[..., :1]], axis=-1, dtype=np.float32)


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _noise(rng: np.random.Generator, scale: float) -> Array:
    """(NZ, NTHETA) Gaussian noise of unit variance and correlation length `scale` in cm, periodic."""
    spectrum = fft.rfft2(rng.standard_normal((NZ, NTHETA), dtype=np.float32))
    fz, ft = fft.fftfreq(NZ)[:, None], fft.rfftfreq(NTHETA)[None]
    power = -2 * (np.pi * scale / DZ) ** 2
    gain = np.exp(power * fz**2) * np.exp(power * ft**2)
    smooth = fft.irfft2(spectrum * gain.astype(np.float32), s=(NZ, NTHETA))
    return np.asarray(smooth / smooth.std(), dtype=np.float32)


def _bubbles(rng: np.random.Generator, count: int, radius: float) -> Iterator[tuple[Any, Any, Array]]:
    """Clusters of hemispheres on the wall: (rows, columns) of a window and the height there, in cm."""
    centres = rng.uniform((1.0, -math.pi), (8.0, math.pi), (4, 2))
    for _ in range(count):
        z, theta = centres[rng.integers(4)] + rng.normal(0, (0.6, 0.6 / radius))
        size = float(rng.uniform(0.05, 0.17))
        row, column = _nearest(z, theta)
        reach = math.ceil(size / DZ)
        span = np.arange(-reach, reach + 1)
        squared = (span[:, None] * DZ) ** 2 + (span[None] * TAU * radius / NTHETA) ** 2
        height = np.sqrt(np.maximum(size**2 - squared, 0)).astype(np.float32)
        yield np.clip(row + span, 0, NZ - 1)[:, None], ((column + span) % NTHETA)[None], height


@lru_cache(maxsize=2)
def build_surface(sequence: SequenceParameters) -> Surface:
    """The wall of one sequence."""
    rng = np.random.default_rng([sequence.seed, 1])
    z = (Z0 + DZ * np.arange(NZ, dtype=np.float32))[:, None]
    theta = (TAU / NTHETA * np.arange(NTHETA, dtype=np.float32) - np.float32(math.pi))[None]
    taeniae = float(rng.uniform(0, TAU))
    # Between the three taeniae the wall bulges; a fold is a crescent over about a third of the circumference.
    wall: Any = sequence.radius * (1 + sequence.lobes * np.cos(3 * theta + taeniae)) + 0 * z
    if sequence.folds > 0:
        wave = 0.25 * _noise(rng, 1.2)
        position = Z0
        while position < Z0 + DZ * NZ:
            position += sequence.fold_spacing * float(rng.uniform(0.5, 1.2))
            centre, width = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.1, 0.22))
            height = sequence.folds * sequence.radius * float(rng.uniform(0.5, 1.1))
            for polyp in sequence.polyps:  # most folds leave the view of a polyp free
                if sequence.position[2] - 0.5 < position < polyp.z + 0.5 and rng.random() < 0.7:
                    height *= 1 - 0.85 * math.exp(-2.5 * wrap(centre - polyp.theta) ** 2)
            turn = np.cos(theta - centre)
            crescent = np.exp(float(rng.uniform(0.6, 2.0)) * (turn - 1))
            across = np.abs(z - position - wave - float(rng.normal(0, 0.3)) * turn) / width
            wall = wall - height * crescent * np.exp(-across / 1.2) * (1 + across / 1.2)
    if sequence.roughness > 0:
        wall += sequence.roughness * (5.0 * _noise(rng, 0.6) + 1.2 * _noise(rng, 0.1))
    albedo = np.array(sequence.mucosa, dtype=np.float32)[:, None, None] * np.ones_like(wall)
    if sequence.roughness > 0:
        tone, hue, grain = _noise(rng, 1.0), _noise(rng, 0.6), _noise(rng, 0.05)
        albedo *= np.exp(0.10 * tone + 0.05 * grain)
        albedo[1:] *= np.exp(0.08 * hue)
    if sequence.vessels > 0:
        # Zero crossings of noise are thin winding lines; a second noise lets them end and branch.
        lines = np.zeros_like(wall)
        for scale, width in ((0.5, 0.11), (0.22, 0.13)):
            here = _logistic(4 * _noise(rng, 0.6))
            lines = np.maximum(lines, here * np.exp(-((_noise(rng, scale) / width) ** 2)))
        strength = np.array([0.45, 1.1, 0.9], dtype=np.float32)[:, None, None]
        albedo *= np.exp(-sequence.vessels * strength * lines)
    if sequence.soil > 0:
        # Fluid and stool gather on one side, the lower one.
        level = 0.8 * np.cos(theta - float(rng.uniform(-math.pi, math.pi))) + 1.0 * _noise(rng, 0.45)
        stool = _logistic(7 * (level - 1.9 + 1.3 * sequence.soil))
        brown = np.array([0.48, 0.33, 0.06], dtype=np.float32) * float(rng.uniform(0.5, 1.1))
        albedo += 0.85 * stool * (brown[:, None, None] * np.exp(0.25 * _noise(rng, 0.08)) - albedo)
        wall -= stool * (0.05 + 0.015 * _noise(rng, 0.09))
        for rows, columns, cap in _bubbles(rng, round(90 * sequence.soil), sequence.radius):
            wall[rows, columns] -= 0.7 * cap
            albedo[:, rows, columns] += 0.25 * (cap > 0) * (0.75 - albedo[:, rows, columns])
    wall = np.maximum(wall, 0.45 * sequence.radius).astype(np.float32)
    dz, dtheta = np.gradient(wall, DZ, TAU / NTHETA)
    steepness = np.hypot(dz, dtheta / wall)
    leaning = math.hypot(*sequence.bend) * math.pi / 26
    slope = float(np.quantile(steepness, 0.998)) + leaning
    rows, columns = (2 * half + 1 for half in WINDOW)
    around = ndimage.maximum_filter(np.minimum(steepness, slope), (rows, columns), mode=("nearest", "wrap"))
    near = 1 / np.sqrt(1 + (around + leaning) ** 2)
    bases = []
    for polyp in sequence.polyps:
        row, column = _nearest(polyp.z, polyp.theta)
        bases.append(max(float(wall[row, column % NTHETA]), 0.75 * sequence.radius))
    slack = 1 / math.hypot(1, slope)
    return Surface(_close(wall), _close(albedo), float(wall.min()), tuple(bases), slack, _close(near))


def centre(sequence: SequenceParameters, z: Any) -> tuple[Any, Any]:
    """Centre line (x, y) at z."""
    if sequence.bend == (0.0, 0.0):
        return 0.0, 0.0
    fraction = 0.5 - 0.5 * np.cos(z * np.float32(TAU / 26))
    return sequence.bend[0] * fraction, sequence.bend[1] * fraction


def cell_of(z: Array, theta: Array) -> Cell:
    """Flat index of the cell's first corner, and the weights of the next row and column."""
    v = np.clip((z - np.float32(Z0)) * np.float32(1 / DZ), 0, np.float32(NZ - 1.001))
    u = np.clip((theta + np.float32(math.pi)) * np.float32(NTHETA / TAU), 0, np.float32(NTHETA - 0.001))
    row, column = v.astype(np.int32), u.astype(np.int32)
    return (row * (NTHETA + 1) + column).astype(np.intp), v - row, u - column


def lookup(table: Array, cell: Cell) -> Array:
    """Bilinear value of one (NZ, NTHETA + 1) table."""
    flat, (first, row, column) = table.ravel(), cell
    a, b = flat.take(first), flat.take(first + 1)
    c, d = flat.take(first + (NTHETA + 1)), flat.take(first + (NTHETA + 2))
    upper = a + column * (b - a)
    return np.asarray(upper + row * (c + column * (d - c) - upper))
