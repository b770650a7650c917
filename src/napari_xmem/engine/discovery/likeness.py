"""Where a frame looks like the examples, and where an object of their kind may have its centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.scopes.tiling import EncodedFrame

__all__ = ["Appearance", "cover", "likely_centres", "near_pixels"]

#: Elements of either kind that are compared with each place: the best so many.
_NEIGHBOURS = 8
#: Places compared at a time.
_CHUNK = 16_384
#: Width of the smoothing before centres are looked for, in radii of the examples.
_BLUR_RADII = 0.35
#: Least distance between two centres, in radii.
_SPACING_RADII = 0.7


def cover(mask: Tensor, stride_px: int) -> Tensor:
    """Return the share of each key cell that a mask ``(H, W)`` covers, as ``(h, w)``."""
    return F.avg_pool2d(mask[None, None].float(), stride_px)[0, 0]


def near_pixels(owned: Tensor, reach_px: int) -> Tensor:
    """Return the pixels ``(H, W)`` that are at most so far from owned ones."""
    return torch.from_numpy(ndimage.distance_transform_edt(~owned.numpy()) <= reach_px)


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Keys inside painted objects, and keys around them.

    Attributes
    ----------
    inside, outside : tuple of Tensor
        Key ``(m, Ck)`` and shrinkage ``(m,)`` of key cells that objects cover, and of cells near them that none does.
    """

    inside: tuple[Tensor, Tensor]
    outside: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, encoded: EncodedFrame, objects: Tensor, near: Tensor, stride_px: int) -> Appearance | None:
        """Read both off the frame on which the examples are painted.

        Parameters
        ----------
        encoded : EncodedFrame
            The frame.
        objects, near : Tensor
            ``(H, W)`` bool: painted pixels, and pixels near them, of which all that are not painted count as
            background.
        stride_px : int
            Key stride.

        Returns
        -------
        Appearance or None
            None where one of the two is missing: everything near is painted, or objects are smaller than half a cell.
        """
        covered = cover(objects, stride_px).flatten()
        inside, outside = covered > 0.5, (covered == 0) & (cover(near, stride_px).flatten() > 0.5)
        if not inside.any():
            inside = covered > 0.5 * covered.max()
        if not inside.any() or not outside.any():
            return None
        key, shrinkage = encoded.key[0].flatten(1).T, encoded.shrinkage[0].flatten()
        return cls((key[inside], shrinkage[inside]), (key[outside], shrinkage[outside]))

    def likeness(self, encoded: EncodedFrame) -> NDArray[np.float32]:
        """Return for every key cell how much more it looks like an object than like background, 0 to 1.

        ``sigmoid(logsumexp_k S(q, inside) - logsumexp_k S(q, outside))`` over the `k` most similar elements of either
        kind, with the anisotropic L2 similarity `S` of XMem (Cheng & Schwing, ECCV 2022, eq. 2) on keys without
        positions.
        """
        (height, width) = encoded.key.shape[-2:]
        key, selection = encoded.key[0].flatten(1).T, encoded.selection[0].flatten(1).T
        parts = []
        for low in range(0, len(key), _CHUNK):
            query, weight = key[low : low + _CHUNK], selection[low : low + _CHUNK]
            parts.append(torch.sigmoid(_score(query, weight, *self.inside) - _score(query, weight, *self.outside)))
        return torch.cat(parts).reshape(height, width).cpu().numpy().astype(np.float32)


def _score(query: Tensor, selection: Tensor, key: Tensor, shrinkage: Tensor) -> Tensor:
    weighted = selection * query
    distance = (weighted * query).sum(1, keepdim=True) - 2 * weighted @ key.T + selection @ (key * key).T
    scores = -distance * shrinkage[None] / key.shape[1] ** 0.5
    return torch.logsumexp(scores.topk(min(_NEIGHBOURS, scores.shape[1]), 1).values, 1)


def likely_centres(likeness: NDArray[np.float32], radius_cells: float, least: float = 0.3) -> list[tuple[float, float]]:
    """Return where objects may have their centres, most likely first.

    Where the smoothed likeness has a top, there is a candidate; where it is flat (objects that touch), the centres of
    what is likely are spread evenly: a place is taken if none within `_SPACING_RADII` is better or was taken before.

    Parameters
    ----------
    likeness : ndarray, shape (h, w)
        0 to 1 per key cell; 0 where nothing is looked for.
    radius_cells : float
        Radius of the examples in key cells.
    least : float
        Likeness, after smoothing, below which nothing is looked for.

    Returns
    -------
    list of tuple of 2 float
        y, x in key cells, centres of cells at .5.
    """
    smooth = ndimage.gaussian_filter(likeness, max(0.5, _BLUR_RADII * radius_cells))
    spacing = max(1.0, _SPACING_RADII * radius_cells)
    order = np.argsort(-smooth, axis=None, kind="stable")
    order = order[smooth.ravel()[order] >= least]
    height, width = likeness.shape
    free = np.ones((height, width), bool)
    reach = int(np.ceil(spacing))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = dy * dy + dx * dx < spacing * spacing
    centres = []
    for place in order:
        y, x = divmod(int(place), width)
        if not free[y, x]:
            continue
        centres.append((y + 0.5, x + 0.5))
        top, left = max(0, y - reach), max(0, x - reach)
        bottom, right = min(height, y + reach + 1), min(width, x + reach + 1)
        part = disc[top - y + reach : bottom - y + reach, left - x + reach : right - x + reach]
        free[top:bottom, left:right] &= ~part
    return centres
