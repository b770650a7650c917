"""The dock *Review and correct*."""

from __future__ import annotations

from napari_xmem.widgets.review.dock import ReviewWidget

__all__ = ["ReviewWidget"]
