"""What a bank consists of at one moment, and the bookkeeping every change needs."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import MemoryBankError
from napari_xmem.memory.snapshot import (
    MemoryEvent,
    MemoryEventKind,
    MemoryRow,
    MemorySizes,
    MemorySnapshot,
    MemoryTotals,
    ObjectMemory,
    StoreMemory,
    usage_histogram,
)
from napari_xmem.memory.store import ElementTable, Store
from napari_xmem.memory.usage import normalised_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_xmem.memory.affinity import SparseAffinity

__all__ = ["MAX_EVENTS", "BankState", "Group", "check_frame"]

_VERSIONS = itertools.count(1)
#: Events kept when nobody asks for snapshots.
MAX_EVENTS = 256


@dataclass(frozen=True, slots=True)
class Group:
    """Objects held by the same elements: ``subset`` (n,) int64 rows, None for all."""

    object_ids: tuple[int, ...]
    subset: Tensor | None


@dataclass(slots=True)
class BankState:
    """Elements, counters and the log of one bank.

    Attributes
    ----------
    config : MemoryConfig
        Limits and policies.
    key_dim, value_dim : int
        Channels of keys and values.
    table : ElementTable or None
        The elements; None before the first frame.
    with_selection : bool
        Frames are memorised with their selection.
    next_block : int
        Number of the next memorised frame.
    frame : int
        The frame memory was last asked about or given.
    events : tuple of MemoryEvent
        Since the last snapshot, at most `MAX_EVENTS`.
    totals : MemoryTotals
        Since the bank began.
    sizes : MemorySizes
        Elements per store.
    working_blocks : tuple of int
        Memorised frames that working memory holds, oldest first.
    block_sizes : tuple of int
        Elements that working memory holds of each.
    anchored : bool
        The first of these frames is the first memorised frame of a bank without permanent seeds: it never goes.
    resolved : tuple of (int, int, float)
        Memorised frames that tell look-alikes apart: number, frame of the movie, worth.
    version : int
        Differs after every change of the table, across all banks of this process.
    pending : tuple of SparseAffinity
        Who answered the last read, for feedback; empty after any change of the table.
    pending_query : Tensor or None
        Its augmented queries.
    """

    config: MemoryConfig
    key_dim: int
    value_dim: int
    table: ElementTable | None = None
    with_selection: bool = True
    next_block: int = 0
    frame: int = -1
    events: tuple[MemoryEvent, ...] = ()
    totals: MemoryTotals = field(default_factory=MemoryTotals)
    sizes: MemorySizes = field(default_factory=MemorySizes)
    working_blocks: tuple[int, ...] = ()
    block_sizes: tuple[int, ...] = ()
    anchored: bool = False
    resolved: tuple[tuple[int, int, float], ...] = ()
    version: int = 0
    pending: tuple[SparseAffinity, ...] = ()
    pending_query: Tensor | None = None
    _groups: dict[tuple[int, ...], tuple[Group, ...]] = field(default_factory=dict)
    _permanent: slice | None = None
    _objects: tuple[ObjectMemory, ...] | None = None

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids in order of first appearance."""
        return () if self.table is None else self.table.object_ids

    @property
    def decay(self) -> float:
        """Decay per read of the running averages."""
        return 0.5 ** (1.0 / self.config.half_life_frames)

    def filled(self) -> ElementTable:
        """Return the table, or raise `MemoryBankError` if it holds nothing."""
        if self.table is None or not len(self.table):
            raise MemoryBankError("Memory is empty: add a frame with masks first.")
        return self.table

    def check_known(self, object_ids: Iterable[int]) -> None:
        """Raise `MemoryBankError` if memory does not know an object."""
        unknown = [i for i in object_ids if i not in self.object_ids]
        if unknown:
            raise MemoryBankError(f"Objects {unknown} are not in memory; it holds {list(self.object_ids)}.")

    def rows_in(self, store: Store, blocks: Sequence[int] | None = None) -> Tensor:
        """Return the rows (n,) of one store, or of some memorised frames in it."""
        table = self.filled()
        inside = table["store"] == int(store)
        if blocks is not None:
            wanted = torch.tensor(list(blocks), dtype=torch.int64, device=table.device)
            inside = inside & torch.isin(table["block"], wanted)
        return inside.nonzero()[:, 0]

    def remove(self, rows: Tensor, kind: MemoryEventKind, reason: str) -> None:
        """Remove rows (n,) from the table and log it."""
        table = self.filled()
        keep = torch.ones(len(table), dtype=torch.bool, device=table.device)
        keep[rows] = False
        table.keep(keep.nonzero()[:, 0])
        self.log(kind, int(rows.shape[0]), 0, reason)
        self.refresh()

    def log(self, kind: MemoryEventKind, removed: int, added: int, reason: str) -> None:
        """Note an event and count it in the totals."""
        self.events = (*self.events, MemoryEvent(self.frame, kind, removed, added, reason))[-MAX_EVENTS:]
        totals = self.totals
        if kind == "consolidated":
            self.totals = replace(totals, consolidations=totals.consolidations + 1)
        elif kind == "evicted":
            self.totals = replace(totals, evicted=totals.evicted + removed)
        elif kind in ("dropped", "corrected", "forgotten"):
            self.totals = replace(totals, forgotten=totals.forgotten + removed)

    def mark_changed(self) -> None:
        """Take a new `version`."""
        self.version = next(_VERSIONS)

    def refresh(self) -> None:
        """Recount after a change of the table."""
        self.mark_changed()
        self.pending, self.pending_query = (), None
        self._groups, self._objects, self._permanent = {}, None, None
        self.sizes, self.working_blocks, self.block_sizes, self.anchored = MemorySizes(), (), (), False
        if self.table is None or not len(self.table):
            self.resolved = ()
            return
        store, block = self.table["store"], self.table["block"]
        long_term, permanent, working, distractor = torch.bincount(store, minlength=len(Store)).tolist()
        self.sizes = MemorySizes(working, long_term, permanent, distractor)
        if self.resolved:
            held = set(torch.unique(block[store == int(Store.DISTRACTOR)]).tolist())
            self.resolved = tuple(one for one in self.resolved if one[0] in held)
        blocks, counts = torch.unique(block[store == int(Store.WORKING)], return_counts=True)
        self.working_blocks, self.block_sizes = tuple(blocks.tolist()), tuple(counts.tolist())
        if working and not self.config.permanent_seeds:
            protected = block[store == int(Store.PERMANENT)]
            self.anchored = not permanent or self.working_blocks[0] < int(protected.min())

    def count_frame(self, frame: int, n: int, *, lasting: bool, worth: float = 0.0) -> None:
        """Recount after the next memorised frame was added, with n elements, permanent ones or not.

        `worth`: the frame tells look-alikes apart.
        """
        self.next_block += 1
        self.frame = frame
        if worth and not lasting:
            self.resolved = (*self.resolved, (self.next_block - 1, frame, worth))
            self.log("kept", n, n, "something alike was near, and this one was told from it")
        if lasting or worth:
            self.refresh()
        else:
            self.count_added(n)

    def count_added(self, n: int) -> None:
        """Recount after ``n`` elements of one memorised frame were added to working memory, without looking at all."""
        if not self.config.permanent_seeds or self.sizes.total + n != len(self.filled()):
            self.refresh()
            return
        blocks = (*zip(self.working_blocks, self.block_sizes, strict=True), (self.next_block - 1, n))
        self._recount(replace(self.sizes, working=self.sizes.working + n), blocks)

    def count_consolidated(self, blocks: Sequence[int], candidates: int, made: int, evicted: int) -> None:
        """Recount after memorised frames went to long-term memory, without looking at all elements."""
        sizes = replace(
            self.sizes, working=self.sizes.working - candidates, long_term=self.sizes.long_term + made - evicted
        )
        if not self.config.permanent_seeds or sizes.total != len(self.filled()):
            self.refresh()
            return
        first = self._permanent
        if first is not None and (first.start, first.stop) != (0, self.sizes.permanent):
            self._permanent = None  # what stood before or between them may be gone
        held = zip(self.working_blocks, self.block_sizes, strict=True)
        self._recount(sizes, [(block, n) for block, n in held if block not in blocks])

    def _recount(self, sizes: MemorySizes, blocks: Sequence[tuple[int, int]]) -> None:
        single = len(self.object_ids) == 1  # what does not hold it is not kept
        self.mark_changed()
        self.pending, self.pending_query = (), None
        self._groups = {
            ids: groups for ids, groups in self._groups.items() if single and groups and groups[0].subset is None
        }
        self._objects = None
        self.sizes, self.anchored = sizes, False
        self.working_blocks, self.block_sizes = tuple(block for block, _ in blocks), tuple(n for _, n in blocks)

    def permanent_rows(self) -> slice:
        """Return the rows from the first to the last permanent element: mostly these alone, at the beginning."""
        if self._permanent is None:
            rows = self.rows_in(Store.PERMANENT)
            self._permanent = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        return self._permanent

    def groups_of(self, object_ids: tuple[int, ...]) -> tuple[Group, ...]:
        """Sort objects into groups held by the same elements; most elements first, then first appearance."""
        if object_ids not in self._groups:
            table = self.filled()
            found: dict[bytes, list[int]] = {}
            for object_id in object_ids:
                found.setdefault(table.valid(object_id).cpu().numpy().tobytes(), []).append(object_id)
            groups = []
            for ids in found.values():
                held = table.valid(ids[0])
                subset = None if bool(held.all()) else held.nonzero()[:, 0]
                if subset is None or len(subset):
                    groups.append(Group(tuple(ids), subset))
            groups.sort(key=lambda group: -len(table) if group.subset is None else -len(group.subset))
            self._groups[object_ids] = tuple(groups)
        return self._groups[object_ids]

    def objects(self) -> tuple[ObjectMemory, ...]:
        """Count elements per object and store."""
        if self._objects is None:
            counted = []
            for object_id in self.object_ids:
                table = self.filled() if self.sizes.total else None
                counts = [0] * len(Store)
                if table is not None and self._holds_all(object_id):
                    counts = [self.sizes.long_term, self.sizes.permanent, self.sizes.working, self.sizes.distractor]
                elif table is not None:
                    counts = torch.bincount(table["store"][table.valid(object_id)], minlength=len(Store)).tolist()
                n_bytes = 0 if table is None else len(table) * table.value_row_bytes
                counted.append(ObjectMemory(object_id, counts[2], counts[0], counts[1], n_bytes, counts[3]))
            self._objects = tuple(counted)
        return self._objects

    def _holds_all(self, object_id: int) -> bool:
        """Return True if it is known that all elements hold the object."""
        groups = self._groups.get((object_id,), ())
        return bool(groups) and groups[0].subset is None

    def rows(self) -> tuple[MemoryRow, ...]:
        """List what each frame left in each store, ordered by frame, then store."""
        table = self.table
        if table is None or not len(table):
            return ()
        places = torch.stack([table["frame"], table["store"].long()], 1)
        found, inverse, counts = torch.unique(places, dim=0, return_inverse=True, return_counts=True)
        objects: list[list[int]] = [[] for _ in range(len(found))]
        for object_id in table.object_ids:
            for row in torch.unique(inverse[table.valid(object_id)]).tolist():
                objects[row].append(object_id)
        return tuple(
            MemoryRow(frame, Store(store).name.lower(), count, tuple(ids))
            for (frame, store), count, ids in zip(found.tolist(), counts.tolist(), objects, strict=True)
        )

    def describe(self, frame: int, *, with_usage: bool = True) -> MemorySnapshot:
        """Make a snapshot and start a new list of events; without usage its `usage_counts` are empty."""
        table = self.table
        row = 0 if table is None else table.row_bytes + len(self.object_ids) * table.value_row_bytes
        counts = {name: getattr(self.sizes, name) for name in ("working", "long_term", "permanent")}
        if self.sizes.distractor or self.config.distractor_max_frames:
            counts["distractor"] = self.sizes.distractor
        nothing = torch.empty(0, dtype=torch.float32, device="cpu")
        usage = nothing if table is None or not with_usage else normalised_usage(table.counters)
        events, self.events = self.events, ()
        return MemorySnapshot(
            frame=frame,
            stores=tuple(StoreMemory(name, n, n * row) for name, n in counts.items()),
            objects=self.objects(),
            events=events,
            totals=self.totals,
            usage_counts=usage_histogram(usage) if with_usage else (),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly here, but for feedback on the last read; see `from_state_dict`."""
        return {
            "config": self.config.to_dict(),
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "with_selection": self.with_selection,
            "next_block": self.next_block,
            "frame": self.frame,
            "events": [asdict(event) for event in self.events],
            "totals": asdict(self.totals),
            "table": None if self.table is None else self.table.state_dict(),
            "resolved": self.resolved,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], device: torch.device) -> Self:
        """Return an independent state that goes on where `state_dict` was taken, kept on `device`."""
        key_dim, value_dim, table = state["key_dim"], state["value_dim"], state["table"]
        made = cls(
            MemoryConfig.from_dict(state["config"]),
            key_dim,
            value_dim,
            table=None if table is None else ElementTable.from_state_dict(table, key_dim, value_dim, device),
            with_selection=state["with_selection"],
            next_block=state["next_block"],
            frame=state["frame"],
            events=tuple(MemoryEvent.from_dict(event) for event in state["events"]),
            totals=MemoryTotals(**state["totals"]),
            resolved=tuple((int(b), int(f), float(w)) for b, f, w in state.get("resolved", ())),
        )
        made.refresh()
        return made

    def become(self, other: Self) -> None:
        """Take over all that another state holds, but for its settings; the other is not to be used any more."""
        for item in fields(self):
            if item.name != "config":
                setattr(self, item.name, getattr(other, item.name))

    def freeze(self) -> Self:
        """Return this state as it is now, for undo."""
        table = None if self.table is None else self.table.freeze()
        return replace(self, table=table, pending=(), pending_query=None, _groups={}, _objects=None)

    def copy(self) -> Self:
        """Return an independent copy: what is added to one never shows in what shares buffers with the other."""
        state = self.freeze()
        state.table = None if self.table is None else self.table.copy()
        state.version = next(_VERSIONS)
        return state


def check_frame(
    state: BankState,
    key: Tensor,
    shrinkage: Tensor,
    selection: Tensor | None,
    values: Tensor,
    object_ids: Sequence[int],
    positions: Tensor | None,
) -> None:
    """Raise `MemoryBankError` unless the tensors of `MemoryBank.add` fit each other and the bank."""
    n = key.shape[-1]
    expected = {
        "key": (key, (state.key_dim, n)),
        "values": (values, (len(object_ids), state.value_dim, n)),
        "shrinkage": (shrinkage.reshape(-1), (n,)),
        "selection": (key if selection is None else selection, (state.key_dim, n)),
    }
    if positions is not None:
        expected["positions"] = (positions, (n, 2))
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise MemoryBankError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}.")
        if not tensor.is_floating_point():
            raise MemoryBankError(f"{name} has type {tensor.dtype}, expected a float type.")
    if n == 0 or not object_ids or len(set(object_ids)) != len(object_ids):
        raise MemoryBankError(
            f"Got {n} elements for objects {list(object_ids)}, expected at least one element and different ids."
        )
    if state.sizes.total and (selection is not None) != state.with_selection:
        raise MemoryBankError("Selection must be given with every frame of a bank or with none.")
