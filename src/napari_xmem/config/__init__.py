"""Settings as frozen, checked dataclasses: one per part of the program; `settings_of` says what is known about each."""

from __future__ import annotations

from napari_xmem.config.memory import MemoryConfig
from napari_xmem.config.model import ModelConfig
from napari_xmem.config.propagation import (
    Direction,
    Divisions,
    Entries,
    MemoryDevice,
    Precision,
    PropagationConfig,
    Scope,
)
from napari_xmem.config.settings import Option, Setting, settings_of

__all__ = [
    "Direction",
    "Divisions",
    "Entries",
    "MemoryConfig",
    "MemoryDevice",
    "ModelConfig",
    "Option",
    "Precision",
    "PropagationConfig",
    "Scope",
    "Setting",
    "settings_of",
]
