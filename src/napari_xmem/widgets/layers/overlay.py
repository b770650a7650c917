"""A layer that only shows something on top of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.widgets.layers.result_layer import VIEW_KEY

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["Overlay", "plane_place_like"]


def plane_place_like(layer: Any) -> dict[str, Any]:
    """Return the arguments that put a layer of two axes on the plane of a layer that is shown."""
    return {
        "scale": layer.scale[-2:],
        "translate": layer.translate[-2:],
        "units": layer.units[-2:],
        "axis_labels": layer.axis_labels[-2:],
    }


class Overlay:
    """At most one layer of ours in the viewer; what was chosen stays chosen, and nobody is asked to save it.

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

    def put(self, layer: Layer) -> None:
        """Add a layer in place of the one before."""
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self.remove()
        layer.metadata[VIEW_KEY] = True
        layer.editable = False
        self._layer = layer
        self._viewer.add_layer(layer)
        layers.selection = selected & set(layers)
        layers.selection.active = active

    def remove(self) -> None:
        """Take the layer away."""
        layer, self._layer = self.layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)
