"""Draw sprites and a background into the window that follows the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Floats, affine, remap, resize

if TYPE_CHECKING:
    from napari_xmem_training.clips.sprites import Sprite

__all__ = ["Plate", "Rendered", "Scene", "draw_frame", "render"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plate:
    """What lies behind everything.

    Attributes
    ----------
    colour : ndarray, shape (H, W, C), float32
    labelled : ndarray, shape (H, W), float32
        1 inside objects that stay part of the background.
    matrices : ndarray, shape (T, 2, 3), float64
        From (y, x, 1) of the scene to the plate, pixels.
    """

    colour: Floats
    labelled: Floats
    matrices: Array


@dataclass(frozen=True)
class Scene:
    """A plate and sprites, drawn in order (the last lies on top); the target has `diameter` pixels in frame 0."""

    plate: Plate
    sprites: tuple[Sprite, ...]
    kind: str
    diameter: float


@dataclass(frozen=True)
class Rendered:
    """A drawn clip before the camera.

    Attributes
    ----------
    colour : ndarray, shape (T, H, W, C), float32
    target, others : ndarray, shape (T, H, W), bool
        The followed object and all other labelled ones.
    kind : str
        Generator.
    diameter : float
        Of the whole target in frame 0, pixels.
    events : ndarray, shape (T, 3), float32, or None
        Divisions of the target, see `Clip`; None: not known.
    """

    colour: Floats
    target: npt.NDArray[np.bool_]
    others: npt.NDArray[np.bool_]
    kind: str
    diameter: float
    events: Floats | None = None


def render(scene: Scene, corners: Array, window_px: int) -> Rendered:
    """Draw every frame of a scene; label 1 is the target.

    Parameters
    ----------
    scene : Scene
        What to draw.
    corners : ndarray, shape (T, 2)
        Top left corner of the window in the scene, pixels.
    window_px : int
        Side of the window.
    """
    colours, targets, others = [], [], []
    for t, corner in enumerate(corners):
        colour, labels = draw_frame(scene, t, corner, window_px)
        colours.append(colour)
        targets.append(labels == 1)
        others.append(labels > 1)
    return Rendered(np.stack(colours), np.stack(targets), np.stack(others), scene.kind, scene.diameter)


def draw_frame(scene: Scene, t: int, corner: Array, window_px: int) -> tuple[Floats, npt.NDArray[np.int16]]:
    """Draw one frame of a scene.

    Parameters
    ----------
    scene : Scene
        What to draw.
    t : int
        Frame.
    corner : ndarray, shape (2,)
        Top left corner of the window in the scene, pixels.
    window_px : int
        Side of the window.

    Returns
    -------
    colour : ndarray, shape (H, W, C), float32
    labels : ndarray, shape (H, W), int16
        Labels of the sprites; 30 000 on labelled parts of the plate.
    """
    colour, labels = _draw_plate(scene.plate, t, corner, window_px)
    for sprite in scene.sprites:
        if sprite.opacity[t] > 0.02:
            _draw(sprite, t, corner, colour, labels)
    return colour, labels


def _draw_plate(plate: Plate, t: int, corner: Array, window_px: int) -> tuple[Floats, npt.NDArray[np.int16]]:
    matrix = plate.matrices[t].copy()
    matrix[:, 2] += matrix[:, :2] @ corner
    shape = (window_px, window_px)
    colour = affine(plate.colour, matrix, shape)
    labels = np.zeros(shape, np.int16)
    if plate.labelled.any():
        labels[affine(plate.labelled, matrix, shape) > 0.5] = 30_000
    return colour, labels


def _draw(sprite: Sprite, t: int, corner: Array, colour: Floats, labels: npt.NDArray[np.int16]) -> None:
    """Blend one sprite into a frame, in place."""
    centre = sprite.centre[t] - corner
    linear, bend = sprite.linear[t], sprite.bend[t]
    bent = float(np.abs(bend).max())
    height, width = sprite.picture.shape[:2]
    reach = np.abs(linear) @ (height / 2, width / 2) + bent
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, labels.shape).astype(int)
    if high[0] - low[0] < 2 or high[1] - low[1] < 2:
        return
    y, x = _sources(linear, centre, low, high)
    if bent > 0.3:
        field = _bend_field(bend, centre, reach, low, high)
        y += field[..., 0]
        x += field[..., 1]
    y += np.float32((height - 1) / 2)
    x += np.float32((width - 1) / 2)
    where = (slice(low[0], high[0]), slice(low[1], high[1]))
    picture = sprite.picture
    if sprite.churn is not None:
        picture = picture.copy()
        picture[..., 0] += resize(sprite.churn[t], (height, width), smooth=False)
    _blend(sprite, t, remap(picture, y, x, "zero"), colour[where], labels[where])


def _blend(sprite: Sprite, t: int, seen: Floats, behind: Floats, labels: npt.NDArray[np.int16]) -> None:
    """Lay a warped picture over a part of the frame, in place."""
    channels, opaque, inside = (3, 3, 3) if sprite.coloured else (1, 1, 2)
    opacity, gain = np.float32(sprite.opacity[t]), np.float32(sprite.gain[t])
    lit = seen[..., :channels]
    if gain != 1 or sprite.blend == "add":
        lit = (lit - np.float32(sprite.level)) * gain
        lit = lit if sprite.blend == "add" else lit + np.float32(sprite.level)
    alpha = seen[..., opaque, None] * opacity
    behind += alpha * (lit if sprite.blend == "add" else lit - behind)
    if opacity > 0.5:
        labels[seen[..., inside] > 0.5] = sprite.label


def _sources(
    linear: Array, centre: Array, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]
) -> tuple[Floats, Floats]:
    """Return the places, relative to the middle of the picture, that the pixels of a box of the window show."""
    (a, b), (c, d) = linear.tolist()
    scale = 1.0 / (a * d - b * c)
    rows = np.arange(low[0], high[0], dtype=np.float32)[:, None] - np.float32(centre[0])
    columns = np.arange(low[1], high[1], dtype=np.float32)[None] - np.float32(centre[1])
    y = np.float32(d * scale) * rows - np.float32(b * scale) * columns
    x = np.float32(a * scale) * columns - np.float32(c * scale) * rows
    return y, x


def _bend_field(
    bend: Floats, centre: Array, reach: Array, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]
) -> Floats:
    """Cut the part of the elastic field (defined over the whole sprite) that a clipped box needs."""
    first = np.floor(centre - reach).astype(int)
    full = np.ceil(centre + reach).astype(int) + 1 - first
    field = resize(bend, (int(full[0]), int(full[1])))
    start = low - first
    stop = start + (high - low)
    return field[start[0] : stop[0], start[1] : stop[1]]
