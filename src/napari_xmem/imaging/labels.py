"""Label images: ids, sizes, boxes and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.errors import InputError, SeedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "MAX_ID",
    "label_at",
    "label_dtype",
    "labels_to_masks",
    "median_diameter_px",
    "median_width_px",
    "object_areas",
    "object_boxes",
    "object_ids",
]

MAX_ID = 2**31 - 1
_COUNTABLE = 1 << 20


def label_dtype(max_id: int) -> type[np.uint16] | type[np.int32]:
    """Choose the smallest of uint16 (which napari refreshes several times faster) and int32 that holds `max_id`.

    Raises
    ------
    SeedError
        If `max_id` is above 2**31 - 1.
    """
    if max_id > MAX_ID:
        raise SeedError(f"the largest label is {max_id}, expected at most {MAX_ID} (2**31 - 1); relabel the seeds.")
    return np.uint16 if max_id <= np.iinfo(np.uint16).max else np.int32


def object_areas(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count pixels per object of an integer label image of any shape.

    Returns
    -------
    ids : ndarray, (O,), int64
        Labels above 0 that occur, ascending.
    areas_px : ndarray, (O,), int64
        Their pixels.
    """
    flat = np.asarray(labels).reshape(-1)
    if flat.size and flat.dtype.kind != "b" and 0 <= int(flat.min()) and int(flat.max()) < _COUNTABLE:
        counts = np.bincount(flat.astype(np.int64, copy=False))
        counts[0] = 0
        ids = np.flatnonzero(counts)
        return ids.astype(np.int64), counts[ids].astype(np.int64)
    ids, counts = np.unique(flat, return_counts=True)
    kept = ids > 0
    return ids[kept].astype(np.int64), counts[kept].astype(np.int64)


def object_centres(labels: NDArray[Any], ids: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the centroids of objects.

    Parameters
    ----------
    labels : ndarray, shape (Y, X), integer
        Labels.
    ids : sequence of int
        Labels that occur.

    Returns
    -------
    ndarray, shape (len(ids), 2)
        y, x in pixels.
    """
    return np.array(ndimage.center_of_mass(labels > 0, labels, ids), np.float64).reshape(-1, 2)


def object_ids(labels: NDArray[Any]) -> tuple[int, ...]:
    """Return the labels above 0 that occur, ascending."""
    return tuple(int(i) for i in object_areas(labels)[0])


def median_diameter_px(labels: NDArray[Any]) -> float:
    """Return the median diameter of the objects of one frame (Y, X), in pixels: of circles of the same areas.

    Raises
    ------
    SeedError
        If the frame holds no object.
    """
    areas = object_areas(labels)[1]
    if areas.size == 0:
        raise SeedError("the labels hold no object, so there is no diameter; expected pixels above 0.")
    return float(np.median(2 * np.sqrt(areas / np.pi)))


def median_width_px(labels: NDArray[Any]) -> float:
    """Return the median width of the objects of one frame (Y, X), in pixels: minor axes of ellipses of their moments.

    An ellipse with the second moments of an object has the minor axis ``4 sqrt(lambda)``, where lambda is the lesser
    eigenvalue of the covariance of its pixels' places (with 1/12 added on the diagonal, since pixels are squares).

    Raises
    ------
    SeedError
        If the frame holds no object.
    """
    ys, xs = np.nonzero(labels)
    if ys.size == 0:
        raise SeedError("the labels hold no object, so there is no width; expected pixels above 0.")
    ids, of = np.unique(np.asarray(labels)[ys, xs], return_inverse=True)
    counts = np.bincount(of, minlength=ids.size)
    y, x = (places - (np.bincount(of, places) / counts)[of] for places in (ys, xs))
    yy, xx, xy = (np.bincount(of, product) / counts for product in (y * y, x * x, x * y))
    lesser = (yy + xx) / 2 - np.hypot((yy - xx) / 2, xy) + 1 / 12
    return float(np.median(4 * np.sqrt(lesser)))


def object_boxes(labels: NDArray[Any]) -> dict[int, tuple[int, int, int, int]]:
    """Find the box of every object of one frame (Y, X).

    Returns
    -------
    dict
        Object id to ``(y0, x0, y1, x1)`` in pixels, the ends exclusive. Cost does not depend on how large the ids are.
    """
    ys, xs = np.nonzero(labels)
    ids, inverse = np.unique(np.asarray(labels)[ys, xs], return_inverse=True)
    low = np.full((ids.size, 2), np.iinfo(np.int64).max)
    high = np.full((ids.size, 2), -1)
    for axis, values in enumerate((ys, xs)):
        np.minimum.at(low[:, axis], inverse, values)
        np.maximum.at(high[:, axis], inverse, values)
    return {
        int(i): (int(a[0]), int(a[1]), int(b[0]) + 1, int(b[1]) + 1)
        for i, a, b in zip(ids, low, high, strict=True)
        if i > 0
    }


def labels_to_masks(labels: NDArray[Any], ids: Sequence[int]) -> NDArray[np.bool_]:
    """Return one mask per id: labels (Y, X) to bool (len(ids), Y, X)."""
    wanted = np.asarray(ids, np.int64).reshape(-1, *(1,) * np.ndim(labels))
    return np.asarray(labels)[None] == wanted


def label_at(labels: NDArray[Any], y: float, x: float) -> int:
    """Return the label of a label image (Y, X) at row `y`, column `x`; `InputError` outside of it."""
    row, column = round(y), round(x)
    if not (0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]):
        raise InputError(f"y {y:g}, x {x:g} lies outside the frame of {labels.shape[0]} x {labels.shape[1]} pixels.")
    return int(labels[row, column])
