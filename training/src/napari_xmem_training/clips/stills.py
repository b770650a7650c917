"""Clips from one still image: warped as a whole, or taken apart so that everything moves on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.events import enliven, vanish
from napari_xmem_training.clips.ops import Border, Floats, blur, remap, resize
from napari_xmem_training.clips.paths import Liveliness, Motion, random_motion, walk, window_path
from napari_xmem_training.clips.scene import Plate, Rendered, Scene, render
from napari_xmem_training.clips.sprites import Sprite, cut_object, inpaint

if TYPE_CHECKING:
    from napari_xmem_training.clips.clip import ClipConfig
    from napari_xmem_training.clips.store import Still

__all__ = ["Field", "cut_field", "plate_matrices", "taken_apart", "warped"]

Array = npt.NDArray[np.float64]
Field = tuple[Floats, npt.NDArray[np.uint16], slice, slice]


def cut_field(still: Still, centre: Array, side_px: float) -> Field:
    """Cut a square of a still, or what of it lies inside.

    Parameters
    ----------
    still : Still
        Image the object is in.
    centre : ndarray, shape (2,)
        y, x in pixels of the still.
    side_px : float
        Side in pixels of the still.

    Returns
    -------
    image : ndarray, float32
    labels : ndarray, uint16
    rows, columns : slice
        Where it was cut.
    """
    low = np.maximum(np.floor(centre - side_px / 2), 0).astype(int)
    high = np.minimum(np.ceil(centre + side_px / 2) + 1, still.image.shape).astype(int)
    rows, columns = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
    return still.normalised(rows, columns), still.labels[rows, columns], rows, columns


def warped(rng: np.random.Generator, still: Still, config: ClipConfig) -> Rendered:
    """Warp a crop around one object as a whole: shift, turn, stretch and bend on smooth or jerky paths.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    still : Still
        Image the object is in.
    config : ClipConfig
        Size and content of the clip.
    """
    size, frames = config.window_px, config.n_frames
    index = int(rng.choice(still.targets()))
    diameter = config.draw_diameter(rng)
    scale = diameter / float(still.diameters[index])
    image, labels, rows, columns = cut_field(still, still.centres[index], (size * 1.5 + 20) / scale)
    shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    own = labels == still.ids[index]
    target = resize(own.astype(np.float32), shape)
    others = resize(((labels > 0) & ~own).astype(np.float32), shape)
    layers = np.stack([resize(image, shape), target, others], axis=-1)
    centre = (still.centres[index] + 0.5 - [rows.start, columns.start]) * scale - 0.5
    live = Liveliness.draw(rng, diameter)
    motion = random_motion(rng, 1, frames, live)
    corners = window_path(rng, centre + motion.shift[0], size)
    where = centre + motion.shift[0] - corners
    if rng.random() < 0.85:  # regions move inwards at the border of a movie
        where = np.maximum(np.minimum(where, centre), size - (np.array(shape) - centre))
    bend = _wide_bend(rng, frames, live)
    border: Border = "edge" if rng.random() < 0.2 else "zero"
    drawn = [_warp_frame(layers, centre, where[t], motion.linear[0, t], bend[t], size, border) for t in range(frames)]
    stack = np.stack(drawn)
    mask = stack[..., 1] > 0.5
    return Rendered(stack[..., :1], mask, (stack[..., 2] > 0.5) & ~mask, "warp", diameter)


def _wide_bend(rng: np.random.Generator, frames: int, live: Liveliness) -> Floats:
    """Elastic displacement of the whole window on a coarse grid, (T, 5, 5, 2) pixels."""
    bend = walk(rng, (5, 5, 2), frames, 0.6) * live.bend_px * rng.uniform(0.3, 1.5)
    return np.asarray(np.moveaxis(8 * np.tanh(bend / 8), -1, 0), np.float32)


def _warp_frame(
    layers: Floats, centre: Array, where: Array, linear: Array, bend: Floats, size: int, border: Border
) -> Floats:
    back = np.linalg.inv(linear).astype(np.float32)
    rows = np.arange(size, dtype=np.float32)[:, None] - np.float32(where[0])
    columns = np.arange(size, dtype=np.float32)[None] - np.float32(where[1])
    field = resize(bend, (size, size))
    y = field[..., 0] + back[0, 0] * rows + back[0, 1] * columns + np.float32(centre[0])
    x = field[..., 1] + back[1, 0] * rows + back[1, 1] * columns + np.float32(centre[1])
    out = remap(layers, y, x, "zero")
    if border == "edge":
        out[..., 0] = remap(np.ascontiguousarray(layers[..., 0]), y, x, "edge")
    return out


def plate_matrices(rng: np.random.Generator, frames: int, live: Liveliness, middle: Array) -> Array:
    """Draw a slow path of the background about its middle, (T, 2, 3), from scene to plate."""
    strength = float(rng.choice([0.0, 0.3, 1.0], p=[0.3, 0.4, 0.3]))
    shift = walk(rng, (2,), frames, live.persistence).T * live.speed_px * strength / 1.25
    angle = walk(rng, (), frames, 0.8) * live.turn * strength * 0.3
    size = np.exp(walk(rng, (), frames, 0.8) * live.grow * strength * 0.3)
    c, s = np.cos(angle) * size, np.sin(angle) * size
    linear = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    offset = middle - np.einsum("tij,tj->ti", linear, middle + shift)
    return np.concatenate([linear, offset[..., None]], axis=-1)


def taken_apart(rng: np.random.Generator, still: Still, config: ClipConfig) -> Rendered:
    """Move every object of a crop, and the background, on its own path.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    still : Still
        Image the object is in.
    config : ClipConfig
        Size and content of the clip.
    """
    size, frames = config.window_px, config.n_frames
    index = int(rng.choice(still.targets()))
    diameter = config.draw_diameter(rng)
    scale = diameter / float(still.diameters[index])
    image, labels, rows, columns = cut_field(still, still.centres[index], (size * 1.4 + 10) / scale)
    inside = np.flatnonzero(
        (still.boxes[:, 0] >= rows.start) & (still.boxes[:, 1] <= rows.stop)
        & (still.boxes[:, 2] >= columns.start) & (still.boxes[:, 3] <= columns.stop) & still.whole
    )  # fmt: skip
    live = Liveliness.draw(rng, diameter)
    motion = random_motion(rng, len(inside), frames, live, max_bend_px=rng.uniform(0.1, 0.22) * diameter)
    edge, spread = float(rng.uniform(0.7, 2.2)), float(rng.uniform(0.8, 1.6))
    origin = np.array([rows.start, columns.start]) * scale
    sprites = [
        _still_sprite(still, int(k), scale, origin, edge, spread, motion, n, 1 if k == index else n + 2)
        for n, k in enumerate(inside)
    ]
    plate = _plate(rng, still, image, labels, still.ids[inside], scale, edge, frames, live)
    rng.shuffle(sprites)
    sprites = enliven(rng, sprites)
    if rng.random() < config.absent:
        sprites = vanish(rng, sprites, diameter, size)
    target = next(s for s in sprites if s.label == 1)
    scene = Scene(plate, tuple(sprites), "stills", diameter)
    return render(scene, window_path(rng, target.centre, size), size)


def _still_sprite(
    still: Still,
    index: int,
    scale: float,
    origin: Array,
    edge: float,
    spread: float,
    motion: Motion,
    n: int,
    label: int,
) -> Sprite:
    cut = cut_object(still, index, scale, edge, spread)
    return cut.sprite(label, cut.middle - origin + motion.shift[n], motion.linear[n], motion.bend[n])


def _plate(
    rng: np.random.Generator, still: Still, image: Floats, labels: npt.NDArray[np.uint16],
    movable: npt.NDArray[np.int64], scale: float, edge: float, frames: int, live: Liveliness,
) -> Plate:  # fmt: skip
    """Background without the movable objects; the others stay part of it."""
    shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    lookup = np.zeros(int(max(still.ids.max(), labels.max())) + 1, np.float32)
    lookup[movable] = 1.0
    hole = resize(lookup[labels], shape, smooth=False)
    kept = resize(((labels > 0) & (lookup[labels] == 0)).astype(np.float32), shape, smooth=False)
    wide = (blur(hole, 1.0 + edge + 0.5 * scale) > 0.02) & (kept < 0.5)
    colour = inpaint(resize(image, shape), wide, rng)
    middle = np.array(shape) / 2
    return Plate(colour[..., None], kept, plate_matrices(rng, frames, live, middle))
