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

__all__ = ["Appearance", "cover", "likely_centres"]

#: Elements of either kind that are compared with each place: the best so many.
_NEIGHBOURS = 8
#: Elements of either kind, and places compared with them at a time, at most.
_MOST_ELEMENTS, _CHUNK = 512, 16_384
#: Background is what lies at most so far from objects, in nominal diameters; the nearest of it is surely none of an
#: object that nobody painted.
_AROUND_DIAMETERS, _BESIDE_DIAMETERS = 0.5, 0.2
#: What lies further off counts as background unless it looks so much more like objects than like what is beside them.
_OBJECT_LIKE = 0.9
#: Less than this share of it that does not look so: then it is the background that looks like the objects, not others.
_UNLIKE_SHARE = 0.5
#: Width of the smoothing before centres are looked for, in radii of the examples.
_BLUR_RADII = 0.35


def cover(mask: Tensor, stride_px: int) -> Tensor:
    """Return the share of each key cell that a mask ``(H, W)`` covers, as ``(h, w)``."""
    return F.avg_pool2d(mask[None, None].float(), stride_px)[0, 0]


@dataclass(frozen=True, slots=True, eq=False)
class _Elements:
    """Key ``(m, Ck)``, shrinkage ``(m,)`` and place ``(m, 2)`` in key cells of some cells of a frame."""

    key: Tensor
    shrinkage: Tensor
    place: Tensor

    @classmethod
    def of(cls, encoded: EncodedFrame, chosen: Tensor) -> _Elements:
        """Read the chosen cells ``(h, w)``; of very many, some that are spread evenly."""
        places = chosen.nonzero()
        if len(places) > _MOST_ELEMENTS:
            last, device = len(places) - 1, places.device
            spread = torch.linspace(0, last, _MOST_ELEMENTS, dtype=torch.float64, device=device)
            places = places[spread.round().long()]
        y, x = places.unbind(1)
        return cls(encoded.key[0][:, y, x].T, encoded.shrinkage[0, 0][y, x], places.float())


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Keys inside painted objects, and keys around them.

    Attributes
    ----------
    inside, outside : _Elements
        Key cells that objects cover, and cells near them that none does.
    apart_cells : float
        A place is compared with elements that are further away than this: what lies around an object may be others
        that nobody painted, and these must not count as background because they are like themselves.
    """

    inside: _Elements
    outside: _Elements
    apart_cells: float

    @classmethod
    def of(
        cls, encoded: EncodedFrame, owned: NDArray[np.bool_], stride_px: int, diameter_px: float, similarities: int
    ) -> Appearance | None:
        """Read both off a frame on which some objects are known.

        Of what lies around them, some may be objects that nobody knows yet. What is right beside a known object rarely
        is; what lies further off counts unless it looks more like the objects than like what is beside them.

        Parameters
        ----------
        encoded : EncodedFrame
            The frame.
        owned : ndarray, shape (H, W), bool
            Pixels of known objects.
        stride_px : int
            Key stride.
        diameter_px : float
            Nominal diameter of objects.
        similarities : int
            How many are compared at a time.

        Returns
        -------
        Appearance or None
            None where one of the two is missing: everything near is owned, or objects are smaller than half a cell.
        """
        covered = cover(torch.from_numpy(owned), stride_px)
        inside = covered > 0.5
        if not inside.any():
            inside = covered > 0.5 * covered.max()
        if not inside.any():
            return None
        distance = ndimage.distance_transform_edt(~owned)
        beside, around = (
            (covered == 0) & (cover(torch.from_numpy(distance <= share * diameter_px), stride_px) > 0.5)
            for share in (_BESIDE_DIAMETERS, _AROUND_DIAMETERS)
        )
        objects, apart = _Elements.of(encoded, inside), diameter_px / stride_px
        if beside.any():
            nearest = cls(objects, _Elements.of(encoded, beside), apart)
            alike = torch.from_numpy(nearest.likeness(encoded, similarities, around & ~beside))
            unlike = around & (alike <= _OBJECT_LIKE)
            if unlike.sum() >= _UNLIKE_SHARE * around.sum():
                around = beside | unlike
        return cls(objects, _Elements.of(encoded, around), apart) if around.any() else None

    def likeness(self, encoded: EncodedFrame, similarities: int, where: Tensor | None = None) -> NDArray[np.float32]:
        """Return for every key cell how much more it looks like an object than like background, 0 to 1.

        ``sigmoid(logsumexp_k S(q, inside) - logsumexp_k S(q, outside))`` over the `k` most similar elements of either
        kind, with the anisotropic L2 similarity `S` of XMem (Cheng & Schwing, ECCV 2022, eq. 2) on keys without
        positions. Elements near a cell do not count, unless there are none elsewhere; `similarities` are compared at a
        time. Only cells of `where` ``(h, w)`` are looked at if it is given, and 0 elsewhere.
        """
        height, width = encoded.key.shape[-2:]
        key, selection = encoded.key[0].flatten(1).T, encoded.selection[0].flatten(1).T
        sides = (torch.arange(side, dtype=torch.float32, device=key.device) for side in (height, width))
        y, x = torch.meshgrid(*sides, indexing="ij")
        places = torch.stack([y.flatten(), x.flatten()], 1)
        chosen = slice(None) if where is None else where.to(key.device).flatten().nonzero()[:, 0]
        key, selection, places = key[chosen], selection[chosen], places[chosen]
        most = max(len(self.inside.key), len(self.outside.key))
        chunk, parts = max(1, min(_CHUNK, similarities // most)), []
        for low in range(0, len(key), chunk):
            query = (key[low : low + chunk], selection[low : low + chunk], places[low : low + chunk])
            apart = [torch.cdist(query[2], kind.place) >= self.apart_cells for kind in (self.inside, self.outside)]
            alone = ~(apart[0].any(1) & apart[1].any(1))
            inside, outside = (
                _score(*query[:2], kind, far | alone[:, None])
                for kind, far in zip((self.inside, self.outside), apart, strict=True)
            )
            parts.append(torch.sigmoid(inside - outside))
        out = torch.zeros(height * width, dtype=torch.float32, device=key.device)
        if parts:
            out[chosen] = torch.cat(parts)
        return out.reshape(height, width).cpu().numpy()


def _score(query: Tensor, selection: Tensor, elements: _Elements, counted: Tensor) -> Tensor:
    key = elements.key
    weighted = selection * query
    distance = (weighted * query).sum(1, keepdim=True) - 2 * weighted @ key.T + selection @ (key * key).T
    scores = -distance * elements.shrinkage[None] / key.shape[1] ** 0.5
    scores = scores.masked_fill(~counted, -torch.inf)
    return torch.logsumexp(scores.topk(min(_NEIGHBOURS, scores.shape[1]), 1).values, 1)


def likely_centres(
    likeness: NDArray[np.float32], radius_cells: float, spacing_radii: float = 0.7, least: float = 0.3
) -> list[tuple[float, float]]:
    """Return where objects may have their centres, most likely first.

    Where the smoothed likeness has a top, there is a candidate; where it is flat (objects that touch), the centres of
    what is likely are spread evenly: a place is taken if none within `spacing_radii` is better or was taken before.

    Parameters
    ----------
    likeness : ndarray, shape (h, w)
        0 to 1 per key cell; 0 where nothing is looked for.
    radius_cells : float
        Radius of the examples in key cells.
    spacing_radii : float
        Least distance between two centres, in radii.
    least : float
        Likeness, after smoothing, below which nothing is looked for.

    Returns
    -------
    list of tuple of 2 float
        y, x in key cells, centres of cells at .5.
    """
    smooth = ndimage.gaussian_filter(likeness, max(0.5, _BLUR_RADII * radius_cells))
    spacing = max(1.0, spacing_radii * radius_cells)
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
