"""Frames shrunk by whole factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_means"]


def block_means(plane: NDArray[Any], factor: int, dtype: Any = np.float32) -> NDArray[Any]:
    """Return the means of squares of `factor` pixels.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        A frame; a side shorter than `factor` is one block long.
    factor : int
        At least 1; with 1 the plane itself is returned where it has the right type.
    dtype : dtype
        Floating type in which is summed, and of the result.

    Returns
    -------
    ndarray, shape (Y // factor, X // factor)
        Rows and columns that are left over have no part in it.
    """
    if factor == 1:
        return np.asarray(plane, dtype)
    height, width = (min(factor, side) for side in plane.shape)
    rows, columns = plane.shape[0] // height, plane.shape[1] // width
    out = np.zeros((rows, columns), dtype)
    for y in range(height):
        for x in range(width):
            out += plane[y : rows * height : height, x : columns * width : width]
    out /= height * width
    return out
