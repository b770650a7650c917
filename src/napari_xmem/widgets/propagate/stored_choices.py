"""Choices that are remembered between sessions, in napari's settings of this plugin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["REMEMBERED", "open_store", "remember", "remembered"]

#: Names as in napari.yaml under configurations: propagate.
REMEMBERED = ("model", "device", "preset", "scope", "memory", "direction", "follow", "forecast")
DEFAULTS: dict[str, Any] = {
    "model": "bundled",
    "device": "auto",
    "preset": "standard",
    "scope": "auto",
    "memory": "",
    "direction": "forward",
    "follow": False,
    "forecast": True,
}


def open_store() -> Any:
    """Return the object whose attributes are the settings; one that forgets where napari has none (before 0.9)."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings("napari-xmem").propagate
    except (ImportError, KeyError, AttributeError):
        return SimpleNamespace(**DEFAULTS)


def remembered(store: Any) -> dict[str, Any]:
    """Return all settings; a default for each that the store does not have."""
    return {name: getattr(store, name, DEFAULTS[name]) for name in REMEMBERED}


def remember(store: Any, name: str, value: Any) -> None:
    """Keep a setting; values that the store refuses are not kept."""
    if getattr(store, name, None) == value:
        return
    try:
        setattr(store, name, value)
    except (ValueError, OSError):
        return
