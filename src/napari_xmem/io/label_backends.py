"""File formats behind `LabelWriter`: npy and TIFF; OME-Zarr stands in `ngff_labels`."""

from __future__ import annotations

import math
import os
import zlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tifffile

from napari_xmem.io.ngff import ome_unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Backend", "NpyBackend", "TiffBackend"]

_STRIP_BYTES = 1 << 18
_ZLIB_LEVEL = 6
_CLASSIC_TIFF_BYTES = 2**32 - 2**26


class Backend(Protocol):
    """Writes pages of labels, the planes (Y, X) of an array counted in its order, into one new file or folder."""

    def write(self, page: int, labels: NDArray[Any]) -> None:
        """Write a page, labels (Y, X) of the right dtype, contiguous."""

    def finish(self) -> None:
        """Complete the file; pages not written are zero."""

    def discard(self) -> None:
        """Close whatever is open."""


class NpyBackend:
    """One npy file, written at the place of each page.

    It is not mapped into memory, because a full disk under a map kills the process.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(self._file, header)
        self._offset = self._file.tell()
        self._page_bytes = shape[-2] * shape[-1] * dtype.itemsize
        self._size = self._offset + math.prod(shape[:-2]) * self._page_bytes

    def write(self, page: int, labels: NDArray[Any]) -> None:
        """Write a page."""
        self._file.seek(self._offset + page * self._page_bytes)
        self._file.write(labels.data)
        self._file.flush()

    def finish(self) -> None:
        """Make the file as long as its header says."""
        with self._file:
            self._file.truncate(self._size)
            self._file.flush()
            os.fsync(self._file.fileno())

    def discard(self) -> None:
        """Close the file."""
        _close_quietly(self._file)


class TiffBackend:
    """An OME-TIFF of zlib-compressed strips.

    TIFF wants its pages in order, but backward propagation makes the last one first. So strips are compressed as they
    come, kept in a side file, and put in order at the end without touching their content.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        scale: tuple[float, float] | None = None,
        unit: str | None = None,
        z_step: float | None = None,
        frame_interval_s: float | None = None,
    ) -> None:
        self._path, self._shape, self._dtype = path, shape, dtype
        self._metadata = _ome(len(shape), scale, unit, z_step, frame_interval_s)
        self._n_pages = math.prod(shape[:-2])
        self._side_path = path.with_name(path.name + ".strips")
        self._side = self._side_path.open("w+b")
        self._places: dict[int, list[tuple[int, int]]] = {}
        self._rows = int(np.clip(_STRIP_BYTES // max(1, shape[-1] * dtype.itemsize), 1, shape[-2]))

    def write(self, page: int, labels: NDArray[Any]) -> None:
        """Compress and keep a page."""
        places = []
        self._side.seek(0, os.SEEK_END)
        for strip in self._strips(labels):
            places.append((self._side.tell(), len(strip)))
            self._side.write(strip)
        self._side.flush()
        self._places[page] = places

    def finish(self) -> None:
        """Write the TIFF file from the kept strips."""
        total = sum(length for places in self._places.values() for _, length in places)
        total += self._n_pages * (512 + 24 * -(-self._shape[-2] // self._rows))
        with self._side, tifffile.TiffWriter(self._path, ome=True, bigtiff=total > _CLASSIC_TIFF_BYTES) as tiff:
            tiff.write(
                self._ordered(),
                shape=self._shape,
                dtype=self._dtype,
                compression="zlib",
                rowsperstrip=self._rows,
                photometric="minisblack",
                metadata=self._metadata,
            )
        self._side_path.unlink()

    def discard(self) -> None:
        """Close the side file."""
        _close_quietly(self._side)

    def _strips(self, labels: NDArray[Any]) -> Iterator[bytes]:
        for row in range(0, self._shape[-2], self._rows):
            yield zlib.compress(labels[row : row + self._rows].tobytes(), _ZLIB_LEVEL)

    def _ordered(self) -> Iterator[bytes]:
        empty = list(self._strips(np.zeros(self._shape[-2:], self._dtype)))
        for page in range(self._n_pages):
            if page not in self._places:
                yield from empty
                continue
            for offset, length in self._places[page]:
                self._side.seek(offset)
                yield self._side.read(length)


def _ome(
    ndim: int,
    scale: tuple[float, float] | None,
    unit: str | None,
    z_step: float | None,
    frame_interval_s: float | None,
) -> dict[str, Any]:
    """Return axes, pixel size and frame interval as OME metadata."""
    sizes = {} if scale is None else {"Y": scale[0], "X": scale[1]}
    if sizes and ndim == 4 and z_step:
        sizes["Z"] = z_step
    units = {f"PhysicalSize{axis}Unit": ome_unit(unit) for axis in sizes if unit}
    time = {} if not frame_interval_s else {"TimeIncrement": frame_interval_s, "TimeIncrementUnit": "s"}
    axes = "TYX" if ndim == 3 else "TZYX"
    return {"axes": axes, **{f"PhysicalSize{axis}": n for axis, n in sizes.items()}, **units, **time}


def _close_quietly(file: Any) -> None:
    try:
        file.close()
    except OSError:
        pass  # a full disk says so once more when buffers are flushed; the file is removed anyway
