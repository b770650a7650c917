"""Where objects are on one frame: probabilities in regions, and the label image they give."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from napari_xmem.engine.scopes.regions import Region, boxes_around, corners
from napari_xmem.engine.scopes.resample import resample
from napari_xmem.model import inference_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_xmem.tracking import Event

__all__ = [
    "FrameLabels",
    "RegionMask",
    "by_shape",
    "compose_dense",
    "compose_labels",
    "expected_jaccard",
    "labels_from_dense",
    "moved",
    "touching",
]

#: With more objects than this nobody is looked at apart from the rest.
_FEW = 16


@dataclass(frozen=True, slots=True, eq=False)
class RegionMask:
    """Probability of one object in its region.

    Attributes
    ----------
    object_id : int
        Label.
    region : Region
        Where, in the scaled frame.
    probability : Tensor
        ``(region height, region width)`` float32.
    """

    object_id: int
    region: Region
    probability: Tensor

    @classmethod
    def of(cls, object_id: int, region: Region, pixels: NDArray[np.float32]) -> Self:
        """Return a mask of pixels in the host's memory, which it shares."""
        return cls(object_id, region, torch.from_numpy(pixels))

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The probabilities in the host's memory, shared where they are there already: not to be written to.

        Many small windows are what numpy is good at: a call takes a tenth of what it takes in torch.
        """
        return self.probability.cpu().numpy()


@dataclass(frozen=True, slots=True, eq=False)
class FrameLabels:
    """Label image of one frame with area and confidence of each object (see `FrameResult`).

    `not_believed` says why nothing was learned from the frame, and how sure that is; None for a frame like any other.
    `events` are what was decided on the frame. `drift_px` (y, x) is the shift of the whole frame since the last one, in
    pixels of the movie, as far as it is known.
    """

    labels: NDArray[Any]
    area_px: NDArray[np.int64]
    confidence: NDArray[np.float32]
    not_believed: tuple[str, float] | None = None
    events: tuple[Event, ...] = ()
    drift_px: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_nothing(cls, shape: tuple[int, int], n_objects: int, reason: str, odds: float) -> Self:
        """Return what is said of a frame that is left out: every object is nowhere on it."""
        areas, sure = np.zeros(n_objects, np.int64), np.zeros(n_objects, np.float32)
        return cls(np.zeros(shape, np.int32), areas, sure, (reason, odds))


def by_shape(masks: Iterable[RegionMask]) -> Iterator[list[RegionMask]]:
    """Group region masks of equal shape, keeping their order."""
    groups: dict[tuple[int, int], list[RegionMask]] = defaultdict(list)
    for mask in masks:
        groups[mask.region.shape].append(mask)
    return iter(groups.values())


def moved(mask: RegionMask, y_px: int, x_px: int) -> RegionMask:
    """Return a mask with its region elsewhere."""
    region = mask.region
    return replace(mask, region=Region(region.y + y_px, region.x + x_px, region.height, region.width))


def touching(masks: Sequence[RegionMask], frame_shape: tuple[int, int]) -> list[tuple[Region, list[RegionMask]]]:
    """Group masks whose regions overlap, each group with the box around it, so that what lies between costs nothing.

    Many objects are one group in the whole frame.
    """
    if len(masks) > _FEW:
        return [(Region(0, 0, *frame_shape), list(masks))]
    return [
        (box, [mask for mask in masks if _covers(box, mask.region)])
        for box in boxes_around(mask.region for mask in masks)
    ]


def _covers(box: Region, region: Region) -> bool:
    return all(a.start <= b.start and b.stop <= a.stop for a, b in zip(box.slices, region.slices, strict=True))


def compose_dense(masks: Iterable[RegionMask], frame_shape: tuple[int, int]) -> Tensor:
    """Return ``(1 + N, H, W)`` probabilities of the whole scaled frame, background first."""
    masks = list(masks)
    device = masks[0].probability.device if masks else "cpu"
    out = torch.zeros(1 + len(masks), *frame_shape, dtype=torch.float32, device=device)
    for row, mask in enumerate(masks, start=1):
        out[(row, *mask.region.slices)] = mask.probability
    out[0] = (1 - out[1:].sum(0)).clamp(min=0)
    return out


@inference_settings()
def compose_labels(masks: Iterable[RegionMask], shape: tuple[int, int], scale: float) -> FrameLabels:
    """Resample all objects to the pixels of the movie and let the most probable win.

    Parameters
    ----------
    masks : iterable of RegionMask
        Aggregated probabilities, one entry per object.
    shape : tuple of 2 int
        Frame size of the movie.
    scale : float
        Pixels of the scaled frame per pixel of the movie.
    """
    masks = list(masks)
    best = np.zeros(shape, np.float32)
    total = np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    patches = dict(_native_patches(masks, shape, scale))
    for mask in masks:
        window, probability = patches[mask.object_id]
        total[window] += probability
        wins = probability > best[window]
        best[window] = np.where(wins, probability, best[window])
        labels[window] = np.where(wins, mask.object_id, labels[window])
    for window, _ in patches.values():
        labels[window][best[window] <= 1 - total[window]] = 0
    area = np.zeros(len(masks), np.int64)
    confidence = np.zeros(len(masks), np.float32)
    for row, mask in enumerate(masks):
        window, probability = patches[mask.object_id]
        area[row], confidence[row] = expected_jaccard(probability, labels[window] == mask.object_id)
    return FrameLabels(labels, area, confidence)


def labels_from_dense(probability: Tensor, object_ids: tuple[int, ...]) -> FrameLabels:
    """Let the most probable object of each pixel win.

    Parameters
    ----------
    probability : Tensor
        ``(1 + O, Y, X)`` on the CPU, in pixels of the movie, background first.
    object_ids : tuple of int
        The objects, in order.
    """
    winner = probability.argmax(0).numpy()
    table = np.array([0, *object_ids], np.int64)
    area, confidence = np.zeros(len(object_ids), np.int64), np.zeros(len(object_ids), np.float32)
    for row in range(len(object_ids)):
        area[row], confidence[row] = expected_jaccard(probability[row + 1].numpy(), winner == row + 1)
    return FrameLabels(table[winner], area, confidence)


def expected_jaccard(probability: NDArray[Any], mask: NDArray[np.bool_]) -> tuple[int, float]:
    """Return area and expected Jaccard index of a mask: ``sum(p inside) / (area + sum(p outside))``; 0 if empty."""
    area = int(mask.sum())
    if not area:
        return 0, 0.0
    inside = float(probability[mask].sum())
    outside = float(probability.sum()) - inside
    return area, min(1.0, inside / (area + max(outside, 0.0)))


Window = tuple[slice, slice]


def _native_patches(
    masks: list[RegionMask], shape: tuple[int, int], scale: float
) -> Iterator[tuple[int, tuple[Window, NDArray[np.float32]]]]:
    """Yield object id, its window in the movie's frame and its probability there."""
    for group in by_shape(masks):
        height, width = group[0].region.shape
        size = (math.ceil(height / scale) + 1, math.ceil(width / scale) + 1)
        scaled = corners((m.region.y, m.region.x) for m in group)
        native = corners((int(m.region.y / scale), int(m.region.x / scale)) for m in group)
        stacked = torch.stack([m.probability for m in group])
        device = stacked.device
        out = resample(stacked, scaled.to(device), native.to(device), size, 1 / scale).cpu().numpy()
        for mask, (y, x), patch in zip(group, native.tolist(), out, strict=True):
            rows, columns = min(size[0], shape[0] - y), min(size[1], shape[1] - x)
            yield mask.object_id, ((slice(y, y + rows), slice(x, x + columns)), patch[:rows, :columns])
