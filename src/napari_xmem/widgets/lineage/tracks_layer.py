"""A napari Tracks layer with the lineage of a result, kept in step with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Tracks

from napari_xmem.widgets.layers.result_layer import VIEW_KEY, place_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.tracking import Lineage
    from napari_xmem.widgets.layers.reviewed_result import ReviewedResult

__all__ = ["TracksLayer"]


class TracksLayer:
    """Makes the layer, brings it up to date, removes it.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._shown: Lineage | None = None
        self._of: Any = None
        self.layer: Any = None

    @property
    def is_shown(self) -> bool:
        """The layer is there."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def was_removed(self) -> bool:
        """Somebody else has taken the layer out of the viewer since it was made."""
        return self.layer is not None and self.layer not in self._viewer.layers

    def show(self, reviewed: ReviewedResult, lineage: Lineage) -> None:
        """Make the layer, or bring it up to date; without any cell there is none."""
        result = reviewed.layer
        if self.is_shown and (self._of is not result or not len(lineage)):
            self.hide()
        if not len(lineage) or (self.is_shown and self._shown is lineage):
            return
        data, graph, properties = lineage.to_napari()
        data = _placed(data, reviewed)
        self._shown, self._of = lineage, result  # before the viewer tells that its layers changed
        if not self.is_shown:
            self._add(result, data, graph, properties)
        else:
            layer, coloured = self.layer, self.layer.color_by
            layer.color_by = "track_id"
            layer.data = data
            layer.features = properties
            layer.graph = graph
            layer.color_by = coloured

    def hide(self) -> None:
        """Remove the layer."""
        layer, self.layer = self.layer, None  # before the viewer tells that its layers changed
        self._shown = self._of = None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _add(self, result: Any, data: Any, graph: Any, properties: Any) -> None:
        active = self._viewer.layers.selection.active
        self.layer = Tracks(
            data,
            graph=graph,
            properties=properties,
            name=f"{result.name} lineage",
            **place_like(result),
            color_by="founder",
            colormap="hsv",
            tail_length=12,
            metadata={VIEW_KEY: True},
        )
        self._viewer.add_layer(self.layer)
        self._viewer.layers.selection.active = active


def _placed(data: NDArray[np.float64], reviewed: ReviewedResult) -> NDArray[np.float64]:
    """Return rows of id, frame, row and column with the layer's other axes between."""
    layer, movie = reviewed.layer, reviewed.movie
    axes = [np.zeros(len(data)) for _ in range(layer.ndim)]
    position = movie.index(0)
    if layer.ndim == len(movie.leading) + 2:
        for axis, place in enumerate(position[: layer.ndim - 2]):
            axes[axis][:] = 0 if isinstance(place, slice) else place
        axes[movie.time_axis] = data[:, 1]
    else:
        axes[0] = data[:, 1]
    axes[-2], axes[-1] = data[:, -2], data[:, -1]
    return np.column_stack([data[:, 0], *axes])
