"""Taking up what was chosen last time, and keeping what is chosen now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.widgets.propagate import stored_choices as _settings
from napari_xmem.widgets.propagate.form import CUSTOM

if TYPE_CHECKING:
    from napari_xmem.widgets.propagate.form_values import PropagateControls

__all__ = ["keep_choices", "memory_from_text", "memory_to_text", "recall_choices"]

SIMPLE = ("model", "device", "direction", "follow", "forecast")


def recall_choices(controls: PropagateControls) -> None:
    """Set the controls as they were at the latest run; a choice that no longer exists is left at its default."""
    kept = _settings.remembered(_settings.open_store())
    for name in SIMPLE:
        _try_to_set(controls, name, kept[name])
    if kept["preset"] != CUSTOM:
        _try_to_set(controls, "preset", kept["preset"])
        return
    memory = memory_from_text(kept["memory"])
    if memory is not None:
        controls.memory = memory
        _try_to_set(controls, "scope", kept["scope"])


def keep_choices(controls: PropagateControls) -> None:
    """Keep the controls for the next time."""
    store = _settings.open_store()
    for name in (*SIMPLE, "preset", "scope"):
        _settings.remember(store, name, getattr(controls, name))
    _settings.remember(store, "memory", memory_to_text(controls.memory))


def memory_to_text(memory: MemoryConfig) -> str:
    """Write what differs from the defaults as JSON; empty if nothing does."""
    defaults = MemoryConfig().to_dict()
    changed = {name: value for name, value in memory.to_dict().items() if value != defaults[name]}
    return json.dumps(changed) if changed else ""


def memory_from_text(text: str) -> MemoryConfig | None:
    """Read what `memory_to_text` wrote; None if it is of no use any more."""
    try:
        return MemoryConfig(**json.loads(text)) if text else MemoryConfig()
    except (ValueError, TypeError):  # ConfigError is a ValueError
        return None


def _try_to_set(controls: Any, name: str, value: Any) -> None:
    try:
        setattr(controls, name, value)
    except ConfigError:
        return
