"""From working to long-term memory: many candidates become few strengthened prototypes.

XMem (Cheng & Schwing, ECCV 2022, arXiv 2207.07115), section 3.3: choose prototypes, then average the values of *all*
candidates by their affinity to each prototype (full softmax, queries are the prototypes with their selection).

Several memories are consolidated at once, each by itself: tensors have a leading axis of N memories, and what one of
them lacks to the longest is masked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.memory.affinity import augment_query, similarity
from napari_xmem.memory.potentiation import AffinityPotentiation, Potentiation
from napari_xmem.memory.store import PackedKeys, Store, fresh_counters
from napari_xmem.memory.table_stack import pick
from napari_xmem.memory.usage import SUPPORT, SUPPORT_MASS, normalised_usage, trust

if TYPE_CHECKING:
    from napari_xmem.memory.prototype_selection import PrototypeSelection
    from napari_xmem.memory.store import Name
    from napari_xmem.memory.table_stack import Rows, TableStack

__all__ = ["consolidate", "queries_of"]


def queries_of(source: Tensor, *, with_selection: bool) -> Tensor:
    """Return elements as queries (..., m, 2 C + 1), of their part ``source`` (..., m, 2 C + 1)."""
    channels = source.shape[-1] // 2
    chooser = source[..., channels : 2 * channels].mT if with_selection else None
    return augment_query(source[..., :channels].mT, chooser)


def consolidate(
    stack: TableStack,
    candidates: Rows,
    known: Tensor,
    count: int,
    selection: PrototypeSelection,
    potentiation: Potentiation,
    *,
    with_selection: bool = True,
) -> dict[Name, Tensor]:
    """Make prototypes of some rows of every table; the tables themselves do not change.

    An object that joined late takes part with the candidates that hold it, and its values stay aligned with their keys.
    Keys, frames and places are those of the chosen rows; usage restarts, selection is dropped (ones).

    Parameters
    ----------
    stack : TableStack
        N tables.
    candidates : Rows
        Rows to consolidate, at least ``count`` of each.
    known : Tensor
        (N, longest) bool, rows that stay in memory (for novelty).
    count : int
        Number of prototypes.
    selection, potentiation : PrototypeSelection, Potentiation
        The policies.
    with_selection : bool
        False when keys were memorised without selection.

    Returns
    -------
    dict of tuple of str and int to Tensor
        (N, count, ...) for `TableStack.replace`, in the order of `PrototypeSelection.select`.
    """
    looks, source = stack.take("looks", candidates.index), stack.take("source", candidates.index)
    rows, counters = looks[..., :-2], stack.take("counters", candidates.index)
    queries, channels = queries_of(source, with_selection=with_selection), source.shape[-1] // 2
    chosen = _choose(stack, candidates, rows, queries, normalised_usage(counters), known, count, selection)
    scores = similarity(rows, pick(queries, chosen))
    if not isinstance(potentiation, AffinityPotentiation):  # saves looking at the values
        scores = scores + _log_prior(stack, candidates, rows, queries, counters, potentiation)[:, None]
    if candidates.held is not None:
        scores = scores.masked_fill(~candidates.held[:, None], float("-inf"))
    everyone, inherited = torch.softmax(scores, dim=2), pick(source, chosen)
    keys = PackedKeys.of(
        inherited[..., :channels].mT,
        (everyone @ source[..., -1:])[..., 0],
        None,
        pick(looks[..., -2:], chosen),
    )
    n, fresh = len(candidates.counts), fresh_counters(stack.device)
    made: dict[Name, Tensor] = {
        ("looks", 0): keys.looks,
        ("source", 0): keys.source,
        ("origin", 0): pick(stack.take("origin", candidates.index), chosen),
        ("store", 0): fresh.new_full((n, count), int(Store.LONG_TERM), dtype=torch.uint8),
        ("counters", 0): fresh.expand(n, count, len(fresh)),
    }
    for place in range(len(stack.tables[0].object_ids)):
        made["values", place], made["valid", place] = _strengthen(stack, place, candidates, chosen, scores, everyone)
    return made


def _choose(
    stack: TableStack,
    candidates: Rows,
    rows: Tensor,
    queries: Tensor,
    usage: Tensor,
    known: Tensor,
    count: int,
    selection: PrototypeSelection,
) -> Tensor:
    """Return the prototypes (N, count) among the candidates."""
    if getattr(type(selection), "over_objects", False):
        usage = usage if candidates.held is None else usage.masked_fill(~candidates.held, float("-inf"))
        return selection.select(rows=rows, queries=queries, usage=usage, known=rows[:, :0], count=count)
    everything = stack.part("looks")[..., :-2]
    chosen = [
        selection.select(
            rows=rows[n, :m], queries=queries[n, :m], usage=usage[n, :m], known=everything[n][known[n]], count=count
        )
        for n, m in enumerate(candidates.counts)
    ]
    return torch.stack(chosen)


def _log_prior(
    stack: TableStack, candidates: Rows, rows: Tensor, queries: Tensor, counters: Tensor, potentiation: Potentiation
) -> Tensor:
    """Return what is added to the similarities of the candidates (N, m); each memory is asked about by itself."""
    places = range(len(stack.tables[0].object_ids))
    block = stack.take("origin", candidates.index)[..., 1]
    values = torch.stack([stack.values(place, candidates.index) for place in places], dim=1)
    valid = torch.stack([stack.valid(place, candidates.index) for place in places], dim=1)
    priors = rows.new_zeros(rows.shape[:2])
    for n, m in enumerate(candidates.counts):
        prior = potentiation.log_prior(
            rows=rows[n, :m],
            queries=queries[n, :m],
            block=block[n, :m],
            values=values[n, :, :m],
            valid=valid[n, :, :m],
            trust=trust(counters[n, :m, SUPPORT], counters[n, :m, SUPPORT_MASS]),
        )
        if prior is not None:
            priors[n, :m] = prior
    return priors


def _strengthen(
    stack: TableStack, place: int, candidates: Rows, chosen: Tensor, scores: Tensor, everyone: Tensor
) -> tuple[Tensor, Tensor]:
    """Average the values of the objects at one place over the candidates that hold them; returns values and validity.

    Values are (N, p, V), zero where not valid; validity (N, p), that of the inherited row.
    """
    own, holds = stack.values(place, candidates.index).float(), stack.valid(place, candidates.index)
    if candidates.held is not None:
        holds = holds | ~candidates.held  # which are masked already
    held = pick(holds, chosen)
    if bool(holds.all()):
        return everyone @ own, held
    weight = torch.softmax(scores.masked_fill(~holds[:, None], float("-inf")), dim=2)
    return torch.where(held[..., None], weight @ own, 0.0), held
