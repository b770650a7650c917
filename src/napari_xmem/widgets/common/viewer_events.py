"""The viewer as plugins see it, and connections to its events that can be released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connections", "plain_viewer"]


def plain_viewer(viewer: Any) -> Any:
    """Return the viewer behind the proxy that napari hands to plugins, so that layers can be compared."""
    return getattr(viewer, "__wrapped__", viewer)


class Connections:
    """Connections to napari's events that are undone together."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []

    def connect(self, emitter: Any, callback: Callable[..., Any]) -> None:
        """Connect, and remember it."""
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def release(self) -> None:
        """Undo all connections."""
        for emitter, callback in self._made:
            emitter.disconnect(callback)
        self._made.clear()
