"""Seeds that are not what they seem: one value for several objects, outlines, points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.imaging.labels import MAX_ID, object_areas, object_boxes

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["count_parts", "fill_outlines", "hollow_objects", "number_parts", "seed_notes", "split_parts"]

#: Points are this small; a part counts from this share of its object's largest one on.
_POINT_PX, _PART_SHARE = 4, 0.2
#: Outlines enclose more pixels than they have themselves times this.
_ENCLOSED = 0.5
#: Holes of a mask count from this share of its area on.
_HOLE_SHARE = 0.05


def seed_notes(labels: NDArray[Any]) -> list[str]:
    """Say what is odd about the seeds of one frame (Y, X); empty where nothing is.

    Returns
    -------
    list of str
        A sentence each: objects of a few pixels (points), objects that enclose background (outlines), one value in
        several separate parts (a mask of 0 and 255, for example).
    """
    ids, areas = object_areas(labels)
    if not ids.size:
        return []
    if float(np.median(areas)) <= _POINT_PX:
        return [
            f"the seeds look like points: half of the {ids.size} objects have {int(np.median(areas))} pixels or fewer. "
            "Objects are followed by their area; paint them whole."
        ]
    filled = object_areas(fill_outlines(labels))[1]
    if filled.size == areas.size and float(np.median(filled / areas)) > 1 + _ENCLOSED:
        return ["the seeds look like outlines: their insides are background. --fill-outlines fills them."]
    parts = {i: n for i, n in count_parts(labels).items() if n > 1}
    if not parts:
        return []
    first = min(parts)
    return [
        f"object {first} lies in {parts[first]} separate parts"
        + (f", and so do {len(parts) - 1} others" if len(parts) > 1 else "")
        + ". If each part is an object of its own, --split-parts numbers them."
    ]


def split_parts(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels (Y, X) in which each separate part of an object has a number of its own: 1, 2, 3, ...

    Pixels that touch at sides or corners are one part.
    """
    out = np.zeros(np.shape(labels), np.int64)
    count = 0
    for i, (top, left, bottom, right) in sorted(object_boxes(labels).items()):
        window = np.s_[top:bottom, left:right]
        found, n = ndimage.label(labels[window] == i, np.ones((3, 3)))
        out[window][found > 0] = found[found > 0] + count
        count += n
    return np.minimum(out, MAX_ID)


def fill_outlines(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Fill background that an object of one frame (Y, X) encloses; pixels of other objects stay theirs."""
    out = np.asarray(labels).astype(np.int64)
    for i, (top, left, bottom, right) in object_boxes(labels).items():
        window = out[top:bottom, left:right]
        inside = ndimage.binary_fill_holes(np.asarray(labels)[top:bottom, left:right] == i)
        window[inside & (window == 0)] = i
    return out


def hollow_objects(labels: NDArray[Any]) -> tuple[int, ...]:
    """Return the objects of one frame (Y, X) that enclose background: outlines, and masks with holes."""
    found = []
    for i, (top, left, bottom, right) in object_boxes(labels).items():
        window = np.asarray(labels)[top:bottom, left:right]
        own = window == i
        inside = ndimage.binary_fill_holes(own) & (window == 0)
        if inside.sum() > max(_POINT_PX, _HOLE_SHARE * own.sum()):
            found.append(i)
    return tuple(sorted(found))


def number_parts(labels: NDArray[Any], objects: Collection[int], first: int) -> NDArray[np.int64]:
    """Give separate parts of some objects of one frame (Y, X) numbers of their own.

    Parameters
    ----------
    labels : ndarray
        Labels.
    objects : collection of int
        Objects to cut; the largest part keeps the number, and so do specks (see `count_parts`).
    first : int
        The first new number.
    """
    out, free = np.asarray(labels).astype(np.int64), first
    for i, (top, left, bottom, right) in sorted(object_boxes(labels).items()):
        if i not in objects:
            continue
        window = out[top:bottom, left:right]
        found, large = _large_parts(window == i)
        for part in large[1:]:
            window[found == part] = free
            free += 1
    return out


def count_parts(labels: NDArray[Any]) -> dict[int, int]:
    """Count the separate parts of each object of one frame (Y, X) that are about as large as its largest one."""
    counts = {}
    for i, (top, left, bottom, right) in object_boxes(labels).items():
        counts[i] = len(_large_parts(np.asarray(labels)[top:bottom, left:right] == i)[1])
    return counts


def _large_parts(own: NDArray[np.bool_]) -> tuple[NDArray[Any], list[int]]:
    """Return the separate parts of a mask, numbered, and the numbers of those that are no specks, the largest first."""
    found, _ = ndimage.label(own, np.ones((3, 3)))
    areas = np.bincount(found.ravel())[1:]
    large = np.flatnonzero(areas >= max(_POINT_PX + 1, _PART_SHARE * areas.max()))
    return found, [int(part) + 1 for part in sorted(large, key=lambda p: -int(areas[p]))]
