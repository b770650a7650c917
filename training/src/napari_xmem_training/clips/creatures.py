"""Things of one or many parts that move together: blobs, vehicles, swimmers, walkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.outlines import blob, capsule, polygon, vehicle
from napari_xmem_training.clips.paths import rotation, walk
from napari_xmem_training.clips.sprites import Sprite
from napari_xmem_training.clips.textures import draw_palette, texture

if TYPE_CHECKING:
    from napari_xmem_training.clips.ops import Floats
    from napari_xmem_training.clips.store import Still

__all__ = ["Part", "draw_thing", "place"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One rigid or bending piece of a thing.

    Attributes
    ----------
    mask : ndarray, shape (h, w), float32
        Soft outline.
    offset : ndarray, shape (T, 2), float64
        Middle of the piece relative to the thing's, pixels of the upright thing.
    angle : ndarray, shape (T,), float64
        Turn of the piece, radians.
    own_colour : bool
        Whether it differs in colour from the body.
    """

    mask: Floats
    offset: Array
    angle: Array
    own_colour: bool = False


def draw_thing(rng: np.random.Generator, frames: int, liveliness: float) -> list[Part]:
    """Draw a thing about 40 px in diameter, back to front.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    frames : int
        Length of its paths.
    liveliness : float
        Swing of limbs per frame, radians.
    """
    how = str(rng.choice(["walker", "blob", "polygon", "vehicle", "swimmer"], p=[0.42, 0.2, 0.1, 0.13, 0.15]))
    still = np.zeros((frames, 2)), np.zeros(frames)
    if how == "walker":
        return _walker(rng, frames, liveliness)
    if how == "swimmer":
        return _swimmer(rng, frames, liveliness)
    if how == "blob":
        return [Part(blob(rng, 20, float(rng.uniform(0.05, 0.35))), *still)]
    if how == "polygon":
        return [Part(polygon(rng, 21), *still)]
    return [Part(vehicle(rng, 20), *still)]


def _hang(joint: Array, angle: Array, length: float) -> Array:
    """Middle of a limb of `length` that hangs from `joint` (T, 2) at `angle` (T,) from straight down."""
    return joint + 0.5 * length * np.stack([np.cos(angle), np.sin(angle)], -1)


def _limb(rng: np.random.Generator, joint: Array, swing: Array, size: tuple[float, float], knee: bool) -> list[Part]:
    """One or two segments hanging from a joint; `size` is length and radius."""
    length, radius = size
    if not knee:
        return [Part(capsule(length, radius, radius * 0.7), _hang(joint, swing, length), swing)]
    half = length / 2
    below = swing + np.abs(walk(rng, (), len(swing), 0.8)) * 0.15 + rng.uniform(-0.4, 0.4)
    end = joint + half * np.stack([np.cos(swing), np.sin(swing)], -1)
    return [
        Part(capsule(half, radius, radius * 0.85), _hang(joint, swing, half), swing),
        Part(capsule(half, radius * 0.85, radius * 0.6), _hang(end, below, half), below),
    ]


def _walker(rng: np.random.Generator, frames: int, liveliness: float) -> list[Part]:
    """Body with head and two to four legs that swing, people-like (upright) or animal-like."""
    upright = bool(rng.random() < 0.45)
    long, wide = (rng.uniform(16, 24), rng.uniform(5, 9)) if upright else (rng.uniform(20, 32), rng.uniform(7, 12))
    body_angle = np.zeros(frames) if upright else np.full(frames, np.pi / 2)
    body = Part(capsule(long, wide, wide * rng.uniform(0.7, 1.1)), np.zeros((frames, 2)), body_angle)
    phase = rng.uniform(0, 2 * np.pi) + liveliness * 2 * np.arange(frames)
    length, radius = rng.uniform(16, 32), rng.uniform(2.0, 4.5)
    knee = bool(rng.random() < 0.6)
    hips = [(long / 2, 0.0)] * 2 if upright else [(wide * 0.6, -long * 0.45), (wide * 0.6, long * 0.45)] * 2
    legs, arms = [], []
    for n, hip in enumerate(hips):
        joint = np.tile(np.array(hip) + rng.uniform(-1.5, 1.5, 2), (frames, 1))
        swing = rng.uniform(0.25, 0.6) * np.sin(phase + n * np.pi * 0.75) + rng.uniform(-0.1, 0.1)
        legs.append(_limb(rng, joint, swing, (length, radius), knee))
    for n in range(2 if upright else 0):
        shoulder = np.tile([-long / 2 + 2, 0.0], (frames, 1))
        swing = rng.uniform(-0.8, 0.8) + 0.5 * np.sin(phase + np.pi * n)
        arms.append(_limb(rng, shoulder, swing, (rng.uniform(14, 22), radius * 0.8), knee))
    limbs = [*arms[:1], *legs[: len(legs) // 2]], [*legs[len(legs) // 2 :], *arms[1:]]
    behind, front = ([part for limb in side for part in limb] for side in limbs)
    neck = np.tile([-long / 2 - 1, 0.0] if upright else [-wide * 0.3, -long * 0.55], (frames, 1))
    return [*behind, *_head(rng, neck, liveliness, upright, wide * 0.5), body, *front]


def _head(rng: np.random.Generator, neck: Array, liveliness: float, upright: bool, radius: float) -> list[Part]:
    """Neck and head that nod; `neck` (T, 2) is where they start."""
    angle = 0.5 * liveliness * walk(rng, (), len(neck), 0.7) + rng.uniform(-0.3, 0.3) + (np.pi if upright else -2.2)
    length = rng.uniform(4, 8) if upright else rng.uniform(8, 18)
    tip = neck + (length + 2) * np.stack([np.cos(angle), np.sin(angle)], -1)
    head = Part(blob(rng, float(rng.uniform(4.5, 7)), 0.08), tip, angle, bool(rng.random() < 0.5))
    return [Part(capsule(length, radius, 3.0), _hang(neck, angle, length), angle), head]


def _swimmer(rng: np.random.Generator, frames: int, liveliness: float) -> list[Part]:
    """Chain of ever thinner pieces that waves: fish, worms, snakes."""
    number = int(rng.integers(4, 9))
    step = rng.uniform(6, 9)
    phase = liveliness * 2 * np.arange(frames)[:, None] - rng.uniform(0.4, 1.0) * np.arange(number)[None]
    angle = np.pi / 2 + rng.uniform(0.1, 0.5) * np.sin(phase + rng.uniform(0, 6))
    joints = np.cumsum(step * np.stack([np.cos(angle), np.sin(angle)], -1), axis=1)
    joints -= joints.mean(1, keepdims=True)
    radius = rng.uniform(4, 9) * np.linspace(1, rng.uniform(0.3, 1), number + 1)
    return [
        Part(capsule(step, float(radius[n]), float(radius[n + 1])), joints[:, n], angle[:, n]) for n in range(number)
    ]


def place(
    rng: np.random.Generator, parts: list[Part], palette: Floats, label: int, centre: Array, linear: Array,
    bend: Floats, still: Still | None = None,
) -> list[Sprite]:  # fmt: skip
    """Colour the parts of a thing and put them on its path.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    parts : list of Part
        Back to front.
    palette : ndarray, shape (3, 3), float32
        Colours of the body.
    label : int
        Label of all parts; 0 for none.
    centre, linear, bend : ndarray
        Path as in `Sprite`; the bend is used where there is one part only.
    still : Still, optional
        Real image for textures.
    """
    extent = max(max(p.mask.shape) for p in parts) + 8
    skin = texture(rng, (extent, extent), palette, still)
    other = texture(rng, (extent, extent), draw_palette(rng), still)
    ones = np.ones(len(centre))
    out = []
    for part in parts:
        height, width = part.mask.shape
        top, left = int(rng.integers(extent - height + 1)), int(rng.integers(extent - width + 1))
        cloth = (other if part.own_colour else skin)[top : top + height, left : left + width]
        shade = np.linspace(rng.uniform(0.85, 1.2), rng.uniform(0.7, 1.05), height, dtype=np.float32)[:, None, None]
        picture = np.concatenate([cloth * shade * rng.uniform(0.9, 1.1), part.mask[..., None]], -1).astype(np.float32)
        middle = centre + np.einsum("tij,tj->ti", linear, part.offset)
        bent = bend if len(parts) == 1 else bend[:, :1, :1] * 0
        out.append(Sprite(picture, True, label, middle, linear @ rotation(part.angle), bent, ones, ones))
    return out
