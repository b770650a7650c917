"""Results that were removed from the viewer before they were saved can be brought back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.layers.result_layer import VIEW_KEY, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.session import TrackingSession

__all__ = ["RemovedWork"]

#: Layers that are removed at once, or within so many seconds of each other, are removed together.
TOGETHER_S = 2.0


class RemovedWork(QObject):
    """Keeps the layers that were removed last, if a result with unsaved work is among them.

    `removed` is emitted when that happens, with the names of such results.

    Parameters
    ----------
    viewer : napari Viewer
        Whose layers; not kept alive.
    is_unsaved : callable
        Takes a session; returns True if it holds work that is in no file.
    parent : QObject
        Owner.
    """

    removed = Signal(list)

    def __init__(self, viewer: Any, is_unsaved: Callable[[TrackingSession], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._is_unsaved = is_unsaved
        self._events = Connections()
        self._latest: list[tuple[int, Any]] = []
        self._unsaved: list[Any] = []
        self._told: tuple[Any, ...] = ()
        self._at = -TOGETHER_S
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tell)
        self._events.connect(viewer.layers.events.removed, self._on_removed)

    @property
    def layers(self) -> tuple[Any, ...]:
        """What can be brought back: results with unsaved work and what was removed together with them."""
        return tuple(layer for _, layer in self._latest) if self._unsaved else ()

    def bring_back(self, viewer: Any) -> None:
        """Put the layers where they were in the viewer's list."""
        latest = self._latest if self._unsaved else []
        self._latest, self._unsaved, self._told = [], [], ()
        for index, layer in reversed(latest):
            if layer not in viewer.layers:
                viewer.layers.insert(min(index, len(viewer.layers)), layer)

    def _on_removed(self, event: Any) -> None:
        layer, now = event.value, time.monotonic()
        if VIEW_KEY in layer.metadata:
            return
        if now - self._at > TOGETHER_S and not self._timer.isActive():
            self._latest, self._unsaved, self._told = [], [], ()
        self._latest.append((event.index, layer))
        session = session_of(layer)
        if session is not None and session.results.frames and self._is_unsaved(session):
            self._unsaved.append(layer)
        self._timer.start()
        self._at = time.monotonic()

    def _tell(self) -> None:
        told, self._told = self._told, tuple(self._unsaved)
        if self._unsaved and self._told != told:
            self.removed.emit([layer.name for layer in self._unsaved])
