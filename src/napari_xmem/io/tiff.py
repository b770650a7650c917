"""TIFF movies: ImageJ, OME and plain, page by page or mapped."""

from __future__ import annotations

import itertools
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["is_tiff", "open_tiff", "read_image", "spans_files"]

_FILE_NAME = re.compile(r'FileName="([^"]*)"')
_DAMAGE = ("failed to read", "invalid page offset", "corrupted file", "invalid value offset")


def open_tiff(path: Path, key: str = "") -> Opened:
    """Open a series of a TIFF file; axes and pixel size come from its metadata.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        Number of the series, from 0; needed where several of the same shape are there, positions of a stage usually.

    Raises
    ------
    InputError
        If the file is cut off, holds no image, or several.
    """
    with _noticing_damage(path), tifffile.TiffFile(path) as tiff:
        series = _chosen(path, tiff.series, key)
        pages = list(series.pages)
        _check_complete(path, pages, series)
        scale, unit, z_step = _pixel_size(tiff)
        axes = series.axes if len(set(series.axes)) == len(series.axes) else None
        if series.dataoffset is not None and len(series.shape) >= 2 and series.dtype is not None:
            byteorder = series.dtype.newbyteorder(tiff.byteorder)
            array: Any = np.memmap(path, byteorder, "r", series.dataoffset, tuple(series.shape))
        else:
            array = _Pages(pages, tuple(series.shape))
    return Opened(array, axes, scale, unit, z_step)


def read_image(path: Path) -> NDArray[Any]:
    """Read one whole image, a member of an image folder; of a set of files its own page."""
    with _noticing_damage(path), tifffile.TiffFile(path) as tiff:
        return tiff.pages[0].asarray() if len(tiff.pages) == 1 else tiff.asarray()


def spans_files(path: Path) -> bool:
    """Return True if a file's OME metadata describe an image of which it is one of several files."""
    with _noticing_damage(path), tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata if tiff.is_ome else None
    return text is not None and ("BinaryOnly" in text or len(set(_FILE_NAME.findall(text))) > 1)


def is_tiff(path: Path) -> bool:
    """Return True if a file begins as TIFF and BigTIFF files do, whatever its name."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _chosen(path: Path, found: Any, key: str) -> Any:
    if not found:
        raise InputError(f"{path} holds no image.")
    if key:
        if not key.isdecimal() or int(key) >= len(found):
            raise InputError(f"{path} has no series {key}; it holds 0 to {len(found) - 1}.")
        return found[int(key)]
    alike = [number for number, series in enumerate(found) if tuple(series.shape) == tuple(found[0].shape)]
    if len(alike) > 1:
        raise InputError(
            f"{path} holds {len(alike)} movies of shape {tuple(found[0].shape)}, perhaps positions; choose "
            f"one, for example {path.name}:{alike[1]} for the second."
        )
    return found[0]


class _Pages:
    """Pages of a series as an array: leading axes count pages, trailing ones lie inside a page."""

    def __init__(self, pages: list[Any], shape: tuple[int, ...]) -> None:
        first = pages[0]
        inside = (
            tuple(n for n in first.shape if n > 1) if tuple(first.shape) != shape[-len(first.shape) :] else first.shape
        )
        self._n_lead = len(shape) - len(inside)
        self._page_shape = tuple(inside)
        if shape[self._n_lead :] != self._page_shape or int(np.prod(shape[: self._n_lead])) != len(pages):
            raise InputError(
                f"the TIFF's metadata name shape {shape}, but it holds {len(pages)} pages of {first.shape}."
            )
        self._pages, self.shape, self.dtype = pages, shape, np.dtype(first.dtype)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        lead, inside = index[: self._n_lead], index[self._n_lead :]
        ranges = [
            list(range(n))[item] if isinstance(item, slice) else [item]
            for item, n in zip(lead, self.shape, strict=False)
        ]
        planes = [self._read(place)[inside] for place in itertools.product(*ranges)]
        kept = [len(r) for r, item in zip(ranges, lead, strict=True) if isinstance(item, slice)]
        return np.stack(planes).reshape(*kept, *planes[0].shape) if kept else planes[0]

    def _read(self, place: tuple[int, ...]) -> NDArray[Any]:
        number = int(np.ravel_multi_index(place, self.shape[: self._n_lead])) if place else 0
        page = self._pages[number]
        handle = page.parent.filehandle
        with handle.lock or _no_lock():
            closed = handle.closed
            handle.open()
            try:
                return page.asarray().reshape(self._page_shape)
            finally:
                if closed:
                    handle.close()


@contextmanager
def _no_lock() -> Iterator[None]:
    yield


def _check_complete(path: Path, pages: list[Any], series: Any) -> None:
    text = f"{path} is damaged or cut off: "
    if any(page is None for page in pages):
        names = set(_FILE_NAME.findall(getattr(series.parent, "ome_metadata", None) or "")) if series.parent else set()
        absent = sorted(name for name in names if not (path.parent / name).exists())
        if absent:
            raise InputError(
                f"{path} is one of {len(names)} files of a movie, of which {', '.join(absent[:6])} are missing or have "
                "other names. Bring them back; or give the folder, whose images are then read file by file."
            )
        raise InputError(f"{text}its metadata name pages that are missing.")
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + int(np.prod(series.shape)) * series.dtype.itemsize
    elif pages[-1].parent.filehandle.path == pages[0].parent.filehandle.path:
        last = pages[-1]
        end = max((a + b for a, b in zip(last.dataoffsets, last.databytecounts, strict=True)), default=0)
    else:
        end = 0
    if end > size:
        raise InputError(f"{text}{end} bytes are needed, it has {size}.")


@contextmanager
def _noticing_damage(path: Path) -> Iterator[None]:
    """Turn what tifffile only logs about a cut-off file into an error, and keep its log quiet."""
    seen: list[str] = []

    class Listener(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            message = record.getMessage()
            damaged = any(word in message for word in _DAMAGE)
            if damaged:
                seen.append(message)
            return not damaged

    logger, listener = logging.getLogger("tifffile"), Listener()
    logger.addFilter(listener)
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        detail = seen[0] if seen else f"{type(error).__name__}: {error}"
        raise InputError(f"{path} cannot be read as TIFF, it may be damaged or cut off ({detail}).") from error
    finally:
        logger.removeFilter(listener)
    if seen:
        raise InputError(f"{path} is damaged or cut off ({seen[0]}); copy or export it again.")


def _pixel_size(tiff: tifffile.TiffFile) -> tuple[tuple[float, float] | None, str | None, float | None]:
    """Return height and width of a pixel, their unit and the step in z, from OME or ImageJ metadata."""
    try:
        if tiff.is_ome and tiff.ome_metadata:
            pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
            if pixels is not None and "PhysicalSizeX" in pixels.attrib:
                x = float(pixels.attrib["PhysicalSizeX"])
                y = float(pixels.attrib.get("PhysicalSizeY", x))
                z = float(pixels.attrib["PhysicalSizeZ"]) if "PhysicalSizeZ" in pixels.attrib else None
                return (y, x), pixels.attrib.get("PhysicalSizeXUnit", "µm"), z
        elif tiff.imagej_metadata and (unit := tiff.imagej_metadata.get("unit")):
            y, x = (
                tiff.pages[0].tags[name].value[1] / tiff.pages[0].tags[name].value[0]  # type: ignore[union-attr]
                for name in ("YResolution", "XResolution")
            )
            z = float(tiff.imagej_metadata["spacing"]) if "spacing" in tiff.imagej_metadata else None
            return (y, x), str(unit).replace("\\u00B5", "µ").replace("micron", "µm"), z
    except (KeyError, ValueError, ZeroDivisionError, ElementTree.ParseError):
        return None, None, None  # a pixel size that makes no sense is none
    return None, None, None
