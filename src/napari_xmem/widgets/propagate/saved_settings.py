"""What stands in the form, as plain values for a file, and back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.widgets.propagate.form_values import PropagateControls

__all__ = ["settings_to_save", "take_settings"]

#: Properties of the controls that are kept as they are, in the order in which they are set.
PLAIN = ("model", "seed_frames", "seed_frame", "planes", "first_frame", "last_frame", "follow", "forecast")


def settings_to_save(controls: PropagateControls) -> dict[str, Any]:
    """Return what stands in the form; what belongs to a frame or layer of this day is left out."""
    run = {name: list(v) if isinstance(v, tuple) else v for name, v in controls.run_settings.items()}
    return {**{name: getattr(controls, name) for name in PLAIN}, "memory": controls.memory.to_dict(), "run": run}


def take_settings(controls: PropagateControls, settings: Mapping[str, Any]) -> None:
    """Set the controls; a value that is not known here any more is left alone."""
    for name in PLAIN:
        if name in settings:
            _set(controls, name, settings[name])
    if "memory" in settings:
        with suppress(ConfigError, ValueError, TypeError):
            controls.memory = MemoryConfig.from_dict(settings["memory"])
    for name, value in settings.get("run", {}).items():
        if name in controls.run_settings:
            _set(controls, name, value)


def _set(controls: PropagateControls, name: str, value: Any) -> None:
    with suppress(ConfigError, ValueError, TypeError):
        setattr(controls, name, value)
