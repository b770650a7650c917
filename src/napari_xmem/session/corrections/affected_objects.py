"""Which objects a correction concerns: those that were changed, their neighbours, and who gets drawn in on the way.

Objects that the person did not touch keep their old masks, to the pixel, unless a corrected object takes a good part of
them: then their old mask was wrong too, and from that frame on the new one counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_xmem.imaging import object_areas, object_boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from napari_xmem.engine import FrameResult

__all__ = ["AffectedObjects", "changed_objects", "neighbours"]

T = TypeVar("T")

#: An untouched object is drawn in when a corrected one takes more than this share of its old mask.
DRAWN_IN_SHARE = 0.1
#: Neighbours are followed along if they come this close, in median diameters.
REACH_DIAMETERS = 2.0


def changed_objects(old: NDArray[Any], new: NDArray[Any]) -> set[int]:
    """Return the objects with different pixels in two label images (Y, X)."""
    different = old != new
    return {int(i) for i in np.unique(np.concatenate([old[different], new[different]])) if i > 0}


def neighbours(images: Iterable[NDArray[Any]], objects: Collection[int]) -> set[int]:
    """Return `objects` and all that come near one of them on one of the label images (Y, X)."""
    found = set(objects)
    for labels in images:
        boxes = object_boxes(labels)
        if not boxes:
            continue
        reach = REACH_DIAMETERS * float(np.median([2 * np.sqrt(a / np.pi) for a in object_areas(labels)[1]]))
        mine = [boxes[i] for i in objects if i in boxes]
        found |= {i for i, box in boxes.items() if any(_gap(box, own) <= reach for own in mine)}
    return found


def _gap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Return the distance between two boxes (y0, x0, y1, x1) along the axis where it is larger."""
    return max(0, max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))


@dataclass(slots=True)
class AffectedObjects:
    """Merges new results into old ones, object by object.

    Attributes
    ----------
    objects : set of int or None
        Objects whose new masks count; it grows. None: all.
    followed : frozenset of int or None
        Objects that take part in re-propagation; others are never given up. None: all.
    """

    objects: set[int] | None = None
    followed: frozenset[int] | None = None

    def merge(self, old: FrameResult | None, new: FrameResult) -> FrameResult:
        """Return the new result of the objects concerned, their daughters and mothers, and the old one of others."""
        if self.objects is None or old is None:
            return new
        self.objects |= {mother for i, mother in new.births if mother is not None and i in self.objects}
        self.objects |= {i for frame in (old, new) for i, mother in frame.births if mother in self.objects}
        labels, areas = self._merge_labels(old.labels, new.labels, self.objects)
        sure: dict[int, float] = {}
        for result, mine in ((old, False), (new, True)):
            for i, confidence in zip(result.object_ids, result.confidence.tolist(), strict=True):
                if (i in self.objects) is mine:
                    sure[i] = confidence
        ids = tuple(sure)
        return replace(
            new,
            labels=labels,
            object_ids=ids,
            area_px=np.array([areas.get(i, 0) for i in ids], np.int64),
            confidence=np.array([sure[i] if areas.get(i, 0) or np.isnan(sure[i]) else 0.0 for i in ids], np.float32),
            births=self._of_both(old.births, new.births, lambda birth: birth[0]),
            ends=self._of_both(old.ends, new.ends, lambda end: end[0]),
            events=self._of_both(old.events, new.events, lambda event: event.objects[0] if event.objects else 0),
        )

    def _of_both(self, old: tuple[T, ...], new: tuple[T, ...], whose: Callable[[T], int]) -> tuple[T, ...]:
        """Return what is said of the objects concerned in the new result, and of all others in the old one."""
        concerned = self.objects or set()
        kept = (item for item in old if whose(item) not in concerned)
        return (*kept, *(item for item in new if whose(item) in concerned))

    def _merge_labels(
        self, old: NDArray[Any], new: NDArray[Any], objects: set[int]
    ) -> tuple[NDArray[Any], dict[int, int]]:
        dtype = np.promote_types(old.dtype, new.dtype)
        before = dict(zip(*(v.tolist() for v in object_areas(old)), strict=True))
        while True:
            kept = np.where(np.isin(old, list(objects)), 0, old)
            won = np.isin(new, list(objects))
            if self.followed is not None:
                won &= (kept == 0) | np.isin(kept, list(self.followed))
            labels = np.where(won, new, kept).astype(dtype)
            after = dict(zip(*(v.tolist() for v in object_areas(labels)), strict=True))
            drawn = {
                i
                for i, area in before.items()
                if i not in objects
                and (self.followed is None or i in self.followed)
                and area - after.get(i, 0) > DRAWN_IN_SHARE * area
            }
            if not drawn:
                return labels, after
            objects |= drawn
