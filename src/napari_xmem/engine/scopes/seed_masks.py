"""Painted labels on their way in: checked, brought to the scaled frame as masks, and kept as they are in the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import corners
from napari_xmem.engine.scopes.resample import resample, resize
from napari_xmem.errors import SeedError
from napari_xmem.imaging import object_boxes, object_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.preprocess import FrameGeometry
    from napari_xmem.engine.scopes.region_masks import FrameLabels
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["keep_seeds", "seed_masks", "seed_regions", "seed_rows"]


def seed_rows(
    masks: Tensor | None, object_ids: Sequence[int] | None, known: tuple[int, ...], shape: tuple[int, int]
) -> dict[int, Tensor]:
    """Pair the masks given to a step with object ids.

    Parameters
    ----------
    masks : Tensor or None
        ``(O, H, W)``, any numeric type, 0 to 1.
    object_ids : sequence of int or None
        One id per mask; None: the known objects in order, or 1 to O where none is known.
    known : tuple of int
        Objects so far.
    shape : tuple of 2 int
        Size of the frame.

    Returns
    -------
    dict
        Object id to float mask; empty where no mask is given.

    Raises
    ------
    SeedError
        If shapes or numbers do not fit, ids repeat or are not positive.
    """
    if masks is None:
        if object_ids:
            raise SeedError(f"object_ids {list(object_ids)} were given without masks; give one mask per id.")
        return {}
    if masks.ndim != 3 or tuple(masks.shape[1:]) != shape:
        raise SeedError(f"masks have shape {tuple(masks.shape)}, expected (objects, {shape[0]}, {shape[1]}).")
    if object_ids is None:
        object_ids = known if known else range(1, len(masks) + 1)
    ids = [int(i) for i in object_ids]
    if len(ids) != len(masks) or len(set(ids)) != len(ids) or any(i < 1 for i in ids):
        raise SeedError(f"object_ids are {ids} for {len(masks)} masks; expected {len(masks)} different ids above 0.")
    return dict(zip(ids, masks.to(torch.float32), strict=True))


def seed_masks(
    seeds: NDArray[Any], geometry: FrameGeometry, absent: Sequence[int] = ()
) -> tuple[Tensor | None, list[int] | None]:
    """Bring painted labels to the scaled, padded frame, as a mask of the whole frame per object.

    Parameters
    ----------
    seeds : ndarray, shape (Y, X)
        Labels painted on a frame of the movie.
    geometry : FrameGeometry
        Sizes of the frames.
    absent : sequence of int
        Objects that get an empty mask unless they are painted.

    Returns
    -------
    masks : Tensor or None
        ``(O, H, W)`` float32 of the padded shape; None without objects.
    object_ids : list of int or None
        One id per mask.
    """
    ids = list(object_ids(seeds))
    ids += [i for i in absent if i not in ids]
    if not ids:
        return None, None
    stacked = torch.stack([torch.from_numpy(np.asarray(seeds == i)).float() for i in ids])
    masks = torch.zeros(len(ids), *geometry.padded_shape, dtype=torch.float32, device="cpu")
    height, width = geometry.scaled_shape
    masks[:, :height, :width] = resize(stacked, geometry.scaled_shape)
    return masks, ids


def seed_regions(
    seeds: NDArray[Any],
    geometry: FrameGeometry,
    region_for: Callable[[tuple[float, float], tuple[float, float]], Region],
) -> list[RegionMask]:
    """Cut each painted object out and bring it to its region of the scaled frame.

    Parameters
    ----------
    seeds : ndarray, shape (Y, X)
        Labels painted on a frame of the movie.
    geometry : FrameGeometry
        Sizes of the frames.
    region_for : callable
        Takes centre y, x and height, width of an object's box in the scaled frame and returns its region.
    """
    scale, out = geometry.scale, []
    for object_id, (top, left, bottom, right) in object_boxes(seeds).items():
        centre = ((top + bottom) / 2 * scale, (left + right) / 2 * scale)
        region = region_for(centre, ((bottom - top) * scale, (right - left) * scale))
        window = _source_window(region, scale, geometry.shape)
        patch = torch.from_numpy(np.ascontiguousarray(seeds[window] == object_id)).float()[None]
        corner = corners([(window[0].start, window[1].start)])
        mask = resample(patch, corner, corners([(region.y, region.x)]), region.shape, scale)[0]
        out.append(RegionMask(object_id, region, mask))
    return out


def _source_window(region: Region, scale: float, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the pixels of the movie that a region of the scaled frame needs."""
    spans = []
    for span, limit in zip(region.slices, shape, strict=True):
        low = max(0, int(span.start / scale) - 2)
        spans.append(slice(low, min(limit, int(span.stop / scale) + 3)))
    return spans[0], spans[1]


def keep_seeds(
    found: FrameLabels, ids: tuple[int, ...], seeds: NDArray[Any], absent: Collection[int] = ()
) -> FrameLabels:
    """Make a seeded frame show exactly what was painted: seeds win, and are certain; `absent` objects are nowhere."""
    labels = found.labels.copy()
    seeded = set(object_ids(seeds))
    labels[np.isin(labels, list(absent))] = 0
    labels[np.isin(labels, list(seeded))] = 0
    labels = np.where(seeds > 0, seeds, labels)
    area, confidence = found.area_px.copy(), found.confidence.copy()
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    for row, object_id in enumerate(ids):
        area[row] = counts.get(object_id, 0)
        confidence[row] = 1.0 if object_id in seeded else confidence[row] * (area[row] > 0)
    return replace(found, labels=labels, area_px=area, confidence=confidence)
