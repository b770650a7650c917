"""Keeping a dock in step with a session: a glance a few times per second, in the viewer's thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.widgets.layers.result_layer import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.session import SessionSnapshot, TrackingSession

__all__ = ["SessionWatch", "layers_with_session"]

GLANCE_MS = 200


def layers_with_session(viewer: Any) -> list[Any]:
    """Return the results that were made (or adopted) in this viewer."""
    return [layer for layer in viewer.layers if isinstance(layer, Labels) and session_of(layer) is not None]


class SessionWatch(QObject):
    """Looks at a session and tells when it, or anything about it, changed.

    Showing the news may take a tenth of the time, not more: if it is slow, glances get rarer. A dock that is not seen
    (`is_behind`) is told when it is seen again.

    Parameters
    ----------
    parent : QObject
        Its owner.
    find : callable
        Returns the session to look at, or None.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject, find: Callable[[], TrackingSession | None]) -> None:
        super().__init__(parent)
        self._find = find
        self._session: TrackingSession | None = None
        self._seen: SessionSnapshot | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(GLANCE_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Look now."""
        begun = time.monotonic()
        session = self._find()
        if getattr(self.parent(), "is_behind", False):
            return
        seen = None if session is None else session.snapshot()
        if session is not self._session or seen != self._seen:
            self._session, self._seen = session, seen
            self.changed.emit(seen)
            cost_ms = 1000 * (time.monotonic() - begun)
            self._timer.setInterval(max(GLANCE_MS, round(10 * cost_ms)))

    def release(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._session = None
