"""Many banks of one object each, read and described together: the same numbers with a few calls for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.errors import is_out_of_memory
from napari_xmem.memory.affinity import (
    CHUNK_ELEMENTS,
    SparseAffinity,
    augment_query,
    largest,
    readout,
    similarity,
    topk_affinity,
)
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.memory.snapshot import merge_snapshots, usage_histogram
from napari_xmem.memory.table_stack import TableStack
from napari_xmem.memory.usage import normalised_usage, record_reads, record_reads_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_xmem.memory.bank import MemoryBank
    from napari_xmem.memory.snapshot import MemorySnapshot
    from napari_xmem.memory.state import BankState

__all__ = ["read_together", "snapshot_together"]

#: On a CPU no more similarities of one object are held at a time than its caches do.
_CACHED_ELEMENTS = 1 << 20


@torch.no_grad()
def read_together(
    banks: Sequence[MemoryBank],
    keys: Tensor,
    selections: Tensor,
    *,
    frame: int | None = None,
    chunk_elements: int = CHUNK_ELEMENTS,
    count: bool = True,
    sizes: Sequence[int] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Read banks, each with queries of its own, and count who answered; the numbers are those of `MemoryBank.read`.

    Banks that hold one object, of whose elements the best few answer, share all calls that are not about what only one
    of them holds; others are read one by one.

    Parameters
    ----------
    banks : sequence of MemoryBank
        N banks, no one twice.
    keys, selections : Tensor
        (N, C, q).
    frame : int or None
        The frame that asks, for the log.
    chunk_elements : int
        Similarities held at a time; bounds memory only.
    count : bool
        False: banks are left as they were.
    sizes : sequence of int, optional
        How many of the q queries each bank is asked, the others being there to fill up. None: all.

    Yields
    ------
    tuple of int and Tensor
        Place of a bank, and its answer (objects, V, its size) as soon as it is counted.
    """
    queries, sizes = augment_query(keys, selections), sizes or [keys.shape[2]] * len(banks)
    one_by_one = not wants_few_calls(queries.device)
    at_once = min(chunk_elements, _CACHED_ELEMENTS) if one_by_one else chunk_elements
    alone = set(range(len(banks)))
    for rows in _chunks([bank._state for bank in banks], queries.device, sizes, at_once, share=not one_by_one):
        states, counts = [banks[row]._state for row in rows], [sizes[row] for row in rows]
        asked = queries[rows[0] : rows[-1] + 1, : max(counts)]
        stack, answers = None, list[Tensor]()
        try:
            if one_by_one:
                affinity = _attend_in_turn(states, asked)
            else:
                stack = TableStack([state.filled() for state in states])
                affinity = _attend_at_once(stack, states, asked)
            affinity = _without_fillers(affinity, counts, asked.shape[1])
            if stack is None:
                answers = [_answer(state, _part(affinity, n, asked.shape[1])) for n, state in enumerate(states)]
                mass = _mass(states, affinity) if count else None
            else:
                answers = _answers_at_once(stack, affinity, asked.shape[1])
                mass = _mass_at_once(stack, affinity) if count else None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            continue  # one by one, with fewer queries at a time
        if mass is not None:
            _count(states, stack, mass)
            for n, (state, query) in enumerate(zip(states, asked, strict=True)):
                state.frame = state.frame if frame is None else frame
                part = _part(affinity, n, asked.shape[1], counts[n])
                state.pending, state.pending_query = (part,), query[: counts[n]]
        for row, size, answer in zip(rows, counts, answers, strict=True):
            alone.discard(row)
            yield row, answer[..., :size]
    for row in sorted(alone):
        key, selection = keys[row, :, : sizes[row]], selections[row, :, : sizes[row]]
        yield row, banks[row].read(key, selection, frame=frame, chunk_elements=chunk_elements, count=count)


def snapshot_together(banks: Sequence[MemoryBank], frame: int) -> MemorySnapshot:
    """Describe what some banks hold after a frame, as `merge_snapshots` of their snapshots does, with a few calls."""
    parts = []
    for bank in banks:
        bank.edit.mark_reported()
        parts.append(bank._state.describe(frame, with_usage=False))
    counters = [bank._state.table.counters for bank in banks if bank._state.table is not None]
    used = normalised_usage(torch.cat(counters)) if counters else torch.empty(0, dtype=torch.float32, device="cpu")
    return replace(merge_snapshots(parts), usage_counts=usage_histogram(used))


def _chunks(
    states: Sequence[BankState], device: torch.device, sizes: Sequence[int], chunk_elements: int, *, share: bool
) -> list[list[int]]:
    """Return neighbours among the banks that can be read in one go, each time at most so many similarities.

    `share`: all of them together; else each of them, as similarities of one are done with before those of the next.
    """
    chunks: list[list[int]] = []
    longest = most = 0
    for row, (state, asked) in enumerate(zip(states, sizes, strict=True)):
        if not _is_plain(state, device):
            continue
        size = len(state.filled())
        here = chunks[-1] if chunks and chunks[-1][-1] == row - 1 else []
        here = here if here and states[here[0]].config == state.config else []
        longest, most = (max(size, longest), max(asked, most)) if here else (size, asked)
        if here and (len(here) * share + 1) * longest * most <= chunk_elements:
            here.append(row)
        elif size * asked <= chunk_elements:
            chunks.append([row])
            longest, most = size, asked
    return chunks


def _is_plain(state: BankState, device: torch.device) -> bool:
    """Return True if the one object of a bank is held by all elements, of which the best few answer."""
    table, top_k = state.filled(), state.config.top_k
    if len(state.object_ids) != 1 or top_k is None or top_k >= len(table) or table.device != device:
        return False
    rows = state.permanent_rows()
    if state.config.reading_importance_strength or rows.stop - rows.start != state.sizes.permanent:
        return False
    return state.groups_of(state.object_ids)[0].subset is None


def _top_k(states: Sequence[BankState]) -> int:
    top_k = states[0].config.top_k
    if top_k is None:
        raise ValueError("Banks of which all elements answer are read one by one.")
    return top_k


def _attend_at_once(stack: TableStack, states: Sequence[BankState], queries: Tensor) -> SparseAffinity:
    """Return who answers: (n q, k), rows of each object's own table; ``queries`` (n, q, D)."""
    scores = similarity(stack.part("looks")[..., : queries.shape[2]], queries)
    place = torch.arange(scores.shape[2], dtype=torch.int64, device=scores.device)
    if prior := states[0].config.permanent_log_prior:
        spans = [(rows.start, rows.stop) for rows in (state.permanent_rows() for state in states)]
        ends = torch.tensor(spans, dtype=torch.int64, device=scores.device)
        permanent = (place >= ends[:, :1]) & (place < ends[:, 1:])
        scores += (permanent * prior)[:, None]
    sizes = torch.tensor(stack.sizes, dtype=torch.int64, device=scores.device)
    scores.masked_fill_((place >= sizes[:, None])[:, None], float("-inf"))
    return topk_affinity(scores.flatten(0, 1), _top_k(states))


def _answers_at_once(stack: TableStack, affinity: SparseAffinity, n_queries: int) -> list[Tensor]:
    """Return the answer (1, V, q) of each table."""
    values = stack.all_values(0)
    shifted = _shifted(affinity.index, len(values), values.shape[1])
    rows = readout(SparseAffinity(shifted, affinity.weight), values.flatten(0, 1))
    return list(rows.unflatten(0, (-1, n_queries)).mT[:, None].unbind())


def _attend_in_turn(states: Sequence[BankState], queries: Tensor) -> SparseAffinity:
    """Do so on a CPU: one object's similarities at a time, always in the same room, which stays in the caches."""
    top_k, longest = _top_k(states), max(len(state.filled()) for state in states)
    n_queries = queries.shape[1]
    room = queries.new_empty(longest * n_queries)
    best = queries.new_empty((len(states), n_queries, top_k))
    index = torch.empty(best.shape, dtype=torch.int64, device=best.device)
    for place, (state, query) in enumerate(zip(states, queries, strict=True)):
        scores = room[: len(state.filled()) * n_queries].view(n_queries, -1)
        best[place], index[place] = largest(_scores(state, query, scores), top_k)
    return SparseAffinity(index.flatten(0, 1), torch.softmax(best.flatten(0, 1), dim=-1))


def _scores(state: BankState, query: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the similarities (q, m) of one object's queries, with the prior of what was painted, in `out`."""
    scores, prior = similarity(state.filled()["rows"], query, out), state.config.permanent_log_prior
    if prior and state.sizes.permanent:
        scores[:, state.permanent_rows()] += prior
    return scores


def _without_fillers(affinity: SparseAffinity, counts: Sequence[int], n_queries: int) -> SparseAffinity:
    """Let nobody answer queries that are there to fill up."""
    if min(counts) == n_queries:
        return affinity
    ends = torch.tensor(counts, dtype=torch.int64, device=affinity.weight.device)
    asked = torch.arange(n_queries, dtype=torch.int64, device=ends.device) < ends[:, None]
    return SparseAffinity(affinity.index, affinity.weight * asked.flatten()[:, None])


def _part(affinity: SparseAffinity, place: int, n_queries: int, size: int | None = None) -> SparseAffinity:
    rows = slice(place * n_queries, place * n_queries + (n_queries if size is None else size))
    return SparseAffinity(affinity.index[rows], affinity.weight[rows])


def _answer(state: BankState, affinity: SparseAffinity) -> Tensor:
    table = state.filled()
    return readout(affinity, table.values(table.object_ids[0])).T[None]


def _shifted(index: Tensor, n: int, longest: int) -> Tensor:
    """Return rows (n q, k) of n tables as those of all tables one after the other, each filled up to the longest."""
    start = torch.arange(n, dtype=torch.int64, device=index.device) * longest
    return (index.unflatten(0, (n, -1)) + start[:, None, None]).flatten(0, 1)


def _mass(states: Sequence[BankState], affinity: SparseAffinity) -> Tensor:
    """Return what each element of each object received, (n, longest)."""
    longest = max(len(state.filled()) for state in states)
    shifted = _shifted(affinity.index, len(states), longest)
    mass = SparseAffinity(shifted, affinity.weight).mass(len(states) * longest)
    return mass.unflatten(0, (len(states), longest))


def _mass_at_once(stack: TableStack, affinity: SparseAffinity) -> Tensor:
    """Return the same, summed in a fixed order on any device, in as much room as the similarities took."""
    index, weight = (part.unflatten(0, (len(stack.sizes), -1)) for part in (affinity.index, affinity.weight))
    return weight.new_zeros(*index.shape[:2], max(stack.sizes)).scatter_(2, index, weight).sum(1)


def _count(states: Sequence[BankState], stack: TableStack | None, mass: Tensor) -> None:
    count_long_term, decay = states[0].config.count_long_term_usage, states[0].decay
    if stack is None:
        record_reads([state.filled() for state in states], mass, decay, count_long_term=count_long_term)
    else:
        record_reads_at_once(stack, mass, decay, count_long_term=count_long_term)
