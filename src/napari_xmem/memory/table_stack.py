"""Tables of several objects as one with a leading axis: rows taken, added and kept with a few calls for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.memory.store import ElementTable, PackedKeys, Store, fresh_counters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem.memory.growing_buffer import GrowingBuffer
    from napari_xmem.memory.store import Name, Part

__all__ = ["Rows", "TableStack", "append_together", "pick"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of each of N tables.

    Attributes
    ----------
    index : Tensor
        (N, m) int64, in the order of the table; 0 behind the last.
    held : Tensor or None
        (N, m) bool, False behind the last; None: all tables have m.
    counts : tuple of int
        How many of each table.
    """

    index: Tensor
    held: Tensor | None
    counts: tuple[int, ...]


def pick(rows: Tensor, index: Tensor, start: Tensor | None = None) -> Tensor:
    """Return rows (N, p, ...) of (N, m, ...) at ``index`` (N, p); `start`: m times 0 to N - 1, (N, 1), where known."""
    if len(rows) == 1:
        return rows[0].index_select(0, index[0])[None]
    if start is None:
        start = torch.arange(len(rows), dtype=torch.int64, device=rows.device)[:, None] * rows.shape[1]
    return rows.flatten(0, 1).index_select(0, (index + start).flatten()).unflatten(0, index.shape)


class TableStack:
    """N tables with one leading axis; those shorter than the longest are filled up with zeros.

    Of a single table all is a view or computed from it as it stands; of several what is needed is copied once.

    Parameters
    ----------
    tables : sequence of ElementTable
        On one device, of as many objects each, no one twice.
    """

    def __init__(self, tables: Sequence[ElementTable]) -> None:
        self.tables = tuple(tables)
        self.sizes = tuple(len(table) for table in tables)
        self.device = tables[0].device
        self._buffers = [table.buffers_by_name() for table in tables]
        self._copies: dict[Name, Tensor] = {}
        self._start: Tensor | None = None
        self._held: Tensor | None = None
        if len(tables) > 1:
            longest = max(self.sizes)
            place = torch.arange(longest, dtype=torch.int64, device=self.device)
            if min(self.sizes) < longest:
                self._held = place < torch.tensor(self.sizes, dtype=torch.int64, device=self.device)[:, None]
            self._start = torch.arange(len(tables), dtype=torch.int64, device=self.device)[:, None] * longest

    def part(self, name: Part) -> Tensor:
        """Return a part of all rows, (N, longest, ...); not to be written to."""
        return self._whole((name, 0))

    def all_values(self, place: int) -> Tensor:
        """Return all values (N, longest, V) of each table's object at this place in its order; not to be written to."""
        return self._whole(("values", place))

    def existing(self, mask: Tensor) -> Tensor:
        """Return a mask (N, longest) with False behind the last row of each table."""
        return mask if self._held is None else mask & self._held

    def rows(self, mask: Tensor, counts: Sequence[int]) -> Rows:
        """Return the existing rows where ``mask`` (N, longest) is True, ``counts`` of each table."""
        where, most = mask.nonzero()[:, 1], max(counts)
        if min(counts) == most:
            return Rows(where.view(len(counts), most), None, tuple(counts))
        place = torch.arange(most, dtype=torch.int64, device=self.device)
        held = place < torch.tensor(counts, dtype=torch.int64, device=self.device)[:, None]
        index = torch.zeros(held.shape, dtype=torch.int64, device=self.device).masked_scatter_(held, where)
        return Rows(index, held, tuple(counts))

    def take(self, name: Part, index: Tensor) -> Tensor:
        """Return a part (N, m, ...) of the rows ``index`` (N, m)."""
        return self._take((name, 0), index)

    def values(self, place: int, index: Tensor) -> Tensor:
        """Return the values (N, m, V) of each table's object at this place in its order."""
        return self._take(("values", place), index)

    def valid(self, place: int, index: Tensor) -> Tensor:
        """Return which elements (N, m) hold each table's object at this place in its order."""
        return self._take(("valid", place), index)

    def replace(self, kept: Tensor, counts: Sequence[int], added: Mapping[Name, Tensor]) -> None:
        """Keep some rows of every table and add n others behind them; without room for it nothing has changed.

        Parameters
        ----------
        kept : Tensor
            (N, longest) bool, False behind the last row of each.
        counts : sequence of int
            How many of each.
        added : mapping of tuple of str and int to Tensor
            (N, n, ...) by name and place, for all that a table has.
        """
        index = kept.flatten().nonzero()[:, 0]
        made: list[dict[Name, GrowingBuffer]] = [{} for _ in self.tables]
        for name, more in added.items():
            olds = [buffers[name] for buffers in self._buffers]
            news = [old.emptied(count, more.shape[1]) for old, count in zip(olds, counts, strict=True)]
            if len(olds) == 1:
                torch.index_select(olds[0].rows, 0, index, out=news[0].rows)
            else:
                stay = self._whole(name).flatten(0, 1).index_select(0, index).split(list(counts))
                torch._foreach_copy_([new.rows for new in news], list(stay))
            torch._foreach_copy_([new.extend(more.shape[1]) for new in news], list(more))
            for buffers, new in zip(made, news, strict=True):
                buffers[name] = new
        for table, buffers in zip(self.tables, made, strict=True):
            table.take_buffers(buffers)

    def _whole(self, name: Name) -> Tensor:
        if len(self.tables) == 1:
            return self._buffers[0][name].rows[None]
        if name not in self._copies:
            rows = [buffers[name].rows for buffers in self._buffers]
            whole = rows[0].new_zeros(len(rows), max(self.sizes), *rows[0].shape[1:])
            torch._foreach_copy_([room[:size] for room, size in zip(whole, self.sizes, strict=True)], rows)
            self._copies[name] = whole
        return self._copies[name]

    def _take(self, name: Name, index: Tensor) -> Tensor:
        return pick(self._whole(name), index, self._start)


def append_together(
    tables: Sequence[ElementTable],
    keys: PackedKeys,
    frame: int,
    blocks: Sequence[int],
    stores: Sequence[Store],
    values: Tensor,
    sizes: Sequence[int] | None = None,
) -> None:
    """Add elements of one frame to each of N tables of one object, with a call per part.

    Parameters
    ----------
    tables : sequence of ElementTable
        N tables on one device, no one twice.
    keys : PackedKeys
        (N, n, ...).
    frame : int
        Frame of the movie.
    blocks : sequence of int
        Number of the memorised frame in each.
    stores : sequence of Store
        Where the elements live in each.
    values : Tensor
        (N, n, V).
    sizes : sequence of int, optional
        How many of the n elements each table gets; None: all.
    """
    count, n, device = len(tables), keys.looks.shape[1], values.device
    sizes = sizes or [n] * count
    ElementTable.reserve_in_all(tables, sizes)  # all before any is written
    origin = torch.tensor([[frame, block] for block in blocks], dtype=torch.int64, device=device)
    store = torch.tensor([int(store) for store in stores], dtype=torch.uint8, device=device)
    counters = fresh_counters(device)
    held = torch.ones((), dtype=torch.bool, device=device)
    parts = {
        "looks": keys.looks,
        "source": keys.source,
        "origin": origin[:, None].expand(count, n, 2),
        "store": store[:, None].expand(count, n),
        "counters": counters.expand(count, n, len(counters)),
    }
    written = [*(parts[name] for name in tables[0].part_names), values, held.expand(count, n)]
    rooms = zip(*(table.extend(size) for table, size in zip(tables, sizes, strict=True)), strict=True)
    for parts_of_all, rows in zip(rooms, written, strict=True):
        dense = rows.contiguous()  # so that a device copies all of them in one go
        torch._foreach_copy_(list(parts_of_all), [row[:size] for row, size in zip(dense, sizes, strict=True)])
