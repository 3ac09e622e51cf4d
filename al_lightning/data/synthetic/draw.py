"""Random parameters of a sequence in a given mode (appearance)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from al_lightning.data.synthetic.field import build_scene
from al_lightning.data.synthetic.scene import MODES, Border, Kind, Polyp, SequenceParameters, Vector, wrap
from al_lightning.data.synthetic.trace import camera


def draw_sequence(rng: np.random.Generator, mode: str = "common") -> SequenceParameters:
    """Random parameters of one sequence whose camera path touches nothing.

    Args:
        rng (Generator): draws them.
        mode (str): appearance, a key of `MODES`. Default "common".

    Raises:
        ValueError: there is no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}: choose one of {', '.join(MODES)}")
    while True:
        sequence = _draw(rng, mode)
        path = np.stack([camera(sequence, t)[0] for t in (0.0, 0.25, 0.5, 0.75, 1.0)], axis=1)
        if build_scene(sequence).field(path).min() > 0.35:
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
        z, theta = z + uniform(0.3, 2.5), wrap(theta + uniform(0.9, 2.4))
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
    hue = hues[str(rng.choice(list(hues), p=[fraction for _, fraction in hues.values()]))][0]
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
