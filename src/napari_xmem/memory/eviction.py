"""Which long-term elements go when long-term memory is full.

Source of ``usage``: XMem (Cheng & Schwing, ECCV 2022), section 3.3. A policy only says what an element is worth;
`evict` removes exactly as many of the least worth as asked. Of equal ones the oldest goes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from napari_xmem.errors import ConfigError
from napari_xmem.memory.affinity import chunk_size, similarity
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.memory.policy_registry import Registry
from napari_xmem.memory.table_stack import pick

__all__ = [
    "EVICTIONS",
    "AgeEviction",
    "ContributionEviction",
    "CoverageEviction",
    "Eviction",
    "MixEviction",
    "RelevanceEviction",
    "RelevanceFreshnessEviction",
    "UsageCoverageEviction",
    "UsageEviction",
    "evict",
    "isolation",
]

_TINY = 1e-12
#: Elements whose isolation is measured at a time; each block is compared only with those that rank above its last.
BLOCK_ELEMENTS = 128


class Eviction(Protocol):
    """Says what elements are worth.

    A policy that does not look at ``contribution`` may say so with an attribute ``uses_feedback`` False; the engine
    then saves the work of measuring confidence. One with ``own_pixels`` True is given as ``contribution`` the mean mass
    that the object's own pixels gave, instead of mass times confidence. One that looks at ``isolation`` must say so
    with ``uses_isolation`` True; otherwise it is not measured and given as zeros.

    One of this package that rates every element by itself has ``over_objects`` True: it is asked about many memories at
    once, with all arguments (N, m). Others are asked about one memory after the other.
    """

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements.

        Parameters
        ----------
        usage : Tensor
            (m,) use / life.
        age_frames : Tensor
            (m,) frames between now and the frame the element comes from, at least 0.
        relevance : Tensor
            (m,) running mean of the affinity mass received.
        contribution : Tensor
            (m,) running mean of the mass that went into confident predictions.
        isolation : Tensor
            (m,) distance to the nearest element that is used more or permanent, see
            `napari_xmem.memory.eviction.isolation`.

        Returns
        -------
        Tensor
            (m,) float; the least go first.
        """
        ...


@dataclass(frozen=True, slots=True)
class UsageEviction:
    """The paper: least use / life goes first."""

    uses_feedback: ClassVar[bool] = False
    over_objects: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        return usage


@dataclass(frozen=True, slots=True)
class AgeEviction:
    """Oldest first: ``0.5 ^ (age / half_life)``.

    Attributes
    ----------
    half_life_frames : float
        More than 0. Alone it changes no order, in a mix it sets the scale.
    """

    half_life_frames: float = 100.0
    uses_feedback: ClassVar[bool] = False
    over_objects: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        # in float64: young and very old elements keep their order (2^-1000 is still a number)
        return torch.exp2(-age_frames.double() / self.half_life_frames)


@dataclass(frozen=True, slots=True)
class RelevanceEviction:
    """What the present scene asks for least goes first: running mean of the affinity mass received."""

    uses_feedback: ClassVar[bool] = False
    over_objects: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        return relevance


@dataclass(frozen=True, slots=True)
class ContributionEviction:
    """What supported the fewest confident predictions goes first: running mean of mass times confidence."""

    over_objects: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        return contribution


@dataclass(frozen=True, slots=True)
class MixEviction:
    """Weighted mean of the four criteria, each divided by its largest value.

    ``w_u u / max u + w_a 0.5^(age / half_life) + w_r r / max r + w_c c / max c``, over the sum of the weights.

    Attributes
    ----------
    usage, age, relevance, contribution : float
        Weights, at least 0, not all 0.
    half_life_frames : float
        See `AgeEviction`.
    """

    usage: float = 1.0
    age: float = 0.5
    relevance: float = 1.0
    contribution: float = 1.0
    half_life_frames: float = 100.0
    over_objects: ClassVar[bool] = True

    @property
    def uses_feedback(self) -> bool:
        """Whether `MemoryBank.feedback` changes anything."""
        return self.contribution > 0

    def __post_init__(self) -> None:
        if self.usage + self.age + self.relevance + self.contribution <= 0:
            raise ConfigError("All mix_* weights are 0, expected at least one above 0 for eviction 'mix'.")

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        young = torch.exp2(-age_frames.double() / self.half_life_frames)
        total = self.usage * _share(usage) + self.age * young
        total = total + self.relevance * _share(relevance) + self.contribution * _share(contribution)
        return total / (self.usage + self.age + self.relevance + self.contribution)


@dataclass(frozen=True, slots=True)
class CoverageEviction:
    """Copies first, what only one element knows last: worth is the isolation ``delta``.

    Farthest-point thinning (Gonzalez, Theoret. Comput. Sci. 38, 1985) with the order of density peaks (Rodriguez &
    Laio, Science 344, 2014): an element goes when one that is used more answers in its place, however long ago either
    was asked, so that a look that nobody asks for at present stays.
    """

    uses_feedback: ClassVar[bool] = False
    over_objects: ClassVar[bool] = True
    uses_isolation: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        return isolation


@dataclass(frozen=True, slots=True)
class UsageCoverageEviction:
    """Usage and coverage together: worth is ``(u / max u)^(1 - w) (1 - exp(-delta))^w``, in logarithms.

    The same trade as `napari_xmem.memory.prototype_selection.UsageNoveltySelection`; ``1 - exp(-delta)`` saturates.

    Attributes
    ----------
    weight : float
        ``w``, 0 to 1; 0 is exactly `UsageEviction`, 1 exactly `CoverageEviction`.
    """

    weight: float = 0.5
    uses_feedback: ClassVar[bool] = False
    over_objects: ClassVar[bool] = True

    @property
    def uses_isolation(self) -> bool:
        """Whether isolation must be measured."""
        return self.weight > 0

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        if self.weight <= 0:
            return usage
        if self.weight >= 1:
            return isolation
        novel = -torch.expm1(-isolation.double())
        return (1 - self.weight) * torch.log(_share(usage) + _TINY) + self.weight * torch.log(novel + _TINY)


@dataclass(frozen=True, slots=True)
class RelevanceFreshnessEviction:
    """Frames whose elements answer little for the object's own pixels go first, unless they are young.

    ``worth_i = r_i + weight sqrt(ln N / (n_i + 8))`` of every frame ``i`` that left elements: ``r_i`` is the mean
    attention mass of the object's own pixels that its elements receive (a running mean), ``n_i`` how long ago it was
    memorised in frames, ``N`` the sum of all ``n_i``. All elements of a frame are worth the same.

    The upper confidence bound of Zhou et al. (RMem, CVPR 2024), which evicts whole frames; here it orders long-term
    prototypes by the frame that they come from.

    Attributes
    ----------
    weight : float
        Of freshness, at least 0; 1.5 in RMem.
    """

    weight: float = 1.5
    own_pixels: ClassVar[bool] = True

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements, see `Eviction.worth`."""
        ages, frame = torch.unique(age_frames.double(), return_inverse=True)
        received = torch.zeros_like(ages).index_add_(0, frame, contribution.double())
        fresh = torch.sqrt(torch.log(ages.sum().clamp_min(1.0)) / (ages + 8))
        return (received + self.weight * fresh)[frame]


def _share(criterion: Tensor) -> Tensor:
    return criterion.double() / criterion.double().amax(dim=-1, keepdim=True).clamp_min(_TINY)


def isolation(rows: Tensor, queries: Tensor, rank: Tensor, known: Tensor, known_held: Tensor | None = None) -> Tensor:
    """Return the distance of each element to the nearest one that ranks higher: what is lost if it goes.

    After the density peaks of Rodriguez & Laio (Science 344, 2014): an element is told from its copies by the distance
    to the nearest element of higher rank, so that of many alike only one is isolated.

    ``delta_e = min over f of -S[f, e]``, ``f`` all known elements and those with ``rank_f > rank_e``, or equal rank and
    a later row. In the model's own similarity: with ``delta_e`` near 0 another element answers the queries of ``e``.

    Parameters
    ----------
    rows : Tensor
        (m, D) elements as memory (`augment_memory`), or (N, m, D) those of N memories, each by itself.
    queries : Tensor
        (m, D) the same elements as queries (`augment_query`).
    rank : Tensor
        (m,) float.
    known : Tensor
        (l, D) elements that rank above all, as memory; ``l`` may be 0.
    known_held : Tensor or None
        (N, l) bool, False for those that are only there because another memory has more; None: all are.

    Returns
    -------
    Tensor
        (m,) or (N, m) float32, at least 0; infinite where nothing ranks higher.
    """
    if rows.ndim == 2:
        return isolation(rows[None], queries[None], rank[None], known[None])[0]
    best = torch.sort(rank, stable=True).indices.flip(-1)  # of equal rank the later first
    everyone, asking = torch.cat([known, pick(rows, best)], dim=1), pick(queries, best)
    n, n_rows, n_known = len(rows), rows.shape[1], known.shape[1]
    block = n_rows if wants_few_calls(rows.device) else BLOCK_ELEMENTS
    step = max(1, min(block, chunk_size(n * everyone.shape[1])))
    lower = _not_higher(min(step, n_rows), rows.device)
    nearest = [queries.new_empty(n, 0)]
    for low in range(0, n_rows, step):
        here = asking[:, low : low + step]
        first, size = n_known + low, here.shape[1]  # so many rank above all of the block
        scores = similarity(everyone[:, : first + size - 1], here)
        if not scores.shape[-1]:
            nearest.append(queries.new_full((n, size), float("inf")))
            continue
        scores[..., first:].masked_fill_(lower[:size, : size - 1], float("-inf"))
        if known_held is not None:
            scores[..., :n_known].masked_fill_(~known_held[:, None], float("-inf"))
        nearest.append(scores.amax(dim=-1).neg_())
    return torch.empty_like(rank).scatter_(1, best, torch.cat(nearest, dim=1)).clamp_min_(0.0)


@lru_cache(maxsize=4)
def _not_higher(size: int, device: torch.device) -> Tensor:
    """Return what of a block does not rank above its elements, (size, size - 1) bool: on and above the diagonal."""
    with torch.inference_mode(False):
        return torch.ones(size, max(0, size - 1), dtype=torch.bool, device=device).triu_()


def evict(worth: Tensor, count: int) -> Tensor:
    """Return the ``count`` rows of least worth (..., count) int64, of worths (..., m); of equal rows the first."""
    return torch.sort(worth, stable=True).indices[..., : max(0, count)]


EVICTIONS: Registry[Eviction] = Registry("eviction")
EVICTIONS.register("usage", lambda config: UsageEviction())
EVICTIONS.register("age", lambda config: AgeEviction(config.half_life_frames))
EVICTIONS.register("relevance", lambda config: RelevanceEviction())
EVICTIONS.register("contribution", lambda config: ContributionEviction())
EVICTIONS.register(
    "mix",
    lambda config: MixEviction(
        config.mix_usage, config.mix_age, config.mix_relevance, config.mix_contribution, config.half_life_frames
    ),
)
EVICTIONS.register("coverage", lambda config: CoverageEviction())
EVICTIONS.register("relevance+freshness", lambda config: RelevanceFreshnessEviction())
EVICTIONS.register("usage+coverage", lambda config: UsageCoverageEviction(config.novelty_weight))
