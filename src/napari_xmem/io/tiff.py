"""TIFF movies: ImageJ, OME and plain, page by page or mapped."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened
from napari_xmem.io.ome_companion import companion_of, ome_sizes, open_companion
from napari_xmem.io.tiff_damage import FILE_NAME, check_complete, listening, noticing_damage, whole_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["WHOLE_KEY", "is_tiff", "open_tiff", "read_image", "spans_files"]

#: After the file's name and a colon: take the frames that are whole of a file that is cut off.
WHOLE_KEY = "whole"


def open_tiff(path: Path, key: str = "") -> Opened:
    """Open a series of a TIFF file; axes and pixel size come from its metadata.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        Number of the series, from 0; needed where several of the same shape are there, positions of a stage usually.
        "whole": the frames that are whole of a file that is cut off, as where an acquisition broke off.

    Raises
    ------
    InputError
        If the file is cut off, holds no image, or several.
    """
    if key == WHOLE_KEY:
        return _whole(path)
    with noticing_damage(path), tifffile.TiffFile(path) as tiff:
        described_by = companion_of(tiff.ome_metadata or "", path) if tiff.is_ome else None
        if described_by is not None:
            return open_companion(described_by)
        series = _chosen(path, tiff.series, key)
        pages = list(series.pages)
        check_complete(path, pages, series)
        scale, unit, z_step, interval = _sizes(tiff)
        axes = series.axes if len(set(series.axes)) == len(series.axes) else None
        if series.dataoffset is not None and len(series.shape) >= 2 and series.dtype is not None:
            byteorder = series.dtype.newbyteorder(tiff.byteorder)
            array: Any = np.memmap(path, byteorder, "r", series.dataoffset, tuple(series.shape))
        else:
            array = _Pages(pages, tuple(series.shape))
    return Opened(array, axes, scale, unit, z_step, frame_interval_s=interval)


def _whole(path: Path) -> Opened:
    """Open the frames that are whole of a file that is cut off."""
    array: Any
    try:
        with listening(), tifffile.TiffFile(path) as tiff:
            pages, shape, axes, offset = whole_frames(path, tiff)
            if shape[0] < 1:
                raise InputError(f"{path}: not one frame of it is whole.")
            scale, unit, z_step, interval = _sizes(tiff)
            if offset is None:
                array = _Pages(pages, shape)
            else:
                dtype = tiff.pages[0].aspage().dtype
                array = np.memmap(path, np.dtype(dtype).newbyteorder(tiff.byteorder), "r", offset, shape)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be read as TIFF ({type(error).__name__}: {error}).") from error
    return Opened(array, axes, scale, unit, z_step, frame_interval_s=interval)


def read_image(path: Path) -> NDArray[Any]:
    """Read one whole image, a member of an image folder; of a set of files its own page."""
    with noticing_damage(path), tifffile.TiffFile(path) as tiff:
        return tiff.pages[0].asarray() if len(tiff.pages) == 1 else tiff.asarray()


def spans_files(path: Path) -> bool:
    """Return True if a file's OME metadata describe an image of which it is one of several files."""
    with noticing_damage(path), tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata if tiff.is_ome else None
    return text is not None and ("BinaryOnly" in text or len(set(FILE_NAME.findall(text))) > 1)


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


def _sizes(tiff: tifffile.TiffFile) -> tuple[tuple[float, float] | None, str | None, float | None, float | None]:
    """Return height and width of a pixel, their unit, the step in z, and seconds between frames, where a file says."""
    try:
        if tiff.is_ome and tiff.ome_metadata:
            pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
            return (None, None, None, None) if pixels is None else ome_sizes(pixels)
        known = tiff.imagej_metadata or {}
        interval = float(known["finterval"]) if float(known.get("finterval", 0)) > 0 else None
        if unit := known.get("unit"):
            y, x = (
                tiff.pages[0].tags[name].value[1] / tiff.pages[0].tags[name].value[0]  # type: ignore[union-attr]
                for name in ("YResolution", "XResolution")
            )
            z = float(known["spacing"]) if "spacing" in known else None
            return (y, x), str(unit).replace("\\u00B5", "µ").replace("micron", "µm"), z, interval
        return None, None, None, interval
    except (KeyError, ValueError, TypeError, ZeroDivisionError, ElementTree.ParseError):
        return None, None, None, None  # sizes that make no sense are none
