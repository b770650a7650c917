"""Soft aggregation: independent probabilities of objects become one distribution per pixel."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["PROBABILITY_EPS", "odds", "soft_aggregate"]

PROBABILITY_EPS = 1e-7


def odds(probability: Tensor) -> Tensor:
    """Return ``p / (1 - p)`` with ``p`` clamped to ``[1e-7, 1 - 1e-7]``, in float32."""
    p = probability.float().clamp(PROBABILITY_EPS, 1 - PROBABILITY_EPS)
    return p / (1 - p)


def soft_aggregate(probability: Tensor) -> Tensor:
    """Turn probabilities of objects into a distribution over background and objects.

    ``q = cat[prod_i (1 - p_i), p_1 .. p_N]``, clamped; the result is the softmax of the logits of ``q``, that is
    ``odds(q)`` divided by its sum. Computed in float32: in half precision the clamp would round to 1.

    Parameters
    ----------
    probability : Tensor
        ``(N, H, W)``, 0 to 1.

    Returns
    -------
    Tensor
        ``(N + 1, H, W)`` float32, background first, summing to 1.

    References
    ----------
    Oh et al. 2019, Video Object Segmentation using Space-Time Memory Networks (arXiv 1904.00607), section 3.4.
    """
    probability = probability.float()
    background = torch.prod(1 - probability, dim=0, keepdim=True)
    ratio = odds(torch.cat([background, probability], 0))
    return ratio / ratio.sum(0, keepdim=True)
