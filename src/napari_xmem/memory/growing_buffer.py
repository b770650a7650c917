"""Rows in one tensor that grows in steps."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GrowingBuffer", "reserve_together"]


class GrowingBuffer:
    """Rows in one contiguous tensor whose capacity grows by at least a quarter when it is full.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row.
    dtype : torch.dtype
        Type of the rows.
    device : torch.device
        Where the rows live.
    capacity : int
        Rows to make room for at first.
    """

    def __init__(self, row_shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, capacity: int = 0) -> None:
        with torch.inference_mode(False):  # rows are written in and out of inference mode
            self._data = torch.empty((capacity, *row_shape), dtype=dtype, device=device)
        self.size, self._capacity = 0, capacity  # asking a tensor for its shape takes as long as a small copy

    @property
    def rows(self) -> Tensor:
        """The rows held, as a view (size, ...)."""
        return self._data[: self.size]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self._data.element_size() * math.prod(self._data.shape[1:])

    @property
    def n_bytes(self) -> int:
        """Bytes allocated."""
        return int(self._data.nbytes)

    def reserve(self, n: int) -> None:
        """Make room for ``n`` more rows."""
        reserve_together([self], [n])

    def append(self, rows: Tensor) -> None:
        """Add rows (n, ...) at the end."""
        self.extend(rows.shape[0]).copy_(rows)

    def extend(self, n: int) -> Tensor:
        """Return room for ``n`` more rows at the end, which now counts: to be written to at once."""
        self.reserve(n)
        self.size += n
        return self._data[self.size - n : self.size]

    def take(self, index: Tensor) -> GrowingBuffer:
        """Return a new buffer of the rows ``index`` (n,) int64, with room to grow as before."""
        other = self.emptied(index.shape[0])
        torch.index_select(self.rows, 0, index, out=other.rows)
        return other

    def emptied(self, n: int, more: int = 0) -> GrowingBuffer:
        """Return a new buffer of ``n`` rows to be written to at once, with room for ``more`` and to grow as before."""
        capacity = self._capacity
        while capacity > 64 and capacity > 4 * n:
            capacity //= 2
        other = GrowingBuffer(tuple(self._data.shape[1:]), self._data.dtype, self._data.device, max(capacity, n + more))
        other.size = n
        return other

    def share(self) -> GrowingBuffer:
        """Return a buffer on the same tensor that keeps today's size."""
        other = object.__new__(GrowingBuffer)
        other._data, other.size, other._capacity = self._data, self.size, self._capacity
        return other

    def clone(self) -> GrowingBuffer:
        """Return an independent copy."""
        other = object.__new__(GrowingBuffer)
        with torch.inference_mode(False):
            other._data, other.size, other._capacity = self._data.clone(), self.size, self._capacity
        return other


def reserve_together(buffers: Sequence[GrowingBuffer], counts: Sequence[int]) -> None:
    """Make room for so many more rows of each buffer, with a call per type; nothing has changed if there is none."""
    grown: dict[torch.dtype, list[tuple[GrowingBuffer, int, Tensor]]] = defaultdict(list)
    for buffer, n in zip(buffers, counts, strict=True):
        needed = buffer.size + n
        if needed > buffer._capacity:
            capacity = max(needed, buffer._capacity * 5 // 4)
            with torch.inference_mode(False):
                data = buffer._data.new_empty((capacity, *buffer._data.shape[1:]))
            grown[data.dtype].append((buffer, capacity, data))
    for alike in grown.values():
        rooms = [data[: buffer.size] for buffer, _, data in alike]
        torch._foreach_copy_(rooms, [buffer.rows for buffer, _, _ in alike])
    for alike in grown.values():
        for buffer, capacity, data in alike:
            buffer._data, buffer._capacity = data, capacity
