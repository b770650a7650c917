"""A cell that may have come in: what speaks for it frame by frame, and what is made of it in the results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.engine.scopes.region_masks import RegionMask, compose_labels
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.engine.results import FrameResult

__all__ = ["Entry", "EntryTrial"]


@dataclass(slots=True)
class EntryTrial:
    """A cell that was found where nobody was, followed until it is clear that it is one.

    Attributes
    ----------
    object_id : int
        Id under which it is followed.
    frame : int
        First frame on which it was seen.
    how : str
        "entered" over the border of the picture, "appeared" inside it, or "found" where the search began.
    confidence : list of float
        Expected Jaccard index of its mask on this and the following frames.
    areas_px : list of float
        Its areas, in pixels of the scaled frame.
    masks : dict of int to RegionMask
        Its masks, by frame.
    """

    object_id: int
    frame: int
    how: str
    confidence: list[float] = field(default_factory=list)
    areas_px: list[float] = field(default_factory=list)
    masks: dict[int, RegionMask] = field(default_factory=dict)

    def add(self, frame: int, mask: RegionMask, confidence: float, area_px: float) -> None:
        """Take in what was seen on one more frame."""
        self.confidence.append(float(confidence))
        self.areas_px.append(float(area_px))
        self.masks[frame] = mask

    @property
    def odds(self) -> float:
        """How sure it is that this is a cell: its mean confidence, 0 to 1."""
        return min(1.0, max(0.0, float(np.mean(self.confidence))))

    @property
    def steadiness(self) -> float:
        """Its smallest area over its largest."""
        return min(self.areas_px) / max(max(self.areas_px), 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return what `from_state_dict` needs: plain values and tensors."""
        return {
            "object_id": self.object_id,
            "frame": self.frame,
            "how": self.how,
            "confidence": list(self.confidence),
            "areas_px": list(self.areas_px),
            "masks": [
                [frame, [m.region.y, m.region.x, m.region.height, m.region.width], m.probability]
                for frame, m in self.masks.items()
            ],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the trial that `state_dict` described."""
        i = int(state["object_id"])
        masks = {int(t): RegionMask(i, Region(*map(int, region)), p) for t, region, p in state["masks"]}
        return cls(
            i,
            int(state["frame"]),
            str(state["how"]),
            [float(c) for c in state["confidence"]],
            [float(a) for a in state["areas_px"]],
            masks,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A trial that was decided for the cell.

    Attributes
    ----------
    trial : EntryTrial
        What was decided on.
    object_id : int
        Id of the cell: that of the trial, or of a lost object that came back.
    returned : bool
        It is a lost object that came back.
    frame : int
        The frame on which it was decided.
    """

    trial: EntryTrial
    object_id: int
    returned: bool
    frame: int

    def written_into(self, result: FrameResult, scale: float) -> FrameResult:
        """Return a result that shows the cell on pixels that are nobody's, if it was seen there.

        Parameters
        ----------
        result : FrameResult
            Of a frame that is not yielded yet.
        scale : float
            Pixels of the scaled frame per pixel of the movie.
        """
        mask = self.trial.masks.get(result.frame)
        i, ids = self.object_id, result.object_ids
        if mask is None or (i in ids and result.area_px[ids.index(i)]):
            return self._told(result)
        shape = (result.labels.shape[0], result.labels.shape[1])
        seen = compose_labels([replace(mask, object_id=i)], shape, scale)
        pixels = (seen.labels == i) & (result.labels == 0)
        area = int(np.count_nonzero(pixels))
        labels = np.where(pixels, np.asarray(i, result.labels.dtype), result.labels)
        confidence = float(seen.confidence[0]) * (area > 0)
        if i not in ids:
            ids = (*ids, i)
            areas, sure = np.append(result.area_px, area), np.append(result.confidence, confidence)
        else:
            areas, sure = result.area_px.copy(), result.confidence.copy()
            areas[ids.index(i)], sure[ids.index(i)] = area, confidence
        areas, sure = areas.astype(np.int64), sure.astype(np.float32)
        return self._told(replace(result, labels=labels, object_ids=ids, area_px=areas, confidence=sure))

    def _told(self, result: FrameResult) -> FrameResult:
        """Say on the first frame that it begins, or is back."""
        if result.frame != self.trial.frame:
            return result
        kind = EventKind.RETURN if self.returned else EventKind.ENTRY
        how = "" if self.returned else self.trial.how
        event = Event(kind, result.frame, (self.object_id,), self.trial.odds, detail=how, decided=self.frame)
        births = result.births if self.returned else (*result.births, (self.object_id, None))
        return replace(result, births=births, events=(*result.events, event))
