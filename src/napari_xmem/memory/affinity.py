"""How alike a query and a memory element are, and what memory answers.

Similarity, affinity and readout of XMem (Cheng & Schwing, ECCV 2022, arXiv 2207.07115, sections 3.3 and 3.4).
Everything is computed in float32, whatever the input; nothing here knows what an element means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_xmem.memory.few_calls import wants_few_calls

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CHUNK_ELEMENTS",
    "POSITION_CHANNELS",
    "SparseAffinity",
    "add_position",
    "augment_memory",
    "augment_query",
    "chunk_size",
    "largest",
    "read_dense",
    "readout",
    "similarity",
    "topk_affinity",
]

#: Channels that `add_position` adds to a key.
POSITION_CHANNELS = 2

#: Largest number of similarities held at a time (float32: four bytes each).
CHUNK_ELEMENTS = 8 * 1024 * 1024

#: On a CPU rows at least this long are searched in two steps, by blocks of this many elements (measured).
BLOCKS_MIN_ELEMENTS = 1200
BLOCK = 4


@dataclass(frozen=True, slots=True)
class SparseAffinity:
    """The memory elements that answer each query, and how much each of them counts.

    Attributes
    ----------
    index : Tensor
        (q, k) int64, rows of memory.
    weight : Tensor
        (q, k) float32, sums to 1 over ``k``.
    """

    index: Tensor
    weight: Tensor

    def mass(self, n_elements: int) -> Tensor:
        """Sum what each element received over the queries.

        Parameters
        ----------
        n_elements : int
            Number of memory elements ``m``.

        Returns
        -------
        Tensor
            (m,) float32.
        """
        return self.spread(self.weight, n_elements)

    def spread(self, amount: Tensor, n_elements: int) -> Tensor:
        """Add ``amount`` (q, k) to the elements it belongs to; returns (m,) float32.

        The order of the sum is fixed: on the CPU by itself, elsewhere through a dense table per chunk of queries.
        """
        if self.index.shape[1] == n_elements:  # a full softmax: the elements stand in order
            return amount.sum(0)
        total = torch.zeros(n_elements, device=amount.device, dtype=torch.float32)
        if amount.device.type == "cpu":
            return total.index_add_(0, self.index.reshape(-1), amount.reshape(-1))
        step = chunk_size(n_elements)
        for low in range(0, self.index.shape[0], step):
            index = self.index[low : low + step]
            part = torch.zeros(index.shape[0], n_elements, dtype=torch.float32, device=amount.device)
            total += part.scatter_(1, index, amount[low : low + step]).sum(0)
        return total


def chunk_size(n_elements: int, chunk_elements: int = CHUNK_ELEMENTS) -> int:
    """Return how many queries are compared with ``n_elements`` memory elements at a time (at least 1)."""
    return max(1, chunk_elements // max(1, n_elements))


def augment_memory(key: Tensor, shrinkage: Tensor | None = None) -> Tensor:
    """Make memory rows whose inner product with `augment_query` rows is the similarity.

    Row ``m`` is ``s_m / sqrt(C) * [-k_m^2, 2 k_m, -1]``, so that the anisotropic L2 similarity of the paper,
    ``S[m, q] = -s_m / sqrt(C) * sum_c e[c, q] (k[c, m] - k[c, q])^2``, becomes one matrix product.

    Parameters
    ----------
    key : Tensor
        (..., C, m) keys, any float type.
    shrinkage : Tensor or None
        (..., 1, m) or (..., m), at least 1 in XMem; None stands for 1.

    Returns
    -------
    Tensor
        (..., m, 2 C + 1) float32.
    """
    rows = key.float().transpose(-1, -2)
    channels = rows.shape[-1]
    table = torch.cat([-rows.square(), 2.0 * rows, rows.new_full((*rows.shape[:-1], 1), -1.0)], dim=-1)
    if shrinkage is None:
        return table * channels**-0.5
    scale = shrinkage.float().reshape(*rows.shape[:-1], 1)
    return table * (scale * channels**-0.5)


def augment_query(key: Tensor, selection: Tensor | None = None) -> Tensor:
    """Make query rows ``[e, e k, sum_c e k^2]`` for `augment_memory`.

    Without selection the term of the query alone is left out, as XMem does: ``S = s (2 k.q - |k|^2) / sqrt(C)``.

    Parameters
    ----------
    key : Tensor
        (..., C, q) keys, any float type.
    selection : Tensor or None
        (..., C, q), 0 to 1 in XMem.

    Returns
    -------
    Tensor
        (..., q, 2 C + 1) float32.
    """
    rows = key.float().transpose(-1, -2)
    if selection is None:
        return torch.cat([torch.ones_like(rows), rows, rows.new_zeros((*rows.shape[:-1], 1))], dim=-1)
    weight = selection.float().transpose(-1, -2)
    weighted = weight * rows
    return torch.cat([weight, weighted, (weighted * rows).sum(-1, keepdim=True)], dim=-1)


def add_position(key: Tensor, selection: Tensor, position_px: Tensor, locality_px: float) -> tuple[Tensor, Tensor]:
    """Add a prior on positions to keys and selections: cells look alike, but a distant one is rarely the same.

    The similarity of XMem (equation 3) is a weighted squared distance, so that a distance between positions fits in as
    two more channels. That of element ``m`` and query ``q`` becomes ``S[m, q] - s_m |p_m - p_q|^2 / (2 locality^2)``,
    where ``S`` is the similarity without positions: a Gaussian, sharpened by the element's shrinkage ``s_m >= 1``.

    Parameters
    ----------
    key, selection : Tensor
        ``(..., C, n)``.
    position_px : Tensor
        ``(..., n, 2)`` y, x relative to the object, in pixels.
    locality_px : float
        Standard deviation of the prior; above 0.

    Returns
    -------
    tuple of 2 Tensor
        ``(..., C + 2, n)`` in the type of `key`.
    """
    channels = key.shape[-2]
    total = channels + POSITION_CHANNELS
    position = position_px.to(key).transpose(-1, -2) * ((total**0.5 / 2) ** 0.5 / locality_px)
    key = torch.cat([key * (total / channels) ** 0.25, position], dim=-2)
    return key, torch.cat([selection, torch.ones_like(position)], dim=-2)


def similarity(memory_rows: Tensor, query_rows: Tensor, out: Tensor | None = None) -> Tensor:
    """Compare augmented queries (..., q, D) with augmented memory (..., m, D): (..., q, m) float32, in `out`."""
    with torch.autocast(query_rows.device.type, enabled=False):
        return torch.matmul(query_rows, memory_rows.transpose(-1, -2), out=out)


def topk_affinity(scores: Tensor, top_k: int | None) -> SparseAffinity:
    """Softmax over the ``top_k`` most similar elements of each query.

    ``top_k`` is clamped to the number of elements, and the maximum is subtracted before ``exp``: queries far from all
    of memory give no NaN. Of elements with exactly equal similarity at the cut any may answer, but in every run on
    one machine the same ones. The order within ``k`` is not sorted.

    Parameters
    ----------
    scores : Tensor
        (q, m) float32 similarities, ``m`` at least 1.
    top_k : int or None
        None: all elements.

    Returns
    -------
    SparseAffinity
        With ``k = min(top_k, m)``, or ``m``.
    """
    n_elements = scores.shape[-1]
    if top_k is None or top_k >= n_elements:
        index = torch.arange(n_elements, dtype=torch.int64, device=scores.device).expand(scores.shape[0], n_elements)
        return SparseAffinity(index, torch.softmax(scores, dim=-1))
    best, index = largest(scores, top_k)
    return SparseAffinity(index, torch.softmax(best, dim=-1))


def largest(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Return the largest ``top_k`` scores of each row and their places, both (q, top_k), unsorted."""
    if wants_few_calls(scores.device):
        best, index = torch.topk(scores, top_k, dim=-1, sorted=False)
        return best, index
    n_elements = scores.shape[1]
    if n_elements < max(BLOCKS_MIN_ELEMENTS, 4 * BLOCK * top_k):
        index = torch.from_numpy(_partition(scores, top_k))
        return scores.gather(1, index), index
    # the largest k lie in the k blocks of largest maximum (block b: b, b + n, b + 2n ...) or in the odd rest
    n_blocks = n_elements // BLOCK
    top = scores[:, : BLOCK * n_blocks].unflatten(1, (BLOCK, n_blocks)).amax(1)
    chosen, places = _partition(top, top_k), np.empty((scores.shape[0], BLOCK * top_k + n_elements % BLOCK), np.int64)
    for within in range(BLOCK):
        np.add(chosen, within * n_blocks, out=places[:, within * top_k : (within + 1) * top_k])
    places[:, BLOCK * top_k :] = np.arange(BLOCK * n_blocks, n_elements)
    few = scores.gather(1, torch.from_numpy(places))
    index = torch.from_numpy(np.take_along_axis(places, _partition(few, top_k), 1))
    return scores.gather(1, index), index


def _partition(scores: Tensor, top_k: int) -> NDArray[np.int64]:
    """Return the places (q, k) of the largest scores; numpy's introselect: three times as fast as torch.topk here."""
    table = scores.detach().numpy()
    return np.ascontiguousarray(np.argpartition(table, table.shape[1] - top_k, axis=1)[:, -top_k:])


def readout(affinity: SparseAffinity, values: Tensor) -> Tensor:
    """Average the values of the elements that answer, as a weighted gather.

    Parameters
    ----------
    affinity : SparseAffinity
        Of ``q`` queries.
    values : Tensor
        (m, C) float, one row per memory element.

    Returns
    -------
    Tensor
        (q, C) in the type of ``values``; sums run in float32.
    """
    if affinity.index.shape[1] == values.shape[0]:
        return (affinity.weight @ values.float()).to(values.dtype)
    if values.dtype != torch.float32:
        picked = values[affinity.index].float()
        return torch.einsum("qk,qkc->qc", affinity.weight, picked).to(values.dtype)
    return functional.embedding_bag(affinity.index, values, mode="sum", per_sample_weights=affinity.weight)


def read_dense(
    memory_key: Tensor,
    shrinkage: Tensor | None,
    query_key: Tensor,
    selection: Tensor | None,
    value: Tensor,
    top_k: int | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """Read a batch of memories; differentiable in every tensor, for training.

    Parameters
    ----------
    memory_key : Tensor
        (B, C, M).
    shrinkage : Tensor or None
        (B, 1, M).
    query_key : Tensor
        (B, C, Q).
    selection : Tensor or None
        (B, C, Q).
    value : Tensor
        (B, V, M).
    top_k : int or None
        None: all elements.
    valid : Tensor or None
        (B, M) bool; False elements never answer. Each batch item needs at least one valid element.

    Returns
    -------
    Tensor
        (B, V, Q) in the type of ``value``.
    """
    scores = similarity(augment_memory(memory_key, shrinkage), augment_query(query_key, selection))
    if valid is not None:
        scores = scores.masked_fill(~valid[:, None, :], float("-inf"))
    n_elements = scores.shape[-1]
    if top_k is None or top_k >= n_elements:
        weight = torch.softmax(scores, dim=-1)
    else:
        best, index = torch.topk(scores, top_k, dim=-1)
        weight = torch.zeros_like(scores).scatter(-1, index, torch.softmax(best, dim=-1))
    with torch.autocast(value.device.type, enabled=False):
        return torch.einsum("bqm,bvm->bvq", weight, value.float()).to(value.dtype)
