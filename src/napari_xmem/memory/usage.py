"""What is counted for every memory element: how often it answered, lately, and how well.

Columns of `napari_xmem.memory.store.ElementTable`, all (m,) float32, ``p = 0.5 ** (1 / half_life_frames)``; after one
read in which element ``m`` received affinity mass ``a_m`` (summed over the queries):

- ``use += a``, ``life += 1``: usage of the paper is ``use / life`` (XMem, section 3.3), life starts at 1e-7;
- ``relevance = p relevance + (1 - p) a``, ``exposure = p exposure + (1 - p)``: mass received lately;
- after `record_feedback` with confidence ``c_q`` per query: ``support`` likewise with ``sum_q a_mq c_q`` and
  ``support_mass`` with ``a``: mass that went into predictions that turned out confident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.memory.affinity import SparseAffinity
    from napari_xmem.memory.store import ElementTable
    from napari_xmem.memory.table_stack import TableStack

__all__ = [
    "SUPPORT",
    "SUPPORT_MASS",
    "contribution",
    "importance_prior",
    "normalised_usage",
    "record_feedback",
    "record_reads",
    "record_reads_at_once",
    "relevance",
    "trust",
]

#: Places among the counters of an element.
USE, LIFE, RELEVANCE, EXPOSURE, SUPPORT, SUPPORT_MASS = range(6)
_TINY = 1e-12
#: Trust never counts as less than this, so that its logarithm stays finite.
_LEAST_TRUST = 1e-6


def record_reads(tables: Sequence[ElementTable], mass: Tensor, decay: float, *, count_long_term: bool) -> None:
    """Count one read of each of n tables.

    Parameters
    ----------
    tables : sequence of ElementTable
        Counters are updated in place.
    mass : Tensor
        (n, longest) affinity received, summed over queries; what is beyond the end of a table is not looked at.
    decay : float
        ``p`` above, 0 to 1.
    count_long_term : bool
        False: ``use`` and ``life`` of long-term elements stand still.
    """
    keep, amounts = mass.new_ones(4), mass.new_ones(*mass.shape, 4)  # use, life, relevance, exposure
    keep[2:] = decay
    amounts[..., 0] = mass
    amounts[..., 2] = mass * (1.0 - decay)
    amounts[..., 3] = 1.0 - decay
    counters, added = [], []
    for table, amount in zip(tables, amounts, strict=True):
        counters.append(table.counters[:, :4])
        added.append(amount[: len(table)])
        if not count_long_term:
            added[-1][:, :2] *= (table["store"] != int(Store.LONG_TERM))[:, None]
    torch._foreach_mul_(counters, [keep] * len(counters))  # one call for all of them
    torch._foreach_add_(counters, added)


def record_reads_at_once(stack: TableStack, mass: Tensor, decay: float, *, count_long_term: bool) -> None:
    """As `record_reads`, of tables that are stacked: counters are brought together, counted and brought back."""
    lately = 1.0 - decay  # of use, life, relevance and exposure; what is counted of feedback stays as it is
    how = [[1.0, 1.0, decay, decay, 1.0, 1.0], [1.0, 0.0, lately, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, lately, 0.0, 0.0]]
    kept, share, each = torch.tensor(how, dtype=torch.float32, device=mass.device)
    added = mass[..., None] * share + each
    if not count_long_term:
        added[..., :RELEVANCE] *= (stack.part("store") != int(Store.LONG_TERM))[..., None]
    counted = stack.part("counters") * kept + added
    rows = [row[:size] for row, size in zip(counted, stack.sizes, strict=True)]
    torch._foreach_copy_([table.counters for table in stack.tables], rows)


def record_feedback(table: ElementTable, affinity: SparseAffinity, confidence: Tensor, decay: float) -> None:
    """Count how well the queries of a read turned out; ``confidence`` (q,) in 0..1."""
    n_elements = len(table)
    good = affinity.spread(affinity.weight * confidence.to(affinity.weight)[:, None], n_elements)
    table["support"].mul_(decay).add_(good, alpha=1.0 - decay)
    table["support_mass"].mul_(decay).add_(affinity.mass(n_elements), alpha=1.0 - decay)


def normalised_usage(counters: Tensor) -> Tensor:
    """Return ``use / life`` (...), affinity mass per read, of counters (..., 6)."""
    return counters[..., USE] / counters[..., LIFE]


def relevance(counters: Tensor) -> Tensor:
    """Return the running mean of the mass received (...), of counters (..., 6); 0 for elements never read."""
    return counters[..., RELEVANCE] / counters[..., EXPOSURE].clamp_min(_TINY)


def contribution(counters: Tensor) -> Tensor:
    """Return the running mean of the mass that went into confident predictions (...); 0 without feedback."""
    return counters[..., SUPPORT] / counters[..., EXPOSURE].clamp_min(_TINY)


def trust(support: Tensor, support_mass: Tensor) -> Tensor:
    """Estimate how confident the predictions are that an element takes part in.

    ``t = (support + a t0) / (support_mass + a)`` with ``t0 = sum support / sum support_mass`` and ``a`` the mean of
    ``support_mass``: elements without evidence get the mean of the others. Without any evidence all are 1.

    Parameters
    ----------
    support, support_mass : Tensor
        (m,), at least 0.

    Returns
    -------
    Tensor
        (m,) in 0..1.
    """
    total = support_mass.sum()
    if not bool(total > 0):
        return torch.ones_like(support)
    pseudo = total / support_mass.numel()
    return (support + pseudo * support.sum() / total) / (support_mass + pseudo)


def importance_prior(trust: Tensor, strength: float) -> Tensor | None:
    """Return the log-prior ``b_j = strength * log(trust_j)`` of importance re-weighting.

    Added to similarities before a softmax it multiplies an element's weight by ``trust_j ** strength``.

    Parameters
    ----------
    trust : Tensor
        (m,) in 0..1, see `trust`.
    strength : float
        At least 0.

    Returns
    -------
    Tensor or None
        (m,) float32, at most 0; None for strength 0.
    """
    if strength == 0:
        return None
    return strength * torch.log(trust.float().clamp_min(_LEAST_TRUST))
