"""How fast and how large: ratios against the plain dense formulation and Cutie, measured side by side in one run.

``napari-xmem benchmark`` runs it; docs/evidence/performance.md shows results.
"""

from __future__ import annotations

from napari_xmem_benchmark.command import main

__all__ = ["main"]
