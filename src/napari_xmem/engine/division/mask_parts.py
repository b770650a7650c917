"""One mask, two parts: separate pieces, two bodies that a neck joins, or a rod with a waist."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.regions import Region

__all__ = ["Parts", "fill_bays", "find_parts", "find_waist"]

#: A part holds at least this share of the mask.
LEAST_SHARE = 0.12
#: And so many pixels of the scaled frame.
LEAST_AREA_PX = 20
#: Widths of the neck that are tried, as shares of the width of the widest place.
_NECK_LEVELS = (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Pixels that touch are one core, on the same level.
_WITHIN_LEVELS = np.stack([np.zeros((3, 3), int), np.ones((3, 3), int), np.zeros((3, 3), int)])
#: Of a rod: least length over mean width; least share of the rectangle around it; a waist is not in its outer quarters.
_ROD_LENGTH, _ROD_FILLING, _ENDS = 1.8, 0.75, 0.25
#: Masks are looked at in so many pixels across: necks are no finer than that.
_LOOKED_AT_PX = 36


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Two parts of a mask.

    Attributes
    ----------
    first, second : ndarray, shape (H, W), bool
        The parts, the larger first; together all of the mask but specks.
    neck : float
        Width of the neck between them as a share of the narrower part's width: 0 for two separate pieces, 1 for a cut
        where there is no neck.
    waist : bool
        The mask is a rod, and this its waist.
    """

    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    neck: float
    waist: bool = False

    @property
    def areas_px(self) -> tuple[int, int]:
        """Pixels of each part."""
        return int(self.first.sum()), int(self.second.sum())

    @property
    def share(self) -> float:
        """Area of the smaller part as a share of both, 0 to 0.5."""
        first, second = self.areas_px
        return second / max(first + second, 1)


def fill_bays(probability: NDArray[np.float32], region: Region, picture_shape: tuple[int, int]) -> NDArray[np.float32]:
    """Fill the holes of a mask, and the bays that the border of the picture closes.

    A ring that the border cuts is an arch with two legs: what lies between them is a hole of which a part is not seen.

    Parameters
    ----------
    probability : ndarray, shape (H, W), float32
        Probability of an object in its region, 0 to 1.
    region : Region
        Where that is.
    picture_shape : tuple of 2 int
        Where the picture ends, height and width; what a region has beyond that is padding.

    Returns
    -------
    ndarray, shape (H, W), float32
        1 in holes and bays; as given, and not copied, if there are none.
    """
    rows, columns = min(region.height, picture_shape[0] - region.y), min(region.width, picture_shape[1] - region.x)
    inside = probability[:rows, :columns] > 0.5
    if not inside.any():
        return probability
    ends = (
        region.y == 0 and inside[0].any(),
        region.x == 0 and inside[:, 0].any(),
        region.y + rows == picture_shape[0] and inside[-1].any(),
        region.x + columns == picture_shape[1] and inside[:, -1].any(),
    )
    holes = _enclosed(np.pad(inside, 1))
    for side in np.flatnonzero(np.array(ends, bool)):
        closed = np.pad(inside, 1)
        closed[(0, slice(None), -1, slice(None))[side], (slice(None), 0, slice(None), -1)[side]] = True
        holes |= _enclosed(closed)
    if not holes.any():
        return probability
    filled = probability.copy()
    filled[:rows, :columns][holes] = 1.0
    return filled


def find_parts(mask: NDArray[np.bool_], *, widest_neck: float = 0.82) -> Parts | None:
    """Find two parts in a mask.

    Separate pieces are two parts. Of one piece the width is taken from the distance to its border: where all places
    narrower than a level are taken away and two bodies remain, they are two parts joined by a neck of that width.

    Parameters
    ----------
    mask : ndarray, shape (H, W), bool
        A mask.
    widest_neck : float
        Necks that are wider than this share of the narrower part are none.

    Returns
    -------
    Parts or None
        None if the mask is one body, or more than two.
    """
    window = _window(mask)
    if window is None:
        return None
    inside = np.pad(mask[window], 1)
    pieces, count = ndimage.label(inside, np.ones((3, 3)))
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    areas[0] = 0
    least = max(LEAST_AREA_PX, LEAST_SHARE * inside.sum())
    large = np.flatnonzero(areas >= least)
    if len(large) == 2:
        return _placed(mask.shape, window, pieces == large[0], pieces == large[1], 0.0)
    if len(large) != 1:
        return None
    body = pieces == large[0]
    step = max(1, min(body.shape) // _LOOKED_AT_PX)
    found = _neck(body[::step, ::step], least / step**2, widest_neck)
    if found is None:
        return None
    first = _nearest(found[0], found[1], body, step)
    return _placed(mask.shape, window, first, body & ~first, found[2])


def find_waist(probability: NDArray[np.float32], *, widest_neck: float = 1.0) -> Parts | None:
    """Cut a rod at its waist.

    The probability is summed across the long axis: a profile of soft widths, which also falls where a septum makes the
    network doubt. The neck is its least value in the middle of the rod over the lesser of its largest values on either
    side of that.

    Parameters
    ----------
    probability : ndarray, shape (H, W), float
        Probability of an object in one piece, 0 to 1.
    widest_neck : float
        Necks that are wider than this are none.

    Returns
    -------
    Parts or None
        None if there is no such waist, or it is no rod: a rod is nearly twice as long as wide at the least, and fills
        the rectangle of its length and largest width.
    """
    inside = probability > 0.5
    window = _window(inside)
    if window is None:
        return None
    y, x = np.nonzero(inside[window])
    along = _along(y, x)
    bins = (along - along.min()).astype(np.int64)
    length = int(bins.max()) + 1
    if length**2 < _ROD_LENGTH * len(y) or len(y) < 2 * LEAST_AREA_PX:
        return None
    widths = np.bincount(bins, probability[window][y, x]).astype(np.float64)
    widths = ndimage.uniform_filter1d(widths, 3, mode="nearest")
    if widths.sum() < _ROD_FILLING * length * widths.max():
        return None
    first, last = int(_ENDS * length), int((1 - _ENDS) * length)
    at = first + int(np.argmin(widths[first:last]))
    neck = float(widths[at] / max(min(widths[:at].max(initial=0), widths[at:].max(initial=0)), 1e-6))
    if neck > widest_neck:
        return None
    half = np.zeros(inside[window].shape, bool)
    half[y, x] = bins < at
    parts = _placed(inside.shape, window, np.pad(half, 1), np.pad(inside[window] & ~half, 1), neck)
    return replace(parts, waist=True)


def _enclosed(padded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what a mask encloses, without the pixel of padding around it."""
    bodies, _ = ndimage.label(~padded)
    outside = np.unique(np.concatenate([bodies[0], bodies[-1], bodies[:, 0], bodies[:, -1]]))
    holes: NDArray[np.bool_] = ~np.isin(bodies, [0, *outside])[1:-1, 1:-1]
    return holes


def _along(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the position of pixels along their long axis."""
    points = np.stack([y - y.mean(), x - x.mean()]).astype(float)
    _, axes = np.linalg.eigh(points @ points.T)
    along: NDArray[np.float64] = axes[:, 1] @ points
    return along


def _neck(
    body: NDArray[np.bool_], least: float, widest: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float] | None:
    depth = ndimage.distance_transform_edt(body)
    top = float(depth.max())
    every, total = ndimage.label(depth > np.multiply(_NECK_LEVELS, top)[:, None, None], _WITHIN_LEVELS)
    if total == len(_NECK_LEVELS):
        return None  # one core at every level, as of most masks
    counts = np.diff([0, *(int(plane.max(initial=0)) for plane in every)])
    for level, plane, count, end in zip(_NECK_LEVELS, every, counts, np.cumsum(counts), strict=True):
        if count < 2:
            continue
        cores = np.where(plane, plane - (end - count), 0)
        peaks = ndimage.maximum(depth, cores, np.arange(1, count + 1))
        order = np.argsort(peaks)[::-1][:2]
        neck = level * top / float(peaks[order[1]])
        if neck > widest:
            continue
        kept = np.where(np.isin(cores, order + 1), cores, 0)
        nearest = ndimage.distance_transform_edt(kept == 0, return_distances=False, return_indices=True)
        owner = kept[tuple(nearest)]
        first, second = body & (owner == order[0] + 1), body & (owner == order[1] + 1)
        if min(first.sum(), second.sum()) >= least:
            return first, second, neck
    return None


def _nearest(
    first: NDArray[np.bool_], second: NDArray[np.bool_], body: NDArray[np.bool_], step: int
) -> NDArray[np.bool_]:
    """Return the pixels of a body that belong to the first of two parts found on every `step`-th pixel of it."""
    if step == 1:
        return body & first
    known = first | second
    near = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    full = np.kron(first[tuple(near)], np.ones((step, step), bool))[: body.shape[0], : body.shape[1]]
    return body & full


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _placed(
    shape: tuple[int, ...],
    window: tuple[slice, slice],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    neck: float,
) -> Parts:
    """Put parts of the padded window back into the whole mask, the larger one first."""
    out = []
    for part in sorted((first, second), key=np.count_nonzero, reverse=True):
        whole = np.zeros(shape, bool)
        whole[window] = part[1:-1, 1:-1]
        out.append(whole)
    return Parts(out[0], out[1], neck)
