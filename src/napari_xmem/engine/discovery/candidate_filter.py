"""Which candidates are objects: plausible in size and shape, sure enough, and on pixels that nobody owns."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.engine.discovery.solidity import solidity
from napari_xmem.imaging import object_boxes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any, Self

    from numpy.typing import NDArray

    from napari_xmem.engine.discovery.candidate_masks import Candidate
    from napari_xmem.engine.discovery.edge_strength import Outlines

__all__ = ["ExampleKind", "Ground", "distinct"]

#: Areas that are plausible, as shares of the smallest and the largest example.
_SMALLEST_SHARE, _LARGEST_SHARE = 0.3, 2.5
#: The same for objects that the frame's border cuts.
_SMALLEST_CUT_SHARE = 0.08
#: Solidity that is plausible, as a share of that of the least convex example.
_SOLIDITY_SHARE = 0.8
#: What is usual: solidity as such a share, areas as shares of the smallest and the largest example, and likeness as a
#: share of that of the examples' own pixels. Beyond, a candidate ranks lower.
_USUAL_SOLIDITY_SHARE, _USUAL_AREA_SHARES, _USUAL_LIKENESS_SHARE = 0.95, (0.7, 1.3), 0.6
#: The same for how much the frame changes across the outline; and what is so faint that it is looked at once only.
_USUAL_OUTLINE_SHARE, _FAINT_OUTLINE_SHARE = 0.7, 0.35
#: How much lower: factors of the logarithm.
_SIZE_WEIGHT, _SOLIDITY_WEIGHT, _LIKENESS_WEIGHT, _OUTLINE_WEIGHT = 0.7, 3.0, 0.5, 0.7
#: Share of a candidate's pixels that may be another one's already without its being seen as what is left of it.
_OVERLAP_SHARE = 0.1
#: Jaccard index from which two candidates show the same.
_SAME_SHARE = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class ExampleKind:
    """What is plausible for objects like the examples, in pixels of the scaled frame.

    Attributes
    ----------
    smallest_px, largest_px : float
        Areas of the smallest and the largest example.
    least_solidity : float
        Of the least convex example, see `solidity`.
    likeness : ndarray, shape (h, w)
        How much each key cell looks like the examples, 0 to 1.
    usual_likeness : float
        Its mean over the examples' own pixels.
    stride_px : int
        Key stride.
    scaled_shape : tuple of 2 int
        Size of the frame without padding.
    outlines : Outlines
        How much the frame changes across outlines.
    usual_outline : float
        The mean change across the examples' own; 0 if that cannot be said.
    """

    smallest_px: float
    largest_px: float
    least_solidity: float
    likeness: NDArray[np.float32]
    usual_likeness: float
    stride_px: int
    scaled_shape: tuple[int, int]
    outlines: Outlines
    usual_outline: float

    @classmethod
    def of(
        cls,
        areas_px: Sequence[float],
        owner: NDArray[Any],
        object_ids: Collection[int],
        likeness: NDArray[np.float32],
        stride_px: int,
        scaled_shape: tuple[int, int],
        outlines: Outlines,
    ) -> Self:
        """Return what examples of these areas make plausible; `owner` ``(H, W)`` holds the ids of their pixels."""
        solid, usual, clear = [], [], list[float]()
        for i, (top, left, bottom, right) in object_boxes(owner).items():
            if i in object_ids:
                cells = tuple(slice(a // stride_px, -(-b // stride_px)) for a, b in ((top, bottom), (left, right)))
                window = tuple(slice(c.start * stride_px, c.stop * stride_px) for c in cells)
                inside = owner[window] == i
                solid.append(solidity(inside))
                usual.append(_mean_on(likeness[cells], inside, stride_px))
                strength = outlines.strength(inside, window[0].start, window[1].start)
                clear += [] if strength is None else [strength]
        return cls(
            min(areas_px),
            max(areas_px),
            min(solid, default=0.0),
            likeness,
            float(np.mean(usual)) if usual else 1.0,
            stride_px,
            scaled_shape,
            outlines,
            float(np.mean(clear)) if clear else 0.0,
        )

    def outline_share(self, candidate: Candidate) -> float:
        """Return how clear its outline is, as a share of those of the examples; 1 if that cannot be said."""
        strength = self.outlines.of(candidate) if self.usual_outline else None
        return 1.0 if strength is None else strength / self.usual_outline

    def may_become_one(self, candidate: Candidate) -> bool:
        """Return True if a candidate ends clearly enough for another look at it to be worth while."""
        return bool(candidate.area_px) and self.outline_share(candidate) >= _FAINT_OUTLINE_SHARE

    def may_hold_one(self, centre_px: tuple[float, float], radius_px: float) -> bool:
        """Return True if something around a place ends clearly enough for an object to be there."""
        return self.outlines.clearest(centre_px, radius_px) >= _FAINT_OUTLINE_SHARE * self.usual_outline

    def admits(self, candidate: Candidate) -> bool:
        """Return True if a candidate may be an object of this kind."""
        cut = candidate.touches_border(self.scaled_shape)
        least = (_SMALLEST_CUT_SHARE if cut else _SMALLEST_SHARE) * self.smallest_px
        if not least <= candidate.area_px <= _LARGEST_SHARE * self.largest_px:
            return False
        return candidate.solidity >= _SOLIDITY_SHARE * self.least_solidity

    def rank(self, candidate: Candidate) -> float:
        """Return its confidence, less where looks, clearness, size or shape are unlike those of the examples."""
        if not candidate.area_px:
            return 0.0
        shape = self._size_excess(candidate) + self._hollowness(candidate)
        rows, columns = (slice(s.start // self.stride_px, s.stop // self.stride_px) for s in candidate.region.slices)
        likeness = _mean_on(self.likeness[rows, columns], candidate.inside, self.stride_px)
        share = likeness / max(1e-6, _USUAL_LIKENESS_SHARE * self.usual_likeness)
        clear = min(1.0, self.outline_share(candidate) / _USUAL_OUTLINE_SHARE) ** _OUTLINE_WEIGHT
        return candidate.confidence * math.exp(-shape) * min(1.0, share) ** _LIKENESS_WEIGHT * clear

    def may_be_several(self, candidate: Candidate) -> bool:
        """Return True if more than one object may be in it: it is large or not convex."""
        large = candidate.area_px > _USUAL_AREA_SHARES[1] * self.largest_px
        return bool(candidate.area_px) and (large or self._hollowness(candidate) > 0)

    def _size_excess(self, candidate: Candidate) -> float:
        small, large = (_USUAL_AREA_SHARES[0] * self.smallest_px, _USUAL_AREA_SHARES[1] * self.largest_px)
        excess = max(0.0, math.log(candidate.area_px / large))
        if not candidate.touches_border(self.scaled_shape):
            excess = max(excess, math.log(small / candidate.area_px))
        return _SIZE_WEIGHT * excess

    def _hollowness(self, candidate: Candidate) -> float:
        usual = _USUAL_SOLIDITY_SHARE * self.least_solidity
        return _SOLIDITY_WEIGHT * max(0.0, usual - candidate.solidity)


def distinct(candidates: Sequence[Candidate], chosen: Sequence[int]) -> list[int]:
    """Return those of the chosen candidates, in their order, of which no surer one of them shows nearly the same."""
    kept: list[int] = []
    for n in sorted(chosen, key=lambda n: (-candidates[n].confidence, n)):
        if all(candidates[n].overlap(candidates[m]) < _SAME_SHARE for m in kept):
            kept.append(n)
    return sorted(kept)


def _mean_on(likeness: NDArray[np.float32], mask: NDArray[np.bool_], stride_px: int) -> float:
    """Return the mean of key cells ``(h, w)``, weighted with how much of each a mask ``(H, W)`` covers."""
    height, width = likeness.shape
    covered = mask.reshape(height, stride_px, width, stride_px).mean((1, 3))
    return float((likeness * covered).sum() / max(1e-6, covered.sum()))


class Ground:
    """Who owns which pixels of the scaled frame.

    Parameters
    ----------
    owned : ndarray, shape (H, W), bool
        Pixels that are somebody's.
    """

    def __init__(self, owned: NDArray[np.bool_]) -> None:
        self.owned = owned.copy()

    def accept(
        self, candidates: Sequence[Candidate], kind: ExampleKind, least_confidence: float
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Take candidates, the best first, each on the pixels that are left; return those taken, and the others.

        A candidate that loses pixels to a better one ranks again by what is left of it. `kind` says what is plausible.
        """
        waiting = [_entry(kind, c, n) for n, c in enumerate(candidates) if c.area_px]
        heapq.heapify(waiting)
        accepted, rest = [], []
        while waiting:
            rank, _, _, number, candidate = heapq.heappop(waiting)
            left = candidate.without(self.owned[candidate.region.slices], _OVERLAP_SHARE)
            if left is not candidate:
                if left.area_px:
                    heapq.heappush(waiting, _entry(kind, left, number))
            elif -rank >= least_confidence and kind.admits(candidate):
                self.owned[candidate.region.slices] |= candidate.inside
                accepted.append(replace(candidate, plausibility=min(1.0, -rank / candidate.confidence)))
            else:
                rest.append(candidate)
        return accepted, rest


def _entry(kind: ExampleKind, candidate: Candidate, number: int) -> tuple[float, float, float, int, Candidate]:
    y, x = candidate.centre_px
    return -kind.rank(candidate), y, x, number, candidate
