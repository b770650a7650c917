"""Movies made from still images of the val split: every object on its own path, or the whole picture bent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Floats, blur, remap, resize
from napari_xmem_training.clips.paths import Liveliness, random_motion, walk
from napari_xmem_training.clips.scene import Plate, Scene, draw_frame
from napari_xmem_training.clips.sprites import cut_object, inpaint
from napari_xmem_training.clips.stills import plate_matrices
from napari_xmem_training.suite.movie import SuiteMovie, keep_whole, movie_rng

if TYPE_CHECKING:
    from napari_xmem_training.clips.store import Still, StillStore

__all__ = ["StillOrder", "moving_objects", "moving_picture"]

Array = npt.NDArray[np.float64]
_TRIES = 40


@dataclass(frozen=True)
class StillOrder:
    """What a movie from a still should be like.

    Attributes
    ----------
    source : str
        "fluo", "other" or "phase".
    n_objects : tuple of 2 int
        Least and most objects in the crop.
    diameter_px : float
        Median diameter the crop is scaled to.
    size_px : int
        Largest side of the frame.
    speed : float
        Motion per frame in diameters.
    frames : int
        Length T.
    """

    source: str
    n_objects: tuple[int, int]
    diameter_px: float
    size_px: int = 320
    speed: float = 0.06
    frames: int = 20


@dataclass(frozen=True)
class _Crop:
    """A square of a still and the objects that lie wholly inside."""

    still: Still
    rows: slice
    columns: slice
    scale: float
    inside: npt.NDArray[np.int64]
    side_px: int

    def picture(self) -> tuple[Floats, npt.NDArray[np.uint16]]:
        """Return the scaled image (float32, 0..1) and its labels."""
        shape = (self.side_px, self.side_px)
        image = resize(self.still.normalised(self.rows, self.columns), shape)
        labels = self.still.labels[self.rows, self.columns]
        rows = np.minimum(((np.arange(self.side_px) + 0.5) / self.scale).astype(int), labels.shape[0] - 1)
        columns = np.minimum(((np.arange(self.side_px) + 0.5) / self.scale).astype(int), labels.shape[1] - 1)
        return image, labels[np.ix_(rows, columns)]


def moving_objects(kind: str, number: int, store: StillStore, order: StillOrder) -> SuiteMovie:
    """Take a crop apart: every object on its own path before the inpainted background.

    Parameters
    ----------
    kind : str
        Kind of the suite.
    number : int
        Which movie of the kind.
    store : StillStore
        Images of the val split.
    order : StillOrder
        What the movie should be like.
    """
    rng = movie_rng(kind, number)
    crop = _crop(rng, store, order)
    image, labels = crop.picture()
    live = _live(order)
    motion = random_motion(rng, len(crop.inside), order.frames, live, max_bend_px=0.15 * order.diameter_px)
    origin = np.array([crop.rows.start, crop.columns.start]) * crop.scale
    sprites = []
    for n, k in enumerate(crop.inside):
        cut = cut_object(crop.still, int(k), crop.scale, 1.2, 1.2)
        sprites.append(cut.sprite(n + 1, cut.middle - origin + motion.shift[n], motion.linear[n], motion.bend[n]))
    hole = np.isin(labels, crop.still.ids[crop.inside]).astype(np.float32)
    colour = inpaint(image, blur(hole, 2.2 + 0.5 * crop.scale) > 0.02, rng)
    matrices = plate_matrices(rng, order.frames, live, np.array(image.shape) / 2)
    plate = Plate(np.ascontiguousarray(colour[..., None]), np.zeros(image.shape, np.float32), matrices)
    scene = Scene(plate, tuple(sprites), kind, order.diameter_px)
    drawn = [draw_frame(scene, t, np.zeros(2), crop.side_px) for t in range(order.frames)]
    frames = np.stack([_digits(rng, colour[..., 0]) for colour, _ in drawn])
    truth = np.stack([painted for _, painted in drawn]).astype(np.uint16)
    return SuiteMovie(kind, f"{kind}-{number}", frames, truth, keep_whole(truth[0]))


def moving_picture(kind: str, number: int, store: StillStore, order: StillOrder) -> SuiteMovie:
    """Bend a crop as a whole, ever more: neighbours that touch keep touching.

    Parameters
    ----------
    kind, number, store, order
        As for `moving_objects`.
    """
    rng = movie_rng(kind, number)
    crop = _crop(rng, store, order)
    image, labels = crop.picture()
    kept = np.where(np.isin(labels, crop.still.ids[crop.inside]), labels, 0)
    grid = max(3, round(crop.side_px / (1.7 * order.diameter_px)))
    bend = walk(rng, (grid, grid, 2), order.frames, 0.6) * order.speed * order.diameter_px
    common = walk(rng, (2,), order.frames, 0.8) * 0.5 * order.speed * order.diameter_px
    limit = 1.2 * order.diameter_px
    rows, columns = np.mgrid[: crop.side_px, : crop.side_px].astype(np.float32)
    frames, truth = [], []
    for t in range(order.frames):
        field = resize((limit * np.tanh(bend[..., t] / limit)).astype(np.float32), image.shape)
        y, x = rows + field[..., 0] + np.float32(common[0, t]), columns + field[..., 1] + np.float32(common[1, t])
        frames.append(_digits(rng, remap(image, y, x, "reflect")))
        nearest = tuple(np.clip(np.round(v).astype(int), 0, crop.side_px - 1) for v in (y, x))
        inside = (y > -0.5) & (x > -0.5) & (y < crop.side_px - 0.5) & (x < crop.side_px - 0.5)
        truth.append(np.where(inside, kept[nearest], 0).astype(np.uint16))
    stack = np.stack(truth)
    return SuiteMovie(kind, f"{kind}-{number}", np.stack(frames), stack, keep_whole(stack[0]))


def _live(order: StillOrder) -> Liveliness:
    return Liveliness(order.speed * order.diameter_px, 0.6, 0.03, 0.015, 0.025, 0.02 * order.diameter_px)


def _crop(rng: np.random.Generator, store: StillStore, order: StillOrder) -> _Crop:
    """Draw a crop with the wanted number of objects, or the best of many draws."""
    low, high = order.n_objects

    def miss(crop: _Crop) -> int:
        return max(low - len(crop.inside), len(crop.inside) - high, 0)

    best = _draw_crop(rng, store, order)
    for _ in range(_TRIES):
        if miss(best) == 0:
            break
        best = min(best, _draw_crop(rng, store, order), key=miss)
    return best


def _draw_crop(rng: np.random.Generator, store: StillStore, order: StillOrder) -> _Crop:
    still = store.pick(rng, order.source)
    scale = order.diameter_px / float(np.median(still.diameters[still.targets()]))
    side = int(min(order.size_px / scale, *still.image.shape))
    top, left = (int(rng.integers(n - side + 1)) for n in still.image.shape)
    boxes = still.boxes
    inside = (boxes[:, 0] >= top) & (boxes[:, 1] <= top + side) & (boxes[:, 2] >= left) & (boxes[:, 3] <= left + side)
    whole = np.flatnonzero(inside & still.whole)
    return _Crop(still, slice(top, top + side), slice(left, left + side), scale, whole, round(side * scale))


def _digits(rng: np.random.Generator, frame: Floats) -> npt.NDArray[np.uint8]:
    """Return a frame (0..1) as 8-bit digits with a little noise of its own."""
    noisy = frame + 0.012 * rng.standard_normal(frame.shape, np.float32)
    return np.clip(noisy * 170 + 25, 0, 255).astype(np.uint8)
