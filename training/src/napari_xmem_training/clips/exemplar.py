"""Find the rest: memory of one instance, then windows on others of the same image, and on places without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Floats, affine, resize
from napari_xmem_training.clips.scene import Rendered
from napari_xmem_training.clips.stills import cut_field

if TYPE_CHECKING:
    from napari_xmem_training.clips.clip import ClipConfig
    from napari_xmem_training.clips.store import Still

__all__ = ["exemplar"]

Array = npt.NDArray[np.float64]

_PRESENT = 0.65
_ALIKE = 0.6
_TRIES = 30


def exemplar(rng: np.random.Generator, still: Still, config: ClipConfig) -> Rendered | None:
    """Show one object of a still, and on every later frame another one, or a place where there is none.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    still : Still
        Image the objects are in.
    config : ClipConfig
        Size and content of the clip.

    Returns
    -------
    Rendered or None
        The target of a frame is the object in the middle of its window: empty ground, debris, and objects of quite
        another size have none. None if the image shows one object only.
    """
    usable = still.targets()
    index = int(rng.choice(usable))
    ratio = np.log(still.diameters[usable] / still.diameters[index])
    alike = usable[(np.abs(ratio) < _ALIKE) & (usable != index)]
    if not len(alike):
        return None
    diameter = config.draw_diameter(rng)
    scale = diameter / float(still.diameters[index])
    looks = [_look(rng, still, still.centres[index], index, scale, config.window_px, astray=0.1)]
    for _ in range(config.n_frames - 1):
        if rng.random() < _PRESENT:
            other = int(rng.choice(alike))
            looks.append(_look(rng, still, still.centres[other], other, scale, config.window_px, astray=0.25))
        else:
            place = _nowhere(rng, still, index)
            looks.append(_look(rng, still, place, None, scale, config.window_px, astray=0.0))
    stack = np.stack(looks)
    target = stack[..., 1] > 0.5
    others = (stack[..., 2] > 0.5) & ~target
    return Rendered(np.ascontiguousarray(stack[..., :1]), target, others, "exemplar", diameter)


def _look(
    rng: np.random.Generator, still: Still, place: Array, index: int | None, scale: float, size: int, *, astray: float
) -> Floats:
    """Return a window around a place: image, target, others as (size, size, 3).

    The window is off by `astray` diameters of the object (standard deviation), as a search's candidates are.
    """
    if index is not None:
        place = place + rng.normal(0, astray * float(still.diameters[index]), 2).clip(
            -size / scale / 5, size / scale / 5
        )
    image, labels, rows, columns = cut_field(still, place, size / scale + 4)
    own = labels == still.ids[index] if index is not None else np.zeros(labels.shape, bool)
    masks = [own.astype(np.float32), ((labels > 0) & ~own).astype(np.float32)]
    shape = (max(round(labels.shape[0] * scale), 2), max(round(labels.shape[1] * scale), 2))
    layers = np.stack([resize(layer, shape) for layer in (image, *masks)], axis=-1)
    middle = (place + 0.5 - [rows.start, columns.start]) * scale - 0.5
    corner = middle - (size - 1) / 2
    matrix = np.array([[1.0, 0.0, corner[0]], [0.0, 1.0, corner[1]]])
    return affine(layers, matrix, (size, size), "zero")


def _nowhere(rng: np.random.Generator, still: Still, index: int) -> Array:
    """Draw a place without an object like `index`: ground, often beside objects, or an object of another size."""
    unlike = np.flatnonzero(np.abs(np.log(still.diameters / still.diameters[index])) > 0.9)
    if len(unlike) and rng.random() < 0.3:
        return np.asarray(still.centres[int(rng.choice(unlike))], np.float64)
    limit = np.array(still.labels.shape, np.float64) - 1
    gap = 0.35 * float(still.diameters[index])
    best, least = limit / 2, np.inf
    for _ in range(_TRIES):
        place = rng.uniform(0, limit)
        low, high = np.maximum(place - gap, 0).astype(int), np.minimum(place + gap, limit).astype(int) + 1
        covered = float((still.labels[low[0] : high[0], low[1] : high[1]] > 0).mean())
        if covered < least:
            best, least = place, covered
        if covered < 0.05:
            break
    return best
