"""Whether something was done since the latest save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.layers import Labels

from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.layers.session_polling import layers_with_session

if TYPE_CHECKING:
    from napari_xmem.session import TrackingSession

__all__ = ["UnsavedWork"]


class UnsavedWork:
    """Remembers what was saved: strokes are noticed as they are painted, results are compared when asked.

    Parameters
    ----------
    viewer : napari Viewer
        Whose Labels layers; not kept alive.
    """

    def __init__(self, viewer: Any) -> None:
        self._events = Connections()
        self._watched: WeakSet[Any] = WeakSet()
        self._touched = False
        self._saved: dict[int, tuple[Any, ...]] = {}
        self._events.connect(viewer.layers.events.inserted, self._on_inserted)
        for layer in viewer.layers:
            self._watch(layer)

    def exists(self, viewer: Any) -> bool:
        """Return True if closing would lose something: strokes, or results that changed since the latest save."""
        return self._touched or any(
            self.has_changed(session) for session in map(session_of, layers_with_session(viewer)) if session is not None
        )

    def has_changed(self, session: TrackingSession) -> bool:
        """Return True if a session holds something that the latest save does not."""
        holds = session.results.frames or session.annotations.labels
        return bool(holds) and self._saved.get(id(session)) != _state(session)

    def settle(self, viewer: Any) -> Any:
        """Take everything as it is now for saved; returns what `restore` takes, should it not be saved after all."""
        before = self._touched, self._saved
        self._touched = False
        sessions = [session_of(layer) for layer in layers_with_session(viewer)]
        self._saved = {id(session): _state(session) for session in sessions if session is not None}
        return before

    def restore(self, before: Any) -> None:
        """Take everything for unsaved that was so before `settle`."""
        touched, self._saved = before
        self._touched = self._touched or touched

    def release(self) -> None:
        """Let go of the viewer's layers."""
        self._events.release()
        self._saved.clear()

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _watch(self, layer: Any) -> None:
        if isinstance(layer, Labels) and layer not in self._watched:
            self._watched.add(layer)
            self._events.connect(layer.events.paint, self._on_painted)

    def _on_painted(self, event: Any = None) -> None:
        self._touched = True


def _state(session: TrackingSession) -> tuple[Any, ...]:
    """Return what changes with every change of a session; it holds the session, so that its id stays its own."""
    records = tuple(session.results.get(t) for t in session.results.frames)
    return session, session.annotations, _Same(records)


class _Same:
    """Compares records by identity: they are replaced, never changed."""

    def __init__(self, records: tuple[Any, ...]) -> None:
        self.records = records

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or len(self.records) != len(other.records):
            return False
        return all(a is b for a, b in zip(self.records, other.records, strict=True))

    __hash__ = None  # type: ignore[assignment]
