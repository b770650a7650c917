"""Examples put elsewhere: what a place looks like to the memory of an example that had moved there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.engine.discovery.solidity import solidity
from napari_xmem.engine.scopes.batches import RegionBatch, decode_regions
from napari_xmem.engine.scopes.object_state import TrackedObject
from napari_xmem.engine.scopes.region_masks import RegionMask, by_shape, expected_jaccard
from napari_xmem.engine.scopes.regions import Region, object_region
from napari_xmem.engine.scopes.schedule import FramePlan
from napari_xmem.memory import POSITION_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.discovery.example_transform import Fit
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.memory import MemoryBank
    from napari_xmem.model import XMem

__all__ = ["Candidate", "Place", "Transplanter"]

_READ_ONLY = FramePlan(memorise=False, deep_update=False, normal_update=False)
#: Room around the example's box, in its largest side.
_MARGIN_SHARE = 0.45
#: How near to a place a mask must come to be of it, in the example's smaller side.
_REACH_SHARE = 0.3
#: How much more places weigh than when an object is followed: what is looked for is known to be here, or nowhere, so a
#: neighbour that looks more like the example must not answer.
_POSITION_GAIN = 8.0


@dataclass(frozen=True, slots=True)
class Place:
    """An example put somewhere: its number among the examples, and the centre y, x in pixels of the scaled frame.

    `fit` says how it is turned and stretched there; None: as it was painted.
    """

    example: int
    centre_px: tuple[float, float]
    fit: Fit | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """What was seen at a place.

    Attributes
    ----------
    place : Place
        Where, and by which example's memory.
    region : Region
        The region that was decoded.
    probability : Tensor
        ``(region height, region width)`` float32, the largest component only.
    area_px : float
        Pixels above one half.
    centre_px : tuple of 2 float
        Centre y, x of its box.
    confidence : float
        Expected Jaccard index.
    plausibility : float
        Factor, 0 to 1, for what differs from the examples in looks, size or shape; known once it is accepted.
    """

    place: Place
    region: Region
    probability: Tensor
    area_px: float
    centre_px: tuple[float, float]
    confidence: float
    plausibility: float = 1.0

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels of its region that are its own."""
        return np.asarray((self.probability > 0.5).numpy())

    @cached_property
    def solidity(self) -> float:
        """Share of its convex hull that it fills, 0 to 1."""
        return solidity(self.inside)

    def only(self, chosen: NDArray[np.bool_]) -> Candidate:
        """Return the largest piece of it on some pixels of its region."""
        values = self.probability.numpy()
        values = np.where(chosen | (ndimage.binary_dilation(chosen, iterations=2) & (values <= 0.5)), values, 0.0)
        pieces, count = ndimage.label(values > 0.5)
        if not count:
            return replace(self, probability=torch.zeros_like(self.probability), area_px=0.0, confidence=0.0)
        return _measured(self.place, self.region, values.astype(np.float32), pieces, _largest_piece(pieces))

    def without(self, owned: NDArray[np.bool_], overlap_share: float) -> Candidate:
        """Return what is left of it where pixels of its region are owned; itself if that takes so little of it."""
        lost = np.count_nonzero(owned & self.inside)
        if lost <= overlap_share * self.area_px:
            return self
        return self.only(~owned)

    def overlap(self, other: Candidate) -> float:
        """Return the Jaccard index of two masks."""
        a, b = self.region, other.region
        top, left = max(a.y, b.y), max(a.x, b.x)
        bottom, right = min(a.y + a.height, b.y + b.height), min(a.x + a.width, b.x + b.width)
        smaller, larger = sorted((self.area_px, other.area_px))
        if top >= bottom or left >= right or not smaller:
            return 0.0
        first, second = (
            c.inside[top - c.region.y : bottom - c.region.y, left - c.region.x : right - c.region.x]
            for c in (self, other)
        )
        shared = np.count_nonzero(first & second)
        return shared / (smaller + larger - shared)

    def touches_border(self, scaled_shape: tuple[int, int]) -> bool:
        """Return True if it touches the border of the scaled frame, which is this large without padding."""
        inside, y, x = self.inside, self.region.y, self.region.x
        bottom, right = scaled_shape[0] - y - 1, scaled_shape[1] - x - 1
        cut = (y == 0 and inside[0].any()) or (x == 0 and inside[:, 0].any())
        cut = cut or (bottom < inside.shape[0] and inside[bottom].any())
        return bool(cut or (right < inside.shape[1] and inside[:, right].any()))


class Transplanter:
    """Decodes a frame at places, with the memories of examples.

    Parameters
    ----------
    network : XMem
        The network, in eval mode.
    encoded : EncodedFrame
        The frame in which is searched, encoded wherever places may lie.
    examples : sequence of TrackedObject
        What is put elsewhere.
    banks : sequence of MemoryBank
        The memory of each; reading counts usage in it.
    frame_shape : tuple of 2 int
        Size of the scaled, padded frame.
    budget : Budget
        How much is computed at a time.
    """

    def __init__(
        self,
        network: XMem,
        encoded: EncodedFrame,
        examples: Sequence[TrackedObject],
        banks: Sequence[MemoryBank],
        frame_shape: tuple[int, int],
        budget: Budget,
    ) -> None:
        self.network, self.encoded, self.frame_shape, self.budget = network, encoded, frame_shape, budget
        self.examples, self._banks = examples, banks

    def region(self, place: Place) -> Region:
        """Return the region that is decoded for a place."""
        extent = self._extent_px(place)
        margin = _MARGIN_SHARE * max(extent)
        return object_region(place.centre_px, extent, self.frame_shape, self.network.config.stride_px, margin)

    def decode(self, places: Sequence[Place]) -> list[Candidate]:
        """Return what is seen at each place, in their order."""
        objects = [self._moved(number, place) for number, place in enumerate(places)]
        found: dict[int, Candidate] = {}

        def decode(chunk: Sequence[RegionMask]) -> Sequence[RegionMask]:
            batch = RegionBatch(
                [objects[m.object_id] for m in chunk],
                [m.region for m in chunk],
                self.network.config.stride_px,
                self.budget.similarities,
            )
            answers = self._read(batch, places)
            seen = decode_regions(self.network, self.encoded, batch, _READ_ONLY, 0, answers).cpu()
            for mask, probability in zip(chunk, seen, strict=True):
                found[mask.object_id] = self._seen(places[mask.object_id], mask.region, probability)
            return chunk

        items = (RegionMask(i, self.region(place), self.encoded.key) for i, place in enumerate(places))
        for group in by_shape(items):
            self.budget.work.map(group, group[0].region.height * group[0].region.width, decode)
        return [found[i] for i in range(len(places))]

    def _seen(self, place: Place, region: Region, probability: Tensor) -> Candidate:
        return _candidate(place, region, probability, _REACH_SHARE * min(self._extent_px(place)))

    def _extent_px(self, place: Place) -> tuple[float, float]:
        """Return height and width that the object has there."""
        return place.fit.extent_px if place.fit else self.examples[place.example].extent_px

    def _moved(self, number: int, place: Place) -> TrackedObject:
        """Return an example as if it had moved to a place."""
        example = self.examples[place.example]
        hidden, fit = example.hidden, place.fit
        return TrackedObject(
            number,
            self._banks[place.example],
            place.centre_px,
            self._extent_px(place),
            example.area_px,
            hidden=fit.applied(hidden) if fit and hidden is not None else hidden,
            expected_px=place.centre_px,
        )

    def _read(self, batch: RegionBatch, places: Sequence[Place]) -> dict[int, Tensor]:
        """Ask each example's memory once for all of its places in a batch."""
        keys = batch.crop(self.encoded.key).flatten(2)
        selections = batch.crop(self.encoded.selection).flatten(2)
        centres = [item.expected_px for item in batch.tracked]
        keys, selections = batch.with_positions(keys, selections, centres, self.network.config.locality_px)
        if self.network.config.locality_px:
            for row, item in enumerate(batch.tracked):
                fit = places[item.object_id].fit
                if fit:
                    keys[row, -POSITION_CHANNELS:] = fit.matrix.to(keys) @ keys[row, -POSITION_CHANNELS:]
            appearance, position = selections[:, :-POSITION_CHANNELS], selections[:, -POSITION_CHANNELS:]
            selections = torch.cat([appearance, _POSITION_GAIN * position], 1)
        rows_of: dict[int, list[int]] = defaultdict(list)
        for row, item in enumerate(batch.tracked):
            rows_of[places[item.object_id].example].append(row)
        answers: dict[int, Tensor] = {}
        cells = keys.shape[2]
        for example, rows in rows_of.items():
            key, selection = (t[rows].permute(1, 0, 2).flatten(1) for t in (keys, selections))
            read = self._banks[example].read(key, selection, chunk_elements=batch.similarities)
            for row, answer in zip(rows, read.unflatten(2, (len(rows), cells)).unbind(2), strict=True):
                answers[batch.tracked[row].object_id] = answer
        return answers


def _candidate(place: Place, region: Region, probability: Tensor, reach_px: float) -> Candidate:
    """Keep the component at the place, or the nearest one within `reach_px` of it, and measure it."""
    values = probability.numpy()
    components, _ = ndimage.label(values > 0.5)
    chosen = _component_at(components, (place.centre_px[0] - region.y, place.centre_px[1] - region.x), reach_px)
    if not chosen:
        return Candidate(place, region, probability, 0.0, place.centre_px, 0.0)
    return _measured(place, region, values, components, chosen)


def _measured(
    place: Place, region: Region, values: NDArray[np.float32], components: NDArray[np.int32], chosen: int
) -> Candidate:
    """Keep one component of a mask, and measure it."""
    inside = components == chosen
    others = ndimage.binary_dilation((components > 0) & ~inside, iterations=2) & ~inside
    values = np.where(others, 0.0, values).astype(np.float32)
    inside = values > 0.5
    area, confidence = expected_jaccard(values, inside)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    centre = (region.y + (rows[0] + rows[-1] + 1) / 2, region.x + (columns[0] + columns[-1] + 1) / 2)
    return Candidate(place, region, torch.from_numpy(values), float(area), centre, confidence)


def _largest_piece(components: NDArray[np.int32]) -> int:
    """Return the number of the largest component."""
    return int(np.bincount(components.ravel())[1:].argmax()) + 1


def _component_at(components: NDArray[np.int32], at_px: tuple[float, float], reach_px: float) -> int:
    """Return the number of the component nearest to a place; 0 if none is within reach."""
    y, x = np.nonzero(components)
    if not len(y):
        return 0
    distance = np.hypot(y + 0.5 - at_px[0], x + 0.5 - at_px[1])
    nearest = int(distance.argmin())
    return int(components[y[nearest], x[nearest]]) if distance[nearest] <= reach_px else 0
