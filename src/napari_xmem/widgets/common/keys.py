"""Keys bound to the viewer while a dock is open; keys that somebody else uses are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KeyBindings"]


class KeyBindings:
    """Keys of one dock.

    Parameters
    ----------
    viewer : napari Viewer
        Whose keys; not kept alive by the bindings.
    actions : mapping
        Key, such as "Shift-T", to a function without arguments.
    """

    def __init__(self, viewer: Any, actions: Mapping[str, Callable[[], Any]]) -> None:
        self._viewer = viewer
        self.bound: tuple[str, ...] = ()
        for key, action in actions.items():
            try:
                viewer.bind_key(key, _handler(action))
            except ValueError:  # taken
                continue
            self.bound = (*self.bound, key)

    def release(self) -> None:
        """Unbind the keys."""
        for key in self.bound:
            self._viewer.bind_key(key, None)  # None unbinds
        self.bound = ()


def _handler(action: Callable[[], Any]) -> Callable[[Any], None]:
    def handle(viewer: Any) -> None:
        action()

    return handle
