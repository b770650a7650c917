"""How convex a mask is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, QhullError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["solidity"]


def solidity(inside: NDArray[np.bool_]) -> float:
    """Return the share of its convex hull that a mask ``(H, W)`` fills, 0 to 1; 1 for masks of a line."""
    rows = np.flatnonzero(inside.any(1))
    if not len(rows):
        return 0.0
    left = inside.argmax(1)[rows]
    right = inside.shape[1] - inside[:, ::-1].argmax(1)[rows]
    corners = [(y + dy, x) for y, a, b in zip(rows, left, right, strict=True) for dy in (0, 1) for x in (a, b)]
    try:
        return min(1.0, float(np.count_nonzero(inside)) / ConvexHull(np.array(corners, float)).volume)
    except QhullError:
        return 1.0
