"""The memory manager: what is remembered of a movie, how it is strengthened, what is forgotten.

Knows tensors, no network. Start with `napari_xmem.memory.bank.MemoryBank`.
"""

from __future__ import annotations

from napari_xmem.memory.affinity import read_dense
from napari_xmem.memory.bank import MemoryBank
from napari_xmem.memory.eviction import EVICTIONS
from napari_xmem.memory.index import HeldFrame, MemoryIndex
from napari_xmem.memory.limits import check_policies
from napari_xmem.memory.position_prior import PLACE_CHANNELS, with_place
from napari_xmem.memory.potentiation import POTENTIATIONS
from napari_xmem.memory.recall import MemoryVote
from napari_xmem.memory.selection import SELECTIONS
from napari_xmem.memory.sensory import SensoryMemory
from napari_xmem.memory.snapshot import (
    MemoryEvent,
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
    "PLACE_CHANNELS",
    "POTENTIATIONS",
    "SELECTIONS",
    "HeldFrame",
    "MemoryBank",
    "MemoryEvent",
    "MemoryIndex",
    "MemorySizes",
    "MemorySnapshot",
    "MemoryTotals",
    "MemoryVote",
    "ObjectMemory",
    "SensoryMemory",
    "Store",
    "StoreMemory",
    "check_policies",
    "merge_snapshots",
    "read_dense",
    "with_place",
]
