"""The Points layer that shows who voted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_xmem.widgets.common.chart import store_colour
from napari_xmem.widgets.layers.overlay import Overlay, plane_place_like

if TYPE_CHECKING:
    from napari_xmem.engine import Explanation

__all__ = ["VoteLayer"]

NAME = "memory that voted"


class VoteLayer:
    """One Points layer, at the places the votes come from, whatever the frame on display.

    Parameters
    ----------
    viewer : napari Viewer
        Where it is added.
    """

    def __init__(self, viewer: Any) -> None:
        self._overlay = Overlay(viewer)
        self._explanation: Explanation | None = None

    @property
    def layer(self) -> Any:
        """The layer; None if there is none (any more)."""
        return self._overlay.layer

    def show(self, explanation: Explanation, result: Any, dark: bool) -> None:
        """Show an explanation on top of a result layer.

        Points have two coordinates, so they are seen on every frame; the pixel asked for is the last point, a cross.
        """
        votes = [vote for vote in explanation.votes if np.isfinite(vote.y) and np.isfinite(vote.x)]
        places = np.array([(v.y, v.x) for v in votes] + [(explanation.y, explanation.x)], float)
        weights = np.array([v.weight for v in votes])
        largest = weights.max() if len(weights) else 1.0
        cell = explanation.cell_px
        sizes = np.append(cell * (0.25 + 1.25 * np.sqrt(weights / largest)), 0.8 * cell)
        colours = [store_colour(v.store, dark) for v in votes] + ["#ffffff"]
        features = {
            "frame": np.array([v.frame for v in votes] + [explanation.frame]),
            "store": np.array([v.store for v in votes] + ["asked"]),
            "weight": np.append(weights, np.nan),
        }
        dots = Points(
            places,
            name=NAME,
            size=sizes,
            face_color=colours,
            border_color="#000000",
            border_width=0.08,
            opacity=0.75,
            symbol=["disc"] * len(votes) + ["cross"],
            features=features,
            **plane_place_like(result),
        )
        self._overlay.put(dots)
        self._explanation = explanation

    def remove(self) -> None:
        """Take the layer away."""
        self._overlay.remove()

    def frame_at(self, position: Any) -> int | None:
        """Return the frame of the vote at a place of the world, None if there is none."""
        layer = self.layer
        if layer is None or not layer.visible:
            return None
        index = layer.get_value(position, world=True)
        if index is None or layer.features["store"][index] == "asked":
            return None
        return int(layer.features["frame"][index])
