"""Still images with instance masks, read lazily and kept in memory up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem_training.clips.ops import Floats

__all__ = ["SOURCES", "Still", "StillStore"]

SOURCES = {"fluo": "bbbc038_fluo", "other": "bbbc038_other", "phase": "usiigaci_phase"}
_MIN_RANGE = 10.0
_MIN_DIAMETER_PX = 8.0
_MAX_RAGGED = {"bbbc038_other": 1.55}


@dataclass(frozen=True)
class Still:
    """One image with its objects.

    Attributes
    ----------
    image : ndarray, shape (Y, X), uint8
        Intensities.
    labels : ndarray, shape (Y, X), uint16
    low, high : float
        Intensities that become 0 and 1.
    ids : ndarray, shape (N,), int64
    boxes : ndarray, shape (N, 4), int64
        First row, last row + 1, first column, last column + 1.
    centres : ndarray, shape (N, 2), float64
        y, x in pixels.
    diameters : ndarray, shape (N,), float64
        ``sqrt(4 area / pi)`` in pixels.
    whole : ndarray, shape (N,), bool
        Whether the object stays clear of the image border.
    ragged : ndarray, shape (N,), float64
        Squared outline over area, 1 for a disc; roughly drawn masks have more.
    source : str
        File the image is from.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]
    low: float
    high: float
    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    centres: npt.NDArray[np.float64]
    diameters: npt.NDArray[np.float64]
    whole: npt.NDArray[np.bool_]
    ragged: npt.NDArray[np.float64]
    source: str

    @property
    def n_bytes(self) -> int:
        """Memory the image and its labels take."""
        return self.image.nbytes + self.labels.nbytes

    def normalised(self, rows: slice, columns: slice) -> Floats:
        """Return a part of the image, 0..1 between the percentiles of the whole image, float32."""
        part = self.image[rows, columns].astype(np.float32)
        part -= self.low
        part /= self.high - self.low
        return np.clip(part, -0.5, 2.0, out=part)

    def targets(self) -> npt.NDArray[np.int64]:
        """Return indices of objects worth following: whole, not tiny, not specks beside larger ones, well drawn."""
        if not len(self.ids):
            return np.zeros(0, np.int64)
        big = self.diameters >= max(_MIN_DIAMETER_PX, 0.55 * float(np.median(self.diameters)))
        return np.flatnonzero(big & self.whole & (self.ragged < _MAX_RAGGED.get(self.source, np.inf)))


def describe(image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint16], source: str) -> Still:
    """Measure the objects of an image.

    Parameters
    ----------
    image : ndarray, shape (Y, X), uint8
        Intensities.
    labels : ndarray, shape (Y, X), uint16
        0 is background.
    source : str
        Name of the collection.
    """
    low, high = (float(v) for v in np.percentile(image[::2, ::2], (0.5, 99.8)))
    found = ndimage.find_objects(labels.astype(np.int32))
    ids = np.array([k + 1 for k, box in enumerate(found) if box is not None], np.int64)
    boxes = np.array([[b[0].start, b[0].stop, b[1].start, b[1].stop] for b in found if b], np.int64).reshape(-1, 4)
    areas = np.bincount(labels.ravel(), minlength=int(ids.max(initial=0)) + 1)[ids]
    whole = (boxes[:, [0, 2]] > 0).all(1) & (boxes[:, 1] < image.shape[0]) & (boxes[:, 3] < image.shape[1])
    centres = np.stack([boxes[:, :2].mean(1), boxes[:, 2:].mean(1)], axis=1) - 0.5
    diameters = np.sqrt(4 * areas / np.pi)
    ragged = (_outlines(labels)[ids] / (4 * np.maximum(diameters, 1))) ** 2
    return Still(image, labels, low, max(high, low + 1), ids, boxes, centres, diameters, whole, ragged, source)


def _outlines(labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Count the pixel edges around every label; a disc of diameter d has 4 d."""
    size = int(labels.max()) + 1
    padded = np.pad(labels, 1)
    total = np.zeros(size, np.int64)
    for a, b in ((padded[:, :-1], padded[:, 1:]), (padded[:-1], padded[1:])):
        differ = a != b
        total += np.bincount(a[differ], minlength=size) + np.bincount(b[differ], minlength=size)
    return total


class StillStore:
    """Images of one split of the training data.

    Parameters
    ----------
    folder : Path
        Holds ``bbbc038_fluo.npz``, ``bbbc038_other.npz`` and / or ``usiigaci_phase.npz``.
    split : {"train", "val"}
    cache_bytes : int
        Images kept in memory.

    Raises
    ------
    InputError
        None of the files is there.
    """

    def __init__(self, folder: Path, split: str = "train", cache_bytes: int = 400_000_000) -> None:
        self._files = {k: folder / f"{name}.npz" for k, name in SOURCES.items() if (folder / f"{name}.npz").is_file()}
        if not self._files:
            expected = ", ".join(f"{name}.npz" for name in SOURCES.values())
            raise InputError(f"No training images in {folder}: expected at least one of {expected}.")
        self._split, self._limit, self._held = split, cache_bytes, 0
        self._cache: OrderedDict[tuple[str, int], Still | None] = OrderedDict()
        self._archives = {k: np.load(path) for k, path in self._files.items()}
        self._members = {k: np.flatnonzero(z["split"] == split) for k, z in self._archives.items()}

    @property
    def sources(self) -> tuple[str, ...]:
        """Short names of the collections that are there."""
        return tuple(self._files)

    def pick(self, rng: np.random.Generator, source: str) -> Still:
        """Draw an image that has at least one object worth following."""
        members = self._members[source]
        for _ in range(100):
            still = self._load(source, int(members[rng.integers(len(members))]))
            if still is not None:
                return still
        raise InputError(f"{self._files[source]} has no image of split {self._split!r} with usable objects.")

    def _load(self, source: str, index: int) -> Still | None:
        key = (source, index)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        archive = self._archives[source]
        still: Still | None = describe(archive[f"img_{index:04d}"], archive[f"lab_{index:04d}"], SOURCES[source])
        if still is not None and (still.high - still.low < _MIN_RANGE or not len(still.targets())):
            still = None
        self._cache[key] = still
        self._held += still.n_bytes if still is not None else 0
        while self._held > self._limit and len(self._cache) > 1:
            _, old = self._cache.popitem(last=False)
            self._held -= old.n_bytes if old is not None else 0
        return still
