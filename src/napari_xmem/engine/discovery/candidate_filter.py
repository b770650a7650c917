"""Which candidates are objects: plausible in size, sure enough, and not on pixels that another one owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.discovery.moved_examples import Candidate

__all__ = ["Ground", "SizeRange"]

#: Areas that are plausible, as shares of the smallest and the largest example.
_SMALLEST_SHARE, _LARGEST_SHARE = 0.3, 2.5
#: The same for objects that the frame's border cuts.
_SMALLEST_CUT_SHARE = 0.08
#: Share of a candidate's pixels that may be another one's already.
_OVERLAP_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class SizeRange:
    """Areas that are plausible, in pixels of the scaled frame.

    Attributes
    ----------
    smallest_px, largest_px : float
        Areas of the smallest and the largest example.
    """

    smallest_px: float
    largest_px: float

    @classmethod
    def of(cls, areas_px: Iterable[float]) -> SizeRange:
        """Return the range for examples of these areas."""
        areas = [*areas_px]
        return cls(min(areas), max(areas))

    def admits(self, candidate: Candidate, scaled_shape: tuple[int, int]) -> bool:
        """Return True if a candidate's area may be that of an object of this kind."""
        cut = candidate.touches_border(scaled_shape)
        least = (_SMALLEST_CUT_SHARE if cut else _SMALLEST_SHARE) * self.smallest_px
        return bool(least <= candidate.area_px <= _LARGEST_SHARE * self.largest_px)


class Ground:
    """Who owns which pixels of the scaled frame.

    Parameters
    ----------
    frame_shape : tuple of 2 int
        Size of the scaled, padded frame.
    """

    def __init__(self, frame_shape: tuple[int, int]) -> None:
        self.owned: NDArray[np.bool_] = np.zeros(frame_shape, bool)

    def take(self, candidate: Candidate) -> None:
        """Give a candidate its pixels."""
        self.owned[candidate.region.slices] |= candidate.inside

    def is_free(self, candidate: Candidate) -> bool:
        """Return True if most of a candidate's pixels are nobody's."""
        taken = (self.owned[candidate.region.slices] & candidate.inside).sum()
        return bool(taken <= _OVERLAP_SHARE * candidate.area_px)

    def accept(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Take candidates, the most confident first, as long as their pixels are free; return those that were taken."""
        accepted = []
        for candidate in sorted(candidates, key=lambda c: (-c.confidence, c.centre_px)):
            if candidate.area_px and self.is_free(candidate):
                self.take(candidate)
                accepted.append(candidate)
        return accepted
