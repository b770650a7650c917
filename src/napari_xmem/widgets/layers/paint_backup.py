"""What a person painted or corrected in a result, kept before a run writes over it, so that it can be brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
from napari_xmem.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PaintedOver", "warn_of_corrections"]


def warn_of_corrections(layer: Any, first: int, last: int) -> str:
    """Say that a run of frames `first` to `last` into a result replaces corrections; empty if it does not.

    Cheap: what was painted and not yet used is not looked for, see `PaintedOver`.
    """
    session = None if layer is None else session_of(layer)
    corrected = [] if session is None else [t for t in session.annotations.corrected if first <= t <= last]
    if not corrected:
        return ""
    return f"Run replaces your corrections of {counted(len(corrected), 'frame')} in '{layer.name}'."


@dataclass(frozen=True, slots=True, eq=False)
class PaintedOver:
    """Frames of a result as a person left them.

    Attributes
    ----------
    reviewed : ReviewedResult
        The result.
    frames : dict
        Frame to labels (Y, X).
    """

    reviewed: ReviewedResult
    frames: dict[int, NDArray[Any]]

    @classmethod
    def of_layer(cls, layer: Any, first: int, last: int) -> PaintedOver | None:
        """Keep what was painted or corrected on frames `first` to `last`; None if there is nothing, or no session.

        Parameters
        ----------
        layer : Labels layer
            The result that will be written into.
        first, last : int
            Frames of the run.
        """
        reviewed = ReviewedResult.of_layer(layer, [])
        session = None if reviewed is None else reviewed.session
        if reviewed is None or session is None:
            return None
        corrected = session.annotations.corrected
        frames = {t: reviewed.read(t) for t in range(first, last + 1) if t in corrected or reviewed.edited(t)}
        return cls(reviewed, frames) if frames else None

    @property
    def lost(self) -> tuple[int, ...]:
        """Frames that no longer are as they were left."""
        return tuple(t for t, labels in self.frames.items() if not np.array_equal(self.reviewed.read(t), labels))

    def bring_back(self) -> None:
        """Paint the frames as they were left; napari's own undo takes that back."""
        for t, labels in self.frames.items():
            self.reviewed.put_back(t, labels)
        self.reviewed.layer.refresh(extent=False)
