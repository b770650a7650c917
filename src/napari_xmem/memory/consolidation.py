"""From working to long-term memory: many candidates become few strengthened prototypes.

XMem (Cheng & Schwing, ECCV 2022, arXiv 2207.07115), section 3.3: choose prototypes, then average the values of *all*
candidates by their affinity to each prototype (full softmax, queries are the prototypes with their selection).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_xmem.memory.affinity import augment_query, similarity
from napari_xmem.memory.potentiation import AffinityPotentiation, Potentiation
from napari_xmem.memory.prototype_selection import PrototypeSelection, UsageSelection
from napari_xmem.memory.store import ElementTable, Store
from napari_xmem.memory.usage import normalised_usage, trust

__all__ = ["Prototypes", "append_prototypes", "consolidate"]


@dataclass(frozen=True, slots=True)
class Prototypes:
    """What a consolidation made, p prototypes.

    Attributes
    ----------
    index : Tensor
        (p,) int64, the rows of the table whose keys, frames and places they inherit.
    shrinkage : Tensor
        (p,) float32.
    values : dict of int to Tensor
        (p, V) per object; zero where not valid.
    valid : dict of int to Tensor
        (p,) bool per object: the inherited row holds that object.
    """

    index: Tensor
    shrinkage: Tensor
    values: dict[int, Tensor]
    valid: dict[int, Tensor]


def consolidate(
    table: ElementTable,
    candidates: Tensor,
    known: Tensor,
    count: int,
    selection: PrototypeSelection,
    potentiation: Potentiation,
    *,
    with_selection: bool = True,
) -> Prototypes:
    """Make prototypes of some rows of the table; the table itself does not change.

    An object that joined late takes part with the candidates that hold it, and its values stay aligned with their keys.

    Parameters
    ----------
    table : ElementTable
        All elements.
    candidates : Tensor
        (m,) int64 rows to consolidate.
    known : Tensor
        (l,) int64 rows that stay in memory (for novelty).
    count : int
        Number of prototypes wanted; clamped to m.
    selection, potentiation : PrototypeSelection, Potentiation
        The policies.
    with_selection : bool
        False when keys were memorised without selection.

    Returns
    -------
    Prototypes
        In the order of `PrototypeSelection.select`.
    """
    rows = table["rows"][candidates]
    chooser = table["selection"][candidates].T if with_selection else None
    queries = augment_query(table["key"][candidates].T, chooser)
    chosen = selection.select(
        rows=rows,
        queries=queries,
        usage=normalised_usage(table)[candidates],
        known=table["rows"][known[:0] if isinstance(selection, UsageSelection) else known],  # saves copying them
        count=min(count, candidates.shape[0]),
    )
    scores = similarity(rows, queries[chosen])
    prior = _log_prior(table, candidates, rows, queries, potentiation)
    if prior is not None:
        scores = scores + prior
    everyone = torch.softmax(scores, dim=1)
    values, valid = _strengthen(table, candidates, chosen, scores, everyone)
    return Prototypes(candidates[chosen], everyone @ table["shrinkage"][candidates], values, valid)


def append_prototypes(table: ElementTable, made: Prototypes) -> None:
    """Add prototypes to long-term memory; usage restarts, selection is dropped (ones)."""
    table.append(
        key=table["key"][made.index],
        shrinkage=made.shrinkage,
        selection=None,
        frame=table["frame"][made.index],
        block=table["block"][made.index],
        position=table["position"][made.index],
        store=Store.LONG_TERM,
        values=made.values,
        valid=made.valid,
    )


def _log_prior(
    table: ElementTable, candidates: Tensor, rows: Tensor, queries: Tensor, potentiation: Potentiation
) -> Tensor | None:
    if isinstance(potentiation, AffinityPotentiation):  # saves stacking the values
        return None
    return potentiation.log_prior(
        rows=rows,
        queries=queries,
        block=table["block"][candidates],
        values=torch.stack([table.values(object_id)[candidates] for object_id in table.object_ids]),
        valid=torch.stack([table.valid(object_id)[candidates] for object_id in table.object_ids]),
        trust=trust(table["support"][candidates], table["support_mass"][candidates]),
    )


def _strengthen(
    table: ElementTable, candidates: Tensor, chosen: Tensor, scores: Tensor, everyone: Tensor
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Average the values per object over the candidates that hold it; returns values and validity."""
    values: dict[int, Tensor] = {}
    valid: dict[int, Tensor] = {}
    for object_id in table.object_ids:
        holds = table.valid(object_id)[candidates]
        own = table.values(object_id)[candidates].float()
        if bool(holds.all()):
            values[object_id] = everyone @ own
        elif bool(holds[chosen].any()):
            weight = torch.softmax(scores.masked_fill(~holds, float("-inf")), dim=1)
            values[object_id] = (weight @ own) * holds[chosen, None]
        else:
            continue
        valid[object_id] = holds[chosen]
    return values, valid
