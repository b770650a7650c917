"""The memory manager: what is remembered of a movie, how it is strengthened, what is forgotten.

Knows tensors, no network. Start with `napari_xmem.memory.bank.MemoryBank`.
"""

from __future__ import annotations

from napari_xmem.memory.affinity import POSITION_CHANNELS, add_position, read_dense
from napari_xmem.memory.bank import MemoryBank
from napari_xmem.memory.eviction import EVICTIONS
from napari_xmem.memory.files import load_state, save_state
from napari_xmem.memory.limits import check_policies
from napari_xmem.memory.potentiation import POTENTIATIONS
from napari_xmem.memory.prototype_selection import SELECTIONS
from napari_xmem.memory.recall import MemoryIndex, MemoryVote
from napari_xmem.memory.sensory import SensoryMemory
from napari_xmem.memory.snapshot import (
    MemoryEvent,
    MemoryRow,
    MemorySizes,
    MemorySnapshot,
    MemoryTotals,
    ObjectMemory,
    StoreMemory,
    merge_snapshots,
)
from napari_xmem.memory.store import Store

__all__ = [
    "EVICTIONS",
    "POSITION_CHANNELS",
    "POTENTIATIONS",
    "SELECTIONS",
    "MemoryBank",
    "MemoryEvent",
    "MemoryIndex",
    "MemoryRow",
    "MemorySizes",
    "MemorySnapshot",
    "MemoryTotals",
    "MemoryVote",
    "ObjectMemory",
    "SensoryMemory",
    "Store",
    "StoreMemory",
    "add_position",
    "check_policies",
    "load_state",
    "merge_snapshots",
    "read_dense",
    "save_state",
]
