"""Keys bound to the viewer while a dock is open; keys that somebody else uses are left alone.

Every action has a key by default and a name in napari's settings of this plugin (Preferences > Plugins), where another
key can be given to it.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEFAULT_KEYS", "KeyBindings", "key_name", "key_of", "key_text", "open_key_store", "with_keys"]

#: Key by default to the name of its action, as in napari.yaml under configurations: shortcuts.
DEFAULT_KEYS: Mapping[str, str] = {
    "Shift-T": "follow",
    "Shift-D": "end",
    "Shift-R": "run",
    "Shift-S": "save",
    "Shift-O": "open",
    "Shift-N": "next",
    "Shift-C": "correct",
    "Shift-Y": "first_answer",
    "Shift-K": "second_answer",
    "Shift-I": "right",
    "Shift-M": "divide",
    "Shift-L": "link",
    "Shift-U": "unlink",
    "Shift-X": "swap",
    "Shift-J": "join",
    "Shift-E": "remove",
}
_SIGNS = {"Shift": "⇧", "Control": "⌃", "Ctrl": "⌃", "Alt": "⌥", "Meta": "⌘"}


def open_key_store() -> Any:
    """Return the object whose attributes are the keys; one without any where napari has no settings of plugins."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings("napari-xmem").shortcuts
    except (ImportError, KeyError, AttributeError):
        return SimpleNamespace()


def key_of(default: str) -> str:
    """Return the key of an action, which is named by its key by default: what the user chose, such as "Alt-N"."""
    chosen = getattr(open_key_store(), DEFAULT_KEYS.get(default, ""), None)
    text = str(chosen or "").strip().replace("+", "-")
    return text if text and _is_key(text) else default


def key_name(default: str) -> str:
    """Return the key of an action for a tooltip: Shift+N."""
    return key_of(default).replace("-", "+")


def with_keys(text: str) -> str:
    """Return a text with the keys of now in place of actions named by their keys by default, such as {Shift-N}."""
    return re.sub(r"\{([^{}]+)\}", lambda named: key_name(named[1]), text)


def key_text(default: str) -> str:
    """Return the key of an action for a button: ⇧N."""
    *modifiers, key = key_of(default).split("-")
    return "".join(_SIGNS.get(name, name) for name in modifiers) + key


def _is_key(text: str) -> bool:
    from app_model.types import KeyBinding, KeyCode

    try:
        parts = KeyBinding.from_str(text.replace("-", "+")).parts
    except (ValueError, KeyError):
        return False
    return len(parts) == 1 and parts[0].key != KeyCode.UNKNOWN


class KeyBindings:
    """Keys of one dock.

    Parameters
    ----------
    viewer : napari Viewer
        Whose keys; not kept alive by the bindings.
    actions : mapping
        Key by default, such as "Shift-T", to a function without arguments.
    """

    def __init__(self, viewer: Any, actions: Mapping[str, Callable[[], Any]]) -> None:
        self._viewer = viewer
        self.bound: tuple[str, ...] = ()
        for default, action in actions.items():
            key = key_of(default)
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
