"""The dock *Explain*."""

from __future__ import annotations

from napari_xmem.widgets.explain.dock import ExplainWidget

__all__ = ["ExplainWidget"]
