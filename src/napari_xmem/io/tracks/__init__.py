"""Lineages in and out: GEFF, folders of the Cell Tracking Challenge, CSV."""

from __future__ import annotations

from napari_xmem.io.tracks.formats import TRACK_FORMATS, Tracks, check_tracks_output, read_tracks, write_tracks

__all__ = ["TRACK_FORMATS", "Tracks", "check_tracks_output", "read_tracks", "write_tracks"]
