"""A simulator of microscopy movies with known objects: cells that move, deform, divide and vanish."""

from __future__ import annotations

from napari_xmem.simulate.movie import SimulatedMovie
from napari_xmem.simulate.registry import KINDS, simulate

__all__ = ["KINDS", "SimulatedMovie", "simulate"]
