"""What memory looks like from outside: frozen snapshots after every frame, and what each frame left."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor

from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "USAGE_EDGES",
    "MemoryEvent",
    "MemoryEventKind",
    "MemoryRow",
    "MemorySizes",
    "MemorySnapshot",
    "MemoryTotals",
    "ObjectMemory",
    "StoreMemory",
    "merge_snapshots",
    "usage_histogram",
]

#: Edges of the usage histogram: affinity mass per read. The last bin is open.
USAGE_EDGES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)

MemoryEventKind = Literal[
    "consolidated", "evicted", "dropped", "corrected", "forgotten", "protected", "undone", "kept", "released"
]


@dataclass(frozen=True, slots=True)
class MemorySizes:
    """Elements per store."""

    working: int = 0
    long_term: int = 0
    permanent: int = 0
    distractor: int = 0

    @property
    def total(self) -> int:
        """Elements in all stores."""
        return self.working + self.long_term + self.permanent + self.distractor


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """One store: its name, elements and their bytes (keys and values, spare room not counted)."""

    name: str
    elements: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class ObjectMemory:
    """Elements that hold one object, per store, and the bytes of its values."""

    object_id: int
    working: int
    long_term: int
    permanent: int
    n_bytes: int
    distractor: int = 0

    @property
    def total(self) -> int:
        """Elements in all stores."""
        return self.working + self.long_term + self.permanent + self.distractor


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """What one frame of the movie left in one store.

    Attributes
    ----------
    frame : int
        Frame of the movie.
    store : str
        working, long_term, permanent or distractor.
    elements : int
        Elements there.
    object_ids : tuple of int
        Objects that they hold.
    """

    frame: int
    store: str
    elements: int
    object_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """Something that happened to memory.

    Attributes
    ----------
    frame : int
        Frame that was memorised last.
    kind : str
        consolidated, evicted, dropped, corrected, forgotten, protected, undone, kept (among the frames that tell
        look-alikes apart) or released (from these).
    removed, added : int
        Elements.
    reason : str
        In words.
    object_ids : tuple of int
        Objects whose memories it happened to, where each has its own (local scope); empty: the one memory of all
        objects, or not said (files of earlier versions).
    """

    frame: int
    kind: MemoryEventKind
    removed: int
    added: int
    reason: str
    object_ids: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values (`dataclasses.asdict`, read back from JSON); what is missing gets its default."""
        return cls(**{**values, "object_ids": tuple(values.get("object_ids", ()))})


@dataclass(frozen=True, slots=True)
class MemoryTotals:
    """Counts since the bank began: consolidations, elements evicted by the policy, elements removed otherwise."""

    consolidations: int = 0
    evicted: int = 0
    forgotten: int = 0


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """Memory after one frame.

    Attributes
    ----------
    frame : int
        The frame.
    stores : tuple of StoreMemory
        working, long_term, permanent; distractor, where such frames are kept.
    objects : tuple of ObjectMemory
        In order of first appearance.
    events : tuple of MemoryEvent
        What happened since the snapshot before.
    totals : MemoryTotals
        Counts since the bank began.
    usage_counts : tuple of int
        Elements whose usage / life lies between two `USAGE_EDGES`; the last bin is open.
    """

    frame: int
    stores: tuple[StoreMemory, ...]
    objects: tuple[ObjectMemory, ...]
    events: tuple[MemoryEvent, ...]
    totals: MemoryTotals
    usage_counts: tuple[int, ...]

    def __repr__(self) -> str:
        stores = ", ".join(
            f"{store.elements} {store.name}" for store in self.stores if store.elements or store.name != "distractor"
        )
        return f"MemorySnapshot(frame {self.frame}, {stores}, {counted(len(self.objects), 'object')})"

    @property
    def sizes(self) -> MemorySizes:
        """Elements per store."""
        return MemorySizes(**{store.name: store.elements for store in self.stores})

    @property
    def n_bytes(self) -> int:
        """Bytes of all elements."""
        return sum(store.n_bytes for store in self.stores)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from `to_dict` output, read back from JSON; `KeyError` or `TypeError` if something is missing."""
        return cls(
            values["frame"],
            tuple(StoreMemory(**store) for store in values["stores"]),
            tuple(ObjectMemory(**item) for item in values["objects"]),
            tuple(MemoryEvent.from_dict(event) for event in values["events"]),
            MemoryTotals(**values["totals"]),
            tuple(values["usage_counts"]),
        )


def usage_histogram(usage: Tensor) -> tuple[int, ...]:
    """Count elements by usage / life (m,) between `USAGE_EDGES`."""
    edges = torch.tensor(USAGE_EDGES[1:], device=usage.device, dtype=usage.dtype)
    place = torch.bucketize(usage.contiguous(), edges, right=True)
    return tuple(torch.bincount(place, minlength=len(USAGE_EDGES)).tolist())


def merge_snapshots(snapshots: Iterable[MemorySnapshot]) -> MemorySnapshot:
    """Add up the snapshots of several banks after the same frame (local scope: one bank per object).

    What happened to several banks after one frame for one reason becomes one event, with its elements summed and the
    objects of these banks named.

    Raises
    ------
    ValueError
        If there is none.
    """
    parts = tuple(snapshots)
    if not parts:
        raise ValueError("No snapshots to merge; pass at least one.")
    sums: dict[str, tuple[int, int]] = {}
    for store in (store for part in parts for store in part.stores):
        elements, n_bytes = sums.get(store.name, (0, 0))
        sums[store.name] = (elements + store.elements, n_bytes + store.n_bytes)
    stores = tuple(StoreMemory(name, *of_all) for name, of_all in sums.items())
    totals = MemoryTotals(*(sum(getattr(part.totals, count.name) for part in parts) for count in fields(MemoryTotals)))
    return MemorySnapshot(
        frame=max(part.frame for part in parts),
        stores=stores,
        objects=tuple(item for part in parts for item in part.objects),
        events=_merge_events(parts),
        totals=totals,
        usage_counts=tuple(map(sum, zip(*(part.usage_counts for part in parts), strict=True))),
    )


def _merge_events(parts: Sequence[MemorySnapshot]) -> tuple[MemoryEvent, ...]:
    """Join events of equal frame, kind and reason, in the order in which each first occurs."""
    joined: dict[tuple[int, MemoryEventKind, str], MemoryEvent] = {}
    for part in parts:
        own = tuple(item.object_id for item in part.objects)
        for event in part.events:
            place = (event.frame, event.kind, event.reason)
            so_far = joined.get(place, MemoryEvent(event.frame, event.kind, 0, 0, event.reason))
            ids = dict.fromkeys((*so_far.object_ids, *(event.object_ids or own)))
            joined[place] = replace(
                so_far, removed=so_far.removed + event.removed, added=so_far.added + event.added, object_ids=tuple(ids)
            )
    return tuple(joined.values())
