"""The dock *Lineage*."""

from __future__ import annotations

from napari_xmem.widgets.lineage.dock import LineageWidget

__all__ = ["LineageWidget"]
