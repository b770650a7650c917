"""What can be measured of every object on every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ObjectMeasures", "iou_matrix", "measure_objects", "overlaps"]


@dataclass(frozen=True, slots=True)
class ObjectMeasures:
    """Area and place of the objects of one frame.

    Attributes
    ----------
    object_ids : ndarray, (O,), int64
        Labels above 0, ascending.
    areas_px : ndarray, (O,), int64
        Pixels of each object.
    centroids_px : ndarray, (O, 2) or (O, 3), float64
        Mean row and column of each object, in pixels; plane, row and column in a volume.
    at_border : ndarray, (O,), bool
        The object touches the first or last row or column.
    """

    object_ids: NDArray[np.int64]
    areas_px: NDArray[np.int64]
    centroids_px: NDArray[np.float64]
    at_border: NDArray[np.bool_]


def measure_objects(labels: NDArray[Any]) -> ObjectMeasures:
    """Measure the objects of one frame.

    Parameters
    ----------
    labels : ndarray, shape (Y, X) or (Z, Y, X), integer
        0 is background.

    Returns
    -------
    ObjectMeasures
        Ids, areas (volumes) and centroids in pixels.
    """
    places = np.nonzero(labels > 0)
    ids, index, areas = np.unique(labels[places], return_inverse=True, return_counts=True)
    sums = [np.bincount(index, weights=values, minlength=ids.size) for values in places]
    centroids = np.stack(sums, axis=1) / np.maximum(areas, 1)[:, None]
    edges = (labels[..., 0, :], labels[..., -1, :], labels[..., :, 0], labels[..., :, -1])
    at_border = np.isin(ids, np.concatenate([edge.reshape(-1) for edge in edges]))
    return ObjectMeasures(ids.astype(np.int64), areas.astype(np.int64), centroids, at_border)


def overlaps(
    first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count shared pixels of every pair of labels, background included.

    Parameters
    ----------
    first, second : ndarray, (Y, X), integer
        Label images of one shape.

    Returns
    -------
    first_ids : ndarray, (A,), int64
        Labels of `first`, ascending, always starting with 0.
    second_ids : ndarray, (B,), int64
        The same of `second`.
    counts : ndarray, (A, B), int64
        Shared pixels.
    """
    first_ids, a = _indexed(first)
    second_ids, b = _indexed(second)
    counts = np.bincount(a * second_ids.size + b, minlength=first_ids.size * second_ids.size)
    return first_ids, second_ids, counts.reshape(first_ids.size, second_ids.size).astype(np.int64)


def iou_matrix(
    predicted: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Compute the Jaccard index of every pair of objects.

    Parameters
    ----------
    predicted, truth : ndarray, shape (Y, X), integer
        Labels of one frame; 0 is background.

    Returns
    -------
    predicted_ids : ndarray, (P,), int64
        Labels above 0 of `predicted`.
    truth_ids : ndarray, (T,), int64
        Labels above 0 of `truth`.
    iou : ndarray, (P, T), float64
        Intersection over union, 0..1.
    """
    predicted_ids, truth_ids, counts = overlaps(predicted, truth)
    union = counts.sum(1, keepdims=True) + counts.sum(0, keepdims=True) - counts
    iou = counts / np.maximum(union, 1)
    return predicted_ids[1:], truth_ids[1:], iou[1:, 1:]


def _indexed(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels, 0 first, and the position of every pixel's label among them (negative ones count as 0)."""
    flat = np.maximum(np.asarray(labels).reshape(-1).astype(np.int64), 0)
    top = int(flat.max(initial=0))
    if top < max(1 << 16, 4 * flat.size):
        present = np.zeros(top + 1, bool)
        present[flat] = True
        present[0] = True
        return np.flatnonzero(present), (np.cumsum(present) - 1)[flat]
    ids, index = np.unique(np.append(flat, 0), return_inverse=True)
    return ids, index[:-1]
