"""How the values of candidates are weighed when they strengthen a prototype.

Prototype value = ``sum_j w_j v_j``, ``w = softmax_j(S[j, prototype] + b_j)`` over all candidates ``j``. A policy gives
the log-prior ``b``; ``affinity`` is the paper (XMem, Cheng & Schwing, ECCV 2022, section 3.3: ``b = 0``). The cycle
check follows Jabri, Owens & Efros (NeurIPS 2020, arXiv 2006.14613).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from napari_xmem.memory.affinity import similarity
from napari_xmem.memory.policy_registry import Registry
from napari_xmem.memory.usage import importance_prior

__all__ = [
    "POTENTIATIONS",
    "AffinityPotentiation",
    "CombinedPotentiation",
    "ConsistencyPotentiation",
    "ImportancePotentiation",
    "Potentiation",
]

_TINY = 1e-6


class Potentiation(Protocol):
    """Weighs candidates.

    A policy that does not look at ``trust`` may say so with an attribute ``uses_feedback`` False; the engine then saves
    the work of measuring confidence.
    """

    def log_prior(
        self, *, rows: Tensor, queries: Tensor, block: Tensor, values: Tensor, valid: Tensor, trust: Tensor
    ) -> Tensor | None:
        """Return what is added to the similarities of the candidates.

        Parameters
        ----------
        rows, queries : Tensor
            (m, D) candidates as memory and as queries (`augment_memory`, `augment_query`).
        block : Tensor
            (m,) int64, number of the memorised frame; grows with the time of memorising.
        values : Tensor
            (objects, m, V).
        valid : Tensor
            (objects, m) bool.
        trust : Tensor
            (m,) in 0..1, see `napari_xmem.memory.usage.trust`.

        Returns
        -------
        Tensor or None
            (m,) log-prior; None for none at all.
        """
        ...


@dataclass(frozen=True, slots=True)
class AffinityPotentiation:
    """The paper: affinity to the prototype alone."""

    uses_feedback: ClassVar[bool] = False

    def log_prior(
        self, *, rows: Tensor, queries: Tensor, block: Tensor, values: Tensor, valid: Tensor, trust: Tensor
    ) -> Tensor | None:
        """Return None."""
        return None


@dataclass(frozen=True, slots=True)
class ImportancePotentiation:
    """Elements that took part in confident predictions count more: ``b_j = strength * log(trust_j)``.

    Attributes
    ----------
    strength : float
        At least 0; 0 is exactly `AffinityPotentiation`.
    """

    strength: float = 1.0

    @property
    def uses_feedback(self) -> bool:
        """Whether `MemoryBank.feedback` changes anything."""
        return self.strength > 0

    def log_prior(
        self, *, rows: Tensor, queries: Tensor, block: Tensor, values: Tensor, valid: Tensor, trust: Tensor
    ) -> Tensor | None:
        """Return the log-prior, see `Potentiation.log_prior`."""
        return importance_prior(trust, self.strength)


@dataclass(frozen=True, slots=True)
class ConsistencyPotentiation:
    """Elements whose value the following memorised frames contradict count less.

    Candidate ``j`` is compared with each later frame ``f`` of the candidates, ``i`` being the candidates of ``f``:
    ``F[i] = softmax_i S[i, j]`` (where ``j`` went), ``B[i] =`` weight of ``j`` when ``i`` looks back at all candidates
    of ``j``'s frame, ``c_jf = sum_i F[i] B[i]`` (chance to come back, the cycle check), ``v'_jf = sum_i F[i] v_i``
    (what the place became), ``d_jf = 1 - cos(v_j, v'_jf)`` averaged over the objects valid in both. Then

    ``b_j = -strength * sum_f a_jf c_jf d_jf``, ``a_jf = c_jf / sum_g c_jg``,

    the evidence ``c d`` averaged over the frames to the degree that their cycle closes. A frame without a way back, or
    without an object valid in both, is no evidence and leaves the average to the others; where no frame is left, as for
    the last one, ``b = 0``. With one following frame ``b = -strength * c d``.

    The cost is one comparison, there and back, of every two frames of the candidates, at consolidation only.

    Attributes
    ----------
    strength : float
        At least 0; 0 is exactly `AffinityPotentiation`.
    """

    strength: float = 1.0
    uses_feedback: ClassVar[bool] = False

    def log_prior(
        self, *, rows: Tensor, queries: Tensor, block: Tensor, values: Tensor, valid: Tensor, trust: Tensor
    ) -> Tensor | None:
        """Return the log-prior, see `Potentiation.log_prior`."""
        if self.strength == 0:
            return None
        prior = torch.zeros(rows.shape[0], dtype=torch.float32, device=rows.device)
        order = [(block == number).nonzero()[:, 0] for number in torch.unique(block).tolist()]
        for number, here in enumerate(order[:-1]):
            pairs = [_compare(rows, queries, values, valid, here, after) for after in order[number + 1 :]]
            closes = torch.stack([cycle * known for cycle, _, known in pairs])
            total = closes.sum(dim=0)
            share = closes / torch.where(total > 0, total, 1.0)
            evidence = torch.stack([-self.strength * cycle * apart for cycle, apart, _ in pairs])
            prior[here] = (share * evidence).sum(dim=0)
        return prior


@dataclass(frozen=True, slots=True)
class CombinedPotentiation:
    """Importance and consistency together: their log-priors are added.

    Attributes
    ----------
    importance, consistency : float
        Strengths; both 0 is exactly `AffinityPotentiation`.
    """

    importance: float = 1.0
    consistency: float = 1.0

    @property
    def uses_feedback(self) -> bool:
        """Whether `MemoryBank.feedback` changes anything."""
        return self.importance > 0

    def log_prior(
        self, *, rows: Tensor, queries: Tensor, block: Tensor, values: Tensor, valid: Tensor, trust: Tensor
    ) -> Tensor | None:
        """Return the log-prior, see `Potentiation.log_prior`."""
        total: Tensor | None = None
        for part in (ImportancePotentiation(self.importance), ConsistencyPotentiation(self.consistency)):
            prior = part.log_prior(rows=rows, queries=queries, block=block, values=values, valid=valid, trust=trust)
            if prior is not None:
                total = prior if total is None else total + prior
        return total


def _compare(
    rows: Tensor, queries: Tensor, values: Tensor, valid: Tensor, here: Tensor, after: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compare the n candidates ``here`` with those of one later frame.

    Returns
    -------
    tuple of Tensor
        (n,) each: chance to come back 0..1; ``1 - cos`` between values and what they became, averaged over the objects
        valid in both frames; bool, whether there is such an object.
    """
    forward = torch.softmax(similarity(rows[after], queries[here]), dim=1)
    backward = torch.softmax(similarity(rows[here], queries[after]), dim=1)
    cycle = (forward * backward.T).sum(dim=1)
    later = valid[:, after].float()
    became = torch.einsum("ij,ojv->oiv", forward, values[:, after].float() * later[:, :, None])
    apart = 1.0 - functional.cosine_similarity(values[:, here].float(), became, dim=-1, eps=_TINY)
    both = valid[:, here] & (torch.einsum("ij,oj->oi", forward, later) > 0.5)
    count = both.sum(dim=0)
    return cycle, (apart * both).sum(dim=0) / count.clamp_min(1), count > 0


POTENTIATIONS: Registry[Potentiation] = Registry("potentiation")
POTENTIATIONS.register("affinity", lambda config: AffinityPotentiation())
POTENTIATIONS.register("importance", lambda config: ImportancePotentiation(config.importance_strength))
POTENTIATIONS.register("consistency", lambda config: ConsistencyPotentiation(config.consistency_strength))
POTENTIATIONS.register(
    "importance+consistency",
    lambda config: CombinedPotentiation(config.importance_strength, config.consistency_strength),
)
