"""A small renderer of the inside of a colon: the built-in "synthetic" endoscopy data.

The wall is a height field r = R(z, θ) around a bending centre line (haustral folds, three taeniae, bumps),
polyps are ellipsoids and stalked spheres blended into it, and the picture is found by sphere tracing the
distance field (Hart 1996), first one cone for a block of pixels, then one ray a pixel. Light and camera share
one point, so that radiance falls as 1/d² and nothing casts a shadow.

Units are cm and radians. World: z along the colon, x right, y down. Camera: x right, y down, z the optical
axis; pinhole, pixel (i, j) looks along ((j + ½ − W/2)/f, (i + ½ − H/2)/f, 1). Depth is z in the camera's
system (not the length of the ray), clipped at 20 cm, and 0 outside the aperture, where the frame is black.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

RENDERER = "1"
"""Version of the pictures: it changes whenever the same seed gives other files."""
MAX_DEPTH = 20.0
"""cm; 255 in an 8-bit depth image."""
MODES = {
    "common": 0.62,
    "flat": 0.10,
    "soiled": 0.10,
    "dark": 0.07,
    "narrow-band": 0.05,
    "tiny": 0.03,
    "none": 0.03,
}
"""Look of a sequence -> share of the sequences. All but the first are rare on purpose: diversity pays."""
BLEND = 0.18
"""cm over which a polyp merges into the wall."""
Z0, DZ, NZ, NTHETA = -6.0, 0.04, 768, 384
"""The wall's tables: first z, step in z, rows, columns (θ from −π)."""

REACH, WINDOW = 0.4, (10, 24)
"""cm that the local bound of the step is good for, and the rows and columns on either side that it looks at."""

Array = NDArray[np.float32]
Cell = tuple[NDArray[np.intp], Array, Array]
Vector = tuple[float, float, float]
Results = tuple[dict[str, Any], dict[str, Any]]
Kind = Literal["sessile", "pedunculated", "flat"]
Border = Literal["octagon", "cut", "round", "none"]
TAU = 2 * math.pi


@dataclass(frozen=True)
class Polyp:
    """One polyp on the wall at (z, θ)."""

    kind: Kind
    z: float
    theta: float
    radius: float
    """cm, along the wall."""
    height: float
    """cm, from the wall to the middle of a pedunculated head, or to the top of the others."""
    tint: Vector = (1.0, 1.0, 1.0)
    """Albedo relative to the mucosa around it."""
    lobes: float = 0.0
    """cm, amplitude of the lobulation."""


@dataclass(frozen=True)
class SequenceParameters:
    """All that one sequence of near-duplicate frames is made from; the defaults are a plain straight tube."""

    seed: int = 0
    """Of the tables and the sensor noise."""
    mode: str = "common"
    polyps: tuple[Polyp, ...] = ()
    radius: float = 2.5
    lobes: float = 0.0
    """Depth of the three-lobed cross-section, relative to the radius."""
    bend: tuple[float, float] = (0.0, 0.0)
    """cm; centre line (x, y) = bend · (1 − cos(2πz/26))/2."""
    folds: float = 0.0
    """Height of the haustral folds, relative to the radius."""
    fold_spacing: float = 3.0
    roughness: float = 0.0
    """cm, standard deviation of the wall's bumps."""
    position: Vector = (0.0, 0.0, 0.0)
    """Camera at t = 0."""
    travel: Vector = (0.0, 0.0, 1.0)
    """Camera's way from t = 0 to 1."""
    gaze: Vector = (0.0, 0.0, 8.0)
    """Point that the optical axis goes through."""
    sway: float = 0.0
    """cm, amplitude of the unsteady hand at the point looked at."""
    roll: float = 0.0
    fov: float = 95.0
    """Degrees, across the frame."""
    mucosa: Vector = (0.70, 0.36, 0.29)
    """Linear albedo."""
    light: Vector = (1.0, 1.0, 1.0)
    exposure: float = 1.0
    vessels: float = 0.0
    soil: float = 0.0
    """0 clean to 1: stool and bubbles."""
    gloss: float = 0.0
    noise: float = 0.0
    """Standard deviation of the sensor noise, in grey levels."""
    blur: float = 0.0
    """Standard deviation of the lens, in thousandths of the frame."""
    border: Border = "none"
    corner: bool = False
    """A black box at the lower left, where endoscopes draw the position of the tip."""
    text: bool = False


class Frame(NamedTuple):
    """One rendered frame."""

    rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB."""
    mask: NDArray[np.bool_]
    """(H, W) True where a polyp is what the ray hits first."""
    depth: Array
    """(H, W) cm along the optical axis, ≤ 20; 0 outside the aperture."""


# --- drawing the parameters -----------------------------------------------------------------------


def draw_sequence(rng: np.random.Generator, mode: str = "common") -> SequenceParameters:
    """Random parameters of one sequence of the given look (a key of `MODES`), the camera's way kept free.

    Raises:
        ValueError: there is no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}: choose one of {', '.join(MODES)}")
    while True:
        sequence = _draw(rng, mode)
        scene = _Scene(sequence, build_surface(sequence))
        way = np.stack([camera(sequence, t)[0] for t in (0.0, 0.25, 0.5, 0.75, 1.0)], axis=1)
        if scene.field(way).min() > 0.35:
            return sequence


def _draw(rng: np.random.Generator, mode: str) -> SequenceParameters:
    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def jitter(colour: Vector, amount: float) -> Vector:
        r, g, b = (c * math.exp(amount * float(rng.standard_normal())) for c in colour)
        return (r, g, b)

    radius = uniform(1.9, 3.0)
    theta = uniform(-math.pi, math.pi)
    polyps: list[Polyp] = []
    z = uniform(3.0, 4.5)
    for _ in range(0 if mode == "none" else 1 + int(rng.random() < 0.2)):
        kind: Kind = "sessile" if rng.random() < 0.62 else "pedunculated"
        size = uniform(0.45, 1.2)
        tint = jitter((1.06, 0.86, 0.84) if rng.random() < 0.6 else (1.10, 1.14, 1.14), 0.06)
        if mode == "flat":
            kind, size, tint = "flat", uniform(0.55, 1.1), jitter((1.10, 1.22, 1.24), 0.04)
        elif mode == "tiny":
            kind, size = "sessile", uniform(0.18, 0.28)
        low, high = {"sessile": (0.55, 1.0), "pedunculated": (1.2, 1.7), "flat": (0.2, 0.3)}[kind]
        height = min(size * uniform(low, high), 0.9 * radius - (size if kind == "pedunculated" else 0.0))
        polyps.append(Polyp(kind, z, theta, size, height, tint, uniform(0.02, 0.13) * size))
        # A second polyp stands deeper and elsewhere on the circumference.
        z, theta = z + uniform(0.3, 2.5), _wrap(theta + uniform(0.9, 2.4))
    # The camera stays near the axis, away from the first polyp, and looks between it and the lumen.
    first = polyps[0] if polyps else Polyp("sessile", z, theta, 0.5, 0.5)
    angle, away = first.theta + math.pi + uniform(-0.9, 0.9), uniform(0.0, 0.3) * radius
    reach = 0.35 * first.height + first.radius if first.kind == "pedunculated" else 0.0
    forward = uniform(0.2, 0.8)
    start = first.z - reach - forward - uniform(0.2, 1.7)
    toward, side = uniform(0.55, 1.15), radius - 0.5 * first.height
    ahead = first.z + max(0.0, 1 - toward) * 5.0
    bend_angle, bend = uniform(-math.pi, math.pi), uniform(1.0, 7.0)
    hues = {
        "red": ((0.66, 0.165, 0.08), 0.32),
        "pink": ((0.62, 0.21, 0.125), 0.28),
        "orange": ((0.64, 0.18, 0.035), 0.14),
        "deep red": ((0.58, 0.095, 0.045), 0.14),
        "pale": ((0.66, 0.27, 0.13), 0.12),
    }
    hue = hues[str(rng.choice(list(hues), p=[share for _, share in hues.values()]))][0]
    borders: dict[Border, float] = {"octagon": 0.6, "cut": 0.22, "round": 0.12, "none": 0.06}
    border = list(borders)[int(rng.choice(4, p=list(borders.values())))]
    sequence = SequenceParameters(
        seed=int(rng.integers(2**31)),
        mode=mode,
        polyps=tuple(polyps),
        radius=radius,
        lobes=uniform(0.0, 0.12),
        bend=(bend * math.cos(bend_angle), bend * math.sin(bend_angle)),
        folds=uniform(0.25, 0.55),
        fold_spacing=uniform(1.3, 2.8),
        roughness=uniform(0.007, 0.02),
        position=(away * math.cos(angle), away * math.sin(angle), start),
        travel=(uniform(-0.2, 0.2), uniform(-0.2, 0.2), forward),
        gaze=(toward * side * math.cos(first.theta), toward * side * math.sin(first.theta), ahead),
        sway=uniform(0.05, 0.3),
        roll=uniform(-math.pi, math.pi),
        fov=uniform(85.0, 105.0),
        mucosa=jitter(hue, 0.05),
        light=jitter((1.0, 1.0, 1.0), 0.04),
        exposure=math.exp(uniform(-0.35, 0.45)),
        vessels=uniform(0.1, 1.0),
        gloss=uniform(0.3, 1.2),
        noise=uniform(0.5, 2.5),
        blur=uniform(2.5, 5.5),
        border=border,
        corner=bool(rng.random() < 0.4),
        text=bool(rng.random() < 0.6),
    )
    if mode == "soiled":
        sequence = replace(sequence, soil=uniform(0.5, 1.0))
    elif mode == "dark":
        sequence = replace(sequence, exposure=uniform(0.16, 0.30), noise=uniform(3.0, 6.0))
    elif mode == "narrow-band":
        # Blue and green light only: brown vessels and polyps on a greenish grey wall.
        sequence = replace(sequence, mucosa=jitter((0.22, 0.24, 0.17), 0.06), vessels=uniform(0.6, 1.0))
    return sequence


# --- the scene ------------------------------------------------------------------------------------


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


def _wrap(angle: float) -> float:
    """The same angle in [−π, π)."""
    return (angle + math.pi) % TAU - math.pi


def _noise(rng: np.random.Generator, scale: float) -> Array:
    """(NZ, NTHETA) Gaussian noise of unit variance and correlation length `scale` in cm, periodic."""
    spectrum = fft.rfft2(rng.standard_normal((NZ, NTHETA), dtype=np.float32))
    fz, ft = fft.fftfreq(NZ)[:, None], fft.rfftfreq(NTHETA)[None]
    gain = np.exp(-2 * (np.pi * scale / DZ) ** 2 * fz**2) * np.exp(-2 * (np.pi * scale / DZ) ** 2 * ft**2)
    smooth = fft.irfft2(spectrum * gain.astype(np.float32), s=(NZ, NTHETA))
    return np.asarray(smooth / smooth.std(), dtype=np.float32)


def _bubbles(rng: np.random.Generator, count: int, radius: float) -> Iterator[tuple[Any, Any, Array]]:
    """Clusters of hemispheres on the wall: (rows, columns) of a window and the height there, in cm."""
    centres = rng.uniform((1.0, -math.pi), (8.0, math.pi), (4, 2))
    for _ in range(count):
        z, theta = centres[rng.integers(4)] + rng.normal(0, (0.6, 0.6 / radius))
        size = float(rng.uniform(0.05, 0.17))
        row, column = round((z - Z0) / DZ), round((theta + math.pi) / TAU * NTHETA)
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
                    height *= 1 - 0.85 * math.exp(-2.5 * _wrap(centre - polyp.theta) ** 2)
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
            here = 1 / (1 + np.exp(-4 * _noise(rng, 0.6)))
            lines = np.maximum(lines, here * np.exp(-((_noise(rng, scale) / width) ** 2)))
        strength = np.array([0.45, 1.1, 0.9], dtype=np.float32)[:, None, None]
        albedo *= np.exp(-sequence.vessels * strength * lines)
    if sequence.soil > 0:
        # Fluid and stool gather on one side, the lower one.
        level = 0.8 * np.cos(theta - float(rng.uniform(-math.pi, math.pi))) + 1.0 * _noise(rng, 0.45)
        stool = 1 / (1 + np.exp(-7 * (level - 1.9 + 1.3 * sequence.soil)))
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
    near = (1 / np.sqrt(1 + (around + leaning) ** 2)).astype(np.float32)
    closed = np.concatenate([wall, wall[:, :1]], axis=1)
    colours = np.concatenate([albedo, albedo[:, :, :1]], axis=2).astype(np.float32)
    bases = []
    for polyp in sequence.polyps:
        row, column = round((polyp.z - Z0) / DZ), round((polyp.theta + math.pi) / TAU * NTHETA) % NTHETA
        bases.append(max(float(wall[row, column]), 0.75 * sequence.radius))
    near = np.concatenate([near, near[:, :1]], axis=1)
    return Surface(closed, colours, float(wall.min()), tuple(bases), 1 / math.hypot(1, slope), near)


def _centre(sequence: SequenceParameters, z: Any) -> tuple[Any, Any]:
    """Centre line (x, y) at z."""
    if sequence.bend == (0.0, 0.0):
        return 0.0, 0.0
    share = 0.5 - 0.5 * np.cos(z * np.float32(TAU / 26))
    return sequence.bend[0] * share, sequence.bend[1] * share


def _cell(z: Array, theta: Array) -> Cell:
    """Flat index of the cell's first corner, and the weights of the next row and column."""
    v = np.clip((z - np.float32(Z0)) * np.float32(1 / DZ), 0, np.float32(NZ - 1.001))
    u = np.clip((theta + np.float32(math.pi)) * np.float32(NTHETA / TAU), 0, np.float32(NTHETA - 0.001))
    row, column = v.astype(np.int32), u.astype(np.int32)
    return (row * (NTHETA + 1) + column).astype(np.intp), v - row, u - column


def _lookup(table: Array, cell: Cell) -> Array:
    """Bilinear value of one (NZ, NTHETA + 1) table."""
    flat, (first, row, column) = table.ravel(), cell
    a, b = flat.take(first), flat.take(first + 1)
    c, d = flat.take(first + (NTHETA + 1)), flat.take(first + (NTHETA + 2))
    upper = a + column * (b - a)
    return np.asarray(upper + row * (c + column * (d - c) - upper))


def _smooth_min(a: Any, b: Any, width: float) -> Any:
    """Polynomial smooth minimum: at most width/4 below min(a, b)."""
    overlap = np.maximum(width - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / width)


@lru_cache(maxsize=16)
def _lobe_waves(seed: int, radius: float) -> Array:
    """(3, 3) wave vectors that lobe a polyp."""
    return np.random.default_rng([seed, 7]).normal(0, 2.6 / radius, (3, 3)).astype(np.float32)


def _polyp_distance(sequence: SequenceParameters, polyp: Polyp, base: float, points: Array) -> Array:
    """(3, n) -> (n,) cm to a polyp on a wall at radius `base`, to first order for ellipsoids."""
    cos, sin = math.cos(polyp.theta), math.sin(polyp.theta)
    cx, cy = _centre(sequence, polyp.z)
    x, y, z = points[0] - np.float32(cx), points[1] - np.float32(cy), points[2] - np.float32(polyp.z)
    up = np.float32(base) - (x * np.float32(cos) + y * np.float32(sin))
    along = y * np.float32(cos) - x * np.float32(sin)
    r, h = np.float32(polyp.radius), np.float32(polyp.height)
    if polyp.kind == "pedunculated":
        lean = np.float32(0.35 * polyp.height)
        part = np.clip(up / h, 0, 1)
        stalk = np.sqrt(along**2 + (z + lean * part) ** 2 + (up - part * h) ** 2) - np.float32(0.38) * r
        z = z + lean
        head = np.sqrt(along**2 + z**2 + (up - h) ** 2) - r
        distance = _smooth_min(head, stalk, 0.2)
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


class _Scene(NamedTuple):
    """Fields of one sequence; points are (3, n)."""

    sequence: SequenceParameters
    surface: Surface

    def polar(self, points: Array) -> tuple[Array, Cell]:
        """Distance r (n,) from the centre line, and where to look the wall up."""
        cx, cy = _centre(self.sequence, points[2])
        x, y = points[0] - cx, points[1] - cy
        return np.sqrt(x * x + y * y), _cell(points[2], np.arctan2(y, x))

    def parts(self, points: Array) -> tuple[Array, Array | None]:
        """R − r, and the distance to the nearest polyp."""
        r, cell = self.polar(points)
        polyps = self.polyps(points)
        return _lookup(self.surface.radius, cell) - r, polyps.min(0) if len(polyps) else None

    def polyps(self, points: Array) -> Array:
        """(polyps, n) distances."""
        pairs = zip(self.sequence.polyps, self.surface.bases, strict=True)
        distances = [_polyp_distance(self.sequence, polyp, base, points) for polyp, base in pairs]
        return np.array(distances, dtype=np.float32).reshape(len(distances), points.shape[1])

    def field(self, points: Array) -> Array:
        """Positive in the lumen, zero on the surface."""
        gap, polyp = self.parts(points)
        return gap if polyp is None else np.asarray(_smooth_min(gap, polyp, BLEND))

    def safe_step(self, points: Array) -> Array:
        """A lower bound of the distance to the surface.

        It is the largest of three: the gap by the steepest slope anywhere; by the steepest slope within reach,
        but no farther than that reach; and the distance to the largest free tube.
        """
        r, cell = self.polar(points)
        gap = _lookup(self.surface.radius, cell) - r
        reach = np.minimum(np.float32(REACH), np.float32(0.9 * WINDOW[1] * TAU / NTHETA) * r)
        near = np.minimum(self.surface.near.take(cell[0]) * gap, reach)
        free = np.float32(0.8) * (np.float32(self.surface.inner) - r)
        wall = np.maximum(np.maximum(self.surface.slack * gap, near), free)
        polyps = self.polyps(points)
        if not len(polyps):
            return np.asarray(wall)
        polyp = np.float32(0.8) * polyps.min(0)
        # Where wall and polyp blend, the surface lies up to BLEND/4 before both; 5/4 BLEND from a polyp is wall only.
        apart = np.maximum(np.minimum(wall, polyp) - BLEND / 4, np.minimum(wall, polyp - 1.25 * BLEND))
        blended = self.surface.slack * _smooth_min(gap, polyp * np.float32(1 / 0.8), BLEND)
        return np.asarray(np.maximum(apart, blended))


# --- camera and tracing ---------------------------------------------------------------------------


def camera(sequence: SequenceParameters, t: float) -> tuple[Array, Array]:
    """At 0 ≤ t ≤ 1: position (3,) and rotation (3, 3), whose columns are the camera's axes in the world."""
    rng = np.random.default_rng([sequence.seed, 2])
    phase = rng.uniform(0, TAU, 4)
    position = np.array(sequence.position) + t * np.array(sequence.travel)
    position[:2] += _centre(sequence, float(position[2]))
    target = np.array(sequence.gaze)
    target[:2] += _centre(sequence, float(target[2]))
    target = target + sequence.sway * np.sin(4 * t + phase[:3])
    forward = (target - position) / np.linalg.norm(target - position)
    roll = sequence.roll + 0.3 * sequence.sway * math.sin(3 * t + float(phase[3]))
    right = np.cross([-math.sin(roll), math.cos(roll), 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return position.astype(np.float32), rotation.astype(np.float32)


def _directions(rotation: Array, fov: float, size: int) -> Array:
    """(3, size, size) unit rays through the centres of the pixels."""
    half = np.float32(math.tan(math.radians(fov) / 2))
    plane = half * (2 * np.arange(size, dtype=np.float32) + 1 - size) / size
    x, y = np.meshgrid(plane, plane)
    length = np.sqrt(x * x + y * y + 1)
    right, down, forward = (rotation[:, k, None, None] for k in range(3))
    return np.asarray((right * x + down * y + forward) / length, dtype=np.float32)


def _march(scene: _Scene, origin: Array, rays: Array, start: Array, cone: float, steps: int, spare: float) -> Array:
    """Sphere tracing of rays (3, n) from `start` (n,), in cm along the ray.

    With cone > 0 (tangent of the half angle) it stops before anything can enter the cone.
    It ends after so many steps, or when only the share `spare` of the rays is left; without a cone those are
    then searched for a change of sign.
    """
    t: Array = start.copy()
    live = np.arange(rays.shape[1])
    for _ in range(steps):
        here = t[live]
        distance = scene.safe_step(origin[:, None] + rays[:, live] * here)
        step = distance - np.float32(cone) * here
        going = step > 5e-4 + 5e-4 * here
        if cone == 0:
            # Rays along an edge would creep; what a least step overshoots, one Newton step takes back.
            step = np.where(going, np.maximum(step, np.float32(3e-3) * (1 + here)), 0)
        here = (here + np.maximum(step, 0) * np.float32(1 / (1 + cone))).astype(np.float32)
        t[live] = here
        live = live[going & (here < 1.7 * MAX_DEPTH)]
        if live.size <= spare * t.size:
            break
    if cone == 0 and live.size:
        t[live] = _search(scene, origin, rays[:, live], t[live])
    return t


def _search(scene: _Scene, origin: Array, rays: Array, start: Array) -> Array:
    """First sign change of the field beyond `start` (n,), for the few rays that creep along edges."""
    share = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    lengths = start * (1.7 * MAX_DEPTH / np.maximum(start, 0.1)) ** share
    points = origin[:, None, None] + rays[:, None] * lengths
    values = scene.field(points.reshape(3, -1).astype(np.float32)).reshape(lengths.shape)
    inside = values < 0
    inside[-1] = True
    after = np.maximum(inside.argmax(0), 1)
    column = np.arange(start.size)
    near, far = values[after - 1, column], values[after, column]
    part = np.clip(near / np.where(near > far, near - far, 1), 0, 1)
    return np.asarray(lengths[after - 1, column] + part * (lengths[after, column] - lengths[after - 1, column]))


def trace(sequence: SequenceParameters, t: float, size: int) -> tuple[_Scene, Array, Array, Array]:
    """The scene, the camera (3,), rays (3, size²) and the lengths (size²,) to what they hit."""
    scene = _Scene(sequence, build_surface(sequence))
    origin, rotation = camera(sequence, t)
    rays = _directions(rotation, sequence.fov, size)
    block = 4 if size % 4 == 0 else 1
    coarse = _directions(rotation, sequence.fov, size // block).reshape(3, -1)
    start = np.zeros(coarse.shape[1], dtype=np.float32)
    if block > 1:
        half = math.sqrt(0.5) * 2 * math.tan(math.radians(sequence.fov) / 2) * block / size
        start = _march(scene, origin, coarse, start, half, 40, 0.05)
        start = start.reshape(size // block, -1).repeat(block, 0).repeat(block, 1).ravel()
    flat = rays.reshape(3, -1)
    return scene, origin, flat, _march(scene, origin, flat, start, 0.0, 128, 0.004)


# --- shading --------------------------------------------------------------------------------------


def _aperture(sequence: SequenceParameters, size: int) -> NDArray[np.bool_]:
    """(size, size) True where the endoscope shows a picture."""
    plane = np.abs((2 * np.arange(size) + 1 - size) / size)
    x, y = np.meshgrid(plane, plane)
    shapes = {
        "none": np.ones((size, size), dtype=bool),
        "octagon": x + y < 1.47,
        "cut": (x * x + y * y < 1.35**2) & (x + y < 1.62) & (x < 0.97),
        "round": x * x + y * y < 1.1**2,
    }
    visible = np.array(shapes[sequence.border])
    if sequence.corner and sequence.border != "none":
        rng = np.random.default_rng([sequence.seed, 3])
        visible[round(size * rng.uniform(0.64, 0.74)) :, : round(size * rng.uniform(0.24, 0.36))] = False
    return visible


def _speckle(sequence: SequenceParameters, points: Array) -> tuple[Array, Array]:
    """(3, n) -> noise (n,) of unit variance in space and its gradient (3, n), for the skin of polyps."""
    rng = np.random.default_rng([sequence.seed, 4])
    waves = (rng.normal(0, 1, (16, 3)) * np.repeat([8.0, 16.0], 8)[:, None]).astype(np.float32)
    phases = rng.uniform(0, TAU, 16).astype(np.float32)
    value, gradient = np.zeros(points.shape[1], dtype=np.float32), np.zeros_like(points)
    for wave, phase in zip(waves, phases, strict=True):
        angle = wave[0] * points[0] + wave[1] * points[1] + wave[2] * points[2] + phase
        value += np.sin(angle)
        gradient += wave[:, None] * np.cos(angle)
    scale = np.float32(1 / math.sqrt(8.0))
    return value * scale, gradient * scale


def _skin(scene: _Scene, points: Array, share: Array) -> tuple[Array, Array]:
    """Points (3, n), share (n,) of the polyp in what is hit -> albedo (3, n), change of the normal (3, n)."""
    sequence = scene.sequence
    cell = scene.polar(points)[1]
    albedo = np.stack([_lookup(channel, cell) for channel in scene.surface.albedo])
    bumps = np.zeros_like(points)
    hit = np.flatnonzero(share > 0)
    if hit.size:
        where = points[:, hit]
        distances = scene.polyps(where)
        value, gradient = _speckle(sequence, where)
        bumps[:, hit] = share[hit] * np.float32(0.5 * sequence.roughness) * gradient
        tints = np.array([polyp.tint for polyp in sequence.polyps], dtype=np.float32)
        own = np.array(sequence.mucosa, dtype=np.float32)[:, None] * tints[distances.argmin(0)].T
        own = own * np.exp(np.array([[0.06], [0.11], [0.10]], dtype=np.float32) * value)
        albedo[:, hit] += share[hit] * (0.75 * own + 0.25 * albedo[:, hit] - albedo[:, hit])
    return albedo, bumps


def _overlay(sequence: SequenceParameters, picture: Array) -> None:
    """Rows of small light marks at the left, in place, as the processor writes date and settings there."""
    size, rng = picture.shape[1], np.random.default_rng([sequence.seed, 5])
    pixel = max(1, size // 128)
    for line in range(int(rng.integers(2, 6))):
        top = round(size * (0.26 + 0.045 * line))
        for column in range(int(rng.integers(5, 13))):
            if rng.random() < 0.75:
                picture[:, top : top + 2 * pixel, (2 * column + 1) * pixel : (2 * column + 2) * pixel] = 0.72


def render_frame(sequence: SequenceParameters, t: float, size: int) -> Frame:
    """Render one frame of size × size pixels at time t of its sequence, 0 ≤ t ≤ 1.

    Radiance of a pixel at distance d with normal n and direction v to the camera (and the light):
    L = ρ (n·v)/d² + ρ² c/(d + 1)² + gloss (n·v)^s/d², ρ the albedo; the second term stands for light that the
    wall has reflected before. The picture is (1 − exp(−gain · L))^(1/γ).

    Raises:
        ValueError: size is below 8, or t is outside [0, 1].
    """
    if size < 8:
        raise ValueError(f"size is {size}: a frame needs at least 8 pixels a side")
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}: the frames of a sequence lie between 0 and 1")
    scene, origin, rays, length = trace(sequence, t, size)
    points = origin[:, None] + rays * length
    gap, polyp = scene.parts(points)
    share = np.zeros_like(length) if polyp is None else np.clip(0.5 + (gap - polyp) / np.float32(BLEND), 0, 1)
    value = gap if polyp is None else _smooth_min(gap, polyp, BLEND)
    reach = 0.02 + 0.004 * length
    gradient = np.empty_like(points)
    for axis in range(3):
        moved = points.copy()
        moved[axis] += reach
        ahead = scene.field(moved)
        moved[axis] -= 2 * reach
        gradient[axis] = (ahead - scene.field(moved)) / (2 * reach)
    slope = (gradient * rays).sum(0)
    # One Newton step takes the last fraction of a millimetre that the marching leaves.
    most = 0.01 + 0.005 * length
    length = length + np.clip(-value / np.minimum(slope, -0.05), -most, most)
    axis_cos = (rays * camera(sequence, t)[1][:, 2:]).sum(0)
    depth = np.minimum(length * axis_cos, MAX_DEPTH).astype(np.float32).reshape(size, size)

    albedo, bumps = _skin(scene, points, share)
    normal = gradient + bumps
    facing = np.clip(-(normal * rays).sum(0) / np.sqrt((normal * normal).sum(0)), 0.15, 1)
    lit = (facing + np.float32(0.25)) / np.float32(1.25)  # light enters tissue, so its limb is never black
    falloff = 1 / np.maximum(length, 0.3) ** 2
    direct = lit * falloff
    shine = sequence.gloss * (1.6 * facing**200 + 0.05 * facing**20) * falloff
    linear = albedo * direct + 0.5 * albedo**1.5 / (length + 1) ** 2 + shine
    visible = _aperture(sequence, size)
    middle = float(np.mean(np.sqrt((albedo * direct).mean(0)[visible.ravel()]))) ** 2
    light = np.array(sequence.light, dtype=np.float32)[:, None]
    exposed = 1 - np.exp(-(0.24 * sequence.exposure / max(middle, 1e-6)) * light * linear)
    picture = (exposed ** np.float32(1 / 1.9)).astype(np.float32).reshape(3, size, size)
    if sequence.blur > 0:
        picture = ndimage.gaussian_filter(picture, (0, *2 * (sequence.blur * size / 1000,)), truncate=3.0)
    if sequence.noise > 0:
        rng = np.random.default_rng([sequence.seed, 6, round(t * 1e6)])
        picture += sequence.noise / 255 * rng.standard_normal(picture.shape, dtype=np.float32)
    picture *= visible
    if sequence.text and sequence.border != "none":
        _overlay(sequence, picture)
    rgb = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    mask = (share > 0.5).reshape(size, size) & visible & (depth < MAX_DEPTH)
    return Frame(np.ascontiguousarray(rgb), mask, np.where(visible, depth, np.float32(0)))


# --- the data set ---------------------------------------------------------------------------------


class _Job(NamedTuple):
    """One sequence to render and write."""

    sequence: int
    split: str
    mode: str
    frames: int
    """Frames to write, of `per_sequence` that the camera's way is divided into."""
    per_sequence: int
    texture: str
    first: int
    """Number of the first frame in the texture's folder."""


def _plan(seed: int, per_sequence: int, counts: dict[str, int]) -> list[_Job]:
    """The sequences of all splits; rare looks have the same share in each, as far as its size allows."""
    jobs: list[_Job] = []
    numbers = [0, 0, 0]
    edges = np.cumsum(list(MODES.values()))
    for purpose, (split, count) in enumerate(counts.items()):
        total = math.ceil(count / per_sequence)
        rng = np.random.default_rng([seed, 0, purpose])
        levels = (np.arange(total) + rng.random()) / max(total, 1)  # systematic sampling
        which = np.minimum(np.searchsorted(edges, levels, side="right"), len(MODES) - 1)
        looks = [list(MODES)[i] for i in which]
        for k, position in enumerate(rng.permutation(total)):
            index, frames = len(jobs), min(per_sequence, count - k * per_sequence)
            texture = index % 3
            jobs.append(_Job(index, split, looks[position], frames, per_sequence, f"T{texture + 1}", numbers[texture]))
            numbers[texture] += frames
    return jobs


def _boxes(mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Boxes of the connected regions as in kavsir_bboxes.json; xmax and ymax are one past the last pixel."""
    found = ndimage.find_objects(ndimage.label(mask)[0])
    sides = [(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in found]
    return [{"label": "polyp", "xmin": a, "ymin": b, "xmax": c, "ymax": d} for a, b, c, d in sides]


def _write_sequence(root: Path, seed: int, size: int, job: _Job) -> Results:
    """Render and write one sequence; returns entries of the manifest and of the boxes, by id."""
    sequence = draw_sequence(np.random.default_rng([seed, 1, job.sequence]), job.mode)
    folder = root / ("sessile-main-Kvasir-SEG" if job.split == "test" else "Kvasir-SEG")
    entries, boxes = {}, {}
    for number in range(job.frames):
        name, serial = f"s{job.sequence:03d}f{number:02d}", f"{job.first + number:04d}.png"
        frame = render_frame(sequence, number / max(1, job.per_sequence - 1), size)
        Image.fromarray(frame.rgb).save(folder / "images" / f"{name}.jpg", quality=92)
        white = np.repeat(frame.mask[:, :, None] * np.uint8(255), 3, axis=2)
        Image.fromarray(white).save(folder / "masks" / f"{name}.jpg", quality=95)
        grey = np.clip(np.rint(frame.depth * (255 / MAX_DEPTH)), 0, 255).astype(np.uint8)
        depth_folder = root / "ColonoscopyDepth" / job.texture
        Image.fromarray(frame.rgb).save(depth_folder / f"FrameBuffer_{serial}")
        Image.fromarray(grey).save(depth_folder / f"Depth_{serial}")
        entries[name] = {
            "split": job.split,
            "sequence": f"s{job.sequence:03d}",
            "mode": job.mode,
            "polyps": [polyp.kind for polyp in sequence.polyps],
            "polyp_share": round(float(frame.mask.mean()), 6),
            "depth_frame": f"{job.texture}/FrameBuffer_{serial}",
        }
        boxes[name] = {"height": size, "width": size, "bbox": _boxes(frame.mask)}
    return entries, boxes


def _render_all(root: Path, seed: int, size: int, jobs: list[_Job], workers: int) -> Generator[Results, None, None]:
    """`_write_sequence` over all jobs, in any order, in this process or in several."""
    if workers == 1:
        for job in jobs:
            yield _write_sequence(root, seed, size, job)
        return
    # Forked workers need no re-import of the main script, and they only compute with numpy.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        futures = [executor.submit(_write_sequence, root, seed, size, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            executor.shutdown(cancel_futures=True)


def render_dataset(
    root: Path,
    *,
    pool: int,
    validation: int,
    test: int,
    size: int = 128,
    frames_per_sequence: int = 8,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Render a data set into `root`, which appears only when it is complete.

    * `Kvasir-SEG/{images,masks}/<id>.jpg` and `kavsir_bboxes.json` (pool and validation),
      `sessile-main-Kvasir-SEG/{images,masks}` (test). No sequence is in two splits.
    * `ColonoscopyDepth/T1..T3/{FrameBuffer,Depth}_####.png`: all frames again, sequences dealt to the three
      folders in turn and whole; Depth is 8 bit, 255 at 20 cm, 0 outside the aperture.
    * `manifest.json`: {"renderer", "seed", "size", "frames_per_sequence", "counts", "frames": {id: {"split",
      "sequence", "mode", "polyps", "polyp_share", "depth_frame"}}}.

    The same arguments give the same bytes, whatever `workers` is (default: the number of processors).
    `progress` is called with the number of frames written so far. On other systems than Linux a script that
    calls this with several workers needs `if __name__ == "__main__":`.

    Raises:
        ValueError: a number is out of range, or `root` already holds something.
    """
    counts = {"pool": pool, "validation": validation, "test": test}
    if min(counts.values()) < 0 or sum(counts.values()) == 0:
        raise ValueError(f"pool, validation, test are {pool}, {validation}, {test}: expected 0 or more, one > 0")
    workers = workers if workers is not None else os.cpu_count() or 1
    given = {"size": (size, 8), "frames_per_sequence": (frames_per_sequence, 1)}
    for name, (value, least) in (given | {"seed": (seed, 0), "workers": (workers, 1)}).items():
        if value < least:
            raise ValueError(f"{name} is {value}: expected at least {least}")
    root = Path(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"root {root} exists: name another folder or remove this one")
    root.parent.mkdir(parents=True, exist_ok=True)
    jobs = _plan(seed, frames_per_sequence, counts)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        for folder in ("Kvasir-SEG", "sessile-main-Kvasir-SEG"):
            for part in ("images", "masks"):
                (building / folder / part).mkdir(parents=True)
        for texture in ("T1", "T2", "T3"):
            (building / "ColonoscopyDepth" / texture).mkdir(parents=True)
        frames: dict[str, Any] = {}
        boxes: dict[str, Any] = {}
        # Closing waits for the workers, so that none still writes when the folder is removed.
        with closing(_render_all(building, seed, size, jobs, min(workers, len(jobs)))) as results:
            for entries, found in results:
                frames |= entries
                boxes |= found
                if progress is not None:
                    progress(len(frames))
        published = {name: boxes[name] for name in sorted(boxes) if frames[name]["split"] != "test"}
        (building / "Kvasir-SEG" / "kavsir_bboxes.json").write_text(json.dumps(published), encoding="utf-8")
        manifest = {
            "renderer": RENDERER,
            "seed": seed,
            "size": size,
            "frames_per_sequence": frames_per_sequence,
            "counts": counts,
            "frames": dict(sorted(frames.items())),
        }
        (building / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        building.chmod(0o755)  # mkdtemp makes it private
        _move(building, root)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, root: Path) -> None:
    """Rename to `root`; where another process has just put the same set there, keep that one."""
    try:
        os.replace(building, root)
    except OSError:
        mine, other = building / "manifest.json", root / "manifest.json"
        if not other.is_file() or other.read_bytes() != mine.read_bytes():
            raise
