"""What an output may replace."""

from __future__ import annotations

import os
import re
from pathlib import Path

from napari_xmem.errors import OutputError
from napari_xmem.io.ngff_labels import image_around

__all__ = ["check_replaceable"]

_METADATA = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
_NODE = {"zarr.json", ".zarray", ".zgroup"}
#: Chunks: c/0/1, c.0.1 and c0 of version 3, 0.1 and 0/1 of version 2.
_CHUNK = re.compile(r"c?[./]?\d+([./]\d+)*|c")


def check_replaceable(target: Path) -> None:
    """Check that what stands at `target` is of the kind that will be written there, so that it may be replaced.

    A file is replaced by a file. A folder is replaced only where the output is a .zarr and the folder is a store of
    arrays and nothing else: a folder that merely ends in .zarr, or holds other things besides, is left alone.

    Parameters
    ----------
    target : Path
        The output; nothing need be there.

    Raises
    ------
    OutputError
        If it is another kind of thing.
    """
    is_zarr = target.suffix.lower() == ".zarr" or image_around(target) is not None
    if not target.is_dir():
        if is_zarr and target.exists():
            raise OutputError(f"{target} is a file, and a .zarr is a folder: it is not replaced. Choose another name.")
        return
    if not is_zarr:
        raise OutputError(f"{target} is a folder, which is never replaced by a file. Choose another name.")
    stranger = _stranger(target)
    if stranger is not None:
        holds = (
            "is no store of arrays" if stranger == target else f"holds {stranger.relative_to(target)} besides arrays"
        )
        raise OutputError(
            f"{target} {holds}: it is not replaced, even with overwriting allowed. Choose another name, or remove it "
            "yourself."
        )


def _stranger(node: Path) -> Path | None:
    """Return something in a folder that belongs to no zarr store, or the folder itself; None: all of it belongs."""
    names = {entry.name for entry in node.iterdir()}
    if not names & _NODE:
        return node
    for entry in sorted(node.iterdir()):
        if entry.name in _METADATA:
            continue
        is_chunk = _CHUNK.fullmatch(entry.name) is not None
        if not entry.is_dir():
            found = None if is_chunk else entry
        elif is_chunk and not any((entry / name).exists() for name in _NODE):
            found = _stranger_among_chunks(entry)
        else:
            found = _stranger(entry)
        if found is not None:
            return found
    return None


def _stranger_among_chunks(folder: Path) -> Path | None:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if not _CHUNK.fullmatch(name):
                return Path(place) / name
    return None
