"""Shift of the whole frame from one frame to the next: stage drift and jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["estimate_drift"]

_LONGEST_PX = 320
_LEAST_OVERLAP = 0.25
_MARGIN = 0.08


def estimate_drift(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[float, float]:
    """Estimate by how much the picture moved.

    Phase correlation proposes a shift; it is believed only if it matches the overlapping parts clearly better than no
    shift does, so that cells moving each on its own way are left alone.

    Parameters
    ----------
    before, after : ndarray, shape (Y, X), float32
        Two frames.

    Returns
    -------
    tuple of 2 float
        y, x shift in pixels: what was at ``p`` is now at ``p + shift``.

    References
    ----------
    Kuglin & Hines 1975, The phase correlation image alignment method.
    """
    factor = max(1, -(-max(before.shape) // _LONGEST_PX))
    a, b = _prepare(before, factor), _prepare(after, factor)
    if min(a.shape) < 8 or not a.any() or not b.any():
        return 0.0, 0.0
    window = np.hanning(a.shape[0])[:, None] * np.hanning(a.shape[1])[None]
    stay = _match(a, b, (0, 0))
    best, shift = stay + _MARGIN * (1 - max(stay, 0.0)), (0, 0)
    candidates = {c for weight in (window, None) for c in _peaks(a, b, weight)}
    for candidate in sorted(candidates):
        score = _match(a, b, candidate)
        if score > best:
            best, shift = score, candidate
    if shift == (0, 0):
        return 0.0, 0.0
    return float(shift[0] * factor), float(shift[1] * factor)


def _prepare(frame: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Shrink by block means and remove slow background."""
    rows, columns = frame.shape[0] // factor, frame.shape[1] // factor
    small = frame[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean((1, 3))
    small = ndimage.gaussian_filter(small, 1.0)
    detail: NDArray[np.float32] = small - ndimage.uniform_filter(small, max(9, min(rows, columns) // 6))
    return detail


def _peaks(
    a: NDArray[np.float32], b: NDArray[np.float32], window: NDArray[np.float64] | None, count: int = 3
) -> list[tuple[int, int]]:
    """Return the strongest shifts of the phase correlation, with the ones they stand for across the border."""
    if window is not None:
        a, b = (a * window).astype(np.float32), (b * window).astype(np.float32)
    cross = fft.rfft2(b) * np.conj(fft.rfft2(a))
    surface = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9 * np.abs(cross).max() + 1e-20), s=a.shape)
    surface = ndimage.gaussian_filter(surface, 1.0, mode="wrap")
    found = []
    for _ in range(count):
        y, x = np.unravel_index(int(surface.argmax()), surface.shape)
        found += [(int(y) - wy, int(x) - wx) for wy in (0, a.shape[0]) for wx in (0, a.shape[1])]
        surface[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    return found


def _match(a: NDArray[np.float32], b: NDArray[np.float32], shift: tuple[int, int]) -> float:
    """Return the correlation of the overlapping parts, -1 where they overlap too little."""
    slices_a, slices_b = [], []
    for step, size in zip(shift, a.shape, strict=True):
        if size - abs(step) < _LEAST_OVERLAP * size:
            return -1.0
        slices_a.append(slice(max(0, -step), size - max(0, step)))
        slices_b.append(slice(max(0, step), size - max(0, -step)))
    x, y = a[tuple(slices_a)], b[tuple(slices_b)]
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / norm) if norm > 0 else -1.0
