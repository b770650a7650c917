"""Pixels that no light made: isolated ones and whole lines far beyond all that the movie shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_far", "outlier_free", "range_of_medians", "sampled_medians"]

#: Side of the square that a pixel is compared with, and how many of its pixels may stand out before it is an object:
#: the smallest spot that optics make (standard deviation 0.7 px) has five above a quarter of its peak.
_SIDE, _MOST_TOGETHER, _STANDS_OUT = 5, 4, 0.25
#: A row or column is a broken line if so much of it is far out; broken lines side by side are at most this share of it.
_LINE_SHARE, _WIDEST_LINE = 0.5, 1 / 16
_SAMPLES_PER_FRAME = 1 << 14


def sampled_medians(plane: NDArray[Any]) -> NDArray[np.float64]:
    """Return medians of 3 x 3 px, on a regular grid of a frame ``(Y, X)``; nothing of what is smaller or not finite."""
    rows, columns = plane.shape
    if min(rows, columns) < 3:
        return np.empty(0)
    step = max(1, int(np.ceil(np.sqrt(rows * columns / _SAMPLES_PER_FRAME))))
    spans = [(slice(dy, rows - 2 + dy, step), slice(dx, columns - 2 + dx, step)) for dy in range(3) for dx in range(3)]
    around = np.stack([plane[span].ravel() for span in spans]).astype(np.float64)
    return np.asarray(np.median(around[:, np.isfinite(around).all(0)], 0), np.float64)


def range_of_medians(
    medians: list[NDArray[np.float64]], percentiles: tuple[float, float]
) -> tuple[float, float] | None:
    """Measure the range of a movie in a way that single pixels and single frames have no part in.

    Parameters
    ----------
    medians : list of ndarray
        `sampled_medians` of some frames.
    percentiles : tuple of 2 float
        In 0..100.

    Returns
    -------
    tuple of 2 float or None
        The median over frames of each percentile; None where nothing differs.
    """
    limits = [np.percentile(values, percentiles) for values in medians if values.size]
    low, high = np.median(limits, 0) if limits else (0.0, 0.0)
    return (float(low), float(high)) if low < high else None


def is_far(plane: NDArray[Any], low: float, high: float, factor: float = 1.0) -> NDArray[np.bool_] | None:
    """Find pixels that lie outside ``low..high`` by more than `factor` times that range.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Finite or not; what is not finite is not far.
    low, high : float
        Range of the movie, ``high > low``.
    factor : float
        How far.

    Returns
    -------
    ndarray of bool, shape (Y, X), or None
        None if there are none, which costs one look at the extremes.
    """
    reach = factor * (high - low)
    top, bottom = high + reach, low - reach
    if plane.max() <= top and plane.min() >= bottom:  # False with NaN, which is then looked at pixel by pixel
        return None
    far = (plane > top) | (plane < bottom)
    if plane.dtype.kind == "f":
        far &= np.isfinite(plane)
    return far if far.any() else None


def outlier_free(plane: NDArray[Any], low: float, high: float, factor: float = 1.0) -> NDArray[Any] | None:
    """Replace isolated pixels and lines that are far out by what surrounds them.

    Far out is `is_far`. A pixel is isolated if at most 3 of the 24 around it stand out of their median by a quarter as
    much or more; the smallest spot that a microscope makes has more. It becomes that median. A line is a row or column
    of which half is far out, with few such side by side; it is filled in from the nearest lines that are whole.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        One channel of a frame.
    low, high, factor : float
        See `is_far`.

    Returns
    -------
    ndarray, shape (Y, X), or None
        A copy, float64 for wide integers; None if there is nothing to replace, so that clean frames stay bit for bit.
    """
    far = is_far(plane, low, high, factor)
    if far is None or min(plane.shape) < _SIDE:
        return None
    out: NDArray[Any] | None = None
    for axis in (0, 1):
        broken = _broken_lines(far, axis)
        if broken is not None:
            out = _fill_lines(plane if out is None else out, broken, axis)
            far[(broken, slice(None)) if axis == 0 else (slice(None), broken)] = False
    spots = _isolated(plane if out is None else out, far)
    if spots is not None:
        places, medians = spots
        out = plane.astype(np.float64) if out is None else out
        out[places] = medians
    return out


def _broken_lines(far: NDArray[np.bool_], axis: int) -> NDArray[np.bool_] | None:
    """Return which rows (axis 0) or columns (axis 1) are broken; None: none, or too many side by side."""
    broken: NDArray[np.bool_] = far.mean(1 - axis) >= _LINE_SHARE
    if not broken.any():
        return None
    runs, count = ndimage.label(broken)
    widths = np.bincount(runs)[1:]
    widest = max(2, round(len(broken) * _WIDEST_LINE))
    kept = np.isin(runs, 1 + np.flatnonzero(widths <= widest))
    return kept if count and kept.any() else None


def _fill_lines(plane: NDArray[Any], broken: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Interpolate broken rows or columns between the nearest whole ones."""
    out = np.moveaxis(plane.astype(np.float64), axis, 0).copy()
    whole = np.flatnonzero(~broken)
    for line in np.flatnonzero(broken):
        after = int(np.searchsorted(whole, line))
        low, high = whole[max(0, after - 1)], whole[min(after, len(whole) - 1)]
        share = 0.5 if low == high else (line - low) / (high - low)
        out[line] = (1 - share) * out[low] + share * out[high]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


def _isolated(
    plane: NDArray[Any], far: NDArray[np.bool_]
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]] | None:
    """Return rows and columns of isolated pixels among the far ones, and the medians around them."""
    crowd = ndimage.uniform_filter(far.astype(np.float32), _SIDE, mode="constant") * _SIDE**2
    rows, columns = np.nonzero(far & (crowd < _MOST_TOGETHER + 0.5))
    if not len(rows):
        return None
    half = _SIDE // 2
    padded = np.pad(plane, half, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, (_SIDE, _SIDE))[rows, columns]
    around = around.reshape(len(rows), -1).astype(np.float64)
    finite = np.isfinite(around)
    medians = np.median(around, 1) if finite.all() else np.nanmedian(np.where(finite, around, np.nan), 1)
    rise = plane[rows, columns].astype(np.float64) - medians
    with np.errstate(invalid="ignore"):
        together = ((around - medians[:, None]) * np.sign(rise)[:, None] >= _STANDS_OUT * np.abs(rise)[:, None]).sum(1)
    alone = together <= _MOST_TOGETHER
    return ((rows[alone], columns[alone]), medians[alone]) if alone.any() else None
