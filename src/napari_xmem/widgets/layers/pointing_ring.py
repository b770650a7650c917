"""A ring around what is spoken of: it flashes; what is out of view is brought into it, what is small nearer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from qtpy.QtCore import QObject, QTimer

from napari_xmem.widgets.layers.overlay import Overlay, plane_place_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PointingRing"]

NAME = "look here"
FLASHES, FLASH_MS = 3, 180
#: Width of a ring in diameters of what it is around, and its least width in pixels of the canvas.
RING_DIAMETERS, LEAST_RING_PX = 2.0, 40
#: An object that is smaller than this on the canvas is brought nearer.
LEAST_OBJECT_PX = 14


class PointingRing(QObject):
    """One Points layer with a ring for each place.

    Parameters
    ----------
    viewer : napari Viewer
        Where it is added.
    parent : QObject
        Owner.
    """

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._overlay = Overlay(viewer)
        self._left = 0
        self._timer = QTimer(self)
        self._timer.setInterval(FLASH_MS)
        self._timer.timeout.connect(self._flash)

    @property
    def layer(self) -> Any:
        """The layer; None if there is none (any more)."""
        return self._overlay.layer

    @property
    def is_shown(self) -> bool:
        """True while a ring is shown or flashes."""
        return self.layer is not None and (bool(self.layer.visible) or self._timer.isActive())

    def show(self, result: Any, places_px: Sequence[tuple[float, float]], diameter_px: float) -> None:
        """Put rings around places (y, x) of a result and bring them into view.

        Parameters
        ----------
        result : Labels layer
            Whose pixels they are.
        places_px : sequence of (float, float)
            Places on the frame shown.
        diameter_px : float
            Of what lies there.
        """
        if not len(places_px):
            self.hide()
            return
        camera = getattr(self._viewer, "scene", self._viewer).camera  # napari before 0.9 has no scene
        pixel = float(result.scale[-1])
        places = np.asarray(places_px, float)
        is_small = diameter_px * pixel * camera.zoom < LEAST_OBJECT_PX
        if is_small or not _are_in_view(result, places):
            position = [0.0] * (result.ndim - 2) + places.mean(0).tolist()
            camera.center = tuple(result.data_to_world(position))[-2:]
        if is_small:
            camera.zoom = LEAST_OBJECT_PX / (diameter_px * pixel)
        self._place(result, places, max(RING_DIAMETERS * diameter_px, LEAST_RING_PX / (camera.zoom * pixel)))
        self._left = 2 * FLASHES
        self._timer.start()

    def hide(self) -> None:
        """Show no ring."""
        self._timer.stop()
        if self.layer is not None and self.layer.visible:
            self.layer.visible = False

    def remove(self) -> None:
        """Take the layer away."""
        self._timer.stop()
        self._overlay.remove()

    def _place(self, result: Any, places: NDArray[np.float64], size: float) -> None:
        layer = self.layer
        if layer is None:
            self._overlay.put(
                Points(
                    places,
                    name=NAME,
                    symbol="ring",
                    size=size,
                    face_color="#ffe14d",
                    border_color="#000000",
                    border_width=0.02,
                    opacity=0.9,
                    **plane_place_like(result),
                )
            )
            return
        layer.data, layer.size = places, size
        for name, value in plane_place_like(result).items():
            setattr(layer, name, value)
        layer.visible = True

    def _flash(self) -> None:
        self._left -= 1
        if self.layer is None or self._left <= 0:
            self._timer.stop()
        if self.layer is not None:
            self.layer.visible = self._left <= 0 or not self.layer.visible


def _are_in_view(result: Any, places: NDArray[np.float64]) -> bool:
    """Return True if all places lie on the part of a result that the canvas shows."""
    first, last = np.asarray(result.corner_pixels, float)[:, -2:]
    return bool(((places >= first) & (places <= last)).all())
