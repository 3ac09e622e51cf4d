"""What one sequence of frames is made from: its polyps, the wall, the camera's path and the appearance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MODES = {
    "common": 0.62,
    "flat": 0.10,
    "soiled": 0.10,
    "dark": 0.07,
    "narrow-band": 0.05,
    "tiny": 0.03,
    "none": 0.03,
}
"""Mode (appearance) of a sequence -> fraction of the sequences. All but the first are rare on purpose, so that a
strategy that picks diverse images has something to find."""

Array = NDArray[np.float32]
Vector = tuple[float, float, float]
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
    """Camera's displacement from t = 0 to 1."""
    gaze: Vector = (0.0, 0.0, 8.0)
    """Point that the optical axis goes through."""
    sway: float = 0.0
    """cm, amplitude of the camera shake at the point looked at."""
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


def wrap(angle: float) -> float:
    """The same angle in [−π, π).

    Example:
        >>> round(wrap(1.5 * math.pi) / math.pi, 6)
        -0.5
    """
    return (angle + math.pi) % TAU - math.pi
