"""Combo boxes of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_xmem.errors import ConfigError
from napari_xmem.widgets.common.forms import Choice
from napari_xmem.widgets.common.viewer_events import plain_viewer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LayerChoice"]


class LayerChoice(Choice):
    """Choose a layer of one kind; follows the layer list.

    Parameters
    ----------
    viewer : napari Viewer
        Whose layers.
    accepts : callable
        Takes a layer, tells whether it is offered.
    placeholder : str
        Shown where there is nothing to choose.
    """

    layer_changed = Signal(object)

    def __init__(self, viewer: Any, accepts: Callable[[Any], bool], placeholder: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._accepts = accepts
        self._last: Any = None
        self._about = ""
        self._placeholder = placeholder
        self.currentIndexChanged.connect(self._on_index)
        self.sync()

    @property
    def layers(self) -> list[Any]:
        """Layers on offer, in the order of the layer list."""
        return [self.itemData(index) for index in range(self.count())]

    @property
    def layer(self) -> Any:
        """The chosen layer or None."""
        return self.value

    @layer.setter
    def layer(self, layer: Any) -> None:
        wanted = plain_viewer(layer)
        if isinstance(wanted, str):
            named = [item for item in self.layers if item.name == wanted]
            wanted = named[0] if named else wanted
        if wanted is not None and self.index_of(wanted) < 0:
            offered = ", ".join(repr(item.name) for item in self.layers) or "none"
            name = wanted if isinstance(wanted, str) else getattr(wanted, "name", wanted)
            raise ConfigError(f"{name!r} cannot be chosen here; layers on offer: {offered}.")
        self.value = wanted

    def index_of(self, value: Any) -> int:
        """Return the position of a layer, -1 if it is not there."""
        return next((i for i, layer in enumerate(self.layers) if layer is value), -1)

    def setToolTip(self, text: str | None) -> None:
        """Say what the box is for, and below it the whole name of the chosen layer."""
        self._about = text or ""
        shown = self.layer.name if self.layer is not None else self.placeholderText()
        super().setToolTip(f"{self._about}\n{shown}".strip())

    def sync(self, event: Any = None) -> None:
        """Take over the viewer's layers; the chosen one stays chosen while it exists."""
        chosen = self.value
        self.blockSignals(True)
        self.clear()
        for layer in self._viewer.layers:
            if self._accepts(layer):
                self.add_choice(layer.name, layer)
        index = self.index_of(chosen)
        self.setPlaceholderText("choose one ..." if self.count() else self._placeholder)
        self.setCurrentIndex(index)
        self.blockSignals(False)
        self._on_index(index)

    def _on_index(self, index: int) -> None:
        layer = self.itemData(index) if index >= 0 else None
        self.setToolTip(self._about)
        if layer is not self._last:
            self._last = layer
            self.layer_changed.emit(layer)
