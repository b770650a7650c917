"""What entered memory, at which odds, and which of it turned out wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WrittenEntry", "contradicted"]

#: An entry is poor if its odds are below this share of what was usual, or its area is off by more than these factors.
_POOR_ODDS, _USUAL_AREA = 0.85, (0.7, 1.4)
#: So many entries say what is usual; and at most so many of the latest are taken out.
_FEWEST, _MOST = 4, 32


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """One entry into the memory of an object.

    Attributes
    ----------
    time : int
        Frames since the pass began.
    odds : float
        Confidence of the mask when it was written, 0 to 1.
    area_px : float
        Its area in pixels of the scaled frame.
    """

    time: int
    odds: float
    area_px: float


def contradicted(written: Sequence[WrittenEntry]) -> set[int]:
    """Return the times of the poor entries that the latest ones form without a break: the way into a loss.

    Poor is an entry of odds below 0.85 times the median, or of an area beyond 0.7 to 1.4 times the median. Where fewer
    than four entries are left to say what is usual, nothing is contradicted.

    Parameters
    ----------
    written : sequence of WrittenEntry
        All entries of an object before it was lost, in order.
    """
    if len(written) < _FEWEST:
        return set()
    odds, area = np.median([w.odds for w in written]), np.median([w.area_px for w in written])
    low, high = (limit * area for limit in _USUAL_AREA)
    times: set[int] = set()
    for entry in list(reversed(written))[: min(_MOST, len(written) - _FEWEST)]:
        if entry.odds >= _POOR_ODDS * odds and low <= entry.area_px <= high:
            break
        times.add(entry.time)
    return times
