"""The dock *Memory*."""

from __future__ import annotations

from napari_xmem.widgets.memory.dock import MemoryWidget

__all__ = ["MemoryWidget"]
