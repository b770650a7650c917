"""The result layer on display: made once, redrawn when its frame is shown, followed if asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_xmem.widgets._movie import MovieView, shown_index
from napari_xmem.widgets._results import METADATA_KEY, place_like, result_name

if TYPE_CHECKING:
    from napari_xmem.widgets._results import ResultTarget

__all__ = ["add_result_layer", "show_frame_done"]

REFRESH_3D_S = 0.5
_LAST_3D: dict[str, float] = {"at": 0.0}


def add_result_layer(viewer: Any, image: Any, target: ResultTarget, recipe: dict[str, Any]) -> Labels:
    """Add the layer of a run; the layer that was chosen stays chosen, since the user may be painting in it."""
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    layer = Labels(target.data, name=result_name(image.name), metadata={METADATA_KEY: recipe}, **place_like(image))
    viewer.add_layer(layer)
    layers.selection = selected & set(layers)
    layers.selection.active = active
    return layer


def show_frame_done(viewer: Any, layer: Any, movie: MovieView, frame: int, follow: bool) -> None:
    """Redraw the layer if `frame` is on display; move the slider there only if asked to `follow`."""
    if viewer is None or layer is None or layer not in viewer.layers:
        return
    axis = movie.time_axis
    shown = shown_index(layer, viewer.dims.point)
    if viewer.dims.ndisplay == 3:
        if time.monotonic() - _LAST_3D["at"] < REFRESH_3D_S:
            return
        _LAST_3D["at"] = time.monotonic()
    elif follow and shown[axis] != frame:
        position = list(shown)
        position[axis] = frame
        viewer.dims.set_point(axis + viewer.dims.ndim - layer.ndim, layer.data_to_world(position)[axis])
        return
    elif shown[axis] != frame:
        return
    layer.refresh(extent=False)
