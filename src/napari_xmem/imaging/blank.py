"""Frames that show nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_blank"]


def is_blank(frame: NDArray[Any]) -> bool:
    """Return whether every channel of a frame holds one value only; NaN and infinite pixels count as none.

    Parameters
    ----------
    frame : ndarray, (Y, X) or (Y, X, C)
        Pixels.
    """
    planes = frame[..., None] if frame.ndim == 2 else frame
    return all(_is_constant(planes[..., channel]) for channel in range(planes.shape[-1]))


def _is_constant(plane: NDArray[Any]) -> bool:
    one, other = plane[0, 0], plane[plane.shape[0] // 2, plane.shape[1] // 2]
    if np.isfinite(one) and np.isfinite(other) and one != other:
        return False  # nearly always: so the rest is not looked at
    known = plane if plane.dtype.kind in "bui" else plane[np.isfinite(plane)]
    return known.size == 0 or bool(known.min() == known.max())
