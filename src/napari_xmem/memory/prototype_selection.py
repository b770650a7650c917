"""Which candidates become prototypes when working memory is consolidated.

Source of ``usage``: XMem (Cheng & Schwing, ECCV 2022), section 3.3. ``novelty`` is greedy farthest-point sampling
(Gonzalez, Theoret. Comput. Sci. 38, 1985) in the model's own similarity. Ties always go to the earlier candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from napari_xmem.memory.affinity import chunk_size, similarity
from napari_xmem.memory.policy_registry import Registry

__all__ = [
    "SELECTIONS",
    "NoveltySelection",
    "PrototypeSelection",
    "UniformSelection",
    "UsageNoveltySelection",
    "UsageSelection",
]

_TINY = 1e-12


class PrototypeSelection(Protocol):
    """Chooses prototypes among candidates.

    One of this package that needs to know nothing but usage has ``over_objects`` True: it is asked about many memories
    at once, with all arguments (N, m, ...) and no known elements. Others are asked about one memory after the other.
    """

    def select(self, *, rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int) -> Tensor:
        """Choose candidates.

        Parameters
        ----------
        rows : Tensor
            (m, D) candidates as memory (`augment_memory`).
        queries : Tensor
            (m, D) the same candidates as queries, with their selection (`augment_query`).
        usage : Tensor
            (m,) usage / life.
        known : Tensor
            (l, D) elements that stay in memory anyway, as memory; ``l`` may be 0.
        count : int
            How many to choose, 1 to m.

        Returns
        -------
        Tensor
            (count,) int64, different rows, best first.
        """
        ...


@dataclass(frozen=True, slots=True)
class UsageSelection:
    """The paper: the candidates of highest usage / life, in descending order."""

    over_objects: ClassVar[bool] = True

    def select(self, *, rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int) -> Tensor:
        """Choose candidates, see `PrototypeSelection.select`."""
        return torch.sort(usage, descending=True, stable=True).indices[..., :count]


@dataclass(frozen=True, slots=True)
class NoveltySelection:
    """Farthest point first: each choice is the candidate least similar to all that memory holds by then.

    ``d(c) = min over known and chosen elements e of -S[e, c]``; choose ``argmax d``. With nothing known yet the first
    choice is the candidate of highest usage.
    """

    def select(self, *, rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int) -> Tensor:
        """Choose candidates, see `PrototypeSelection.select`."""
        return _greedy(rows, queries, usage, known, count, weight=1.0)


@dataclass(frozen=True, slots=True)
class UsageNoveltySelection:
    """Coverage weighted by usage: greedy by ``(u / max u)^(1 - w) (1 - exp(-d))^w``, d as in `NoveltySelection`.

    The novelty ``1 - exp(-d)`` saturates, so that an outlier is no better than any other unknown look.

    Attributes
    ----------
    weight : float
        ``w``; 0 is exactly `UsageSelection`, 1 exactly `NoveltySelection`.
    """

    weight: float = 0.5

    def select(self, *, rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int) -> Tensor:
        """Choose candidates, see `PrototypeSelection.select`."""
        if self.weight <= 0:
            return UsageSelection().select(rows=rows, queries=queries, usage=usage, known=known, count=count)
        return _greedy(rows, queries, usage, known, count, weight=self.weight)


@dataclass(frozen=True, slots=True)
class UniformSelection:
    """Control: candidates evenly spaced over time and place, ``floor((i + 1/2) m / count)``."""

    def select(self, *, rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int) -> Tensor:
        """Choose candidates, see `PrototypeSelection.select`."""
        step = torch.arange(count, dtype=torch.int64, device=usage.device)
        return (2 * step + 1) * usage.shape[0] // (2 * count)


def _distance_to_known(queries: Tensor, known: Tensor) -> Tensor:
    """Return the distance of each query to the nearest known element (m,); infinite if nothing is known."""
    nearest = queries.new_full((queries.shape[0],), float("inf"))
    if known.shape[0] == 0:
        return nearest
    step = chunk_size(known.shape[0])
    for low in range(0, queries.shape[0], step):
        nearest[low : low + step] = -similarity(known, queries[low : low + step]).amax(dim=1)
    return nearest.clamp_min_(0.0)


def _greedy(rows: Tensor, queries: Tensor, usage: Tensor, known: Tensor, count: int, *, weight: float) -> Tensor:
    distance = _distance_to_known(queries, known)
    top = usage.max().clamp_min(_TINY)
    from_usage = (1.0 - weight) * torch.log(usage / top + _TINY)
    free = torch.zeros_like(usage)
    chosen = torch.empty(count, dtype=torch.int64, device=usage.device)
    for place in range(count):
        if place == 0 and known.shape[0] == 0:
            score = usage
        elif weight >= 1:
            score = distance + free
        else:
            score = from_usage + weight * torch.log(-torch.expm1(-distance) + _TINY) + free
        pick = torch.argmax(score)
        chosen[place] = pick
        free[pick] = float("-inf")
        distance = torch.minimum(distance, (queries @ rows[pick]).neg_().clamp_min_(0.0))
    return chosen


SELECTIONS: Registry[PrototypeSelection] = Registry("prototype_selection")
SELECTIONS.register("usage", lambda config: UsageSelection())
SELECTIONS.register("novelty", lambda config: NoveltySelection())
SELECTIONS.register("usage+novelty", lambda config: UsageNoveltySelection(config.novelty_weight))
SELECTIONS.register("uniform", lambda config: UniformSelection())
