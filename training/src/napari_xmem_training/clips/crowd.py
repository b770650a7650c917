"""Cut-and-paste crowds: many look-alikes from one still, packed densely, each on its own path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.events import divide, enliven, vanish
from napari_xmem_training.clips.ops import Floats, blur, resize
from napari_xmem_training.clips.paths import Liveliness, Motion, random_motion, window_path
from napari_xmem_training.clips.scene import Plate, Rendered, Scene, render
from napari_xmem_training.clips.sprites import Cut, Sprite, cut_object, inpaint
from napari_xmem_training.clips.stills import cut_field, plate_matrices

if TYPE_CHECKING:
    from napari_xmem_training.clips.clip import ClipConfig
    from napari_xmem_training.clips.store import Still

__all__ = ["crowd"]

Array = npt.NDArray[np.float64]


def crowd(rng: np.random.Generator, still: Still, config: ClipConfig) -> Rendered:
    """Paste 8 to 25 objects of one still around a target.

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
    usable = still.targets()
    index = int(rng.choice(usable))
    diameter = config.draw_diameter(rng)
    scale = diameter / float(still.diameters[index])
    cuts = _cuts(rng, still, index, usable, scale)
    places = _pack(rng, np.array([c.diameter for c in cuts]), size)
    cuts = cuts[: len(places)]
    live = Liveliness.draw(rng, diameter)
    motion = random_motion(rng, len(cuts), frames, live, turned=True, max_bend_px=rng.uniform(0.1, 0.22) * diameter)
    bright = "fluo" in still.source
    blend = "add" if bright and rng.random() < 0.35 else "over"
    sprites = enliven(rng, _sprites(cuts, places, motion, blend))
    sprites = _events(rng, sprites, diameter, config)
    plate = _plate(rng, still, scale, size, frames, live, cuts)
    target = next(s for s in sprites if s.label == 1)
    centre = np.where(target.opacity[:, None] > 0.02, target.centre, np.nan)
    if np.isnan(centre).all(1).any() and any(s.label == 1 for s in sprites if s is not target):
        centre = target.centre
    scene = Scene(plate, tuple(sprites), "crowd", diameter)
    return render(scene, window_path(rng, centre, size), size)


def _cuts(rng: np.random.Generator, still: Still, index: int, usable: npt.NDArray[np.int64], scale: float) -> list[Cut]:
    """Cut the target first, then others of similar size; objects may be used more than once if there are few."""
    near = usable[np.abs(np.log(still.diameters[usable] / still.diameters[index])) < 0.7]
    other = near[near != index]
    number = int(rng.integers(7, 25))
    if not len(other):
        number = 0
    kinds = rng.permutation(other)[: min(number, 10)]
    edge, spread = float(rng.uniform(0.7, 2.2)), float(rng.uniform(0.4, 1.4))
    pieces = [cut_object(still, int(k), scale, edge, spread) for k in (index, *kinds)]
    if not len(kinds):
        return pieces
    return pieces + [pieces[int(k)] for k in rng.integers(1, len(pieces), max(0, number - len(kinds)))]


def _pack(rng: np.random.Generator, diameters: Array, size: int) -> Array:
    """Place discs around the first, close together, the first at the origin; those that do not fit are left out."""
    tight = rng.uniform(0.75, 1.15)
    places = np.zeros((1, 2))
    half = size * 0.62
    for diameter in diameters[1:]:
        tries = rng.uniform(-half, half, (24, 2))
        gaps = np.linalg.norm(tries[:, None] - places, axis=-1) - tight * (diameter + diameters[: len(places)]) / 2
        slack = gaps.min(1)
        fits = np.flatnonzero(slack >= 0)
        if not len(fits):
            break
        places = np.concatenate([places, tries[fits[np.argmin(slack[fits])]][None]])
    return places


def _sprites(cuts: list[Cut], places: Array, motion: Motion, blend: str) -> list[Sprite]:
    return [
        cut.sprite(n + 1, places[n] + motion.shift[n], motion.linear[n], motion.bend[n], blend)
        for n, cut in enumerate(cuts)
    ]


def _events(rng: np.random.Generator, sprites: list[Sprite], diameter: float, config: ClipConfig) -> list[Sprite]:
    twin = sprites[-1]
    order = rng.permutation(len(sprites))
    sprites = [sprites[k] for k in order]
    chance = rng.random()
    if chance < config.absent * 1.3:
        return vanish(rng, sprites, diameter, config.window_px)
    if chance < config.absent * 1.3 + 0.15:
        at = next(n for n, s in enumerate(sprites) if s.label == 1)
        return divide(rng, sprites, at, twin, diameter)
    if len(sprites) > 2 and rng.random() < 0.3:
        at = next(n for n, s in enumerate(sprites) if s.label > 1)
        return divide(rng, sprites, at, twin, diameter)
    return sprites


def _plate(
    rng: np.random.Generator, still: Still, scale: float, size: int, frames: int, live: Liveliness, cuts: list[Cut]
) -> Plate:
    """Empty a piece of the same still, or draw smooth uneven noise at its level."""
    side = round(size * 1.5)
    if rng.random() < 0.6:
        limit = np.array(still.image.shape)
        centre = rng.uniform(0.2, 0.8, 2) * limit
        image, labels, _, _ = cut_field(still, centre, side / scale)
        shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
        hole = blur(resize((labels > 0).astype(np.float32), shape, smooth=False), 2.0 + 0.5 * scale) > 0.02
        colour = inpaint(resize(image, shape), hole, rng)
    else:
        shape = (side, side)
        colour = _noise(rng, shape, float(np.median([c.level for c in cuts])))
    middle = np.array(shape) / 2
    matrices = plate_matrices(rng, frames, live, middle)
    matrices[..., 2] += np.einsum("tij,j->ti", matrices[..., :2], middle)
    return Plate(colour[..., None], np.zeros(shape, np.float32), matrices)


def _noise(rng: np.random.Generator, shape: tuple[int, int], level: float) -> Floats:
    out = np.full(shape, level, np.float32)
    for cells, strength in ((3, 0.04), (12, 0.02), (48, 0.01)):
        coarse = rng.standard_normal((cells, cells)).astype(np.float32) * strength * rng.uniform(0, 1.5)
        out += resize(coarse, shape)
    return out
