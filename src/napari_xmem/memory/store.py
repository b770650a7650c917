"""The table of memory elements: one row per element, columns side by side in growing buffers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor

from napari_xmem.memory.affinity import augment_memory
from napari_xmem.memory.growing_buffer import GrowingBuffer, reserve_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LIFE_START", "ElementTable", "Name", "PackedKeys", "Part", "Store", "fresh_counters"]

#: Life of a new element, so that usage / life is defined (as in XMem).
LIFE_START = 1e-7

Column = Literal[
    "rows",
    "position",
    "key",
    "selection",
    "shrinkage",
    "frame",
    "block",
    "store",
    "use",
    "life",
    "relevance",
    "exposure",
    "support",
    "support_mass",
]
Part = Literal["looks", "source", "origin", "store", "counters"]
#: A part and 0, or one of the two things that a table has of each object and the object's place in its order.
Name = tuple[Part | Literal["values", "valid"], int]
_COUNTERS: tuple[Column, ...] = ("use", "life", "relevance", "exposure", "support", "support_mass")
#: What changes after an element was memorised.
_MUTABLE: tuple[Part, ...] = ("store", "counters")


class Store(IntEnum):
    """Where an element lives."""

    LONG_TERM = 0
    PERMANENT = 1
    WORKING = 2
    DISTRACTOR = 3


class ElementTable:
    """All elements of one bank, in the order they were memorised.

    Columns (m rows): ``key`` and ``selection`` (m, C), ``rows`` (m, 2 C + 1) the augmented keys, ``shrinkage`` (m,),
    ``frame`` and ``block`` (m,) int64 (movie frame, running number of the memorised frame), ``position`` (m, 2) y, x in
    pixels of the movie or NaN, ``store`` (m,) uint8 `Store`, and the counters of `napari_xmem.memory.usage`:
    ``use``, ``life``, ``relevance``, ``exposure``, ``support``, ``support_mass`` (m,) float32. Per object:
    ``values`` (m, V), meaningless where not valid, and ``valid`` (m,) bool: memorised when the object existed.

    Columns that are written together lie side by side in one buffer, a part: one copy adds or moves all of them.

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
        augmented = 2 * key_dim + 1
        self._places: dict[Column, tuple[Part, int | slice | None]] = {
            "rows": ("looks", slice(0, augmented)),
            "position": ("looks", slice(augmented, augmented + 2)),
            "key": ("source", slice(0, key_dim)),
            "selection": ("source", slice(key_dim, 2 * key_dim)),
            "shrinkage": ("source", 2 * key_dim),
            "frame": ("origin", 0),
            "block": ("origin", 1),
            "store": ("store", None),
        }
        self._places |= {name: ("counters", place) for place, name in enumerate(_COUNTERS)}

        def part(*shape: int, dtype: torch.dtype = torch.float32) -> GrowingBuffer:
            return GrowingBuffer(shape, dtype, device)

        self._parts: dict[Part, GrowingBuffer] = {
            "looks": part(augmented + 2),
            "source": part(augmented),
            "origin": part(2, dtype=torch.int64),
            "store": part(dtype=torch.uint8),
            "counters": part(len(_COUNTERS)),
        }
        self._values: dict[int, GrowingBuffer] = {}
        self._valid: dict[int, GrowingBuffer] = {}

    def __getitem__(self, name: Column) -> Tensor:
        """One column as a view: writing into it writes into the table."""
        part, place = self._places[name]
        rows = self._parts[part].rows
        return rows if place is None else rows[:, place]

    def __len__(self) -> int:
        return self._parts["looks"].size

    @property
    def counters(self) -> Tensor:
        """All counters as one view (m, 6): use, life, relevance, exposure, support and support_mass."""
        return self._parts["counters"].rows

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
        return tuple(self._places)

    @property
    def part_names(self) -> tuple[Part, ...]:
        """Names of the parts, in the order of `extend`."""
        return tuple(self._parts)

    @property
    def row_bytes(self) -> int:
        """Bytes of one element without values."""
        return sum(buffer.row_bytes for buffer in self._parts.values())

    @property
    def value_row_bytes(self) -> int:
        """Bytes that one element takes per object."""
        return self.value_dim * self.value_dtype.itemsize + 1

    @property
    def n_bytes(self) -> int:
        """Bytes allocated."""
        return sum(buffer.n_bytes for buffer in self._buffers())

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
        packed = PackedKeys.of(key.T, shrinkage, None if selection is None else selection.T, position)
        self.append_packed(packed, frame, block, store, values, valid)

    def append_packed(
        self,
        keys: PackedKeys,
        frame: Tensor | int,
        block: Tensor | int,
        store: Store,
        values: dict[int, Tensor],
        valid: dict[int, Tensor] | None = None,
    ) -> None:
        """Add n elements whose keys were packed before, see `append`."""
        for object_id in values:
            if object_id not in self._values:
                raise KeyError(object_id)
        n = keys.looks.shape[0]
        self.reserve(n)  # all before any is written: where there is no room, nothing has changed
        self._parts["looks"].append(keys.looks)
        self._parts["source"].append(keys.source)
        origin = self._parts["origin"].extend(n)
        origin[:, 0], origin[:, 1] = frame, block
        self._parts["store"].extend(n).fill_(int(store))
        self._parts["counters"].extend(n).copy_(fresh_counters(self.device))
        for object_id, buffer in self._values.items():
            held = object_id in values
            if held:
                buffer.append(values[object_id])
            else:
                buffer.extend(n).zero_()
            mask = self._valid[object_id].extend(n)
            if held and valid is not None:
                mask.copy_(valid[object_id])
            else:
                mask.fill_(held)

    def reserve(self, n: int) -> None:
        """Make room for n more elements."""
        reserve_together(self._buffers(), [n] * len(self._buffers()))

    def extend(self, n: int) -> list[Tensor]:
        """Return room for n more elements, part by part, then values and validity; to be written to at once."""
        return [buffer.extend(n) for buffer in self._buffers()]

    def state_dict(self) -> dict[str, Any]:
        """Return columns, values and validity as views; augmented keys are left out, they follow from the others."""
        return {
            "columns": {name: self[name] for name in self._places if name != "rows"},
            "object_ids": self.object_ids,
            "values": [buffer.rows for buffer in self._values.values()],
            "valid": [buffer.rows for buffer in self._valid.values()],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], key_dim: int, value_dim: int, device: torch.device) -> Self:
        """Return an independent table of what `state_dict` described, counters and all, kept on `device`."""
        columns, values, valid = state["columns"], state["values"], state["valid"]
        table = cls(key_dim, value_dim, device, values[0].dtype if values else torch.float32)
        key, shrinkage = columns["key"].to(device), columns["shrinkage"].to(device)
        for part in table._parts.values():
            part.extend(key.shape[0])
        table["rows"].copy_(augment_memory(key.T, shrinkage))
        for name in table._places:
            if name != "rows":
                table[name].copy_(columns[name])
        for object_id, rows, held in zip(state["object_ids"], values, valid, strict=True):
            table._values[object_id] = GrowingBuffer((value_dim,), table.value_dtype, device)
            table._values[object_id].append(rows.to(device))
            table._valid[object_id] = GrowingBuffer((), torch.bool, device)
            table._valid[object_id].append(held.to(device))
        return table

    def keep(self, index: Tensor) -> None:
        """Keep only the rows ``index`` (n,) int64, in that order."""
        self._parts = {name: buffer.take(index) for name, buffer in self._parts.items()}
        self._values = {object_id: buffer.take(index) for object_id, buffer in self._values.items()}
        self._valid = {object_id: buffer.take(index) for object_id, buffer in self._valid.items()}

    def freeze(self) -> Self:
        """Return the table as it is now, for undo: big parts are shared, counters and validity copied."""
        other = self._like()
        other._parts = {
            name: buffer.clone() if name in _MUTABLE else buffer.share() for name, buffer in self._parts.items()
        }
        other._values = {object_id: buffer.share() for object_id, buffer in self._values.items()}
        other._valid = {object_id: buffer.clone() for object_id, buffer in self._valid.items()}
        return other

    def copy(self) -> Self:
        """Return an independent copy."""
        other = self.freeze()
        other._parts = {name: buffer.clone() for name, buffer in other._parts.items()}
        other._values = {object_id: buffer.clone() for object_id, buffer in other._values.items()}
        return other

    def freeze_index(self) -> Self:
        """Return what tells who would answer a query as things are now: no values, no keys but the augmented ones.

        Augmented keys, frames and positions are shared with this table until elements are removed.
        """
        other = self._like()
        other._parts = {name: self._parts[name].share() for name in ("looks", "origin")}
        other._parts |= {name: self._parts[name].clone() for name in _MUTABLE}
        other._valid = {i: buffer.clone() for i, buffer in self._valid.items()}
        other._values = {i: GrowingBuffer((self.value_dim,), self.value_dtype, self.device) for i in self._values}
        return other

    @staticmethod
    def reserve_in_all(tables: Sequence[ElementTable], counts: Sequence[int]) -> None:
        """Make room for so many more elements of each table, with a few calls for all of them."""
        buffers = [(buffer, n) for table, n in zip(tables, counts, strict=True) for buffer in table._buffers()]
        reserve_together([buffer for buffer, _ in buffers], [n for _, n in buffers])

    def buffers(self) -> dict[int, int]:
        """Return address and bytes of every buffer, to count those that several frozen tables share only once."""
        return {buffer._data.data_ptr(): buffer.n_bytes for buffer in self._buffers()}

    def buffers_by_name(self) -> dict[Name, GrowingBuffer]:
        """Return all buffers: parts, then values and validity of each object in order."""
        named: dict[Name, GrowingBuffer] = {(name, 0): buffer for name, buffer in self._parts.items()}
        for place, object_id in enumerate(self._values):
            named["values", place], named["valid", place] = self._values[object_id], self._valid[object_id]
        return named

    def take_buffers(self, buffers: Mapping[Name, GrowingBuffer]) -> None:
        """Go on with other buffers, named as in `buffers_by_name`, of one size."""
        ids = self.object_ids
        self._parts = {name: buffers[name, 0] for name in self._parts}
        self._values = {object_id: buffers["values", place] for place, object_id in enumerate(ids)}
        self._valid = {object_id: buffers["valid", place] for place, object_id in enumerate(ids)}

    def is_like(self, other: ElementTable) -> bool:
        """Return True if both hold as many objects, in the same form and place."""
        mine = (len(self._values), self.value_dim, self.value_dtype, self.device, self.row_bytes)
        return mine == (len(other._values), other.value_dim, other.value_dtype, other.device, other.row_bytes)

    def _like(self) -> Self:
        """Return a table of the same shape without any buffer."""
        other = object.__new__(type(self))
        other.value_dim, other.device, other.value_dtype = self.value_dim, self.device, self.value_dtype
        other._places = self._places
        return other

    def _buffers(self) -> tuple[GrowingBuffer, ...]:
        return (*self._parts.values(), *self._values.values(), *self._valid.values())


@dataclass(frozen=True, slots=True, eq=False)
class PackedKeys:
    """Keys of n elements as a table keeps them; any number of leading axes may stand before n.

    Attributes
    ----------
    looks : Tensor
        (..., n, 2 C + 3) float32: augmented keys, and y, x.
    source : Tensor
        (..., n, 2 C + 1) float32: keys, selection, shrinkage.
    """

    looks: Tensor
    source: Tensor

    @classmethod
    def of(cls, key: Tensor, shrinkage: Tensor, selection: Tensor | None, position: Tensor | None) -> Self:
        """Pack key (..., C, n), shrinkage (..., n), selection (..., C, n) or None, position (..., n, 2) or None."""
        key, shrinkage = key.float(), shrinkage.float()
        rows = key.transpose(-1, -2)
        chooser = torch.ones_like(rows) if selection is None else selection.float().transpose(-1, -2)
        where = rows.new_full((*rows.shape[:-1], 2), torch.nan) if position is None else position.to(rows)
        looks = torch.cat([augment_memory(key, shrinkage), where], dim=-1)
        return cls(looks, torch.cat([rows, chooser, shrinkage[..., None]], dim=-1))

    def __getitem__(self, place: int | slice | list[int] | tuple[int, slice]) -> PackedKeys:
        """Return those at some places of the first axis, or of the first two."""
        return PackedKeys(self.looks[place], self.source[place])


def fresh_counters(device: torch.device) -> Tensor:
    """Return the counters (6,) of a new element."""
    counters = torch.zeros(len(_COUNTERS), dtype=torch.float32, device=device)
    counters[_COUNTERS.index("life")] = LIFE_START
    return counters
