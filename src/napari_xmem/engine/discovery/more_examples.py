"""Found objects that become examples for the next search, where they differ from those there are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from napari_xmem.engine.discovery.example_transform import spread
from napari_xmem.engine.scopes.object_state import Observation
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.imaging import object_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.discovery.candidate_masks import Candidate
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.regions import Region
    from napari_xmem.engine.scopes.tiling import EncodedFrame

__all__ = ["ExampleHost", "differing", "learned"]

#: What an object must be to become an example: so sure.
_SURE = 0.85
#: What counts as different: factor of the area, of the whole range of orientations, and of how its keys vary.
_AREA_SCALE, _SHAPE_SCALE = 0.35, 0.5
#: Nearer than this to an example, an object adds nothing.
_NEWS = 0.75
#: Examples made of what one round found, at most.
_MOST_NEW = 6


class ExampleHost(Protocol):
    """A frame at hand: what is asked to make an example of an object found on it."""

    def start_object(self, seed: RegionMask) -> TrackedObject:
        """Return an object with an empty memory."""

    def region_for(self, centre_px: tuple[float, float], extent_px: tuple[float, float]) -> Region:
        """Return the region of an object of this place and size."""

    def memorise(
        self, objects: Mapping[int, TrackedObject], masks: Sequence[RegionMask], everyone: Sequence[RegionMask]
    ) -> None:
        """Remember `masks` of the frame at hand; `everyone` are all masks on it, these among them."""


def differing(
    encoded: EncodedFrame,
    examples: Sequence[TrackedObject],
    labels: NDArray[np.int32],
    found: Sequence[Candidate],
    stride_px: int,
) -> list[int]:
    """Return which of the objects found are sure, and differ most from the examples and from each other.

    Parameters
    ----------
    encoded : EncodedFrame
        The frame.
    examples : sequence of TrackedObject
        Those there are.
    labels : ndarray, shape (H, W), int
        Ids of their pixels of the scaled frame.
    found : sequence of Candidate
        What was found.
    stride_px : int
        Key stride.
    """
    sure = [n for n, c in enumerate(found) if c.confidence * c.plausibility >= _SURE]
    if not sure:
        return []
    boxes, described = object_boxes(labels), []
    for i in (e.object_id for e in examples):
        if i in boxes:
            top, left, bottom, right = boxes[i]
            described.append((labels[top:bottom, left:right] == i, top, left))
    described += [(found[n].inside, found[n].region.y, found[n].region.x) for n in sure]
    keys = np.stack([_mean_key(encoded.key[0], *item, stride_px) for item in described])
    scale = max(1e-6, float(np.sqrt(((keys - keys.mean(0)) ** 2).sum(1).mean())))
    places = np.concatenate([[_shape_of(inside) for inside, _, _ in described], keys / scale], 1)
    known, new = np.split(places, [len(described) - len(sure)])
    distance = np.full(len(new), np.inf)
    for place in known:
        distance = np.minimum(distance, np.linalg.norm(new - place, axis=1))
    chosen: list[int] = []
    while len(chosen) < _MOST_NEW and distance.max() >= _NEWS:
        furthest = int(distance.argmax())
        chosen.append(sure[furthest])
        distance = np.minimum(distance, np.linalg.norm(new - new[furthest], axis=1))
    return chosen


def _mean_key(key: Tensor, inside: NDArray[np.bool_], top: int, left: int, stride_px: int) -> NDArray[np.float64]:
    """Return the mean of the key ``(Ck, h, w)`` over a mask whose corner lies there."""
    y, x = (a + b for a, b in zip(np.nonzero(inside), (top, left), strict=True))
    height, width = key.shape[-2:]
    cells, counts = np.unique((y // stride_px) * width + x // stride_px, return_counts=True)
    values = key.reshape(len(key), height * width)[:, torch.from_numpy(cells)].cpu().numpy().astype(np.float64)
    return np.asarray((values * counts).sum(1) / counts.sum())


def _shape_of(inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return what tells masks apart: logarithm of the area, and elongation along two axes of double angles."""
    area = int(inside.sum())
    if not area:
        return (0.0, 0.0, 0.0)
    (yy, xy), (_, xx) = spread(inside).tolist()
    total = yy + xx
    return (math.log(area) / _AREA_SCALE, (xx - yy) / total / _SHAPE_SCALE, 2 * xy / total / _SHAPE_SCALE)


def learned(
    host: ExampleHost, chosen: Sequence[Candidate], ids: Sequence[int], everyone: Sequence[RegionMask]
) -> list[TrackedObject]:
    """Return objects that were found as examples with a memory of their own.

    Parameters
    ----------
    host : ExampleHost
        The frame.
    chosen : sequence of Candidate
        Which.
    ids : sequence of int
        An id for each.
    everyone : sequence of RegionMask
        All objects known on the frame, the chosen ones not among them.
    """
    objects: dict[int, TrackedObject] = {}
    masks: list[RegionMask] = []
    for i, candidate in zip(ids, chosen, strict=True):
        inside = candidate.inside
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        y, x = candidate.region.y, candidate.region.x
        top, left, bottom, right = y + rows[0], x + columns[0], y + rows[-1] + 1, x + columns[-1] + 1
        box = (float(top), float(left), float(bottom), float(right))
        seen = Observation(candidate.area_px, candidate.confidence, box)
        region = host.region_for(candidate.centre_px, (box[2] - box[0], box[3] - box[1]))
        mask = RegionMask(i, region, _moved(candidate.probability, candidate.region, region))
        objects[i] = host.start_object(mask)
        objects[i].update(seen, (0.0, 0.0), seeded=True)
        objects[i].expected_px = objects[i].centre_px
        masks.append(mask)
    host.memorise(objects, masks, [*everyone, *masks])
    return list(objects.values())


def _moved(probability: Tensor, old: Region, new: Region) -> Tensor:
    """Return what of a region's pixels lies in another one, 0 elsewhere."""
    out = torch.zeros(new.shape, dtype=probability.dtype, device="cpu")
    top, left = max(old.y, new.y), max(old.x, new.x)
    bottom, right = min(old.y + old.height, new.y + new.height), min(old.x + old.width, new.x + new.width)
    if top < bottom and left < right:
        part = probability[top - old.y : bottom - old.y, left - old.x : right - old.x]
        out[top - new.y : bottom - new.y, left - new.x : right - new.x] = part
    return out
