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
    n_elements = rows.shape[0]
    best = torch.sort(rank, descending=False, stable=True).indices.flip(0)  # of equal rank the later first
    place = torch.empty_like(best)
    place[best] = torch.arange(n_elements, device=rows.device)
    everyone = torch.cat([rows, known])
    above = torch.cat([place, place.new_full((known.shape[0],), -1)])
    nearest = queries.new_full((n_elements,), float("-inf"))
    step = chunk_size(everyone.shape[0])
    for low in range(0, n_elements, step):
        here = slice(low, min(low + step, n_elements))
        scores = similarity(everyone, queries[here])
        nearest[here] = scores.masked_fill(above[None, :] >= place[here, None], float("-inf")).amax(dim=1)
    return (-nearest).clamp_min(0.0)
