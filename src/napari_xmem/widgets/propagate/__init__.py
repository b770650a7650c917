"""The dock *Propagate labels*."""

from __future__ import annotations

from napari_xmem.widgets.propagate.dock import PropagateWidget

__all__ = ["PropagateWidget"]
