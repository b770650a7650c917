"""Reading memory: who answers a query, what the answer is, and how that is counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.errors import MemoryBankError, is_out_of_memory
from napari_xmem.memory import usage
from napari_xmem.memory.affinity import (
    CHUNK_ELEMENTS,
    SparseAffinity,
    augment_query,
    chunk_size,
    readout,
    similarity,
    topk_affinity,
)
from napari_xmem.memory.store import ElementTable, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_xmem.memory.state import BankState, Group

__all__ = [
    "MemoryIndex",
    "MemoryVote",
    "attend",
    "explain",
    "give_feedback",
    "reading_prior",
    "recall",
]


@dataclass(frozen=True, slots=True)
class MemoryVote:
    """One element that answered a query.

    Attributes
    ----------
    frame : int
        Frame of the movie it was memorised from; of a prototype the frame of its key.
    y, x : float
        Its place in pixels of the movie; NaN if that was not given.
    store : str
        working, long_term, permanent or distractor.
    weight : float
        Share of the answer, 0..1.
    """

    frame: int
    y: float
    x: float
    store: str
    weight: float


def attend(
    state: BankState, query: Tensor, groups: Sequence[Group], chunk_elements: int = CHUNK_ELEMENTS
) -> Iterator[tuple[int, int, SparseAffinity]]:
    """Yield (first query, number of the group, affinity) chunk by chunk; ``query`` (q, 2 C + 1) augmented.

    `reading_prior` is added to the similarities of the elements before the best ``top_k`` are chosen. At most
    ``chunk_elements`` similarities are held at a time, but at least those of one query.

    When the device has no room for a chunk, it goes on with chunks of half as many queries.
    """
    table, prior = state.filled(), reading_prior(state)
    columns = slice(None) if state.config.reading_importance_strength else state.permanent_rows()
    low, step = 0, chunk_size(len(table), chunk_elements)
    while low < query.shape[0]:
        try:
            found = _attend_chunk(table, query[low : low + step], groups, state.config.top_k, prior, columns)
        except (RuntimeError, MemoryError) as error:
            if step == 1 or not is_out_of_memory(error):
                raise
            step = min(step, query.shape[0]) // 2 or 1
            continue
        for place, affinity in enumerate(found):
            yield low, place, affinity
        low += step


def _attend_chunk(
    table: ElementTable,
    query: Tensor,
    groups: Sequence[Group],
    top_k: int | None,
    prior: Tensor | None,
    columns: slice,
) -> list[SparseAffinity]:
    """Do so for some queries; the prior is 0 outside `columns`."""
    scores = similarity(table["rows"], query)
    if prior is not None:
        scores[:, columns] += prior[columns]
    found = []
    for group in groups:
        if group.subset is None:
            found.append(topk_affinity(scores, top_k))
        else:
            part = topk_affinity(scores.index_select(1, group.subset), top_k)
            found.append(SparseAffinity(group.subset[part.index], part.weight))
    return found


def reading_prior(state: BankState) -> Tensor | None:
    """Return what is added to the similarity of every element (m,) when memory is read; None for nothing.

    Importance re-weighting adds ``b_j = reading_importance_strength * log(t_j)`` with
    `napari_xmem.memory.usage.trust` ``t_j``: without any feedback all elements are trusted alike. Permanent elements
    gain ``permanent_log_prior``: what was painted is more certain than what was predicted. With both at 0 the answers
    are those of the paper.
    """
    config = state.config
    prior: Tensor | None = None
    if config.reading_importance_strength:
        table = state.filled()
        trust = usage.trust(table["support"], table["support_mass"])
        prior = usage.importance_prior(trust, config.reading_importance_strength)
    if config.permanent_log_prior:
        permanent = (state.filled()["store"] == int(Store.PERMANENT)).float() * config.permanent_log_prior
        prior = permanent if prior is None else prior + permanent
    return prior


def recall(
    state: BankState,
    key: Tensor,
    selection: Tensor | None,
    object_ids: Sequence[int],
    chunk_elements: int = CHUNK_ELEMENTS,
    *,
    count: bool = True,
) -> Tensor:
    """Answer queries and count who answered, see `MemoryBank.read`."""
    table, top_k = state.filled(), state.config.top_k
    query = augment_query(key, selection)
    n_queries = query.shape[0]
    groups = state.groups_of(tuple(object_ids))
    answers: dict[int, list[Tensor]] = {object_id: [] for object_id in object_ids}
    masses = [torch.zeros(len(table), dtype=torch.float32, device=table.device) for _ in groups]
    pending = []
    for _, place, affinity in attend(state, query, groups, chunk_elements):
        for object_id in groups[place].object_ids:
            answers[object_id].append(readout(affinity, table.values(object_id)).T)
        masses[place] += affinity.mass(len(table))
        if place == 0 and top_k is not None:
            pending.append(affinity)
    if count:
        state.pending, state.pending_query = tuple(pending), query
        _count(state, table, groups, masses)
    empty = torch.zeros(state.value_dim, n_queries, dtype=table.value_dtype, device=table.device)
    if not object_ids:
        return empty.new_zeros(0, *empty.shape)
    return torch.stack([_join(answers[object_id]) if answers[object_id] else empty for object_id in object_ids])


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _count(state: BankState, table: ElementTable, groups: Sequence[Group], masses: Sequence[Tensor]) -> None:
    """Count usage: with the first group; elements that hold none of it, with the next group that they hold."""
    total = torch.zeros(len(table), dtype=torch.float32, device=table.device)
    counted = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    for group, mass in zip(groups, masses, strict=True):
        if group.subset is None:
            total = torch.where(counted, total, mass)
            break
        total += torch.where(counted, 0.0, mass)
        counted[group.subset] = True
    usage.record_reads([table], total[None], state.decay, count_long_term=state.config.count_long_term_usage)


def give_feedback(state: BankState, confidence: Tensor) -> None:
    """Credit the elements that answered the last read, see `MemoryBank.feedback`."""
    query = state.pending_query
    if query is None:
        return
    if tuple(confidence.shape) != (query.shape[0],):
        raise MemoryBankError(f"confidence has shape {tuple(confidence.shape)}, expected ({query.shape[0]},).")
    table, pending = state.filled(), list(state.pending)
    if not pending:  # a full softmax is too big to keep
        groups = state.groups_of(state.object_ids)[:1]
        pending = [affinity for _, _, affinity in attend(state, query, groups)]
    if pending:
        whole = SparseAffinity(torch.cat([a.index for a in pending]), torch.cat([a.weight for a in pending]))
        usage.record_feedback(table, whole, confidence, state.decay)
        if state.config.reading_importance_strength:
            state.mark_changed()  # the next read of the same elements may answer otherwise
    state.pending, state.pending_query = (), None


def explain(
    state: BankState, key: Tensor, selection: Tensor | None, object_id: int, top: int | None
) -> list[MemoryVote]:
    """List the elements that answer one query, see `MemoryBank.explain`."""
    if key.ndim != 2 or tuple(key.shape) != (state.key_dim, 1):
        raise MemoryBankError(f"key has shape {tuple(key.shape)}, expected one query ({state.key_dim}, 1).")
    state.check_known([object_id])
    table = state.filled()
    groups = state.groups_of((object_id,))
    votes: list[MemoryVote] = []
    query = augment_query(key.to(table.device), None if selection is None else selection.to(table.device))
    for _, _, affinity in attend(state, query, groups):
        weight, order = torch.sort(affinity.weight[0], descending=True, stable=True)
        rows = affinity.index[0][order]
        columns = (table["frame"][rows], table["position"][rows], table["store"][rows], weight)
        for frame, (y, x), store, share in zip(*(column.tolist() for column in columns), strict=True):
            votes.append(MemoryVote(frame, y, x, Store(store).name.lower(), share))
    return votes[:top]


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
