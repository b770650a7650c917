"""How strongly a frame changes across outlines: objects of one kind end about as clearly as each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine.discovery.candidate_masks import Candidate

__all__ = ["Outlines"]

#: Width of the smoothing of the frame and of the mask whose outline it is, in pixels of the scaled frame.
_SMOOTH_PX = 1.5
#: Rows and columns at the frame's border where nothing is compared.
_RIM_PX = 2
#: Half the side of the square around a place in which an object's outline must lie, in its radii.
_AROUND_RADII = 1.25


class Outlines:
    """A frame's changes, to be read off across outlines.

    Parameters
    ----------
    image : ndarray, shape (H, W)
        The scaled frame, in any unit.
    scaled_shape : tuple of 2 int
        Its size without padding.
    """

    def __init__(self, image: NDArray[np.float32], scaled_shape: tuple[int, int]) -> None:
        smooth = ndimage.gaussian_filter(image.astype(np.float32), _SMOOTH_PX)
        self._along = np.stack([ndimage.sobel(smooth, axis) for axis in (0, 1)])
        self._known: dict[Candidate, float | None] = {}
        self._limit = np.array(scaled_shape)[:, None] - _RIM_PX

    def of(self, candidate: Candidate) -> float | None:
        """Return the `strength` of a candidate's outline; computed once."""
        if candidate not in self._known:
            self._known[candidate] = self.strength(candidate.inside, candidate.region.y, candidate.region.x)
        return self._known[candidate]

    def clearest(self, centre_px: tuple[float, float], radius_px: float) -> float:
        """Return the mean of the strongest changes around a place: as much as an outline there can have, nearly.

        Looked at are the pixels of a square a little larger than an object of this radius, and of them as many as half
        of its outline has.
        """
        reach = _AROUND_RADII * radius_px
        (top, bottom), (left, right) = (
            (max(_RIM_PX, int(c - reach)), min(int(c + reach) + 1, int(side)))
            for c, side in zip(centre_px, self._limit[:, 0], strict=True)
        )
        if top >= bottom or left >= right:
            return 0.0
        change = np.hypot(*self._along[:, top:bottom, left:right]).ravel()
        count = min(len(change), max(1, round(np.pi * radius_px)))
        return float(np.partition(change, len(change) - count)[-count:].mean())

    def strength(self, inside: NDArray[np.bool_], top: int, left: int) -> float | None:
        """Return the mean change across the clearer half of a mask's outline, in the image's unit.

        Cells that touch hardly end where they do. Changes count by their amount: halos and cells that are brighter
        here and darker there than what is around them have clear outlines too. `top` and `left` say where the mask's
        corner lies. None where the whole outline lies at the frame's border.
        """
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            return None
        mask = np.pad(inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 3)
        y, x = np.nonzero(mask & ~ndimage.binary_erosion(mask))
        there = np.stack([y + rows[0] + top - 3, x + columns[0] + left - 3])
        counted = ((there >= _RIM_PX) & (there < self._limit)).all(0)
        if not counted.any():
            return None
        y, x, there = y[counted], x[counted], there[:, counted]
        soft = ndimage.gaussian_filter(mask.astype(np.float32), _SMOOTH_PX)
        normal = np.stack([ndimage.sobel(soft, axis)[y, x] for axis in (0, 1)])
        change = (self._along[:, there[0], there[1]] * normal).sum(0) / np.maximum(1e-6, np.linalg.norm(normal, axis=0))
        clearest = np.sort(np.abs(change))[len(change) // 2 :]
        return float(clearest.mean())
