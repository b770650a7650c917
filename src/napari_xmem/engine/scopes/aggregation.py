"""Soft aggregation where regions overlap: the numbers of the whole-frame formula, without a frame per object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine.scopes.region_masks import RegionMask, moved, touching
from napari_xmem.model.aggregate import PROBABILITY_EPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["aggregate_regions", "others_in"]

_LEAST, _MOST = np.float32(PROBABILITY_EPS), np.float32(1 - PROBABILITY_EPS)


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
    out: dict[int, RegionMask] = {}
    for box, group in touching(masks, frame_shape):
        shared = _aggregate([moved(mask, -box.y, -box.x) for mask in group], seeded, box.shape)
        out |= {mask.object_id: moved(mask, box.y, box.x) for mask in shared}
    return [out[mask.object_id] for mask in masks]


def _aggregate(masks: Sequence[RegionMask], seeded: set[int], frame_shape: tuple[int, int]) -> list[RegionMask]:
    own = [mask.pixels.astype(np.float32, copy=False) for mask in masks]
    painted = [(mask, pixels) for mask, pixels in zip(masks, own, strict=True) if mask.object_id in seeded]
    if painted:
        free = np.ones(frame_shape, np.float32)
        for mask, pixels in painted:
            free[mask.region.slices] *= pixels <= 0.5
        own = [
            pixels if mask.object_id in seeded else pixels * free[mask.region.slices]
            for mask, pixels in zip(masks, own, strict=True)
        ]
    background, total = np.ones(frame_shape, np.float32), np.zeros(frame_shape, np.float32)
    claims = []
    for mask, pixels in zip(masks, own, strict=True):
        window = mask.region.slices
        background[window] *= 1 - pixels
        claims.append(_odds(pixels))
        total[window] += claims[-1]
    total += _odds(background)
    return [
        RegionMask.of(mask.object_id, mask.region, np.divide(claim, total[mask.region.slices], out=claim))
        for mask, claim in zip(masks, claims, strict=True)
    ]


def others_in(masks: Iterable[RegionMask], frame_shape: tuple[int, int]) -> Tensor:
    """Return the sum ``(H, W)`` of all objects' probabilities; minus an object's own, the others'."""
    total = np.zeros(frame_shape, np.float32)
    for mask in masks:
        total[mask.region.slices] += mask.pixels
    return torch.from_numpy(total)


def _odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``p / (1 - p)`` as `napari_xmem.model.aggregate.odds` does, number for number."""
    p = np.clip(probability, _LEAST, _MOST)
    odds: NDArray[np.float32] = np.divide(p, 1 - p, out=p)
    return odds
