"""Files that appear when they are whole, have names that fit, and are written by one process at a time."""

from __future__ import annotations

from napari_xmem.files.atomic import atomic_write, remove_partial
from napari_xmem.files.lock import OccupiedError, output_lock
from napari_xmem.files.names import neighbour
from napari_xmem.files.untrusted import check_archive, parse_json

__all__ = [
    "OccupiedError",
    "atomic_write",
    "check_archive",
    "neighbour",
    "output_lock",
    "parse_json",
    "remove_partial",
]
