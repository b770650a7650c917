"""What looks like an object on a frame: other objects that claim its pixels, and places that nobody painted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_xmem.memory.distractors import Contest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.object_state import Observation
    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["contests_of"]

#: What is unsure around a mask is part of it, so many pixels far.
_FRINGE_PX = 3


def contests_of(
    claims: Sequence[RegionMask],
    masks: Sequence[RegionMask],
    seen: Mapping[int, Observation],
    areas_px: Mapping[int, float],
    wanted: Collection[int],
    frame_shape: tuple[int, int],
) -> dict[int, Contest]:
    """Say how objects fared against their closest rivals.

    The rival of an object is whoever claims most of what it claims: another object that is seen, ``sum min(p, q)`` of
    both probabilities before they compete, or what is nobody's, ``sum p`` over all that ended as no object's, more
    than 3 px from its mask.

    Parameters
    ----------
    claims : sequence of RegionMask
        Probability of each object by itself.
    masks : sequence of RegionMask
        What became of them.
    seen : mapping of int to Observation
        What is seen of each.
    areas_px : mapping of int to float
        Their usual areas.
    wanted : collection of int
        Objects that are asked about.
    frame_shape : tuple of 2 int
        Size of the scaled frame.

    Returns
    -------
    dict of int to Contest
        Of all that are asked about and seen.
    """
    best, second = np.zeros(frame_shape, np.float32), np.zeros(frame_shape, np.float32)
    owner, next_owner = np.zeros(frame_shape, np.int32), np.zeros(frame_shape, np.int32)
    taken = np.zeros(frame_shape, bool)
    present = [claim for claim in claims if seen[claim.object_id].area_px]
    for claim in present:
        window, pixels = claim.region.slices, claim.pixels
        first = pixels > best[window]
        other = ~first & (pixels > second[window])
        second[window] = np.where(first, best[window], np.where(other, pixels, second[window]))
        next_owner[window] = np.where(first, owner[window], np.where(other, claim.object_id, next_owner[window]))
        best[window], owner[window] = (
            np.where(first, pixels, best[window]),
            np.where(first, claim.object_id, owner[window]),
        )
    for mask in masks:
        taken[mask.region.slices] |= mask.pixels > 0.5
    out = {}
    for claim in present:
        i = claim.object_id
        if i not in wanted:
            continue
        window, pixels = claim.region.slices, claim.pixels
        mine = owner[window] == i
        theirs = np.where(mine, second[window], best[window])
        whose = np.where(mine, next_owner[window], owner[window])
        share, centre = _painted(np.minimum(pixels, theirs), whose, seen)
        lone, lone_centre = _unpainted(pixels, taken[window], claim)
        if lone > share:
            share, centre = lone, lone_centre
        diameter = math.sqrt(4 * seen[i].area_px / math.pi)
        distance = math.dist(centre, seen[i].centre_px) / diameter if share else 0.0
        usual = areas_px.get(i, 0.0) or seen[i].area_px
        out[i] = Contest(share / seen[i].area_px, distance, seen[i].confidence, seen[i].area_px / usual)
    return out


def _painted(
    common: NDArray[np.float32], whose: NDArray[np.int32], seen: Mapping[int, Observation]
) -> tuple[float, tuple[float, float]]:
    """Return how much the closest other object claims as well, and its centre."""
    ids, place = np.unique(whose, return_inverse=True)
    sums = np.bincount(place.ravel(), common.ravel(), len(ids))
    sums[ids == 0] = 0.0
    rival = int(ids[sums.argmax()])
    if not rival or not sums.max():
        return 0.0, (0.0, 0.0)
    return float(sums.max()), seen[rival].centre_px


def _unpainted(
    pixels: NDArray[np.float32], taken: NDArray[np.bool_], claim: RegionMask
) -> tuple[float, tuple[float, float]]:
    """Return how much of a claim ended as nobody's, and where."""
    nobodys = np.where(ndimage.binary_dilation(taken, iterations=_FRINGE_PX), np.float32(0), pixels)
    nobodys[nobodys < 0.1] = 0  # the floor of a sigmoid over many pixels is no place
    total = float(nobodys.sum())
    return (total, _centre(nobodys, claim)) if total else (0.0, (0.0, 0.0))


def _centre(weight: NDArray[np.float32], claim: RegionMask) -> tuple[float, float]:
    total = float(weight.sum())
    y = float((weight.sum(1) * np.arange(weight.shape[0])).sum()) / total
    x = float((weight.sum(0) * np.arange(weight.shape[1])).sum()) / total
    return claim.region.y + y + 0.5, claim.region.x + x + 0.5
