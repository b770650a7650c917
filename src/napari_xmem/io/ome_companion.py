"""OME movies in several TIFF files that a companion file (`movie.companion.ome`) describes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["companion_of", "is_companion", "ome_sizes", "open_companion"]

_LARGEST_BYTES = 100_000_000
_COMPANION = re.compile(r'<(?:\w+:)?BinaryOnly[^>]*MetadataFile="([^"]+)"')
_SECONDS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def is_companion(path: Path) -> bool:
    """Return True if a file's name is that of a companion file."""
    return path.name.lower().endswith(".companion.ome")


def companion_of(ome_metadata: str, path: Path) -> Path | None:
    """Return the companion file that describes a TIFF file, if its metadata name one that is there."""
    found = _COMPANION.search(ome_metadata)
    file = path.parent / found[1] if found and _is_plain(found[1]) else None
    return file if file is not None and file.is_file() else None


def open_companion(path: Path, key: str = "") -> Opened:
    """Open the first image that a companion file describes, page by page.

    Raises
    ------
    InputError
        If it cannot be read, names no pages or names outside its folder, or files of it are missing.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        raise InputError(f"{path} is larger than any companion file ({_LARGEST_BYTES / 1e6:.0f} MB).")
    try:
        pixels = ElementTree.fromstring(path.read_bytes()).find(".//{*}Pixels")
        sizes = () if pixels is None else tuple(int(pixels.attrib[f"Size{axis}"]) for axis in "TCZYX")
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as OME-XML ({type(error).__name__}: {error}).") from error
    if pixels is None or min(sizes) < 1:
        raise InputError(f"{path} describes no image.")
    pages: dict[tuple[int, int, int], tuple[Path, int]] = {}
    for block in pixels.findall("{*}TiffData"):
        name = block.find("{*}UUID")
        file = None if name is None else name.attrib.get("FileName")
        if file is None or not _is_plain(file):
            raise InputError(f"{path} names {file!r} as a file of its movie, expected one in its own folder.")
        first = tuple(int(block.attrib.get(f"First{axis}", 0)) for axis in "TCZ")
        pages[first] = (path.parent / file, int(block.attrib.get("IFD", 0)))  # type: ignore[index]
    missing = sorted({file.name for file, _ in pages.values() if not file.exists()})
    if missing:
        raise InputError(f"{path} names files that are not there: {', '.join(missing[:6])}. Bring them back.")
    if len(pages) != int(np.prod(sizes[:3])):
        raise InputError(f"{path} names {len(pages)} pages, expected {int(np.prod(sizes[:3]))} of T, C, Z {sizes[:3]}.")
    scale, unit, z_step, interval = ome_sizes(pixels)
    return Opened(_Planes(pages, sizes), "TCZYX", scale, unit, z_step, frame_interval_s=interval)


def ome_sizes(
    pixels: ElementTree.Element,
) -> tuple[tuple[float, float] | None, str | None, float | None, float | None]:
    """Return height and width of a pixel, their unit, the step in z, and seconds between frames, of OME's Pixels."""
    known = pixels.attrib
    scale = unit = z_step = None
    if "PhysicalSizeX" in known:
        x = float(known["PhysicalSizeX"])
        scale, unit = (float(known.get("PhysicalSizeY", x)), x), known.get("PhysicalSizeXUnit", "µm")
        z_step = float(known["PhysicalSizeZ"]) if "PhysicalSizeZ" in known else None
    seconds = _SECONDS.get(known.get("TimeIncrementUnit", "s"))
    interval = float(known["TimeIncrement"]) * seconds if seconds and "TimeIncrement" in known else None
    return scale, unit, z_step, interval


class _Planes:
    """Pages of several files as an array (T, C, Z, Y, X)."""

    def __init__(self, pages: dict[tuple[int, int, int], tuple[Path, int]], shape: tuple[int, ...]) -> None:
        self._pages, self.shape = pages, shape
        first = self._read((0, 0, 0))
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        lead, inside = index[:3], index[3:]
        spans = [range(n)[i] if isinstance(i, slice) else (i,) for i, n in zip(lead, self.shape, strict=False)]
        planes = [self._read((t, c, z))[inside] for t in spans[0] for c in spans[1] for z in spans[2]]
        kept = [len(span) for span, i in zip(spans, lead, strict=True) if isinstance(i, slice)]
        return np.stack(planes).reshape(*kept, *planes[0].shape) if kept else planes[0]

    def _read(self, place: tuple[int, int, int]) -> NDArray[Any]:
        if place not in self._pages:
            raise InputError(f"the companion file names no page for T, C, Z {place}.")
        file, number = self._pages[place]
        with tifffile.TiffFile(file, is_ome=False) as tiff:
            plane = tiff.pages[number].asarray()
        if plane.shape != self.shape[3:]:
            raise InputError(f"{file} has pages of shape {plane.shape}, expected {self.shape[3:]}.")
        return plane


def _is_plain(name: str) -> bool:
    """Return True for a name of a file without folders."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\:")
