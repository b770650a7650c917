"""Numbers of objects on the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_xmem.imaging import object_areas, object_centres
from napari_xmem.widgets.layers.overlay import Overlay, plane_place_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NumbersView"]

NAME = "numbers"


class NumbersView:
    """A Points layer with the number of each object of the frame shown, at its centre.

    Parameters
    ----------
    viewer : napari Viewer
        Where it is added.
    """

    def __init__(self, viewer: Any) -> None:
        self._overlay = Overlay(viewer)

    @property
    def layer(self) -> Any:
        """The layer; None if there is none (any more)."""
        return self._overlay.layer

    def show(self, result: Any, labels: NDArray[Any]) -> None:
        """Show the numbers of labels (Y, X) of a result."""
        ids = object_areas(labels)[0]
        if not ids.size:
            self.remove()
            return
        places = object_centres(labels, ids)
        layer = self.layer
        if layer is not None and np.array_equal(layer.data, places) and list(layer.features["number"]) == ids.tolist():
            return
        numbers = Points(
            places, name=NAME, size=1, opacity=1.0, face_color="#00000000", border_color="#00000000",
            features={"number": ids}, text={"string": "{number}", "size": 10, "color": "#ffffff"},
            **plane_place_like(result),
        )  # fmt: skip
        self._overlay.put(numbers)

    def remove(self) -> None:
        """Take the layer away."""
        self._overlay.remove()
