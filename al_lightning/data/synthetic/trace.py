"""One frame: the camera, sphere tracing of its rays, and shading."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from al_lightning.data.synthetic.field import BLEND, Scene, build_scene, smooth_min
from al_lightning.data.synthetic.scene import TAU, Array, SequenceParameters
from al_lightning.data.synthetic.surface import centre, lookup

MAX_DEPTH = 20.0
"""cm; 255 in an 8-bit depth image."""


class Frame(NamedTuple):
    """One rendered frame."""

    rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB."""
    mask: NDArray[np.bool_]
    """(H, W) True where a polyp is what the ray hits first."""
    depth: Array
    """(H, W) cm along the optical axis, ≤ 20; 0 outside the aperture."""


def camera(sequence: SequenceParameters, t: float) -> tuple[Array, Array]:
    """At 0 ≤ t ≤ 1: position (3,) and rotation (3, 3), whose columns are the camera's axes in the world."""
    rng = np.random.default_rng([sequence.seed, 2])
    phase = rng.uniform(0, TAU, 4)
    position = np.array(sequence.position) + t * np.array(sequence.travel)
    position[:2] += centre(sequence, float(position[2]))
    target = np.array(sequence.gaze)
    target[:2] += centre(sequence, float(target[2]))
    target = target + sequence.sway * np.sin(4 * t + phase[:3])
    forward = (target - position) / np.linalg.norm(target - position)
    roll = sequence.roll + 0.3 * sequence.sway * math.sin(3 * t + float(phase[3]))
    right = np.cross([-math.sin(roll), math.cos(roll), 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return position.astype(np.float32), rotation.astype(np.float32)


def _directions(rotation: Array, half: float, size: int) -> Array:
    """(3, size²) unit rays through the centres of the pixels; `half` is the tangent of half the field of view."""
    plane = np.float32(half) * (2 * np.arange(size, dtype=np.float32) + 1 - size) / size
    x, y = np.meshgrid(plane, plane)
    length = np.sqrt(x * x + y * y + 1)
    right, down, forward = (rotation[:, k, None, None] for k in range(3))
    return np.asarray((right * x + down * y + forward) / length, dtype=np.float32).reshape(3, -1)


def _march(scene: Scene, origin: Array, rays: Array, start: Array, cone: float, steps: int, spare: float) -> Array:
    """Sphere tracing of rays (3, n) from `start` (n,), in cm along the ray.

    With cone > 0 (tangent of the half angle) it stops before anything can enter the cone.
    It ends after so many steps, or when only the fraction `spare` of the rays is left; without a cone those are
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


def _search(scene: Scene, origin: Array, rays: Array, start: Array) -> Array:
    """First sign change of the field beyond `start` (n,), for the few rays that creep along edges."""
    fraction = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    lengths = start * (1.7 * MAX_DEPTH / np.maximum(start, 0.1)) ** fraction
    points = origin[:, None, None] + rays[:, None] * lengths
    values = scene.field(points.reshape(3, -1).astype(np.float32)).reshape(lengths.shape)
    inside = values < 0
    inside[-1] = True
    after = np.maximum(inside.argmax(0), 1)
    column = np.arange(start.size)
    near, far = values[after - 1, column], values[after, column]
    ahead = np.clip(near / np.where(near > far, near - far, 1), 0, 1)
    return np.asarray(lengths[after - 1, column] + ahead * (lengths[after, column] - lengths[after - 1, column]))


def trace(scene: Scene, origin: Array, rotation: Array, size: int) -> tuple[Array, Array]:
    """Rays (3, size²) of a camera at `origin` (3,) and the lengths (size²,) to what they hit."""
    half = math.tan(math.radians(scene.sequence.fov) / 2)
    rays = _directions(rotation, half, size)
    start = np.zeros(size * size, dtype=np.float32)
    if size % 4 == 0:
        coarse = _directions(rotation, half, size // 4)
        cone = math.sqrt(0.5) * 2 * half * 4 / size
        start = _march(scene, origin, coarse, start[: coarse.shape[1]], cone, 40, 0.05)
        start = start.reshape(size // 4, -1).repeat(4, 0).repeat(4, 1).ravel()
    return rays, _march(scene, origin, rays, start, 0.0, 128, 0.004)


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


def _skin(scene: Scene, points: Array, fraction: Array) -> tuple[Array, Array]:
    """Points (3, n), fraction (n,) of the polyp in what is hit -> albedo (3, n), change of the normal (3, n)."""
    sequence = scene.sequence
    cell = scene.polar(points)[1]
    albedo = np.stack([lookup(channel, cell) for channel in scene.surface.albedo])
    bumps = np.zeros_like(points)
    hit = np.flatnonzero(fraction > 0)
    if hit.size:
        where = points[:, hit]
        distances = scene.polyps(where)
        value, gradient = _speckle(sequence, where)
        bumps[:, hit] = fraction[hit] * np.float32(0.5 * sequence.roughness) * gradient
        tints = np.array([polyp.tint for polyp in sequence.polyps], dtype=np.float32)
        own = np.array(sequence.mucosa, dtype=np.float32)[:, None] * tints[distances.argmin(0)].T
        own = own * np.exp(np.array([[0.06], [0.11], [0.10]], dtype=np.float32) * value)
        albedo[:, hit] += fraction[hit] * (0.75 * own + 0.25 * albedo[:, hit] - albedo[:, hit])
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
    """Render one frame.

    Radiance of a pixel at distance d with normal n and direction v to the camera (and the light):
    L = ρ (n·v)/d² + ρ² c/(d + 1)² + gloss (n·v)^s/d², ρ the albedo; the second term stands for light that the
    wall has reflected before. The picture is (1 − exp(−gain · L))^(1/γ).

    Args:
        sequence (SequenceParameters): what is rendered.
        t (float): time in the sequence, in [0, 1].
        size (int): pixels a side, at least 8.

    Raises:
        ValueError: size is below 8, or t is outside [0, 1].
    """
    if size < 8:
        raise ValueError(f"size is {size}: a frame needs at least 8 pixels a side")
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}: the frames of a sequence lie between 0 and 1")
    scene, (origin, rotation) = build_scene(sequence), camera(sequence, t)
    rays, length = trace(scene, origin, rotation, size)
    points = origin[:, None] + rays * length
    gap, polyp = scene.wall_and_polyp(points)
    fraction = np.clip(0.5 + (gap - polyp) / np.float32(BLEND), 0, 1)
    value = smooth_min(gap, polyp, BLEND)
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
    axis_cos = (rays * rotation[:, 2:]).sum(0)
    depth = np.minimum(length * axis_cos, MAX_DEPTH).astype(np.float32).reshape(size, size)

    albedo, bumps = _skin(scene, points, fraction)
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
    mask = (fraction > 0.5).reshape(size, size) & visible & (depth < MAX_DEPTH)
    return Frame(np.ascontiguousarray(rgb), mask, np.where(visible, depth, np.float32(0)))
