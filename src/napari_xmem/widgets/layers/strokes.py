"""Strokes of a person in a result that is written meanwhile: they are kept, and napari's undo never cuts holes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.session.packed_labels import PackedLabels

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    Place = tuple[int | None, ...]

__all__ = ["StrokeKeeper", "forget_undo"]


class StrokeKeeper:
    """Knows what was written last on each plane of a result, and so what a person painted there since.

    Attributes
    ----------
    painted : set of int
        Frames on which strokes lie over what was written.
    written : deque
        Places on the leading axes (None: any) whose pixels were changed, for `forget_undo`.
    """

    def __init__(self) -> None:
        self._last: dict[Place, PackedLabels | None] = {}
        self.painted: set[int] = set()
        self.written: deque[Place] = deque()

    def begin(self, place: Place) -> None:
        """Take a plane for empty, unless something was written there: what stands on it is a stroke."""
        self._last.setdefault(place, None)

    def remember(self, place: Place, labels: NDArray[Any]) -> None:
        """Take labels (Y, X) of a plane for what was written last."""
        self._last[place] = PackedLabels.pack(labels)

    def over(self, frame: int, place: Place, standing: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        """Return new labels (Y, X) of a plane with the strokes that stand on it.

        Parameters
        ----------
        frame : int
            Its frame.
        place : tuple
            Its place on the leading axes.
        standing : ndarray
            What is there.
        labels : ndarray
            What is to be written; what stands there goes where it is not known what was written last.
        """
        new = labels
        if place in self._last:
            last = self._last[place]
            stroke = standing != (0 if last is None else last.unpack())
            stroke &= standing != labels
            (self.painted.add if stroke.any() else self.painted.discard)(frame)
            if frame in self.painted:
                new = np.where(stroke, standing, labels)
        self.remember(place, labels)
        if not np.array_equal(new, standing):
            self.written.append(place)
        return new


def forget_undo(layer: Any, written: deque[Place]) -> None:
    """Take out of napari's undo what concerns planes that were written since; empties `written`.

    Undo puts old pixels back, whatever stands there now. Call it in the viewer's thread.
    """
    places: set[Place] = set()
    while written:
        places.add(written.popleft())
    if not places:
        return
    for name in ("_undo_history", "_redo_history"):
        history = getattr(layer, name, None)
        if not history:
            continue
        kept = [[atom for atom in step if not _concerns(atom, places)] for step in history]
        history.clear()
        history.extend(step for step in kept if step)
    staged = getattr(layer, "_staged_history", None)
    if staged:
        staged[:] = [atom for atom in staged if not _concerns(atom, places)]


def _concerns(atom: Any, places: Collection[Place]) -> bool:
    """Return True if a step of napari's history touches one of some planes."""
    where = getattr(atom, "slice_key", None)
    if where is None:
        where = atom[0]
    return any(all(i is None or _holds(part, i) for part, i in zip(where, place, strict=False)) for place in places)


def _holds(part: Any, i: int) -> bool:
    if isinstance(part, slice):
        return (part.start or 0) <= i and (part.stop is None or i < part.stop)
    return bool((np.asarray(part) == i).any())
