"""Movies and labels in, labels out; lazily and frame by frame."""

from __future__ import annotations

from napari_xmem.io.lazy import LazyFrames, LazyVolumes
from napari_xmem.io.movie import READABLE, Movie, open_labels, open_movie
from napari_xmem.io.writer import WRITABLE, LabelWriter, check_output

__all__ = [
    "READABLE",
    "WRITABLE",
    "LabelWriter",
    "LazyFrames",
    "LazyVolumes",
    "Movie",
    "check_output",
    "open_labels",
    "open_movie",
]
