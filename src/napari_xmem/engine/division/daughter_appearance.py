"""What two hypothetical daughters look like on one frame, beside the mother that they would replace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_xmem.engine.scopes.region_masks import RegionMask, expected_jaccard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Look", "joined_claim", "look_at", "share_inside", "shared_claims"]


@dataclass(frozen=True, slots=True)
class Look:
    """One frame of a trial; areas in pixels of the scaled frame.

    Attributes
    ----------
    frame : int
        Frame of the movie.
    mother_px : float
        Area of the mother, followed as one object; 0 where she is lost.
    mother_confidence : float
        Expected Jaccard index of her mask.
    areas_px : tuple of 2 float
        Area of each daughter, followed by herself.
    confidence : tuple of 2 float
        Expected Jaccard index of each daughter's mask.
    agreement : float
        Jaccard index of both daughters together with the mother: near 1 if both ways of following see the same.
    contact : float
        Length of the border that the daughters share, over the square root of the smaller area; 0 with a gap between.
    blur : float
        What the daughters claim of each other, ``sum(min(p, q))`` over the smaller area: small where their border is
        sharp, large where nothing in the image divides them. Back in time: what they claim before they compete.
    distance : float
        Distance of their centroids over the square root of their mean area.
    inside : float
        Share of both daughters that lies inside the mother.
    """

    frame: int
    mother_px: float
    mother_confidence: float
    areas_px: tuple[float, float]
    confidence: tuple[float, float]
    agreement: float
    contact: float
    blur: float
    distance: float
    inside: float = 1.0


def look_at(frame: int, mother: RegionMask, daughters: Sequence[RegionMask]) -> Look:
    """Measure two daughters and their mother; `daughters` are two, competing with each other and all other objects."""
    corner, size = _hull([mother, *daughters])
    whole, first, second = (_paste(mask, corner, size) for mask in (mother, *daughters))
    m, a, b = whole > 0.5, first > 0.5, second > 0.5
    areas = float(a.sum()), float(b.sum())
    smaller = max(min(areas), 1.0)
    union = a | b
    both = np.count_nonzero(union | m)
    return Look(
        frame,
        float(m.sum()),
        expected_jaccard(whole, m)[1],
        areas,
        (expected_jaccard(first, a)[1], expected_jaccard(second, b)[1]),
        np.count_nonzero(union & m) / both if both else 0.0,
        _contact(a, b) / smaller**0.5,
        float(np.minimum(first, second).sum()) / smaller,
        _distance(a, b) / max(sum(areas) / 2, 1.0) ** 0.5,
        int(np.count_nonzero(union & m)) / max(int(np.count_nonzero(union)), 1),
    )


def shared_claims(claims: Sequence[RegionMask], least_iou: float) -> list[tuple[RegionMask, RegionMask]]:
    """Return pairs of objects that claim the same place: Jaccard index of what they claim at least `least_iou`."""
    boxes = []
    for claim in claims:
        y, x = np.nonzero(claim.probability.cpu().numpy() > 0.5)
        if len(y):
            top, left = claim.region.y, claim.region.x
            boxes.append((claim, top + y.min(), left + x.min(), top + y.max() + 1, left + x.max() + 1))
    found = []
    for n, (one, *a) in enumerate(boxes):
        for other, *b in boxes[n + 1 :]:
            height, width = (max(0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1))
            if height * width < least_iou * max((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)):
                continue  # the boxes of masks that agree so well need not, but nearly always do
            corner, size = _hull([one, other])
            p, q = (_paste(mask, corner, size) > 0.5 for mask in (one, other))
            if np.count_nonzero(p & q) >= least_iou * np.count_nonzero(p | q):
                found.append((one, other))
    return found


def share_inside(part: RegionMask, whole: RegionMask, drift_px: tuple[float, float] = (0.0, 0.0)) -> float:
    """Return the share of one mask that lies inside another, which was seen before the frame drifted."""
    where = whole.region
    moved = replace(whole, region=replace(where, y=where.y + round(drift_px[0]), x=where.x + round(drift_px[1])))
    corner, size = _hull([part, moved])
    own, other = (_paste(mask, corner, size) > 0.5 for mask in (part, moved))
    return float((own & other).sum() / max(1.0, float(own.sum())))


def joined_claim(one: RegionMask, other: RegionMask, object_id: int) -> RegionMask:
    """Return what either of two objects claims, in the region of the larger claim."""
    larger, smaller = sorted((one, other), key=lambda m: float((m.probability > 0.5).sum()), reverse=True)
    corner, size = _hull([larger, smaller])
    rest = _paste(smaller, corner, size)
    y, x = larger.region.y - corner[0], larger.region.x - corner[1]
    rest = rest[y : y + larger.region.height, x : x + larger.region.width]
    own = larger.probability
    return RegionMask(object_id, larger.region, own.maximum(own.new_tensor(rest)))


def _contact(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    if not (a.any() and b.any()):
        return 0.0
    return float(np.count_nonzero(ndimage.binary_dilation(a, iterations=2) & b)) / 2


def _distance(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    if not (a.any() and b.any()):
        return 0.0
    centres = [np.mean(np.nonzero(mask), axis=1) for mask in (a, b)]
    return float(np.hypot(*(centres[0] - centres[1])))


def _hull(masks: Sequence[RegionMask]) -> tuple[tuple[int, int], tuple[int, int]]:
    top, left = min(m.region.y for m in masks), min(m.region.x for m in masks)
    bottom = max(m.region.y + m.region.height for m in masks)
    right = max(m.region.x + m.region.width for m in masks)
    return (top, left), (bottom - top, right - left)


def _paste(mask: RegionMask, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    out = np.zeros(size, np.float32)
    y, x = mask.region.y - corner[0], mask.region.x - corner[1]
    out[y : y + mask.region.height, x : x + mask.region.width] = mask.probability.cpu().numpy()
    return out
