"""Label images that take some kilobytes instead of megabytes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.imaging import label_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["PackedLabels", "renumbered_labels"]


def renumbered_labels(labels: NDArray[Any], numbers: Mapping[int, int]) -> NDArray[np.int64]:
    """Return labels (Y, X) with objects renumbered all at once, old number to new number; 0 removes one."""
    ids, places = np.unique(labels, return_inverse=True)
    table = np.array([numbers.get(int(i), int(i)) for i in ids], np.int64)
    return table[places].reshape(labels.shape)


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """A compressed label image (Y, X)."""

    data: bytes = field(repr=False)
    shape: tuple[int, int]
    dtype: str

    @classmethod
    def pack(cls, labels: NDArray[Any]) -> Self:
        """Compress integer labels (Y, X)."""
        largest = int(labels.max()) if labels.size else 0
        small = np.ascontiguousarray(labels, label_dtype(largest))
        return cls(zlib.compress(small.tobytes(), 1), (small.shape[0], small.shape[1]), small.dtype.str)

    def unpack(self) -> NDArray[Any]:
        """Return the labels (Y, X), uint16 while the ids fit, else int32."""
        flat = np.frombuffer(bytearray(zlib.decompress(self.data)), self.dtype)
        return flat.reshape(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return len(self.data)
