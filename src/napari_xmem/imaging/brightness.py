"""How much brighter a frame is than another one that shows much the same: a gain and an offset, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BrightnessChange", "brightness_change", "brightness_profile"]

#: Frames are looked at with sides of about this many pixels, in tiles of at least this side, at most so many a side.
_SIDE, _SMALLEST_TILE, _MOST_TILES = 192, 12, 12
#: Of each tile: something like its least, middle and greatest intensity, of which single pixels know nothing.
_QUANTILES = (0.05, 0.5, 0.95)
#: A tile says something about the gain if it had at least this contrast, and no less than the median tile.
_LEAST_CONTRAST, _FEWEST_TILES = 0.02, 3
#: There is a gain if it is so many times the typical disagreement of those tiles about it, in logarithms.
_AGREED = 2.0
#: Smaller changes are left as they are: the network does not mind them, and other movies stay bit for bit.
_LEAST_GAIN, _LEAST_OFFSET = 1.25, 0.15
#: Larger ones leave too little of the picture, or are none of the light.
_LARGEST_GAIN, _LARGEST_OFFSET = 10.0, 5.0
#: The change must explain most of what differs, in the tiles and in the frame as a whole, which does not mind when
#: everything shifts: the share that may be left.
_LEFT = 0.35


@dataclass(frozen=True, slots=True)
class BrightnessChange:
    """Intensities of a frame are ``offset + gain * before``; `offset` in the unit of the intensities."""

    gain: float = 1.0
    offset: float = 0.0


def brightness_profile(plane: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Return what `brightness_change` compares: the range of intensities in each tile of a frame.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        One channel of a frame as it is read.
    low, high : float
        Intensities that are counted as 0 and 1.

    Returns
    -------
    ndarray, shape (1 + tiles, 3), float32
        Least, middle and greatest intensity of the whole frame, then of each tile; NaN and infinite pixels count as 0.
    """
    factor = max(1, -(-max(plane.shape) // _SIDE))
    plain = plane if plane.dtype.kind != "f" else np.nan_to_num(plane, nan=low, posinf=low, neginf=low)
    small = block_means(plain, factor, np.float64)
    small = ndimage.gaussian_filter((small - low) / (high - low), 1.0)
    return np.concatenate([_quantiles(np.sort(small, axis=None)[None]), _tile_quantiles(small)]).astype(np.float32)


def _tile_quantiles(small: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of each tile, row by row: tiles of one size together, since single calls take their time."""
    ends = [np.cumsum([len(part) for part in np.array_split(np.arange(n), _tiles(n))]) for n in small.shape]
    spans = [[slice(a, b) for a, b in zip((0, *e[:-1].tolist()), e.tolist(), strict=True)] for e in ends]
    places: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, rows in enumerate(spans[0]):
        for j, columns in enumerate(spans[1]):
            places.setdefault((rows.stop - rows.start, columns.stop - columns.start), []).append((i, j))
    out = np.empty((len(spans[0]), len(spans[1]), len(_QUANTILES)))
    for tiles in places.values():
        stacked = np.stack([small[spans[0][i], spans[1][j]].ravel() for i, j in tiles])
        out[tuple(np.transpose(tiles))] = _quantiles(np.sort(stacked, axis=1))
    return out.reshape(-1, len(_QUANTILES))


def _quantiles(ascending: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of each row of sorted values, interpolated as `numpy.quantile` does, without its checks."""
    out = np.empty((len(ascending), len(_QUANTILES)))
    for k, quantile in enumerate(_QUANTILES):
        at = quantile * (ascending.shape[1] - 1)
        low = int(at)
        a, b = ascending[:, low], ascending[:, min(low + 1, ascending.shape[1] - 1)]
        share = at - low
        out[:, k] = b - (b - a) * (1 - share) if share >= 0.5 else a + (b - a) * share
    return out


def _tiles(side: int) -> int:
    return min(max(1, side // _SMALLEST_TILE), _MOST_TILES)


def brightness_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> BrightnessChange | None:
    """Say by which gain and offset a frame's light differs from that of another one.

    The gain is the median over tiles with contrast of the ratio of their contrasts, so what comes, goes or moves in
    less than half of them has no part in it; where the tiles disagree it is 1. The offset is the median of what is left
    of the tiles' middles.

    Parameters
    ----------
    before, after : ndarray, shape (1 + tiles, 3)
        `brightness_profile` of both frames.

    Returns
    -------
    BrightnessChange or None
        None if it is small, or does not explain most of what differs: the frames then show different things.
    """
    if before.shape != after.shape:
        return None
    contrast, now = before[1:, 2] - before[1:, 0], after[1:, 2] - after[1:, 0]
    telling = contrast >= max(_LEAST_CONTRAST, float(np.median(contrast)))
    if np.count_nonzero(telling) < _FEWEST_TILES:
        return None
    ratios = np.log(np.maximum(now[telling], 1e-6) / contrast[telling])
    found = float(np.median(ratios))
    agreed = abs(found) > _AGREED * float(np.median(np.abs(ratios - found)))
    gain = float(np.exp(found)) if agreed else 1.0
    if not 1 / _LARGEST_GAIN <= gain <= _LARGEST_GAIN:
        return None
    offset = float(np.median(after[1:, 1] - gain * before[1:, 1]))
    small = 1 / _LEAST_GAIN < gain < _LEAST_GAIN and abs(offset) < _LEAST_OFFSET
    if small or abs(offset) > _LARGEST_OFFSET:
        return None
    left, differs = np.abs((after - offset) / gain - before), np.abs(after - before)
    explained = left[0].mean() < _LEFT * differs[0].mean() and left[1:].mean() < _LEFT * differs[1:].mean()
    return BrightnessChange(gain, offset) if explained else None
