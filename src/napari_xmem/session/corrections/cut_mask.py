"""Cutting a mask in two, as a cell divides: between its parts, or across its longest axis at the waist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cut_in_two"]

#: Where along its axis a cell may be cut, in shares of its pixels; the narrowest place within counts.
WAIST = (0.3, 0.7)


def cut_in_two(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cut a mask in two.

    A mask in several pieces is cut between them: each piece goes to the nearer of the two largest. One piece is cut
    across its longest axis where it is narrowest, in the middle part of its pixels.

    Parameters
    ----------
    mask : ndarray, shape (Y, X), bool
        One object.

    Returns
    -------
    ndarray, shape (Y, X), int64
        1 and 2 inside, 0 outside; 1 is the part further up, then further left.

    Raises
    ------
    InputError
        If it has fewer than two pixels.
    """
    if mask.sum() < 2:
        raise InputError("an object of one pixel cannot be cut in two.")
    pieces, n = ndimage.label(mask, np.ones((3, 3)))
    rows, columns = np.nonzero(mask)
    places = np.stack([rows, columns], axis=1).astype(float)
    if n > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        largest = np.argsort(-sizes, kind="stable")[:2] + 1
        centres = np.array(ndimage.center_of_mass(mask, pieces, largest))
        ids = pieces[mask]
        side = np.linalg.norm(places[:, None] - centres[None], axis=2).argmin(1)
        for k, piece in enumerate(largest):
            side[ids == piece] = k
    else:
        side = _sides(places)
    centre = [tuple(places[side == k].mean(0)) for k in (0, 1)]
    cut = np.zeros(mask.shape, np.int64)
    cut[mask] = 1 + (side if centre[0] <= centre[1] else 1 - side)
    return cut


def _sides(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return on which side of the waist every pixel (N, 2) lies, 0 or 1."""
    centred = places - places.mean(0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    along = centred @ axis
    order = np.sort(along)
    low, high = (order[min(len(order) - 1, int(share * len(order)))] for share in WAIST)
    edges = np.arange(low, high + 1.0)
    if len(edges) < 2:
        side = (along > np.median(along)).astype(np.int64)
    else:
        width = np.array([((along >= edge - 1) & (along < edge + 1)).sum() for edge in edges])
        narrow = np.flatnonzero(width == width.min())
        waist = edges[narrow[np.abs(edges[narrow] - np.median(along)).argmin()]]
        side = (along > waist).astype(np.int64)
    if side.min() == side.max():  # all on one side: a tiny mask
        side = np.zeros(len(along), np.int64)
        side[np.argsort(along, kind="stable")[len(along) // 2 :]] = 1
    return side
