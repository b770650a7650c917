"""Daughters, or mothers, that a correction finds again keep the ids that they had, and what a person said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.imaging import object_ids
from napari_xmem.session.packed_labels import renumbered_labels
from napari_xmem.session.renumbered_events import scores_renumbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.engine import FrameResult
    from napari_xmem.session.results import ResultsStore

__all__ = ["DaughterNames"]

#: A daughter of the same mother is found again if the Jaccard index of her first masks, old and new, is above this.
SAME_IOU = 0.3
#: The frame of a division is uncertain by this much.
TOLERANCE_FRAMES = 2


class DaughterNames:
    """Knows which daughters of a new run are which of the old results, while one stretch is done.

    Where the stretch goes back in time mothers begin: a mother is the object that was where her daughters are.

    Parameters
    ----------
    results : ResultsStore
        Old results, replaced frame by frame.
    frames : sequence of int
        Frames of the stretch, in their order.
    backward : bool
        They go back in time.

    Attributes
    ----------
    numbers : dict of int to int
        Id that the run gave to the id of before.
    """

    def __init__(self, results: ResultsStore, frames: Sequence[int], *, backward: bool = False) -> None:
        self.numbers: dict[int, int] = {}
        self._backward = backward
        self._results = results
        self._births = [
            (t, child, mother)
            for t in frames
            if (record := results.get(t)) is not None
            for child, mother in record.scores.births
            if mother is not None
        ]
        self._first = {child: record for t, child, _ in self._births if (record := results.get(t)) is not None}

    def apply(self, result: FrameResult) -> FrameResult:
        """Return a new result of a frame with the ids of before; call it once per frame, in their order."""
        for child, mother in result.births:
            if self._backward and mother is not None and mother not in self.numbers:
                found = self._earlier_mother(result, mother)
                if found is not None and found != mother:
                    self.numbers[mother] = found
            elif not self._backward and mother is not None and child not in self.numbers:
                found = self._earlier(result, child, self.numbers.get(mother, mother))
                if found is not None and found != child:
                    self.numbers[child] = found
        if not self.numbers:
            return result
        labels = renumbered_labels(result.labels, self.numbers).astype(result.labels.dtype)
        return replace(scores_renumbered(result, self.numbers), labels=labels)

    def _earlier(self, result: FrameResult, child: int, mother: int) -> int | None:
        new, best, found = result.labels == child, SAME_IOU, None
        for t, i, old_mother in self._births:
            near = abs(t - result.frame) <= TOLERANCE_FRAMES
            if old_mother != mother or not near or i in self.numbers.values() or i in result.object_ids:
                continue
            old = self._first[i].packed.unpack() == i
            iou = (old & new).sum() / max(1, (old | new).sum())
            if iou > best:
                best, found = iou, i
        return found

    def _earlier_mother(self, result: FrameResult, mother: int) -> int | None:
        own = result.labels == mother
        record = self._results.get(result.frame if own.any() else result.frame - 1)
        if record is None:
            return None
        new = own if own.any() else np.isin(result.labels, [i for i, m in result.births if m == mother])
        best, found = SAME_IOU, None
        old = record.packed.unpack()
        for i in object_ids(np.where(new, old, 0)):
            iou = (new & (old == i)).sum() / (new | (old == i)).sum()
            if iou > best and i not in result.object_ids and i not in self.numbers.values():
                best, found = iou, i
        return found
