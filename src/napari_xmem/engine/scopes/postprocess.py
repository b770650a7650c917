"""Reading place, size and confidence off region masks, and removing stray specks from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_xmem.engine.scopes.object_state import Observation
from napari_xmem.engine.scopes.region_masks import RegionMask, expected_jaccard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["postprocess_masks"]

#: Components smaller than this share of the largest are specks; daughters of a division are larger.
SPECK_SHARE = 0.15
#: What is unsure around a speck goes with it, so many pixels far.
_WIDENED_PX = 2


def postprocess_masks(
    masks: Sequence[RegionMask], frame_shape: tuple[int, int]
) -> tuple[list[RegionMask], dict[int, Observation]]:
    """Clean the masks and say what was seen of each object.

    Parameters
    ----------
    masks : sequence of RegionMask
        Aggregated probabilities.
    frame_shape : tuple of 2 int
        Size of the scaled frame.

    Returns
    -------
    masks : list of RegionMask
        The same, with specks set to 0.
    seen : dict of int to Observation
        Per object.
    """
    cleaned, seen = [], {}
    for mask in masks:
        probability = mask.pixels
        inside = probability > 0.5
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            cleaned.append(mask)
            seen[mask.object_id] = Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0))
            continue
        around = (
            slice(max(0, int(rows[0]) - _WIDENED_PX), int(rows[-1]) + 1 + _WIDENED_PX),
            slice(max(0, int(columns[0]) - _WIDENED_PX), int(columns[-1]) + 1 + _WIDENED_PX),
        )
        specks = _specks(inside[around])
        if specks is not None:
            probability = probability.astype(np.float32, copy=True)
            probability[around][specks] = 0.0
            inside[around] &= ~specks
            mask = RegionMask.of(mask.object_id, mask.region, probability)
        cleaned.append(mask)
        seen[mask.object_id] = _observe(probability, inside, mask, frame_shape)
    return cleaned, seen


def _specks(inside: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return the pixels of small components, or None if there are none."""
    components, count = ndimage.label(inside)
    if count < 2:
        return None
    areas = np.bincount(components.ravel())
    areas[0] = 0
    small = areas < SPECK_SHARE * areas.max()
    small[0] = False
    if not small.any():
        return None
    specks: NDArray[np.bool_] = ndimage.binary_dilation(small[components], iterations=_WIDENED_PX) & ~(
        (~small)[components] & inside
    )
    return specks


def _observe(
    probability: NDArray[np.float32], inside: NDArray[np.bool_], mask: RegionMask, frame_shape: tuple[int, int]
) -> Observation:
    area, confidence = expected_jaccard(probability, inside)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    y, x = mask.region.y, mask.region.x
    box = (float(y + rows[0]), float(x + columns[0]), float(y + rows[-1] + 1), float(x + columns[-1] + 1))
    ends = (y + mask.region.height, x + mask.region.width)
    cut = (0 < y == box[0]) or (0 < x == box[1])
    cut = cut or box[2] == ends[0] < frame_shape[0] or box[3] == ends[1] < frame_shape[1]
    return Observation(float(area), confidence, box, cut)
