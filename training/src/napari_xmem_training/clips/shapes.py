"""Coloured things before natural-looking scenes: what a model that is not lost outside microscopy has seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.creatures import draw_thing, place
from napari_xmem_training.clips.events import vanish_together
from napari_xmem_training.clips.outlines import blob, capsule
from napari_xmem_training.clips.paths import Liveliness, Motion, random_motion, walk, window_path
from napari_xmem_training.clips.scene import Plate, Rendered, Scene, render
from napari_xmem_training.clips.sprites import Sprite
from napari_xmem_training.clips.stills import plate_matrices
from napari_xmem_training.clips.textures import draw_palette, fractal, texture

if TYPE_CHECKING:
    from napari_xmem_training.clips.clip import ClipConfig
    from napari_xmem_training.clips.ops import Floats
    from napari_xmem_training.clips.store import Still

__all__ = ["developed", "shapes", "things"]

Array = npt.NDArray[np.float64]


def shapes(rng: np.random.Generator, still: Still | None, config: ClipConfig) -> Rendered:
    """Draw one target among look-alikes and occluders before a textured scene.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    still : Still or None
        Real image for textures.
    config : ClipConfig
        Size of the clip.
    """
    size = config.window_px
    scene, centre = things(rng, still, config)
    return developed(rng, render(scene, window_path(rng, centre, size), size))


def things(rng: np.random.Generator, still: Still | None, config: ClipConfig) -> tuple[Scene, Array]:
    """Compose the scene of `shapes`.

    Parameters
    ----------
    rng, still, config
        As for `shapes`.

    Returns
    -------
    scene : Scene
        The target has label 1.
    centre : ndarray, shape (T, 2)
        Middle of the target, y, x in pixels of the scene; NaN while it is away.
    """
    size, frames = config.window_px, config.n_frames
    diameter = config.draw_diameter(rng)
    live = Liveliness.draw(rng, diameter)
    ground = draw_palette(rng)
    plate = _plate(rng, ground, still, size, frames, live)
    number = 1 + int(rng.integers(0, 4))
    motion = random_motion(rng, number, frames, live, max_bend_px=0.12 * diameter)
    hidden = 0.35
    skin = draw_palette(rng, ground if rng.random() < hidden else None, 0.1)
    swing = float(np.exp(rng.uniform(np.log(0.03), np.log(0.8))))
    sprites: list[Sprite] = []
    target: list[Sprite] = []
    labelled = rng.random() < 0.5
    for n in range(number):
        label = 1 if n == 0 else (n + 1 if labelled else 0)
        thing = _thing(rng, n, label, skin, swing, diameter, motion, still, size)
        target = thing if n == 0 else target
        sprites = sprites + thing if rng.random() < 0.4 else thing + sprites
    centre = _middle(target)
    if rng.random() < 0.35:
        sprites += _occluders(rng, still, frames, live, size)
    if rng.random() < config.absent:
        sprites, centre = vanish_together(rng, sprites, centre)
    return Scene(plate, tuple(sprites), "shapes", diameter), centre


def _thing(
    rng: np.random.Generator, n: int, label: int, skin: Floats, swing: float, diameter: float, motion: Motion,
    still: Still | None, size: int,
) -> list[Sprite]:  # fmt: skip
    """Thing number `n`: the target, or a distractor in similar or other colours somewhere around it."""
    frames = motion.shift.shape[1]
    parts = draw_thing(rng, frames, swing)
    area = sum(float(p.mask.sum()) for p in parts) * (0.85 if len(parts) > 1 else 1.0)
    wanted = diameter if n == 0 else diameter * float(np.exp(rng.normal(0, 0.3)))
    scale = wanted / np.sqrt(4 * area / np.pi)
    palette = skin if n == 0 else draw_palette(rng, skin if rng.random() < 0.6 else None, 0.06)
    start = np.zeros(2) if n == 0 else rng.uniform(-0.6, 0.6, 2) * size
    mirror = np.diag([1.0, rng.choice([-1.0, 1.0])]) * scale
    return place(rng, parts, palette, label, start + motion.shift[n], motion.linear[n] @ mirror, motion.bend[n], still)


def _middle(sprites: list[Sprite]) -> Array:
    """Mean of the parts' places, weighted by their areas, (T, 2)."""
    weights = np.array([float(s.picture[..., 3].sum()) for s in sprites])
    centres = np.stack([s.centre for s in sprites])
    middle: Array = np.einsum("n,ntk->tk", weights / weights.sum(), centres)
    return middle


def _plate(
    rng: np.random.Generator, ground: Floats, still: Still | None, size: int, frames: int, live: Liveliness
) -> Plate:
    """Textured ground, often with sky or wall above a horizon."""
    side = round(size * 1.4)
    colour = texture(rng, (side, side), ground, still)
    if rng.random() < 0.5:
        other = texture(rng, (side, side), draw_palette(rng), still)
        edge = side * rng.uniform(0.25, 0.75) + side * 0.15 * (fractal(rng, (1, side), 1.0) - 0.5)
        rows = np.arange(side, dtype=np.float32)[:, None]
        upper = np.clip((edge - rows) / float(rng.uniform(1, 12)) + 0.5, 0, 1)[..., None]
        colour = colour + upper.astype(np.float32) * (other - colour)
    middle = np.array([side / 2, side / 2])
    matrices = plate_matrices(rng, frames, live, middle)
    matrices[..., 2] += np.einsum("tij,j->ti", matrices[..., :2], middle)
    return Plate(np.ascontiguousarray(colour, np.float32), np.zeros((side, side), np.float32), matrices)


def _occluders(rng: np.random.Generator, still: Still | None, frames: int, live: Liveliness, size: int) -> list[Sprite]:
    """Poles and leaves in front that are nobody's label, drifting with the camera."""
    out = []
    drift = walk(rng, (2,), frames, 0.9).T * min(live.speed_px, 6.0)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            width = float(rng.uniform(2, 9))
            mask = capsule(size * 1.6, width, width)
        else:
            mask = blob(rng, float(rng.uniform(6, 18)), 0.3)
        height, width_px = mask.shape
        cloth = texture(rng, (height, width_px), draw_palette(rng), still)
        picture = np.concatenate([cloth, mask[..., None]], -1).astype(np.float32)
        centre = rng.uniform(-0.45, 0.45, 2) * size * [0.6, 1.0] + drift
        linear = np.tile(np.eye(2) * rng.uniform(0.8, 1.3), (frames, 1, 1))
        flat, ones = np.zeros((frames, 1, 1, 2), np.float32), np.ones(frames)
        out.append(Sprite(picture, True, 0, centre, linear, flat, ones, ones))
    return out


def developed(rng: np.random.Generator, drawn: Rendered) -> Rendered:
    """Stretch every channel as the normalisation of a movie would; sometimes grey."""
    colour = drawn.colour
    if rng.random() < 0.25:
        colour = colour @ rng.dirichlet([4, 6, 2]).astype(np.float32)[:, None]
    low, high = np.percentile(colour[:, ::6, ::6].reshape(-1, colour.shape[-1]), (0.5, 99.8), axis=0).astype(np.float32)
    stretch = np.maximum(high - low, 0.15)
    return replace(drawn, colour=(colour - low) / stretch)
