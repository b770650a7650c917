"""The table of memory elements: one row per element, columns in growing buffers."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor

from napari_xmem.memory.affinity import augment_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIFE_START", "ElementTable", "GrowingBuffer", "Store"]

#: Life of a new element, so that usage / life is defined (as in XMem).
LIFE_START = 1e-7

Column = Literal[
    "key",
    "rows",
    "shrinkage",
    "selection",
    "frame",
    "block",
    "position",
    "store",
    "use",
    "life",
    "relevance",
    "exposure",
    "support",
    "support_mass",
]
_SHARED: tuple[Column, ...] = ("key", "rows", "shrinkage", "selection", "frame", "block", "position")
_MUTABLE: tuple[Column, ...] = ("store", "use", "life", "relevance", "exposure", "support", "support_mass")


class Store(IntEnum):
    """Where an element lives."""

    LONG_TERM = 0
    PERMANENT = 1
    WORKING = 2


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
        self.size = 0

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
        needed = self.size + n
        if needed > self._data.shape[0]:
            with torch.inference_mode(False):
                grown = self._data.new_empty((max(needed, self._data.shape[0] * 5 // 4), *self._data.shape[1:]))
            grown[: self.size] = self.rows
            self._data = grown

    def append(self, rows: Tensor) -> None:
        """Add rows (n, ...) at the end."""
        needed = self.size + rows.shape[0]
        self.reserve(rows.shape[0])
        self._data[self.size : needed] = rows
        self.size = needed

    def take(self, index: Tensor) -> GrowingBuffer:
        """Return a new buffer of the rows ``index`` (n,) int64, with room to grow as before."""
        capacity = self._data.shape[0]
        while capacity > 64 and capacity > 4 * index.shape[0]:
            capacity //= 2
        other = GrowingBuffer(tuple(self._data.shape[1:]), self._data.dtype, self._data.device, capacity)
        other.reserve(index.shape[0])
        other.size = index.shape[0]
        torch.index_select(self.rows, 0, index, out=other._data[: other.size])
        return other

    def share(self) -> GrowingBuffer:
        """Return a buffer on the same tensor that keeps today's size."""
        other = object.__new__(GrowingBuffer)
        other._data, other.size = self._data, self.size
        return other

    def clone(self) -> GrowingBuffer:
        """Return an independent copy."""
        other = object.__new__(GrowingBuffer)
        with torch.inference_mode(False):
            other._data, other.size = self._data.clone(), self.size
        return other


class ElementTable:
    """All elements of one bank, in the order they were memorised.

    Columns (m rows): ``key`` and ``selection`` (m, C), ``rows`` (m, 2 C + 1) the augmented keys, ``shrinkage`` (m,),
    ``frame`` and ``block`` (m,) int64 (movie frame, running number of the memorised frame), ``position`` (m, 2) y, x in
    pixels of the movie or NaN, ``store`` (m,) uint8 `Store`, and the counters of `napari_xmem.memory.usage`:
    ``use``, ``life``, ``relevance``, ``exposure``, ``support``, ``support_mass`` (m,) float32. Per object:
    ``values`` (m, V), meaningless where not valid, and ``valid`` (m,) bool: memorised when the object existed.

    Parameters
    ----------
    key_dim, value_dim : int
        C and V.
    device : torch.device
        Where the table lives.
    value_dtype : torch.dtype
        Type in which values are kept; everything else is float32.
    """

    def __init__(self, key_dim: int, value_dim: int, device: torch.device, value_dtype: torch.dtype) -> None:
        self.value_dim, self.device, self.value_dtype = value_dim, device, value_dtype

        def column(*shape: int, dtype: torch.dtype = torch.float32) -> GrowingBuffer:
            return GrowingBuffer(shape, dtype, device)

        self._columns: dict[Column, GrowingBuffer] = {name: column() for name in (*_SHARED, *_MUTABLE)}
        self._columns |= {"key": column(key_dim), "selection": column(key_dim), "rows": column(2 * key_dim + 1)}
        self._columns |= {"position": column(2), "store": column(dtype=torch.uint8)}
        self._columns |= {"frame": column(dtype=torch.int64), "block": column(dtype=torch.int64)}
        self._values: dict[int, GrowingBuffer] = {}
        self._valid: dict[int, GrowingBuffer] = {}

    def __getitem__(self, name: Column) -> Tensor:
        """One column as a view: writing into it writes into the table."""
        return self._columns[name].rows

    def __len__(self) -> int:
        return self._columns["life"].size

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids in order of first appearance."""
        return tuple(self._values)

    def values(self, object_id: int) -> Tensor:
        """Values of one object, (m, V)."""
        return self._values[object_id].rows

    def valid(self, object_id: int) -> Tensor:
        """Elements that hold one object, (m,) bool."""
        return self._valid[object_id].rows

    @property
    def column_names(self) -> tuple[Column, ...]:
        """Names of all columns."""
        return tuple(self._columns)

    @property
    def row_bytes(self) -> int:
        """Bytes of one element without values."""
        return sum(buffer.row_bytes for buffer in self._columns.values())

    @property
    def value_row_bytes(self) -> int:
        """Bytes that one element takes per object."""
        return self.value_dim * self.value_dtype.itemsize + 1

    @property
    def n_bytes(self) -> int:
        """Bytes allocated."""
        buffers = (*self._columns.values(), *self._values.values(), *self._valid.values())
        return sum(buffer.n_bytes for buffer in buffers)

    def add_object(self, object_id: int) -> None:
        """Make room for an object that no element holds so far."""
        size = len(self)
        self._values[object_id] = GrowingBuffer((self.value_dim,), self.value_dtype, self.device)
        self._values[object_id].append(torch.zeros(size, self.value_dim, dtype=self.value_dtype, device=self.device))
        self._valid[object_id] = GrowingBuffer((), torch.bool, self.device)
        self._valid[object_id].append(torch.zeros(size, dtype=torch.bool, device=self.device))

    def rename_object(self, object_id: int, new_id: int) -> None:
        """Keep an object under another id, in the same order."""
        other = {object_id: new_id}
        self._values = {other.get(i, i): buffer for i, buffer in self._values.items()}
        self._valid = {other.get(i, i): buffer for i, buffer in self._valid.items()}

    def drop_object(self, object_id: int) -> None:
        """Free the values of an object."""
        del self._values[object_id], self._valid[object_id]

    def append(
        self,
        *,
        key: Tensor,
        shrinkage: Tensor,
        selection: Tensor | None,
        frame: Tensor | int,
        block: Tensor | int,
        position: Tensor | None,
        store: Store,
        values: dict[int, Tensor],
        valid: dict[int, Tensor] | None = None,
    ) -> None:
        """Add n elements: key (n, C), shrinkage (n,), selection (n, C), position (n, 2), values {id: (n, V)}.

        Objects of the table that ``values`` lacks are not valid there; ``valid`` {id: (n,) bool} narrows it further.
        """
        n = key.shape[0]
        for buffer in (*self._columns.values(), *self._values.values(), *self._valid.values()):
            buffer.reserve(n)  # all before any is written: where there is no room, nothing has changed

        def full(value: float) -> Tensor:
            return torch.full((n,), value, dtype=torch.float32, device=self.device)

        def whole(value: Tensor | int) -> Tensor:
            if isinstance(value, Tensor):
                return value
            return torch.full((n,), value, dtype=torch.int64, device=self.device)

        key, shrinkage = key.float(), shrinkage.float()
        new: dict[Column, Tensor] = {"key": key, "shrinkage": shrinkage, "rows": augment_memory(key.T, shrinkage)}
        new["selection"] = torch.ones_like(key) if selection is None else selection.float()
        new |= {"frame": whole(frame), "block": whole(block), "store": whole(int(store)), "life": full(LIFE_START)}
        nowhere = torch.full((n, 2), torch.nan, dtype=torch.float32, device=self.device)
        new["position"] = nowhere if position is None else position
        for name, buffer in self._columns.items():
            buffer.append(new[name] if name in new else full(0.0))
        for object_id in values:
            if object_id not in self._values:
                raise KeyError(object_id)
        for object_id, buffer in self._values.items():
            held = object_id in values
            buffer.append(values[object_id].to(self.value_dtype) if held else buffer.rows.new_zeros(n, self.value_dim))
            mask = valid[object_id] if held and valid is not None else full(float(held)).bool()
            self._valid[object_id].append(mask)

    def state_dict(self) -> dict[str, Any]:
        """Return columns, values and validity as views; augmented keys are left out, they follow from the others."""
        return {
            "columns": {name: buffer.rows for name, buffer in self._columns.items() if name != "rows"},
            "object_ids": self.object_ids,
            "values": [buffer.rows for buffer in self._values.values()],
            "valid": [buffer.rows for buffer in self._valid.values()],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], key_dim: int, value_dim: int, device: torch.device) -> Self:
        """Return an independent table of what `state_dict` described, counters and all, kept on `device`."""
        columns, values, valid = state["columns"], state["values"], state["valid"]
        table = cls(key_dim, value_dim, device, values[0].dtype if values else torch.float32)
        for name, buffer in table._columns.items():
            if name == "rows":
                buffer.append(augment_memory(columns["key"].to(device).T, columns["shrinkage"].to(device)))
            else:
                buffer.append(columns[name].to(device))
        for object_id, rows, held in zip(state["object_ids"], values, valid, strict=True):
            table._values[object_id] = GrowingBuffer((value_dim,), table.value_dtype, device)
            table._values[object_id].append(rows.to(device))
            table._valid[object_id] = GrowingBuffer((), torch.bool, device)
            table._valid[object_id].append(held.to(device))
        return table

    def keep(self, index: Tensor) -> None:
        """Keep only the rows ``index`` (n,) int64, in that order."""
        self._columns = {name: buffer.take(index) for name, buffer in self._columns.items()}
        self._values = {object_id: buffer.take(index) for object_id, buffer in self._values.items()}
        self._valid = {object_id: buffer.take(index) for object_id, buffer in self._valid.items()}

    def freeze(self) -> Self:
        """Return the table as it is now, for undo: big columns are shared, counters and validity copied."""
        other = object.__new__(type(self))
        other.value_dim, other.device, other.value_dtype = self.value_dim, self.device, self.value_dtype
        other._columns = {
            name: buffer.clone() if name in _MUTABLE else buffer.share() for name, buffer in self._columns.items()
        }
        other._values = {object_id: buffer.share() for object_id, buffer in self._values.items()}
        other._valid = {object_id: buffer.clone() for object_id, buffer in self._valid.items()}
        return other

    def copy(self) -> Self:
        """Return an independent copy."""
        other = self.freeze()
        other._columns = {name: buffer.clone() for name, buffer in other._columns.items()}
        other._values = {object_id: buffer.clone() for object_id, buffer in other._values.items()}
        return other

    def freeze_index(self) -> Self:
        """Return what tells who would answer a query as things are now: no values, only the counters of trust.

        Augmented keys, frames and positions are shared with this table until elements are removed.
        """
        other = object.__new__(type(self))
        other.value_dim, other.device, other.value_dtype = self.value_dim, self.device, self.value_dtype
        shared: tuple[Column, ...] = ("rows", "frame", "position", "life")  # of life only the length is needed
        copied: tuple[Column, ...] = ("store", "support", "support_mass")
        other._columns = {name: self._columns[name].share() for name in shared}
        other._columns |= {name: self._columns[name].clone() for name in copied}
        other._valid = {i: buffer.clone() for i, buffer in self._valid.items()}
        other._values = {i: GrowingBuffer((self.value_dim,), self.value_dtype, self.device) for i in self._values}
        return other

    def buffers(self) -> dict[int, int]:
        """Return address and bytes of every buffer, to count those that several frozen tables share only once."""
        held = (*self._columns.values(), *self._values.values(), *self._valid.values())
        return {buffer._data.data_ptr(): buffer.n_bytes for buffer in held}
