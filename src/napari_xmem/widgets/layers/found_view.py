"""What was found on a frame, shown in the Labels layer with the examples: one undoable step, whatever the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine.discovery import FoundObjects

__all__ = ["FoundView"]


class FoundView:
    """Found objects in a Labels layer, as many as are sure enough.

    Pixels that the user painted stay. Another limit takes the step before back and makes a new one in its place, as
    long as nothing was painted since; after that it is a step of its own.

    Parameters
    ----------
    layer : napari Labels layer
        Holds the examples.
    index : tuple of int
        Index of the frame on the layer's axes before rows and columns.
    frame : int
        The frame of the movie.
    found : FoundObjects
        What was found, down to the lowest limit that can be asked for.
    """

    def __init__(self, layer: Any, index: tuple[int, ...], frame: int, found: FoundObjects) -> None:
        self.layer, self.frame, self.found = layer, frame, found
        self._index = index
        self._dropped: set[int] = set()
        self._hidden: dict[int, NDArray[np.bool_]] = {}
        self._step: Any = None

    @property
    def labels(self) -> NDArray[Any]:
        """Labels (Y, X) of the frame as the layer holds them now."""
        return np.asarray(self.layer.data[self._index])

    @property
    def shown_ids(self) -> tuple[int, ...]:
        """Found objects that are in the layer now, most confident first."""
        there = set(np.unique(self.labels).tolist())
        return tuple(i for i in self.found.object_ids if i in there)

    def show(self, min_confidence: float) -> None:
        """Show what is at least so sure and was not dropped; nothing is computed."""
        if self._step is not None and self._last_step() is self._step:
            self.layer.undo()
        before, self._step = self.labels.copy(), None
        after = before.copy()
        for i, sure in zip(self.found.object_ids, self.found.confidence, strict=True):
            pixels = before == i
            if sure >= min_confidence and i not in self._dropped:
                if not pixels.any():
                    after[self._hidden.get(i, self.found.labels == i) & (after == 0)] = i
            elif pixels.any():
                self._hidden[i] = pixels  # it may have been mended: so it comes back
                after[pixels] = 0
        self._write(before, after)
        if not np.array_equal(before, after):
            self._step = self._last_step()

    def drop(self, object_id: int) -> bool:
        """Take one found object off for good, as a step of its own; returns False if it is none of those shown."""
        if object_id not in self.shown_ids:
            return False
        self._dropped.add(object_id)
        before = self.labels
        self._write(before, np.where(before == object_id, 0, before))
        self._step = None
        return True

    def _write(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        rows, columns = np.nonzero(before != after)
        if rows.size:
            lead = tuple(np.full(rows.shape, at) for at in self._index)
            self.layer.data_setitem((*lead, rows, columns), after[rows, columns])

    def _last_step(self) -> Any:
        history = getattr(self.layer, "_undo_history", None)
        return history[-1] if history else None
