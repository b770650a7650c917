"""Settings as frozen, validated dataclasses: one per part of the program."""

from __future__ import annotations

from napari_xmem.config.memory import MemoryConfig
from napari_xmem.config.model import ModelConfig
from napari_xmem.config.propagation import Direction, MemoryDevice, Precision, PropagationConfig, Scope
from napari_xmem.config.training import TrainingConfig

__all__ = [
    "Direction",
    "MemoryConfig",
    "MemoryDevice",
    "ModelConfig",
    "Precision",
    "PropagationConfig",
    "Scope",
    "TrainingConfig",
]
