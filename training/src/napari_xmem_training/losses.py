"""Losses on the aggregated probability of the followed object."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["bootstrapped_cross_entropy", "dice_loss", "state_loss", "true_states"]

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


def state_loss(logits: Tensor, probability: Tensor, target: Tensor, events: Tensor, least_px: float = 20.0) -> Tensor:
    """Cross-entropy of what the network says of objects, mean over what is known.

    Parameters
    ----------
    logits : Tensor
        ``(B, 5)`` in the order of `napari_xmem.model.STATES`.
    probability, target : Tensor
        ``(B, H, W)``, 0 to 1: the mask that the network arrived at, and the truth.
    events : Tensor
        ``(B, 3)``: about to divide, dividing, divided; 0, 1, or NaN where that is not known.
    least_px : float
        Fewer pixels than this are no object.
    """
    wanted = true_states(probability, target, events, least_px)
    known = torch.isfinite(wanted)
    loss = F.binary_cross_entropy_with_logits(logits.float(), wanted.nan_to_num(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


@torch.no_grad()
def true_states(probability: Tensor, target: Tensor, events: Tensor, least_px: float = 20.0) -> Tensor:
    """Return what `napari_xmem.model.STATES` truly are, ``(B, 5)``, NaN where that is not known.

    Parameters are those of `state_loss`. Agreement is the Jaccard index; where the object is absent, 1 for an empty
    mask and 0 for another, and nothing is known of events.
    """
    painted, truth = probability > 0.5, target > 0.5
    overlap = (painted & truth).sum((1, 2)).float()
    union = (painted | truth).sum((1, 2)).float()
    present = truth.sum((1, 2)) >= least_px
    agreement = torch.where(present, overlap / union.clamp(min=1), (union < least_px).float())
    seen = torch.where(present[:, None], events.float(), torch.full_like(events, torch.nan, dtype=torch.float32))
    return torch.cat([present.float()[:, None], seen, agreement[:, None]], 1)
