"""Movies, labels and tracks in and out; lazily and frame by frame."""

from __future__ import annotations

from napari_xmem.io.lazy import LazyFrames, LazyVolumes
from napari_xmem.io.movie import READABLE, Movie, open_labels, open_movie
from napari_xmem.io.tracks import TRACK_FORMATS, Tracks, check_tracks_output, read_tracks, write_tracks
from napari_xmem.io.writer import WRITABLE, LabelWriter, check_output

__all__ = [
    "READABLE",
    "TRACK_FORMATS",
    "WRITABLE",
    "LabelWriter",
    "LazyFrames",
    "LazyVolumes",
    "Movie",
    "Tracks",
    "check_output",
    "check_tracks_output",
    "open_labels",
    "open_movie",
    "read_tracks",
    "write_tracks",
]
