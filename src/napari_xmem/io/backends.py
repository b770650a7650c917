"""The three file formats behind `LabelWriter`."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tifffile
import zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Backend", "NpyBackend", "TiffBackend", "ZarrBackend"]

_STRIP_BYTES = 1 << 18
_ZLIB_LEVEL = 6
_CLASSIC_TIFF_BYTES = 2**32 - 2**26


class Backend(Protocol):
    """Writes frames of labels into one new file or folder."""

    def write(self, t: int, labels: NDArray[Any]) -> None:
        """Write frame `t`, labels (Y, X) of the right dtype, contiguous."""

    def finish(self) -> None:
        """Complete the file; frames not written are zero."""

    def discard(self) -> None:
        """Close whatever is open."""


class NpyBackend:
    """One npy file, written at the place of each frame.

    It is not mapped into memory, because a full disk under a map kills the process.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(self._file, header)
        self._offset = self._file.tell()
        self._frame_bytes = shape[1] * shape[2] * dtype.itemsize
        self._size = self._offset + shape[0] * self._frame_bytes

    def write(self, t: int, labels: NDArray[Any]) -> None:
        """Write frame `t`."""
        self._file.seek(self._offset + t * self._frame_bytes)
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


class ZarrBackend:
    """One zarr array, a chunk per frame or part of a frame."""

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._array: Any = zarr.create_array(
            store=str(path),
            shape=shape,
            chunks=(1, min(shape[1], 2048), min(shape[2], 2048)),
            dtype=dtype,
            dimension_names=("t", "y", "x"),
        )

    def write(self, t: int, labels: NDArray[Any]) -> None:
        """Write frame `t`."""
        self._array[t] = labels

    def finish(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Nothing is open."""


class TiffBackend:
    """An OME-TIFF of zlib-compressed strips.

    TIFF wants its pages in order, but backward propagation makes the last one first. So strips are compressed as they
    come, kept in a side file, and put in order at the end without touching their content.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        scale: tuple[float, float] | None = None,
        unit: str | None = None,
    ) -> None:
        self._path, self._shape, self._dtype, self._scale, self._unit = path, shape, dtype, scale, unit
        self._side_path = path.with_name(path.name + ".strips")
        self._side = self._side_path.open("w+b")
        self._places: dict[int, list[tuple[int, int]]] = {}
        self._rows = int(np.clip(_STRIP_BYTES // max(1, shape[2] * dtype.itemsize), 1, shape[1]))

    def write(self, t: int, labels: NDArray[Any]) -> None:
        """Compress and keep frame `t`."""
        places = []
        self._side.seek(0, os.SEEK_END)
        for strip in self._strips(labels):
            places.append((self._side.tell(), len(strip)))
            self._side.write(strip)
        self._side.flush()
        self._places[t] = places

    def finish(self) -> None:
        """Write the TIFF file from the kept strips."""
        total = sum(length for places in self._places.values() for _, length in places)
        total += self._shape[0] * (512 + 24 * -(-self._shape[1] // self._rows))
        metadata: dict[str, Any] = {"axes": "TYX"}
        if self._scale is not None:
            metadata |= {"PhysicalSizeY": self._scale[0], "PhysicalSizeX": self._scale[1]}
            if self._unit:
                metadata |= {"PhysicalSizeYUnit": self._unit, "PhysicalSizeXUnit": self._unit}
        with self._side, tifffile.TiffWriter(self._path, ome=True, bigtiff=total > _CLASSIC_TIFF_BYTES) as tiff:
            tiff.write(
                self._ordered(),
                shape=self._shape,
                dtype=self._dtype,
                compression="zlib",
                rowsperstrip=self._rows,
                photometric="minisblack",
                metadata=metadata,
            )
        self._side_path.unlink()

    def discard(self) -> None:
        """Close the side file."""
        _close_quietly(self._side)

    def _strips(self, labels: NDArray[Any]) -> Iterator[bytes]:
        for row in range(0, self._shape[1], self._rows):
            yield zlib.compress(labels[row : row + self._rows].tobytes(), _ZLIB_LEVEL)

    def _ordered(self) -> Iterator[bytes]:
        empty = list(self._strips(np.zeros(self._shape[1:], self._dtype)))
        for t in range(self._shape[0]):
            if t not in self._places:
                yield from empty
                continue
            for offset, length in self._places[t]:
                self._side.seek(offset)
                yield self._side.read(length)


def _close_quietly(file: Any) -> None:
    try:
        file.close()
    except OSError:
        pass  # a full disk says so once more when buffers are flushed; the file is removed anyway
