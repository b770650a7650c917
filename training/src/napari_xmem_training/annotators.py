"""What annotators do to masks: a shaking hand (noise on the seed) and a habit (all borders further out or in)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

__all__ = ["annotator_bias", "seed_noise"]

_LEAST_AREA_PX = 60.0
"""A target shrunk below this area stays as it is."""


def seed_noise(target: Tensor, generator: torch.Generator, share: float = 0.34) -> Tensor:
    """Shrink or grow a `share` of the seeds ``(B, H, W)`` by a pixel, as hands do."""
    pick = torch.rand(target.shape[0], generator=generator)
    grown = _grow(target, 1)
    shrunk = _shrink(target, 1)
    shrunk = torch.where(shrunk.flatten(1).sum(1)[:, None, None] > 20, shrunk, target)
    pick = pick.to(target.device)[:, None, None]
    return torch.where(pick < share / 2, grown, torch.where(pick < share, shrunk, target))


def annotator_bias(target: Tensor, others: Tensor, generator: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
    """Move the borders of a `share` of the clips by one to three pixels, alike on all frames.

    Where a blurred cell ends is a matter of convention. A network that has seen only one convention returns to it
    frame by frame, whatever the seed shows; one that has seen many takes it from the seed.

    Parameters
    ----------
    target, others : Tensor
        ``(B, T, H, W)``, 0 or 1.
    generator : torch.Generator
        Draws the clips and the distances.
    share : float
        Of clips, 0 to 1.

    Returns
    -------
    target, others : Tensor
        Still disjoint. A target is not shrunk where little would be left of it on its first frame.
    """
    count = target.shape[0]
    picked = (torch.rand(count, generator=generator) < share).tolist()
    distance_px = (torch.randint(1, 4, (count,), generator=generator)).tolist()
    inward = (torch.rand(count, generator=generator) < 0.5).tolist()
    target, others = target.clone(), others.clone()
    for i in range(count):
        if not picked[i]:
            continue
        move = _shrink if inward[i] else _grow
        moved = move(target[i], distance_px[i])
        if inward[i] and float(moved[0].sum()) < max(_LEAST_AREA_PX, 0.4 * float(target[i, 0].sum())):
            continue
        target[i] = moved
        others[i] = move(others[i], distance_px[i]) * (1 - moved)
    return target, others


def _grow(mask: Tensor, distance_px: int) -> Tensor:
    """Dilate masks ``(N, H, W)`` by a disc-like kernel: crosses and squares in turn."""
    mask = mask[:, None]
    for step in range(distance_px):
        if step % 2 == 0:
            along_y = max_pool2d(mask, (3, 1), stride=1, padding=(1, 0))
            along_x = max_pool2d(mask, (1, 3), stride=1, padding=(0, 1))
            mask = torch.maximum(along_y, along_x)
        else:
            mask = max_pool2d(mask, 3, stride=1, padding=1)
    return mask[:, 0]


def _shrink(mask: Tensor, distance_px: int) -> Tensor:
    return 1 - _grow(1 - mask, distance_px)
