"""Losses on the aggregated probability of the followed object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["bootstrapped_cross_entropy", "dice_loss"]

_EPS = 1e-6


def bootstrapped_cross_entropy(probability: Tensor, target: Tensor, share: float) -> Tensor:
    """Mean binary cross-entropy of the hardest `share` of pixels of each frame.

    Parameters
    ----------
    probability, target : Tensor
        ``(B, H, W)``, 0 to 1.
    share : float
        Over 0 to 1; 1 is the plain mean.

    References
    ----------
    Cheng et al. 2021, STCN (arXiv 2106.05210), section 4.
    """
    p = probability.float().clamp(_EPS, 1 - _EPS)
    loss = -(target * p.log() + (1 - target) * (1 - p).log()).flatten(1)
    if share >= 1:
        return loss.mean()
    keep = max(1, int(share * loss.shape[1]))
    return loss.topk(keep, dim=1, sorted=False).values.mean()


def dice_loss(probability: Tensor, target: Tensor, smooth_px: float = 20.0) -> Tensor:
    """One minus the soft Dice overlap, mean over the batch.

    `smooth_px` keeps the loss of an absent object (empty target) finite: it grows with the area painted in vain.
    """
    p, t = probability.float().flatten(1), target.flatten(1)
    overlap = 2 * (p * t).sum(1) + smooth_px
    return (1 - overlap / (p.sum(1) + t.sum(1) + smooth_px)).mean()
