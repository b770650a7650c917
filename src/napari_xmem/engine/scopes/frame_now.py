"""The frame at hand, encoded, and what is asked of the network about it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from napari_xmem.engine.interruption import stop_if_asked
from napari_xmem.engine.scopes.aggregation import others_in
from napari_xmem.engine.scopes.batches import RegionBatch, decode_regions, memorise_regions, read_regions
from napari_xmem.engine.scopes.region_masks import RegionMask, by_shape
from napari_xmem.engine.scopes.regions import Region, boxes_around
from napari_xmem.engine.scopes.tiling import TILE_STEP_PX, encode_frame, encode_regions
from napari_xmem.engine.scopes.unchanged_regions import HALO_PX
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.memory.writing import settle

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.scopes.frame_view import PartialFrame, WholeFrame
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.schedule import FramePlan
    from napari_xmem.engine.scopes.search_regions import Search
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.memory.distractors import Contest
    from napari_xmem.model import XMem

__all__ = ["FrameNow", "encode_view"]

#: Sides of the windows that are encoded where objects are few: of few sizes, and hardly larger than they must be.
_WINDOW_STEP_PX = 16


class Follows(Protocol):
    """What follows objects: the local scope."""

    network: XMem
    budget: Budget
    search: Search
    objects: dict[int, TrackedObject]

    def start_object(self, seed: RegionMask) -> TrackedObject:
        """Return an object that begins in a region, with an empty memory; it is not followed yet."""


def encode_view(
    scope: Follows,
    view: WholeFrame | PartialFrame,
    image: Tensor,
    regions: Sequence[Region],
    *,
    memorise: bool,
    sparse: bool,
) -> EncodedFrame:
    """Encode the parts of a frame that any region touches.

    Parameters
    ----------
    scope : Follows
        Has the network, and says how much is done at a time.
    view : WholeFrame or PartialFrame
        The frame.
    image : Tensor
        Its image ``(1, C, H, W)`` on the network's device.
    regions : sequence of Region
        The parts.
    memorise : bool
        Make the value encoder's share too.
    sparse : bool
        Few objects are on a large field: regions are encoded with little around them.
    """
    if not sparse or view.need is None:
        return encode_regions(scope.network, image, regions, scope.budget.tile, memorise=memorise, need=view.need)
    height, width = image.shape[-2:]
    corner = Region(0, 0, min(TILE_STEP_PX, height), min(TILE_STEP_PX, width))
    boxes = boxes_around(regions) or [corner]  # nobody asks where nothing has changed; still there is a frame
    return encode_frame(
        scope.network, image, boxes, memorise=memorise, step_px=_WINDOW_STEP_PX, need=view.need, halo_px=HALO_PX
    )


@dataclass(frozen=True, slots=True, eq=False)
class FrameNow:
    """The frame at hand, encoded: what is asked of the network about it."""

    scope: Follows
    image: Tensor
    encoded: EncodedFrame
    plan: FramePlan
    frame: int

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """The scope's objects."""
        return self.scope.objects

    @property
    def network(self) -> XMem:
        """What the frame was encoded with."""
        return self.scope.network

    @property
    def budget(self) -> Budget:
        """How much is computed at a time."""
        return self.scope.budget

    def region_for(self, centre_px: tuple[float, float], extent_px: tuple[float, float]) -> Region:
        """Return the region of an object of this place and size."""
        shape = (self.image.shape[-2], self.image.shape[-1])
        return self.scope.search.region_for(centre_px, extent_px, shape)

    def start_object(self, seed: RegionMask) -> TrackedObject:
        """Return an object that begins in a region, with an empty memory."""
        return self.scope.start_object(seed)

    def predict(self, objects: Mapping[int, TrackedObject], todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Return each object's own probability in its region, not yet aggregated, in host memory.

        Masks are small and handled one by one: a copy per chunk is cheaper than many small calls on the device.
        """
        network, answers = self.scope.network, dict[int, Tensor]()

        def decode(chunk: Sequence[RegionMask]) -> list[RegionMask]:
            stop_if_asked()
            batch = self._batch(objects, chunk)
            probability = decode_regions(network, self.encoded, batch, self.plan, self.frame, answers).cpu()
            return [RegionMask(m.object_id, m.region, p) for m, p in zip(chunk, probability, strict=True)]

        def read(chunk: Sequence[tuple[int, Region]]) -> Sequence[None]:
            tracked, regions = [objects[i] for i, _ in chunk], [region for _, region in chunk]
            most = self.budget.similarities
            read_regions(network, self.encoded, tracked, regions, self.plan, self.frame, most, answers)
            return [None] * len(chunk)

        out = []
        if todo and wants_few_calls(network.device):
            by_size = sorted(todo, key=lambda item: item[1].height * item[1].width)
            self.scope.budget.work.map(by_size, by_size[-1][1].height * by_size[-1][1].width, read)
        for group in by_shape(RegionMask(i, region, self.encoded.key) for i, region in todo):
            out += self.scope.budget.work.map(group, group[0].region.height * group[0].region.width, decode)
        return out

    def memorise(
        self,
        objects: Mapping[int, TrackedObject],
        masks: Sequence[RegionMask],
        everyone: Sequence[RegionMask],
        permanent: Collection[int] = (),
        contests: Mapping[int, Contest] = MappingProxyType({}),
    ) -> None:
        """Encode and remember some masks; `everyone` are all masks of the frame, `permanent` the painted objects.

        `contests`: how objects fared against what looks like them.
        """
        if not masks:
            return
        total, done = others_in(everyone, (self.image.shape[-2], self.image.shape[-1])), set[int]()

        def memorise(chunk: Sequence[RegionMask]) -> Sequence[RegionMask]:
            batches = [self._batch(objects, group) for group in by_shape(chunk)]
            memorise_regions(
                self.scope.network,
                self.image,
                self.encoded,
                batches,
                chunk,
                total,
                self.plan,
                self.frame,
                set(permanent),
                done,
                contests,
            )
            return chunk

        by_size = sorted(masks, key=lambda mask: (mask.region.height * mask.region.width, mask.region.height))
        groups = [by_size] if wants_few_calls(self.network.device) else by_shape(masks)
        for group in groups:
            self.scope.budget.work.map(group, group[-1].region.height * group[-1].region.width, memorise)
        settle(objects[mask.object_id].bank for mask in masks)

    def _batch(self, objects: Mapping[int, TrackedObject], masks: Sequence[RegionMask]) -> RegionBatch:
        """Return objects with regions of one size as a batch."""
        tracked = [objects[m.object_id] for m in masks]
        regions = [m.region for m in masks]
        return RegionBatch(tracked, regions, self.scope.network.config.stride_px, self.scope.budget.similarities)
