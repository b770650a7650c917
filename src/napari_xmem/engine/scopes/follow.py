"""From frames and label images to label images: one follower per scope, both with the same two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from napari_xmem.engine.scopes.aggregation import others_in
from napari_xmem.engine.scopes.drift import estimate_drift
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.region_masks import FrameLabels, RegionMask, compose_labels, expected_jaccard
from napari_xmem.engine.scopes.resample import resample
from napari_xmem.imaging import object_boxes
from napari_xmem.memory import MemoryBank, MemorySnapshot, merge_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.scopes.preprocess import NetworkInput
    from napari_xmem.model import XMem

__all__ = ["Follower", "GlobalFollower", "LocalFollower", "keep_seeds"]


class Follower(Protocol):
    """Follows all objects of a movie, one frame after the other."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Where each object's centre was last expected, y and x in pixels of the scaled frame."""

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The memories: one for all objects, or one for each in the order of `object_ids`."""

    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame ``(Y, X[, C])`` of the movie, with the labels painted on it, if any.

        `absent` are objects known to be nowhere on a painted frame.
        """

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""

    def forget(self, object_id: int) -> Callable[[], None]:
        """Stop following an object and drop its memory; returns what takes that back."""

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of memory after frame `index`."""


class GlobalFollower:
    """The paper's scope on frames of a movie.

    Parameters
    ----------
    network : XMem
        The network.
    memory : MemoryConfig
        The memory manager's settings.
    prepare : NetworkInput
        Turns frames into network input.
    budget : Budget, optional
        How much is computed at a time.
    """

    def __init__(
        self, network: XMem, memory: MemoryConfig, prepare: NetworkInput, budget: Budget | None = None
    ) -> None:
        self.scope = GlobalScope(network, memory, budget)
        self.prepare = prepare

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""
        return self.scope.object_ids

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Nothing: whole frames are matched."""
        return {}

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The one memory of all objects."""
        return (self.scope.bank,)

    def forget(self, object_id: int) -> Callable[[], None]:
        """Stop following an object and drop its memory; returns what takes that back."""
        scope, ids = self.scope, self.scope.object_ids
        hidden = scope.sensory.get([object_id]) if object_id in scope.sensory.object_ids else None
        scope.forget(object_id)

        def take_back() -> None:
            scope.bank.undo()
            scope.object_ids = ids
            if hidden is not None:
                scope.sensory.set([object_id], hidden)

        return take_back

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""
        _reconfigure(self.scope, self.banks, memory)

    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame; see `Follower`."""
        geometry = self.prepare.geometry
        image = self.prepare(frame, index)
        masks, ids = None, None
        if seeds is not None:
            ids = [int(i) for i in np.unique(seeds) if i > 0]
            ids += [i for i in self.object_ids if i in absent and i not in ids]
        if ids:
            stacked = torch.stack([torch.from_numpy(np.asarray(seeds == i)).float() for i in ids])
            masks = torch.zeros(len(ids), *geometry.padded_shape)
            height, width = geometry.scaled_shape
            masks[:, :height, :width] = _resize(stacked, geometry.scaled_shape)
        probability = self.scope.step(image, masks, ids, last=last, frame=index)
        height, width = geometry.scaled_shape
        probability = _resize(probability[:, :height, :width], geometry.shape).cpu()
        winner = probability.argmax(0).numpy()
        table = np.array([0, *self.object_ids], np.int64)
        found = FrameLabels(
            table[winner],
            np.zeros(len(table) - 1, np.int64),
            np.zeros(len(table) - 1, np.float32),
        )
        for row in range(1, len(table)):
            found.area_px[row - 1], found.confidence[row - 1] = expected_jaccard(
                probability[row].numpy(), winner == row
            )
        return found

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of memory after frame `index`."""
        return self.scope.bank.snapshot(index) if self.object_ids else None


class LocalFollower:
    """The local scope on frames of a movie: scale, drift, regions.

    Parameters
    ----------
    network : XMem
        The network.
    memory : MemoryConfig
        The memory manager's settings, for each object's memory.
    prepare : NetworkInput
        Turns frames into network input.
    max_displacement_px : float, optional
        How far an object may move between frames beyond the drift of the whole frame, in pixels of the movie.
    budget : Budget, optional
        How much is computed at a time.
    """

    def __init__(
        self,
        network: XMem,
        memory: MemoryConfig,
        prepare: NetworkInput,
        max_displacement_px: float | None = None,
        budget: Budget | None = None,
    ) -> None:
        reach = None if max_displacement_px is None else max_displacement_px * prepare.geometry.scale
        self.scope = LocalScope(network, memory, reach, budget)
        self.prepare = prepare
        self._before: NDArray[np.float32] | None = None
        self._focus: NDArray[np.float32] | None = None

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""
        return self.scope.object_ids

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Where each object's centre was last expected, y and x in pixels of the scaled frame."""
        return {i: tracked.expected_px for i, tracked in self.scope.objects.items()}

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The memory of each object."""
        return tuple(tracked.bank for tracked in self.scope.objects.values())

    def forget(self, object_id: int) -> Callable[[], None]:
        """Stop following an object and drop its memory; returns what takes that back."""
        scope, tracked = self.scope, self.scope.objects[object_id]
        scope.forget(object_id)

        def take_back() -> None:
            scope.objects[object_id] = tracked

        return take_back

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""
        _reconfigure(self.scope, self.banks, memory)

    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame; see `Follower`."""
        geometry = self.prepare.geometry
        image = self.prepare(frame, index)
        grey = image[:3].mean(0)[: geometry.scaled_shape[0], : geometry.scaled_shape[1]].numpy()
        drift, reach = (0.0, 0.0), self.scope.max_displacement_px
        if self._before is not None:
            drift = estimate_drift(self._before, grey, self._focus, reach)
        self._before = grey
        patches = [] if seeds is None else self._seed_masks(seeds)
        painted = {patch.object_id for patch in patches}
        patches += [self._blank(i) for i in self.object_ids if i in absent and i not in painted]
        masks = self.scope.advance(image, patches, last=last, frame=index, drift_px=drift)
        found = others_in(masks, geometry.padded_shape).clamp(0, 1).cpu().numpy()
        self._focus = found[: grey.shape[0], : grey.shape[1]]
        return compose_labels(masks, geometry.shape, geometry.scale)

    def _blank(self, object_id: int) -> RegionMask:
        """Return an empty mask where an object was looked for: what lies there is not the object."""
        tracked = self.scope.objects[object_id]
        region = self.scope.region_for(tracked.centre_px, tracked.extent_px, self.prepare.geometry.padded_shape)
        return RegionMask(object_id, region, torch.zeros(region.shape))

    def _seed_masks(self, seeds: NDArray[Any]) -> list[RegionMask]:
        """Cut each painted object out and bring it to the scaled frame."""
        geometry, out = self.prepare.geometry, []
        for object_id, (top, left, bottom, right) in object_boxes(seeds).items():
            scale = geometry.scale
            centre = ((top + bottom) / 2 * scale, (left + right) / 2 * scale)
            extent = ((bottom - top) * scale, (right - left) * scale)
            region = self.scope.region_for(centre, extent, geometry.padded_shape)
            window = _around(region.slices, scale, geometry.shape)
            patch = torch.from_numpy(np.ascontiguousarray(seeds[window] == object_id)).float()[None]
            corner = torch.tensor([[window[0].start, window[1].start]])
            mask = resample(patch, corner, torch.tensor([[region.y, region.x]]), region.shape, scale)[0]
            out.append(RegionMask(object_id, region, mask))
        return out

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of all objects' memory after frame `index`."""
        banks = [tracked.bank.snapshot(index) for tracked in self.scope.objects.values()]
        return merge_snapshots(banks) if banks else None


def keep_seeds(
    found: FrameLabels, ids: tuple[int, ...], seeds: NDArray[Any], absent: Collection[int] = ()
) -> FrameLabels:
    """Make a seeded frame show exactly what was painted: seeds win, and are certain; `absent` objects are nowhere."""
    labels = found.labels.copy()
    seeded = {int(i) for i in np.unique(seeds) if i > 0}
    labels[np.isin(labels, list(absent))] = 0
    labels[np.isin(labels, list(seeded))] = 0
    labels = np.where(seeds > 0, seeds, labels)
    area, confidence = found.area_px.copy(), found.confidence.copy()
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    for row, object_id in enumerate(ids):
        area[row] = counts.get(object_id, 0)
        confidence[row] = 1.0 if object_id in seeded else confidence[row] * (area[row] > 0)
    return FrameLabels(labels, area, confidence)


def _reconfigure(scope: GlobalScope | LocalScope, banks: tuple[MemoryBank, ...], memory: MemoryConfig) -> None:
    for bank in banks:
        bank.reconfigure(memory)
    scope.memory = scope.schedule.config = memory


def _resize(tensor: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    if tuple(tensor.shape[1:]) == shape:
        return tensor
    shrinks = shape[0] < tensor.shape[1]
    return F.interpolate(tensor[None], shape, mode="bilinear", align_corners=False, antialias=shrinks)[0]


def _around(region: tuple[slice, slice], scale: float, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the pixels of the movie that a region of the scaled frame needs."""
    spans = []
    for span, limit in zip(region, shape, strict=True):
        low = max(0, int(span.start / scale) - 2)
        spans.append(slice(low, min(limit, int(span.stop / scale) + 3)))
    return spans[0], spans[1]
