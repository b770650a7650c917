"""Things that can be put into a scene, and how they are cut from still images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Floats, blur, resize

if TYPE_CHECKING:
    from napari_xmem_training.clips.store import Still

__all__ = ["Sprite", "cut_object", "inpaint"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sprite:
    """A picture with soft edges on its own path.

    Attributes
    ----------
    picture : ndarray, shape (h, w, 4), float32
        Grey things: brightness, opacity 0..1, the labelled part as 0..1 (inside from 0.5), unused.
        Coloured things: red, green, blue, opacity; the labelled part is where the opacity is above 0.5.
    coloured : bool
        Which of the two.
    label : int
        Label it paints; 0 paints none (it hides what it covers).
    centre : ndarray, shape (T, 2), float64
        Where the middle of the picture lies, y, x in scene pixels.
    linear : ndarray, shape (T, 2, 2), float64
        Turn and stretch of the picture about its middle, on (y, x).
    bend : ndarray, shape (T, g, g, 2), float32
        Elastic displacement over its bounding box, pixels.
    opacity, gain : ndarray, shape (T,), float64
        Overall opacity 0..1 and brightness relative to `level`.
    blend : {"over", "add"}
        Hide what is behind, or add light to it.
    level : float
        Brightness of the picture's surroundings.
    churn : ndarray, shape (T, k, k), float32, optional
        Brightness added to a grey picture, stretched over it: texture that changes with time.
    """

    picture: Floats
    coloured: bool
    label: int
    centre: Array
    linear: Array
    bend: Floats
    opacity: Array
    gain: Array
    blend: str = "over"
    level: float = 0.0
    churn: Floats | None = None

    def posed(self, **changes: object) -> Sprite:
        """Return a copy with other paths."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Cut:
    """An object cut from a still image, at the scale of the clip.

    Attributes
    ----------
    picture : ndarray, shape (h, w, 4), float32
        Brightness, opacity, mask, unused; see `Sprite`.
    middle : ndarray, shape (2,)
        Middle of the picture, y, x in pixels of the scaled image.
    diameter : float
        ``sqrt(4 area / pi)`` at the scale of the clip.
    level : float
        Brightness around the object.
    """

    picture: Floats
    middle: Array
    diameter: float
    level: float

    def sprite(self, label: int, centre: Array, linear: Array, bend: Floats, blend: str = "over") -> Sprite:
        """Put the cut on a path; opaque and unchanged in brightness."""
        ones = np.ones(len(centre))
        return Sprite(self.picture, False, label, centre, linear, bend, ones, ones, blend, self.level)


def cut_object(still: Still, index: int, scale: float, edge_px: float, spread: float) -> Cut:
    """Cut one object out with soft edges that keep some of its surroundings (halo, blur), never its neighbours.

    Parameters
    ----------
    still : Still
        Image the object is in.
    index : int
        Position of the object in ``still.ids``.
    scale : float
        Pixels of the clip per pixel of the still.
    edge_px : float
        Softness of the edge, pixels of the clip.
    spread : float
        1: opacity 1 up to the outline; 2 reaches about `edge_px` beyond.
    """
    top, bottom, left, right = (int(v) for v in still.boxes[index])
    margin = int(np.ceil((2.5 * edge_px + 2) / scale))
    rows = slice(max(top - margin, 0), min(bottom + margin, still.image.shape[0]))
    columns = slice(max(left - margin, 0), min(right + margin, still.image.shape[1]))
    labels = still.labels[rows, columns]
    shape = (max(4, round(labels.shape[0] * scale)), max(4, round(labels.shape[1] * scale)))
    own = labels == still.ids[index]
    colour = still.normalised(rows, columns)
    free = (labels == 0) | own
    ring = colour[labels == 0]
    level = float(np.median(ring)) if ring.size else float(colour.min())
    mask = resize(own.astype(np.float32), shape)
    if scale > 1.5:
        mask = blur(mask, 0.35 * scale)
    alpha = np.clip(blur((mask > 0.5).astype(np.float32), edge_px) * (1 + spread), 0, 1)
    alpha *= np.clip(2 * resize(free.astype(np.float32), shape, smooth=False) - 1, 0, 1)
    alpha = np.maximum(alpha, np.clip(3 * mask - 0.6, 0, 1))
    alpha[[0, -1]] = 0.0
    alpha[:, [0, -1]] = 0.0
    middle = np.array([(rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2]) * scale - 0.5
    picture = np.stack([resize(colour, shape), alpha, np.clip(mask, 0, 1), np.zeros(shape, np.float32)], axis=-1)
    return Cut(picture, middle, float(still.diameters[index]) * scale, level)


def inpaint(image: Floats, hole: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Fill holes with the blurred neighbourhood and texture of the rest.

    Parameters
    ----------
    image : ndarray, shape (H, W), float32
        Picture with holes.
    hole : ndarray, shape (H, W), bool
        True where to fill.
    rng : Generator
        Source of all randomness.

    Returns
    -------
    ndarray, shape (H, W), float32
        Equal to `image` outside the holes.
    """
    if not hole.any():
        return image
    weight = (~hole).astype(np.float32)
    if not weight.any():
        return np.full_like(image, float(np.median(image)))
    smooth = _pull_push(image * weight, weight)
    residual = (image - smooth) * weight
    spread = float(np.sqrt((residual**2).sum() / max(weight.sum(), 1.0)))
    texture = 0.7 * blur(rng.standard_normal(image.shape, np.float32), 0.8) * spread
    filled = hole.copy()
    for _ in range(3):
        move = (int(rng.integers(image.shape[0])), int(rng.integers(image.shape[1])))
        there = np.roll(weight, move, (0, 1)) > 0
        take = filled & there
        texture[take] = np.roll(residual, move, (0, 1))[take]
        filled &= ~there
    return np.where(hole, smooth + texture, image).astype(np.float32)


def _pull_push(weighted: Floats, weight: Floats) -> Floats:
    """Fill where `weight` is 0 from ever coarser means (Gortler et al. 1996, the lumigraph's pull-push)."""
    if min(weight.shape) <= 2:
        return np.full_like(weighted, float(weighted.sum() / max(float(weight.sum()), 1e-6)))
    half = ((weight.shape[0] + 1) // 2, (weight.shape[1] + 1) // 2)
    coarse_weight = resize(weight, half)
    coarse = _pull_push(resize(weighted, half), coarse_weight)
    here = weighted / np.maximum(weight, 1e-6)
    known = np.clip(weight * 1.5, 0, 1)
    filled: Floats = known * here + (1 - known) * resize(coarse, (weight.shape[0], weight.shape[1]), smooth=False)
    return filled
