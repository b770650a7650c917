"""The memory bank: one set of keys, shared by its objects. See docs/memory.md for the life of an element."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import MemoryBankError
from napari_xmem.memory import usage as counters
from napari_xmem.memory.affinity import (
    SparseAffinity,
    augment_query,
    chunk_size,
    readout,
    similarity,
    topk_affinity,
)
from napari_xmem.memory.consolidation import append_prototypes, consolidate
from napari_xmem.memory.eviction import EVICTIONS, evict
from napari_xmem.memory.potentiation import POTENTIATIONS
from napari_xmem.memory.selection import SELECTIONS
from napari_xmem.memory.snapshot import EventKind, MemoryEvent, MemorySizes, MemoryTotals
from napari_xmem.memory.store import ElementTable, Store

__all__ = ["MemoryBank"]


@dataclass(frozen=True, slots=True)
class _Group:
    """Objects held by the same elements: ``subset`` (n,) int64 rows, None for all."""

    object_ids: tuple[int, ...]
    subset: Tensor | None


class MemoryBank:
    """Working, long-term and permanent memory of some objects that share keys.

    With ``config.permanent_seeds`` False this is the memory of XMem: the first memorised frame stays for ever, and when
    ``working_max_frames`` frames are held, all between the first and the newest ``working_min_frames - 1`` are
    consolidated. With it, permanent frames stand apart and together count as that first frame. Limits count frames,
    whatever their number of elements.

    Parameters
    ----------
    config : MemoryConfig
        Limits and policies; a wrong policy name raises `ConfigError`.
    key_dim, value_dim : int
        Channels C and V of keys and values.
    """

    def __init__(self, config: MemoryConfig, *, key_dim: int, value_dim: int) -> None:
        self.config, self.key_dim, self.value_dim = config, key_dim, value_dim
        self._selection = SELECTIONS.build(config)
        self._potentiation = POTENTIATIONS.build(config)
        self._eviction = EVICTIONS.build(config)
        self._decay = 0.5 ** (1.0 / config.half_life_frames)
        self._table: ElementTable | None = None
        self._with_selection = True
        self._next_block = 0
        self._last_frame = -1
        self._events: list[MemoryEvent] = []
        self._totals = MemoryTotals()
        self._refresh()

    # what is held

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids in order of first appearance."""
        return () if self._table is None else self._table.object_ids

    @property
    def sizes(self) -> MemorySizes:
        """Elements per store. In paper mode ``working`` counts the first frame too, as the official code does."""
        return self._sizes

    @property
    def n_bytes(self) -> int:
        """Bytes allocated, with the spare room of growing buffers."""
        return 0 if self._table is None else self._table.n_bytes

    # memorise

    def add(
        self,
        frame: int,
        key: Tensor,
        shrinkage: Tensor,
        selection: Tensor | None,
        values: Tensor,
        object_ids: Sequence[int],
        *,
        permanent: bool = False,
        positions: Tensor | None = None,
    ) -> None:
        """Memorise one frame, then consolidate and evict as the configuration says.

        Parameters
        ----------
        frame : int
            Index in the movie, kept as provenance; order in memory is the order of adding.
        key : Tensor
            (C, n).
        shrinkage : Tensor
            (n,) or (1, n).
        selection : Tensor or None
            (C, n).
        values : Tensor
            (N, V, n), one entry for each of ``object_ids``.
        object_ids : sequence of int
            N ids; new ones join, known ones that are missing are simply not held by this frame.
        permanent : bool
            The frame was seeded or corrected; ignored unless ``config.permanent_seeds``.
        positions : Tensor or None
            (n, 2) y, x in pixels of the movie.

        Raises
        ------
        MemoryBankError
            If shapes do not fit each other or what the bank holds.
        """
        self._check_add(key, shrinkage, selection, values, object_ids)
        if self._table is None:
            self._table = ElementTable(self.key_dim, self.value_dim, key.device, values.dtype)
            self._with_selection = selection is not None
        table = self._table
        for object_id in object_ids:
            if object_id not in table.object_ids:
                table.add_object(object_id)
        keep_for_ever = permanent and self.config.permanent_seeds
        table.append(
            key=key.T,
            shrinkage=shrinkage.reshape(-1),
            selection=None if selection is None else selection.T,
            frame=frame,
            block=self._next_block,
            position=positions,
            store=Store.PERMANENT if keep_for_ever else Store.WORKING,
            values={object_id: value.T for object_id, value in zip(object_ids, values, strict=True)},
        )
        self._next_block += 1
        self._last_frame = frame
        self._refresh()
        self._enforce_limits()

    def _check_add(
        self, key: Tensor, shrinkage: Tensor, selection: Tensor | None, values: Tensor, object_ids: Sequence[int]
    ) -> None:
        n = key.shape[-1]
        expected = {
            "key": (key, (self.key_dim, n)),
            "values": (values, (len(object_ids), self.value_dim, n)),
            "shrinkage": (shrinkage.reshape(-1), (n,)),
            "selection": (key if selection is None else selection, (self.key_dim, n)),
        }
        for name, (tensor, shape) in expected.items():
            if tuple(tensor.shape) != shape:
                raise MemoryBankError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}.")
            if not tensor.is_floating_point():
                raise MemoryBankError(f"{name} has type {tensor.dtype}, expected a float type.")
        if n == 0 or len(set(object_ids)) != len(object_ids) or not object_ids:
            raise MemoryBankError(
                f"Got {n} elements for objects {list(object_ids)}, expected at least one element and different ids."
            )
        if self._table is not None and len(self._table) and (selection is not None) != self._with_selection:
            raise MemoryBankError("Selection must be given with every frame or with none; clear the bank to change.")

    # recall

    def read(
        self,
        key: Tensor,
        selection: Tensor | None = None,
        *,
        object_ids: Sequence[int] | None = None,
        frame: int | None = None,
    ) -> Tensor:
        """Answer queries from memory and count who answered.

        Usage is counted with the affinity of the objects held longest, as in XMem; elements that hold none of these
        are counted with the next objects that they hold.

        Parameters
        ----------
        key : Tensor
            (C, q).
        selection : Tensor or None
            (C, q).
        object_ids : sequence of int or None
            N ids; None: all.
        frame : int or None
            The frame that asks; for the record only.

        Returns
        -------
        Tensor
            (N, V, q) in the type of the values memorised; zeros for an object that no element holds.

        Raises
        ------
        MemoryBankError
            If memory is empty or an id is unknown.
        """
        table = self._filled()
        ids = table.object_ids if object_ids is None else tuple(object_ids)
        self._check_known(ids)
        query = augment_query(key, selection)
        answers = {i: torch.zeros(query.shape[0], self.value_dim, dtype=table.value_dtype, device=query.device) for i in ids}
        groups = self._groups_of(ids)
        masses: list[Tensor | None] = [None] * len(groups)
        self._pending, self._pending_query = [], query
        for low, place, affinity in self._attend(query, groups):
            for object_id in groups[place].object_ids:
                answers[object_id][low : low + affinity.index.shape[0]] = readout(affinity, table.values(object_id))
            mass = affinity.mass(len(table))
            before = masses[place]
            masses[place] = mass if before is None else before + mass
            if place == 0 and self.config.top_k is not None:
                self._pending.append(affinity)
        self._count(groups, masses)
        return torch.stack([answers[i].T for i in ids]) if ids else query.new_zeros(0, self.value_dim, query.shape[0])

    def feedback(self, confidence: Tensor) -> None:
        """Say how confident and correct the predictions for the queries of the last read were.

        Call it between a read and the next change of memory; after a change there is nothing left to credit and the
        call does nothing.

        Parameters
        ----------
        confidence : Tensor
            (q,) in 0..1.
        """
        query = self._pending_query
        if query is None:
            return
        if confidence.shape != (query.shape[0],):
            raise MemoryBankError(f"confidence has shape {tuple(confidence.shape)}, expected ({query.shape[0]},).")
        table = self._filled()
        pending = self._pending
        if self.config.top_k is None:
            pending = [affinity for _, _, affinity in self._attend(query, self._groups_of(self.object_ids)[:1])]
        if pending:
            whole = SparseAffinity(torch.cat([a.index for a in pending]), torch.cat([a.weight for a in pending]))
            counters.record_feedback(table, whole, confidence, self._decay)
        self._pending, self._pending_query = [], None

    def _attend(self, query: Tensor, groups: Sequence[_Group]) -> Iterator[tuple[int, int, SparseAffinity]]:
        """Yield (first query, number of the group, affinity) chunk by chunk."""
        table = self._filled()
        step = chunk_size(len(table))
        for low in range(0, query.shape[0], step):
            scores = similarity(table["rows"], query[low : low + step])
            for place, group in enumerate(groups):
                if group.subset is None:
                    yield low, place, topk_affinity(scores, self.config.top_k)
                else:
                    part = topk_affinity(scores.index_select(1, group.subset), self.config.top_k)
                    yield low, place, SparseAffinity(group.subset[part.index], part.weight)

    def _count(self, groups: Sequence[_Group], masses: Sequence[Tensor | None]) -> None:
        table = self._filled()
        total = torch.zeros(len(table), device=table.device)
        counted = torch.zeros(len(table), dtype=torch.bool, device=table.device)
        for group, mass in zip(groups, masses, strict=True):
            if mass is None:
                continue
            if group.subset is None:
                total = torch.where(counted, total, mass)
                break
            fresh = group.subset[~counted[group.subset]]
            total[fresh] = mass[fresh]
            counted[fresh] = True
        counters.record_read(table, total, self._decay, count_long_term=self.config.count_long_term_usage)

    # limits

    def _enforce_limits(self) -> None:
        config, serials = self.config, self._working_blocks
        anchor = 0 if config.permanent_seeds else 1
        extra = anchor or int(self._sizes.permanent > 0)
        removable = serials[anchor:]
        count = len(removable) + extra
        if config.long_term and count >= config.working_max_frames:
            self._consolidate(removable[: len(removable) - (config.working_min_frames - extra)])
        elif not config.long_term and config.permanent_seeds and count > config.working_max_frames:
            gone = self._rows_of(removable[: count - config.working_max_frames])
            self._remove(gone, "dropped", "the window of working memory moved on")

    def _consolidate(self, blocks: Sequence[int]) -> None:
        table, config = self._filled(), self.config
        candidates = self._rows_of(blocks)
        count = min(config.num_prototypes, config.long_term_max_elements, candidates.shape[0])
        self._make_room(count)
        table = self._filled()
        candidates = self._rows_of(blocks)
        staying = table["store"] != int(Store.WORKING)
        if not config.permanent_seeds:
            staying[self._rows_of(self._working_blocks[:1])] = True
        made = consolidate(
            table,
            candidates,
            staying.nonzero()[:, 0],
            count,
            self._selection,
            self._potentiation,
            with_selection=self._with_selection,
        )
        append_prototypes(table, made)
        keep = torch.ones(len(table), dtype=torch.bool, device=table.device)
        keep[candidates] = False
        table.keep(keep.nonzero()[:, 0])
        self._refresh()
        self._totals = replace(self._totals, consolidations=self._totals.consolidations + 1)
        reason = f"working memory reached {config.working_max_frames} frames"
        self._log("consolidated", candidates.shape[0], made.index.shape[0], reason)

    def _make_room(self, count: int) -> None:
        """Evict so that ``count`` prototypes fit into long-term memory."""
        table, config = self._filled(), self.config
        excess = self._sizes.long_term + count - config.long_term_max_elements
        if excess <= 0:
            return
        rows = (table["store"] == int(Store.LONG_TERM)).nonzero()[:, 0]
        worth = self._eviction.worth(
            usage=counters.normalised_usage(table)[rows],
            age_frames=(table["frame"][rows] - self._last_frame).abs().float(),
            relevance=counters.relevance(table)[rows],
            contribution=counters.contribution(table)[rows],
        )
        reason = f"long-term memory full, least worth by {config.eviction}"
        self._remove(rows[evict(worth, excess)], "evicted", reason)

    # housekeeping

    def _filled(self) -> ElementTable:
        if self._table is None or not len(self._table):
            raise MemoryBankError("Memory is empty: add a frame with masks before reading.")
        return self._table

    def _check_known(self, object_ids: Iterable[int]) -> None:
        unknown = [i for i in object_ids if i not in self.object_ids]
        if unknown:
            raise MemoryBankError(f"Objects {unknown} are not in memory; it holds {list(self.object_ids)}.")

    def _rows_of(self, blocks: Sequence[int]) -> Tensor:
        """Return the rows of working memory that belong to some blocks."""
        table = self._filled()
        wanted = torch.tensor(list(blocks), dtype=torch.int64, device=table.device)
        inside = (table["store"] == int(Store.WORKING)) & torch.isin(table["block"], wanted)
        return inside.nonzero()[:, 0]

    def _remove(self, rows: Tensor, kind: EventKind, reason: str) -> None:
        table = self._filled()
        keep = torch.ones(len(table), dtype=torch.bool, device=table.device)
        keep[rows] = False
        table.keep(keep.nonzero()[:, 0])
        self._refresh()
        gone = int(rows.shape[0])
        field = "evicted" if kind == "evicted" else "forgotten"
        self._totals = replace(self._totals, **{field: getattr(self._totals, field) + gone})
        self._log(kind, gone, 0, reason)

    def _log(self, kind: EventKind, removed: int, added: int, reason: str) -> None:
        self._events.append(MemoryEvent(self._last_frame, kind, removed, added, reason))

    def _refresh(self) -> None:
        """Recount after a change of the table."""
        self._pending: list[SparseAffinity] = []
        self._pending_query: Tensor | None = None
        self._groups: dict[tuple[int, ...], tuple[_Group, ...]] = {}
        self._sizes, self._working_blocks = MemorySizes(), []
        if self._table is not None and len(self._table):
            store = self._table["store"]
            long_term, permanent, working = torch.bincount(store, minlength=3).tolist()
            self._sizes = MemorySizes(working, long_term, permanent)
            self._working_blocks: list[int] = torch.unique(self._table["block"][store == int(Store.WORKING)]).tolist()

    def _groups_of(self, object_ids: tuple[int, ...]) -> tuple[_Group, ...]:
        """Sort objects into groups held by the same elements; most elements first, then first appearance."""
        if object_ids not in self._groups:
            table = self._filled()
            found: dict[bytes, list[int]] = {}
            for object_id in object_ids:
                found.setdefault(table.valid(object_id).cpu().numpy().tobytes(), []).append(object_id)
            groups = []
            for ids in found.values():
                held = table.valid(ids[0])
                subset = None if bool(held.all()) else held.nonzero()[:, 0]
                if subset is None or len(subset):
                    groups.append(_Group(tuple(ids), subset))
            groups.sort(key=lambda group: -len(table) if group.subset is None else -len(group.subset))
            self._groups[object_ids] = tuple(groups)
        return self._groups[object_ids]
