"""The result as it was before the latest step, in a layer of its own: looking changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.layers.overlay import plane_place_like
from napari_xmem.widgets.layers.result_layer import VIEW_KEY

if TYPE_CHECKING:
    from napari_xmem.session import Change, TrackingSession
    from napari_xmem.widgets.layers.reviewed_result import ReviewedResult

__all__ = ["BeforeView"]

#: Tools of a Labels layer that change nothing.
LOOKING = ("pan_zoom", "transform", "pick")


class BeforeView(QObject):
    """Shows old labels in place of the result, which is hidden meanwhile and stays as it is.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    parent : QObject
        Owner.
    """

    #: The result is shown again without the button, since somebody wants to work on it.
    left = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._events = Connections()
        self._reviewed: ReviewedResult | None = None
        self._session: TrackingSession | None = None
        self._step: Change | None = None
        self.layer: Any = None

    @property
    def is_shown(self) -> bool:
        """True while old labels are shown."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(self, reviewed: ReviewedResult, session: TrackingSession) -> None:
        """Show the labels before the latest step of a session."""
        self.hide()
        result = reviewed.layer
        self._reviewed, self._session, self._step = reviewed, session, session.history.latest
        self.layer = Labels(
            session.labels_before(reviewed.frame_shown(self._viewer)),
            name=f"{result.name} (old)",
            **plane_place_like(result),
            opacity=result.opacity,
            colormap=result.colormap,
            metadata={VIEW_KEY: True},
        )
        self.layer.contour = result.contour
        self._viewer.layers.insert(self._viewer.layers.index(result) + 1, self.layer)
        result.visible = False
        self._events.connect(self._viewer.dims.events.current_step, self._on_step)
        self._events.connect(self._viewer.layers.events.removed, self._on_removed)
        self._events.connect(self._viewer.layers.selection.events.active, self._on_active)
        self._events.connect(result.events.visible, self._on_visible)
        self._events.connect(self.layer.events.mode, self._on_tool)

    def hide(self) -> None:
        """Show the result again."""
        self._events.release()
        layer, reviewed, self.layer = self.layer, self._reviewed, None
        self._reviewed = self._session = self._step = None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if reviewed is not None and reviewed.layer in self._viewer.layers:
            reviewed.layer.visible = True
            self._viewer.layers.selection.active = reviewed.layer

    def follow(self, reviewed: ReviewedResult | None) -> None:
        """Show the result again where it is another one, or another step is the latest."""
        if self._session is None:
            return
        same = reviewed is not None and self._reviewed is not None and reviewed.layer is self._reviewed.layer
        if not same or self._session.history.latest is not self._step:
            self.hide()

    def _on_step(self, event: Any = None) -> None:
        if self.is_shown and self._reviewed is not None and self._session is not None:
            self.layer.data = self._session.labels_before(self._reviewed.frame_shown(self._viewer))

    def _on_active(self, event: Any = None) -> None:
        """Show the result again when it is chosen to be worked on."""
        if self._reviewed is not None and self._viewer.layers.selection.active is self._reviewed.layer:
            self._leave()

    def _on_visible(self, event: Any = None) -> None:
        if self._reviewed is not None and self._reviewed.layer.visible:
            self._leave()

    def _on_tool(self, event: Any = None) -> None:
        """Hand a tool that changes labels on to the result: what is old is only looked at."""
        layer, reviewed = self.layer, self._reviewed
        if layer is None or reviewed is None or str(layer.mode) in LOOKING:
            return
        tool, result = str(layer.mode), reviewed.layer
        result.selected_label, result.brush_size = layer.selected_label, layer.brush_size
        self._leave()
        result.mode = tool

    def _leave(self) -> None:
        self.hide()
        self.left.emit()

    def _on_removed(self, event: Any = None) -> None:
        if self.layer is not None and not self.is_shown:
            self.hide()
