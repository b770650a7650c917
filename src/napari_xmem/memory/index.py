"""Who would answer a query: a bank's keys at one moment, kept for provenance, and what each frame left in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.memory.recall import MemoryVote, explain
from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from napari_xmem.memory.state import BankState

__all__ = ["HeldFrame", "MemoryIndex", "held_frames"]


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """What one frame of the movie left in one store.

    Attributes
    ----------
    frame : int
        Frame of the movie.
    store : str
        working, long_term or permanent.
    elements : int
        Elements there.
    object_ids : tuple of int
        Objects that they hold.
    """

    frame: int
    store: str
    elements: int
    object_ids: tuple[int, ...]


def held_frames(state: BankState) -> tuple[HeldFrame, ...]:
    """List what each frame left in each store, ordered by frame, then store."""
    table = state.table
    if table is None or not len(table):
        return ()
    places = torch.stack([table["frame"], table["store"].long()], 1)
    found, inverse, counts = torch.unique(places, dim=0, return_inverse=True, return_counts=True)
    objects: list[list[int]] = [[] for _ in range(len(found))]
    for object_id in table.object_ids:
        for row in torch.unique(inverse[table.valid(object_id)]).tolist():
            objects[row].append(object_id)
    return tuple(
        HeldFrame(frame, Store(store).name.lower(), count, tuple(ids))
        for (frame, store), count, ids in zip(found.tolist(), counts.tolist(), objects, strict=True)
    )


class MemoryIndex:
    """A bank's keys as they were at one moment.

    Shares its keys with the bank until that drops elements, and holds no values, so one can be kept for every change of
    memory.

    Parameters
    ----------
    state : BankState
        The bank now.
    """

    def __init__(self, state: BankState) -> None:
        table = None if state.table is None else state.table.freeze_index()
        self._state = replace(state, table=table, events=(), pending=(), pending_query=None, _groups={}, _objects=None)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects the bank held."""
        return self._state.object_ids

    @torch.no_grad()
    def explain(
        self, key: Tensor, selection: Tensor | None, object_id: int, top: int | None = None
    ) -> list[MemoryVote]:
        """Return the elements that would have answered one query, see `MemoryBank.explain`."""
        return explain(self._state, key, selection, object_id, top)

    def buffers(self) -> dict[int, int]:
        """Return address and bytes of every buffer it keeps alive; other indices may share them."""
        return {} if self._state.table is None else self._state.table.buffers()
