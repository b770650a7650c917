"""The command ``napari-xmem``."""

from __future__ import annotations

from napari_xmem.cli.main import main

__all__ = ["main"]
