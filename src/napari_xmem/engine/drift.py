"""Shift of the whole frame from one frame to the next: stage drift and jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["estimate_drift"]

_LONGEST_PX = 320
_LEAST_OVERLAP = 0.25
_MARGIN = 0.15
_LEAST_MATCH = 0.3
_LEAST_FOCUS = 0.3

Frame: TypeAlias = "NDArray[np.float32]"


def estimate_drift(before: Frame, after: Frame, focus: Frame | None = None) -> tuple[float, float]:
    """Estimate by how much the picture, or what is followed in it, moved as a whole.

    Phase correlation proposes shifts; one is believed only if it matches clearly better than no shift does, so that
    cells moving each on its own way are left alone.

    Parameters
    ----------
    before, after : ndarray, shape (Y, X), float32
        Two frames.
    focus : ndarray, shape (Y, X), float32, optional
        Where the followed objects were, 0 to 1: they decide, so that dirt on the camera or an uneven background that
        stays behind does not. None: the whole frame decides.

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
    weight = np.ones_like(a) if focus is None or not focus.any() else _around(_shrink(focus, factor))
    window = (np.hanning(a.shape[0])[:, None] * np.hanning(a.shape[1])[None]).astype(np.float32)
    candidates = {*_peaks(a * window, b * window), *_peaks(a, b), *_peaks(a * weight, b)}
    stay = _match(a, b, weight, (0, 0))
    best, shift = max(_LEAST_MATCH, stay + _MARGIN * (1 - max(stay, 0.0))), (0, 0)
    for candidate in sorted(candidates):
        score = _match(a, b, weight, candidate)
        if score > best:
            best, shift = score, candidate
    return float(shift[0] * factor), float(shift[1] * factor)


def _shrink(frame: Frame, factor: int) -> Frame:
    rows, columns = frame.shape[0] // factor, frame.shape[1] // factor
    blocks = frame[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean((1, 3)), np.float32)


def _around(focus: Frame) -> Frame:
    """Widen the objects by a little of their surroundings, where their outlines are."""
    return np.asarray(ndimage.maximum_filter(focus, 5) > 0.25, np.float32)


def _prepare(frame: Frame, factor: int) -> Frame:
    """Shrink by block means and remove slow background."""
    small = ndimage.gaussian_filter(_shrink(frame, factor), 1.0)
    detail: Frame = small - ndimage.uniform_filter(small, max(9, min(small.shape) // 6))
    return detail


def _peaks(a: Frame, b: Frame, count: int = 3) -> list[tuple[int, int]]:
    """Return the strongest shifts of the phase correlation, with the ones they stand for across the border."""
    cross = fft.rfft2(b) * np.conj(fft.rfft2(a))
    surface = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9 * np.abs(cross).max() + 1e-20), s=a.shape)
    surface = ndimage.gaussian_filter(surface, 1.0, mode="wrap")
    found = []
    for _ in range(count):
        y, x = np.unravel_index(int(surface.argmax()), surface.shape)
        found += [(int(y) - wy, int(x) - wx) for wy in (0, a.shape[0]) for wx in (0, a.shape[1])]
        surface[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    return found


def _match(a: Frame, b: Frame, weight: Frame, shift: tuple[int, int]) -> float:
    """Return the weighted correlation of the overlapping parts times the root of their share, -1 for too little."""
    slices_a, slices_b = [], []
    for step, size in zip(shift, a.shape, strict=True):
        if size - abs(step) < _LEAST_OVERLAP * size:
            return -1.0
        slices_a.append(slice(max(0, -step), size - max(0, step)))
        slices_b.append(slice(max(0, step), size - max(0, -step)))
    x, y, w = a[tuple(slices_a)], b[tuple(slices_b)], weight[tuple(slices_a)]
    total = float(w.sum())
    least = _LEAST_FOCUS if weight.min() < 1 else 0.0
    if not total or total < least * float(weight.sum()):
        return -1.0
    x = x - (w * x).sum() / total
    y = y - (w * y).sum() / total
    norm = float(np.sqrt((w * x * x).sum() * (w * y * y).sum()))
    share = float(np.sqrt(total / weight.sum()))  # a match of few remaining pixels says little
    return share * float((w * x * y).sum() / norm) if norm > 0 else -1.0
