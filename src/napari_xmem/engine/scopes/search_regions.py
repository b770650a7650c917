"""Where objects are looked for: a region around the place where each is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region, largest_margin_px, object_region
from napari_xmem.engine.scopes.unchanged_regions import CALM_SHARE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

    from napari_xmem.config import ModelConfig
    from napari_xmem.engine.scopes.comparison_picture import Picture
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.unchanged_regions import VideoRate

__all__ = ["Search"]

#: Growth of the region per frame in which the object was not found, and its limit.
SEARCH_GROWTH, SEARCH_LIMIT = 0.5, 2.0
#: Growth of the region of an object whose mask reached its border.
CUT_GROWTH = 1.5


class Search:
    """Lays regions around objects; a part of the local scope.

    Parameters
    ----------
    model : ModelConfig
        Stride of the key grid and usual size of objects.
    max_displacement_px : float, optional
        See `LocalScope`.
    detail : float
        See `FrameGeometry`.

    Attributes
    ----------
    margin_px : float
        How far around objects is looked at most, in pixels of the scaled frame.
    """

    def __init__(self, model: ModelConfig, max_displacement_px: float | None = None, detail: float = 1.0) -> None:
        self.margin_px = largest_margin_px(model, max_displacement_px, detail)
        self._fixed = max_displacement_px is not None
        self._stride_px = model.stride_px

    def region_for(
        self,
        centre_px: tuple[float, float],
        extent_px: tuple[float, float],
        frame_shape: tuple[int, int],
        grow: float = 1.0,
        margin_px: float | None = None,
    ) -> Region:
        """Return the region for an object of this place and size; `margin_px` around it, None: the largest."""
        margin = self.margin_px if margin_px is None else margin_px
        return object_region(centre_px, extent_px, frame_shape, self._stride_px, margin, grow)

    def seed_from_mask(self, object_id: int, mask: Tensor, frame_shape: tuple[int, int]) -> RegionMask:
        """Cut the region out of a mask ``(H, W)`` of the scaled frame."""
        filled = (mask > 0.5).nonzero()
        if not len(filled):
            return RegionMask(object_id, Region(0, 0, 0, 0), mask[:0, :0])
        top, left = filled.amin(0).tolist()
        bottom, right = (filled.amax(0) + 1).tolist()
        region = self.region_for(((top + bottom) / 2, (left + right) / 2), (bottom - top, right - left), frame_shape)
        return RegionMask(object_id, region, mask[region.slices].float().cpu())

    def nowhere(self, tracked: TrackedObject, frame_shape: tuple[int, int]) -> RegionMask:
        """Return an empty mask where an object was looked for: what lies there is not the object."""
        region = self.region_for(tracked.centre_px, tracked.extent_px, frame_shape)
        return RegionMask(tracked.object_id, region, torch.zeros(region.shape, dtype=torch.float32, device="cpu"))

    def regions(
        self,
        objects: Mapping[int, TrackedObject],
        shape: tuple[int, int],
        drift_px: tuple[float, float],
        skip: Collection[int] = (),
        rate: VideoRate | None = None,
        picture: Picture | None = None,
    ) -> list[tuple[int, Region]]:
        """Return where each of some objects is looked for, and note where it is expected.

        Parameters
        ----------
        objects : mapping of int to TrackedObject
            Those that may be looked for; the ones without a memory are not.
        shape : tuple of 2 int
            Size of the scaled frame.
        drift_px : tuple of 2 float
            Its shift since the last one.
        skip : collection of int
            Objects that are not looked for.
        rate : VideoRate, optional
            Few objects are on a large field: the calm ones are looked for closely.
        picture : Picture, optional
            The frame: with `rate`, lost objects are looked for elsewhere on it, or not at all.
        """
        todo = []
        for tracked in objects.values():
            if tracked.object_id in skip or not tracked.bank.object_ids:
                continue
            grow = min(1 + SEARCH_GROWTH * tracked.lost_frames, SEARCH_LIMIT)
            grow = max(grow, CUT_GROWTH) if tracked.cut else grow
            tracked.expected_px = tracked.shifted(drift_px)
            if rate is not None and tracked.lost_frames and picture is not None:
                place = rate.place_to_search(tracked, objects, picture)
                if place is None:
                    continue
                tracked.expected_px, grow = place, grow if place == tracked.expected_px else 1.0
            margin = None if self._fixed else tracked.margin_px(self.margin_px, CALM_SHARE if rate else None)
            region = self.region_for(tracked.expected_px, tracked.extent_px, shape, grow, margin)
            todo.append((tracked.object_id, region))
        return todo
