"""What an output may replace."""

from __future__ import annotations

import os
import re
from pathlib import Path

import zarr

from napari_xmem.errors import OutputError
from napari_xmem.io import ngff
from napari_xmem.io.ngff_labels import image_around

__all__ = ["check_replaceable"]

_METADATA = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
_NODE = {"zarr.json", ".zarray", ".zgroup"}
#: Chunks: c/0/1, c.0.1 and c0 of version 3, 0.1 and 0/1 of version 2.
_CHUNK = re.compile(r"c?[./]?\d+([./]\d+)*|c")


def check_replaceable(target: Path) -> None:
    """Check that what stands at `target` is of the kind that will be written there, so that it may be replaced.

    A file is replaced by a file. A folder is replaced only where the output is a .zarr and the folder is one array, or
    labels as OME-Zarr has them, and nothing else: a folder that merely ends in .zarr, holds other things besides, or
    is a group of images or other arrays is left alone.

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
    if stranger is None:
        holds = _more_than_labels(target)
    elif stranger == target:
        holds = "is no store of arrays"
    else:
        holds = f"holds {stranger.relative_to(target)} besides arrays"
    if holds:
        raise OutputError(
            f"{target} {holds}: it is not replaced, even with overwriting allowed. Choose another name, or remove it "
            "yourself."
        )


def _more_than_labels(target: Path) -> str:
    """Return what a store of arrays is that labels may not replace; empty: one array, or labels and their levels."""
    try:
        node = zarr.open(str(target), mode="r")
        if isinstance(node, zarr.Array):
            return ""
        attributes = dict(node.attrs)
        inside = {name for name, inner in node.members(max_depth=None) if isinstance(inner, zarr.Array)}
        image = ngff.multiscale_of(attributes)
        levels = {str(level["path"]) for level in image["datasets"]} if image else set()
    except Exception:  # metadata that are damaged, or of another program
        return "is a store that cannot be read"
    if inside - levels:
        return f"is a group that holds {', '.join(sorted(inside - levels)[:3])}, which are no labels of one movie"
    if image and "image-label" not in ngff.ome_attributes(attributes):
        return "is an image rather than labels"
    return ""


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
