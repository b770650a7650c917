"""The result layer on display: made once, redrawn when its frame is shown, followed if asked."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_xmem.widgets.layers.label_colours import own_colormap
from napari_xmem.widgets.layers.movie_view import MovieView, shown_index
from napari_xmem.widgets.layers.result_layer import METADATA_KEY, is_result, place_like, result_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_xmem.widgets.layers.result_layer import ResultTarget

__all__ = ["LiveView", "add_result_layer"]

REFRESH_3D_S = 0.5


def add_result_layer(viewer: Any, image: Any, target: ResultTarget, recipe: dict[str, Any]) -> Labels:
    """Add the layer of a run; the layer that was chosen stays chosen, since the user may be painting in it.

    Earlier results of the image are hidden, unless one is worked on.
    """
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    earlier = [item for item in layers if is_result(item) and item.metadata[METADATA_KEY].get("image") == image.name]
    for item in earlier:
        item.visible = item.visible and item is active
    name = result_name(image.name, datetime.now() if earlier else None)
    layer = Labels(
        target.data, name=name, metadata={METADATA_KEY: recipe}, colormap=own_colormap(), **place_like(image)
    )
    with _nothing_chosen_anew(layers):
        viewer.add_layer(layer)
    if layers.selection.active is not active:
        layers.selection = selected & set(layers)
        layers.selection.active = active
    return layer


@contextmanager
def _nothing_chosen_anew(layers: Any) -> Iterator[None]:
    """Keep napari from choosing what is added: its controls would be drawn twice, 0.05 s during a run."""
    name = "_activate_on_insert"
    known = getattr(layers, name, None)  # older versions of napari always choose it
    if known is None:
        yield
        return
    setattr(layers, name, False)
    try:
        yield
    finally:
        setattr(layers, name, known)


class LiveView:
    """Redraws the result as frames are done, and moves the slider along if asked to, until the user moves it."""

    def __init__(self) -> None:
        self._follow = False
        self._left_at: int | None = None
        self._drawn_3d_at = 0.0

    @property
    def follow(self) -> bool:
        """Move the slider to each frame as it is done."""
        return self._follow

    @follow.setter
    def follow(self, value: bool) -> None:
        self._follow, self._left_at = value, None

    def begin(self) -> None:
        """Begin a run: wherever the slider stands, it may be taken along."""
        self._left_at = None

    def show(self, viewer: Any, layer: Any, movie: MovieView, frame: int) -> bool:
        """Redraw the layer if `frame` is on display, or go there; returns False if following has just been given up.

        It is given up when the slider is not where it was left: then somebody wants to see something else.
        """
        if viewer is None or layer is None or layer not in viewer.layers:
            return True
        axis = movie.time_axis
        shown = shown_index(layer, viewer.dims.point)
        if viewer.dims.ndisplay == 3:
            if time.monotonic() - self._drawn_3d_at >= REFRESH_3D_S:
                self._drawn_3d_at = time.monotonic()
                layer.refresh(extent=False)
            return True
        moved = self._follow and self._left_at is not None and shown[axis] != self._left_at
        if moved:
            self.follow = False
        if self._follow:
            self._left_at = frame
            if shown[axis] != frame:
                position = list(shown)
                position[axis] = frame
                viewer.dims.set_point(axis + viewer.dims.ndim - layer.ndim, layer.data_to_world(position)[axis])
                return True
        if shown[axis] == frame:
            layer.refresh(extent=False)
        return not moved
