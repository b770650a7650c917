"""Soft aggregation where regions overlap: the numbers of the whole-frame formula, without a frame per object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.model.aggregate import odds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["aggregate_regions", "others_in"]


def aggregate_regions(masks: Sequence[RegionMask], seeded: set[int], frame_shape: tuple[int, int]) -> list[RegionMask]:
    """Aggregate objects that know nothing of each other.

    At every pixel the objects whose regions cover it compete with each other and with the background, exactly as
    `napari_xmem.model.soft_aggregate` would let them if all others had probability 0 there. Predictions give way where
    any seed is painted.

    Parameters
    ----------
    masks : sequence of RegionMask
        Probabilities of each object by itself.
    seeded : set of int
        Objects whose mask was given.
    frame_shape : tuple of 2 int
        Size of the scaled frame.
    """
    if not masks:
        return []
    device = masks[0].probability.device
    free = torch.ones(frame_shape, dtype=torch.float32, device=device)
    for mask in masks:
        if mask.object_id in seeded:
            free[mask.region.slices] *= (mask.probability.to(device) <= 0.5).float()
    own = [
        mask.probability.to(device) if mask.object_id in seeded else mask.probability * free[mask.region.slices]
        for mask in masks
    ]
    background = torch.ones(frame_shape, dtype=torch.float32, device=device)
    claims = torch.zeros(frame_shape, dtype=torch.float32, device=device)
    for mask, probability in zip(masks, own, strict=True):
        background[mask.region.slices] *= 1 - probability
        claims[mask.region.slices] += odds(probability)
    total = claims + odds(background)
    return [
        RegionMask(mask.object_id, mask.region, odds(probability) / total[mask.region.slices])
        for mask, probability in zip(masks, own, strict=True)
    ]


def others_in(masks: Iterable[RegionMask], frame_shape: tuple[int, int]) -> Tensor:
    """Return the sum ``(H, W)`` of all objects' probabilities; minus an object's own, the others'."""
    masks = list(masks)
    total = torch.zeros(frame_shape, dtype=torch.float32, device=masks[0].probability.device if masks else "cpu")
    for mask in masks:
        total[mask.region.slices] += mask.probability
    return total
