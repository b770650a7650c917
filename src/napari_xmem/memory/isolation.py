"""How far a memory element lies from what would answer in its place: what is lost if it goes.

After the density peaks of Rodriguez & Laio (Science 344, 2014): an element is told from its copies by the distance to
the nearest element of higher rank, so that of many alike only one is isolated, and the first of each look stands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_xmem.memory.affinity import chunk_size, similarity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["isolation"]

#: Elements compared at a time; each block only with those that rank above its last.
BLOCK_ELEMENTS = 128


def isolation(rows: Tensor, queries: Tensor, rank: Tensor, known: Tensor) -> Tensor:
    """Return the distance of each element to the nearest one that ranks higher.

    ``delta_e = min over f of -S[f, e]``, ``f`` all known elements and those with ``rank_f > rank_e``, or equal rank and
    a later row. In the model's own similarity: with ``delta_e`` near 0 another element answers the queries of ``e``.

    Parameters
    ----------
    rows : Tensor
        (m, D) elements as memory (`augment_memory`).
    queries : Tensor
        (m, D) the same elements as queries (`augment_query`).
    rank : Tensor
        (m,) float.
    known : Tensor
        (l, D) elements that rank above all, as memory; ``l`` may be 0.

    Returns
    -------
    Tensor
        (m,) float32, at least 0; infinite where nothing ranks higher.
    """
    best = torch.sort(rank, stable=True).indices.flip(0)  # of equal rank the later first
    everyone = torch.cat([known, rows[best]])
    delta = queries.new_full((rows.shape[0],), float("inf"))
    step = min(BLOCK_ELEMENTS, chunk_size(everyone.shape[0]))
    for low in range(0, rows.shape[0], step):
        here = best[low : low + step]
        first = known.shape[0] + low  # so many rank above all of the block
        scores = similarity(everyone[: first + len(here) - 1], queries[here])
        if scores.shape[1]:
            inside = torch.ones(len(here), scores.shape[1] - first, dtype=torch.bool, device=rows.device)
            scores[:, first:].masked_fill_(inside.triu_(), float("-inf"))  # of the block itself only what ranks higher
            delta[here] = -scores.amax(dim=1)
    return delta.clamp_min_(0.0)
