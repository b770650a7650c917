"""Old against new: whether two results of a frame agree, and what a correction changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import ConfigError
from napari_xmem.imaging import object_areas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Agreement", "CorrectionSummary", "SegmentOutcome", "overlap_of_objects"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """When re-propagation may stop because it no longer changes anything.

    A network that remembers a little differently never gives the same outline to the pixel. Two masks of an object
    agree if what differs is such a tremor of the outline: little on average, and nowhere a patch.

    Attributes
    ----------
    iou : float
        Two masks of an object agree if their Jaccard index is above this, whatever the outline.
    outline_px : float
        They also agree if the outline moved by less than this on average, in pixels (differing pixels per pixel of the
        circumference of a circle of their area),
    patch_share : float
        and no square of differing pixels is as wide as this share of the object's diameter (at least 3 pixels): an
        erased or added patch does not go unnoticed.
    frames : int
        Every object must agree on this many frames in a row; 0: never stop early.
    """

    iou: float = 0.995
    outline_px: float = 0.5
    patch_share: float = 0.08
    frames: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.iou <= 1 or self.outline_px < 0 or self.patch_share < 0 or self.frames < 0:
            raise ConfigError(
                f"{self} is out of range; expected 0 < iou <= 1, outline_px >= 0, patch_share >= 0, frames >= 0."
            )

    def holds(self, old: NDArray[Any], new: NDArray[Any]) -> bool:
        """Return True if every object of two label images (Y, X) agrees."""
        return old.shape == new.shape and self.holds_for(overlap_of_objects(old, new), old, new)

    def holds_for(self, overlaps: Mapping[int, tuple[int, int]], old: NDArray[Any], new: NDArray[Any]) -> bool:
        """Return True if every object agrees, given the pixels of intersection and union of each."""
        differing = {i: (both, union) for i, (both, union) in overlaps.items() if both / max(union, 1) <= self.iou}
        if any(union - both > self.outline_px * np.sqrt(4 * np.pi * union) for both, union in differing.values()):
            return False
        return not any(
            _has_patch(old, new, i, max(3, round(self.patch_share * np.sqrt(4 * union / np.pi))))
            for i, (both, union) in differing.items()
            if union > both
        )


def overlap_of_objects(old: NDArray[Any], new: NDArray[Any]) -> dict[int, tuple[int, int]]:
    """Return for every object of either label image the pixels of intersection and union."""
    before = dict(zip(*(v.tolist() for v in object_areas(old)), strict=True))
    after = dict(zip(*(v.tolist() for v in object_areas(new)), strict=True))
    same = old == new
    both = dict(zip(*(v.tolist() for v in object_areas(np.where(same, old, 0))), strict=True))
    ids = sorted({*before, *after})
    return {i: (both.get(i, 0), before.get(i, 0) + after.get(i, 0) - both.get(i, 0)) for i in ids}


def _has_patch(old: NDArray[Any], new: NDArray[Any], object_id: int, width_px: int) -> bool:
    """Return True if a square of so many pixels differs in the masks of one object."""
    differs = (old == object_id) != (new == object_id)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if not len(rows) or min(np.ptp(rows), np.ptp(columns)) + 1 < width_px:
        return False
    part = differs[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sums = np.pad(part, ((1, 0), (1, 0))).cumsum(0, np.int64).cumsum(1)
    w = width_px
    return bool((sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w] == w * w).any())


@dataclass(frozen=True, slots=True)
class SegmentOutcome:
    """What came of propagating one corrected frame in one direction.

    Attributes
    ----------
    frame : int
        The corrected frame.
    direction : {"forward", "backward"}
        Which way.
    frames_done : tuple of int
        Frames computed again, in the order they were done.
    ended : {"end", "corrected", "locked", "agreed", "stopped"}
        Why it went no further: end of the movie, next corrected frame, a locked frame, old and new agree, or the user.
    ended_at : int or None
        The frame concerned.
    """

    frame: int
    direction: str
    frames_done: tuple[int, ...]
    ended: str
    ended_at: int | None = None

    def __str__(self) -> str:
        reasons = {
            "end": "to the end" if self.direction == "forward" else "to the beginning",
            "corrected": f"up to the corrected frame {self.ended_at}",
            "locked": f"up to the locked frame {self.ended_at}",
            "agreed": f"until old and new agreed on frame {self.ended_at}",
            "stopped": "until it was stopped",
        }
        return f"{self.direction} from frame {self.frame} {reasons[self.ended]}"


@dataclass(frozen=True, slots=True)
class CorrectionSummary:
    """What a correction changed.

    Attributes
    ----------
    corrected : tuple of int
        Frames the person corrected.
    segments : tuple of SegmentOutcome
        Where it was propagated.
    frames_changed : tuple of int
        Frames with at least one changed pixel, the corrected ones included.
    objects_changed : mapping
        Object id to the frames on which it changed; objects that only lost or won stray pixels count too.
    pixels_changed : int
        In all.
    ended : mapping
        Object that was erased to the frame on which it ends.
    renumbered : mapping
        Old number of an object to its new one.
    """

    corrected: tuple[int, ...] = ()
    segments: tuple[SegmentOutcome, ...] = ()
    frames_changed: tuple[int, ...] = ()
    objects_changed: Mapping[int, tuple[int, ...]] | None = None
    pixels_changed: int = 0
    ended: Mapping[int, int] = field(default_factory=dict)
    renumbered: Mapping[int, int] = field(default_factory=dict)

    @property
    def frames_done(self) -> int:
        """Frames computed again."""
        return sum(len(segment.frames_done) for segment in self.segments)

    def __repr__(self) -> str:
        return f"CorrectionSummary({str(self).partition('. ')[0].removesuffix('.')})"

    def __str__(self) -> str:
        objects = self.objects_changed or {}
        worst = sorted(objects, key=lambda i: -len(objects[i]))
        named = ", ".join(map(str, worst[:5])) + (f" and {len(worst) - 5} more" if len(worst) > 5 else "")
        frames = f"{len(self.frames_changed)} frame{'s' * (len(self.frames_changed) != 1)}"
        changed = f"{frames} changed (object{'s' * (len(worst) != 1)} {named})" if worst else "Nothing changed"
        way = "; ".join(str(segment) for segment in self.segments)
        ends = "".join(f" Object {i} ends at frame {frame}." for i, frame in self.ended.items())
        return f"{changed}. Propagated {way}.{ends}" if way else f"{changed}.{ends}"
