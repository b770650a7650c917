"""Looks at frames as they are read: repeated, torn from the one before, saturated, out of focus."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.imaging.acquisition import Finding, FindingKind
from napari_xmem.imaging.blank import is_blank
from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FrameInspector"]

#: Frames are compared with sides of about so many pixels.
_SIDE_PX = 192
#: What is usual is the median of so many of the last frames, and known from so many on.
_USUAL_FRAMES, _LEAST_FRAMES = 15, 4
#: More has changed than usual: so many times, and by so many times what the usual changes differ among themselves.
_JUMP, _JUMP_AFTER_REPEAT, _JUMP_SPREADS = 2.2, 1.5, 6.0
#: Share of the pixels at the largest intensity, now and usually.
_SATURATED, _USUALLY_FULL = 0.2, 0.05
#: What is left of fine detail, as a share of the usual.
_DEFOCUS = 0.7
#: Detail is what differs over these distances: fine, coarse. What differs over one pixel already is mostly noise.
_FINE_PX, _COARSE_PX = 3, 16


class FrameInspector:
    """Compares each frame with those before it; takes a few milliseconds for 1024 x 1024 px.

    Works in any direction through the movie, and knows nothing of objects.

    Attributes
    ----------
    levels : tuple of 2 float
        Median, and range from the 5th to the 99th percentile, of the latest frame that was neither blank nor repeated.

    Notes
    -----
    Sharpness is ``(D(3) - D(1)) / (D(16) - D(1))`` with the structure function ``D(k)``, the mean square of what
    differs between pixels that are `k` apart: noise, which is as large in every ``D``, has no part in it, nor has
    brightness, and loss of focus lowers the first difference more than the second.
    """

    def __init__(self) -> None:
        self.levels = (0.0, 0.0)
        self._sum: int | None = None
        self._before: NDArray[np.float32] | None = None
        self._index = 0
        self._after_repeat = False
        self._changes: list[float] = []
        self._sharpness: list[float] = []
        self._full: list[float] = []

    def look(self, frame: NDArray[Any], index: int) -> tuple[Finding, ...]:
        """Return what is wrong with a frame, as far as it shows in its pixels.

        Parameters
        ----------
        frame : ndarray, shape (Y, X) or (Y, X, C)
            Pixels as they are read.
        index : int
            Frame of the movie.
        """
        if is_blank(frame):
            self._sum = None
            return ()
        later = max(index, self._index)
        known_sum, self._sum = self._sum, zlib.crc32(np.ascontiguousarray(frame).data)
        self._index, found = index, []
        if known_sum == self._sum:
            self._after_repeat = True
            return (Finding(FindingKind.REPEATED, later),)
        plane = _plausible(frame if frame.ndim == 2 else frame[..., 0])
        small = block_means(plane, max(1, -(-max(plane.shape) // _SIDE_PX)))
        low, middle, high = (float(v) for v in np.quantile(small, (0.05, 0.5, 0.99)))
        self.levels = (middle, high - low)
        full = _share_at_limit(plane)
        if full > _SATURATED and len(self._full) >= 1 and np.median(self._full) < _USUALLY_FULL:
            found.append(Finding(FindingKind.SATURATED, index, full))
        else:
            found += self._compare(small, later)
            found += self._focus(plane, index)
            self._before, self._full = small, [*self._full, full][-_USUAL_FRAMES:]
        self._after_repeat = False
        return tuple(found)

    def _compare(self, small: NDArray[np.float32], later: int) -> list[Finding]:
        """Ask whether much more has changed than usual."""
        before = self._before
        if before is None or before.shape != small.shape:
            return []
        change = float(np.abs(small - before).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        found = []
        if len(self._changes) >= _LEAST_FRAMES and usual > 0:
            spread = float(np.median(np.abs(np.array(self._changes) - usual)))
            least = _JUMP_AFTER_REPEAT if self._after_repeat else _JUMP
            if change > max(least * usual, usual + _JUMP_SPREADS * spread):
                found.append(Finding(FindingKind.JUMP, later, change / usual))
        self._changes = [*self._changes, change][-_USUAL_FRAMES:]
        return found

    def _focus(self, plane: NDArray[Any], index: int) -> list[Finding]:
        """Ask whether fine detail is gone."""
        sharp = _sharpness(plane)
        if sharp is None:
            return []
        usual = float(np.median(self._sharpness)) if len(self._sharpness) >= _LEAST_FRAMES else 0.0
        if usual > 0 and sharp < _DEFOCUS * usual:  # noise alone has less than no fine detail
            return [Finding(FindingKind.DEFOCUS, index, max(sharp, 0.0) / usual)]
        self._sharpness = [*self._sharpness, sharp][-_USUAL_FRAMES:]
        return []


def _plausible(plane: NDArray[Any]) -> NDArray[Any]:
    """Return floats with the median for what is no number, or an absurd one; integers are left as they are."""
    if plane.dtype.kind != "f":
        return plane
    sample = plane[::4, ::4]
    sample = sample[np.isfinite(sample)]
    middle, high = np.quantile(sample, (0.5, 0.98)) if sample.size else (0.0, 1.0)
    limit = 10 * max(abs(float(high)), abs(float(middle)))
    return np.where(np.isfinite(plane) & (np.abs(plane) <= limit), plane, middle)


def _share_at_limit(plane: NDArray[Any]) -> float:
    """Return the share of pixels that have the largest intensity of the frame, on every fourth row."""
    rows = plane[::4]
    return float((rows == rows.max()).mean())


def _sharpness(plane: NDArray[Any]) -> float | None:
    """Return the structure function's share over the fine distance, see `FrameInspector`; None without any detail."""
    rows = plane[:: max(1, plane.shape[0] // 256)].astype(np.float32)
    if rows.shape[1] <= 2 * _COARSE_PX:
        return None

    def differs(distance: int) -> float:
        return float(np.square(rows[:, distance:] - rows[:, :-distance]).mean())

    noise, coarse = differs(1), differs(_COARSE_PX)
    return (differs(_FINE_PX) - noise) / (coarse - noise) if coarse - noise > 0.05 * noise else None
