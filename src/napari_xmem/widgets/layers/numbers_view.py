"""Numbers of objects on the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from scipy import ndimage

from napari_xmem.imaging import object_areas
from napari_xmem.widgets.layers.result_layer import VIEW_KEY

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
        self._viewer = viewer
        self._layer: Any = None

    @property
    def layer(self) -> Any:
        """The layer; None if there is none (any more)."""
        return self._layer if self._layer is not None and self._layer in self._viewer.layers else None

    def show(self, result: Any, labels: NDArray[Any]) -> None:
        """Show the numbers of labels (Y, X) of a result."""
        ids = object_areas(labels)[0]
        if not ids.size:
            self.remove()
            return
        places = np.array(ndimage.center_of_mass(labels > 0, labels, ids), float).reshape(-1, 2)
        layer = self.layer
        if layer is not None and np.array_equal(layer.data, places) and list(layer.features["number"]) == ids.tolist():
            return
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self.remove()
        self._layer = Points(
            places, name=NAME, size=1, opacity=1.0, face_color="#00000000", border_color="#00000000",
            features={"number": ids}, text={"string": "{number}", "size": 10, "color": "#ffffff"},
            metadata={VIEW_KEY: True}, scale=result.scale[-2:], translate=result.translate[-2:],
            units=result.units[-2:], axis_labels=result.axis_labels[-2:],
        )  # fmt: skip
        self._layer.editable = False
        self._viewer.add_layer(self._layer)
        layers.selection = selected & set(layers)
        layers.selection.active = active

    def remove(self) -> None:
        """Take the layer away."""
        if self.layer is not None:
            self._viewer.layers.remove(self._layer)
        self._layer = None
