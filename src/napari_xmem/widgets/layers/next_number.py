"""Taking the next free number after a stroke, so that no two cells get one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["take_next_number"]


def take_next_number(layer: Any, event: Any, known: Collection[int]) -> None:
    """Select a number that no object has, if the stroke of a paint event put the selected one on the layer.

    Parameters
    ----------
    layer : Labels layer
        Seeds.
    event : Event
        `events.paint` of the layer; its value is the step that napari can undo.
    known : collection of int
        Numbers of objects.
    """
    drawn = str(layer.mode) in ("paint", "polygon", "fill")
    now = int(layer.selected_label)
    if drawn and now and any(_put(atom, now) for atom in getattr(event, "value", None) or ()):
        layer.selected_label = max((now, *known)) + 1


def _put(atom: Any, label: int) -> bool:
    value = getattr(atom, "new_value", None)
    return bool(np.any(np.asarray(atom[2] if value is None else value) == label))
