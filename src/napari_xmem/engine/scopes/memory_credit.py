"""How confident and correct predictions were, per cell of the key grid: what memory elements are credited with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["credit_memory", "frame_confidence", "own_pixels", "region_confidence"]


def own_pixels(final: Tensor, stride_px: int) -> Tensor:
    """Return each key cell's share of the pixels of an object, or of all objects.

    Parameters
    ----------
    final : Tensor
        ``(h, w)`` float in 0..1, sides multiples of `stride_px`.
    stride_px : int
        Key stride.

    Returns
    -------
    Tensor
        ``(h w / stride^2,)`` float32 of sum 1; all 0 without any pixel.
    """
    covered = F.avg_pool2d((final > 0.5).float()[None], stride_px).flatten()
    return covered / covered.sum().clamp_min(1e-12)


def region_confidence(own: Tensor, final: Tensor, stride_px: int) -> Tensor:
    """Rate what memory said of one object in its region.

    A pixel counts ``|2 p - 1|`` with the final probability ``p``, and 0 where the object's own prediction was
    overruled: by a neighbour, or because it was a stray speck.

    Parameters
    ----------
    own, final : Tensor
        ``(h, w)`` float in 0..1, sides multiples of `stride_px`: what was decoded from memory, and what became of it.
    stride_px : int
        Key stride.

    Returns
    -------
    Tensor
        ``(h w / stride^2,)`` float32 in 0..1, the mean over each key cell.
    """
    agreed = (own > 0.5) == (final > 0.5)
    decided = (2 * final.float() - 1).abs() * agreed
    return F.avg_pool2d(decided[None], stride_px).flatten()


def frame_confidence(probability: Tensor, stride_px: int) -> Tensor:
    """Rate what memory said of a whole frame.

    A pixel counts the lead of the most probable object (or the background) over the second; with one object that is
    ``|2 p - 1|``.

    Parameters
    ----------
    probability : Tensor
        ``(objects + 1, H, W)`` float in 0..1, background first, aggregated; sides multiples of `stride_px`.
    stride_px : int
        Key stride.

    Returns
    -------
    Tensor
        ``(H W / stride^2,)`` float32 in 0..1, the mean over each key cell.
    """
    first, second = probability.float().topk(2, dim=0).values
    return F.avg_pool2d((first - second)[None], stride_px).flatten()


def credit_memory(
    objects: Mapping[int, TrackedObject], found: Mapping[int, RegionMask], masks: Sequence[RegionMask], stride_px: int
) -> None:
    """Tell the memory of each object how its answers turned out: of a lost object nothing was right.

    Parameters
    ----------
    objects : mapping of int to TrackedObject
        The objects.
    found : mapping of int to RegionMask
        What was decoded from memory, of those that were looked for.
    masks : sequence of RegionMask
        What became of it.
    stride_px : int
        Key stride.
    """
    for mask in masks:
        tracked = objects[mask.object_id]
        if mask.object_id not in found or not tracked.bank.wants_feedback:
            continue
        own = found[mask.object_id].probability
        rated = (
            own_pixels(mask.probability, stride_px)
            if tracked.bank.wants_own_pixels
            else region_confidence(own, mask.probability, stride_px)
        )
        tracked.bank.feedback(rated * (not tracked.lost_frames))
