"""What the docks that look into a result share: choosing it, its session, its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.widgets.common.dock import PROPAGATE, Dock, open_dock
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
from napari_xmem.widgets.layers.session_polling import layers_with_session

if TYPE_CHECKING:
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.layers.layer_choice import LayerChoice

__all__ = ["ResultDock", "has_session"]


def has_session(layer: Any) -> bool:
    """Return True if a layer is a result that was made (or adopted) in this viewer."""
    return hasattr(layer, "selected_label") and session_of(layer) is not None


class ResultDock(Dock):
    """A dock about one result.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.
    """

    results: LayerChoice
    _concerns: tuple[Any, Any] = (None, None)

    def watch_layers(self) -> None:
        """Follow the layer list; call when `results` is there."""
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self.on_layers)

    @property
    def result(self) -> Any:
        """The result that is looked into; set a layer or its name."""
        return self.results.layer

    @result.setter
    def result(self, layer: Any) -> None:
        self.results.sync()
        self.results.layer = layer

    @property
    def session(self) -> TrackingSession | None:
        """The session behind the result."""
        return None if self.result is None else session_of(self.result)

    @property
    def reviewed(self) -> ReviewedResult | None:
        """The result with its movie."""
        return None if self.result is None else ReviewedResult.of_layer(self.result, [])

    def show_frame(self, frame: int) -> None:
        """Go to a frame."""
        reviewed = self.reviewed
        if reviewed is not None:
            reviewed.show_frame(self.viewer, frame)

    def open_propagate(self) -> None:
        """Open the panel that makes results."""
        open_dock(self.viewer, PROPAGATE)

    def on_layers(self, event: Any = None) -> None:
        """Take over the layer list; where nothing is chosen, choose the topmost result."""
        self.results.sync()
        if self.results.layer is None and self.results.layers:
            self.results.layer = self.results.layers[-1]
        known, self._concerns = self._concerns, (self.result, self.session)
        if event is None or any(now is not before for now, before in zip(self._concerns, known, strict=True)):
            self.show_all()  # a layer that is no concern of this dock changes nothing it shows

    def find_session(self) -> TrackingSession | None:
        """Return the session, after a look for results that have got one since."""
        if layers_with_session(self.viewer) != self.results.layers:
            self.on_layers()
        return self.session

    def show_all(self) -> None:
        """Show the state of things."""
        raise NotImplementedError
