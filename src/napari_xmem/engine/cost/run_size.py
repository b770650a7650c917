"""How much a run has to do: objects, pixels of their regions, memory elements; and the budget that follows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_xmem.engine.cost.budget import Budget
from napari_xmem.engine.cost.memory_estimate import bank_row_bytes, elements_per_object, fit_long_term, least_long_term
from napari_xmem.engine.scopes.regions import largest_margin_px, object_region
from napari_xmem.engine.scopes.tiling import TILE_STEP_PX
from napari_xmem.imaging import object_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.run import Run

__all__ = ["RunSize"]

#: Buffers of memory banks grow in steps: they are up to this much larger than what they hold.
BANK_SLACK = 1.25


@dataclass(frozen=True, slots=True)
class RunSize:
    """Size of a run.

    Attributes
    ----------
    frame_pixels, padded_pixels : int
        Pixels of the movie's frames, and of the scaled and padded ones.
    kept_pixels : int
        Pixels of the padded frame whose features take memory: on a CPU only those that an object's region touches.
    region_pixels : tuple of int
        Pixels each object is computed on (the padded frame for all in the global scope).
    n_calls : int
        Calls in which the objects of a frame are computed: regions of one size together, as far as the budget allows.
    mean_elements, most_elements : tuple of float, tuple of int
        Memory elements of each bank: mean over the run, and at most. One bank per object, or one in the global scope.
    bank_bytes, least_bank_bytes : int
        Bytes of all banks at their largest; the same with long-term memory as short as it can be.
    masks_bytes : int
        Bytes of images, masks and sensory memory.
    memory : MemoryConfig
        The settings, with long-term memory limited so that the budget is kept.
    budget : Budget
        How much is computed at a time.
    """

    frame_pixels: int
    padded_pixels: int
    kept_pixels: int
    region_pixels: tuple[int, ...]
    n_calls: int
    mean_elements: tuple[float, ...]
    most_elements: tuple[int, ...]
    bank_bytes: int
    least_bank_bytes: int
    masks_bytes: int
    memory: MemoryConfig
    budget: Budget

    @classmethod
    def of(cls, run: Run) -> RunSize:
        """Size up a prepared run; a fresh budget each time, since a run may lower its limits."""
        model, memory = run.network.config, run.config.memory
        padded = math.prod(run.prepare.geometry.padded_shape)
        objects = _objects(run)
        regions = tuple(item.pixels for item in objects)
        banks = objects if run.scope == "local" else [_Object(padded, _times(run, sorted(run.seeds)))]
        row = bank_row_bytes(model, 1 if run.scope == "local" else len(regions))
        n_frames, cell = max(len(part.frames) for part in run.passes), model.stride_px**2

        def grown(config: MemoryConfig) -> tuple[list[tuple[float, int]], int]:
            growth = {
                item: elements_per_object(config, n_frames, item.pixels // cell, item.seeded) for item in set(banks)
            }
            each = [growth[item] for item in banks]
            return each, int(BANK_SLACK * row * sum(most for _, most in each))

        elements, bank_bytes = grown(memory)
        masks, least = _mask_bytes(run, regions, padded), grown(least_long_term(memory))[1]
        kept = _touched(regions, padded) if run.network.device.type == "cpu" else padded
        budget = Budget.plan(
            run.network,
            run.network_bytes,
            kept,
            bank_bytes,
            masks,
            run.config.memory_budget_bytes,
            run.config.memory_device,
            least_bank_bytes=least,
            region_pixels=max(regions, default=0),  # none: memory is loaded
        )
        if bank_bytes > budget.banks:
            n_permanent = sum(item.pixels // cell * len(item.seeded) for item in banks) * memory.permanent_seeds
            fitted = fit_long_term(
                memory,
                sum(item.pixels // cell for item in banks) / len(banks),
                row,
                budget.banks / (BANK_SLACK * len(banks)),
                n_permanent / len(banks),
            )
            shorter, fitted_bytes = grown(fitted)
            if fitted_bytes < bank_bytes:  # else the run is too short for long-term memory to come to its limit
                memory, elements, bank_bytes = fitted, shorter, fitted_bytes
        return cls(
            frame_pixels=math.prod(run.source.frame_shape),
            padded_pixels=padded,
            kept_pixels=kept,
            region_pixels=regions,
            n_calls=_calls(regions, budget),
            mean_elements=tuple(mean for mean, _ in elements),
            most_elements=tuple(most for _, most in elements),
            bank_bytes=bank_bytes,
            least_bank_bytes=least,
            masks_bytes=masks,
            memory=memory,
            budget=budget,
        )


@dataclass(frozen=True, slots=True)
class _Object:
    """Pixels of an object's region, and when it is seeded besides the first time (`elements_per_object`)."""

    pixels: int
    seeded: tuple[int, ...]


def _objects(run: Run) -> list[_Object]:
    """Return each object with the region where it is first seeded; the whole frame in the global scope."""
    geometry, model, found = run.prepare.geometry, run.network.config, dict[int, int]()
    seeded: dict[int, list[int]] = {}
    reach = run.config.max_displacement_px
    margin = largest_margin_px(model, None if reach is None else reach * geometry.scale, geometry.detail)
    for frame, labels in run.seeds.items():
        for object_id, (top, left, bottom, right) in object_boxes(labels).items():
            extent = ((bottom - top) * geometry.scale, (right - left) * geometry.scale)
            centre = ((top + bottom) / 2 * geometry.scale, (left + right) / 2 * geometry.scale)
            region = object_region(centre, extent, geometry.padded_shape, model.stride_px, margin)
            found.setdefault(object_id, region.height * region.width)
            seeded.setdefault(object_id, []).append(frame)
    if run.scope == "global":
        found = dict.fromkeys(found, math.prod(geometry.padded_shape))
    return [_Object(pixels, _times(run, seeded[object_id])) for object_id, pixels in found.items()]


def _calls(regions: tuple[int, ...], budget: Budget) -> int:
    """Return in how many calls objects with regions of these sizes are computed."""
    calls = 0

    def compute(chunk: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        return chunk

    for pixels, count in Counter(regions).items():
        budget.work.map([pixels] * count, pixels, compute)
    return calls


def _touched(regions: tuple[int, ...], padded: int) -> int:
    """Return the pixels of the tiles that cover all regions, at most."""
    return min(padded, sum((math.isqrt(pixels) + 2 * TILE_STEP_PX) ** 2 for pixels in regions))


def _times(run: Run, frames: list[int]) -> tuple[int, ...]:
    """Return how many frames after the beginning of the longest pass some frames come, without the first of them."""
    longest = max(run.passes, key=lambda part: len(part.frames)).frames
    first, backward = longest[0], longest[-1] < longest[0]
    times = sorted(first - frame if backward else frame - first for frame in frames)
    return tuple(time for time in times[1:] if 0 <= time < len(longest))


def _mask_bytes(run: Run, regions: tuple[int, ...], padded: int) -> int:
    """Return the bytes of images, masks and sensory memory, with what else there is of every object in turn."""
    model, frame = run.network.config, math.prod(run.source.frame_shape)
    cells = sum(regions) // model.stride_px**2
    floats = 3 * sum(regions) + 8 * padded + 6 * frame + model.hidden_dim * cells
    if run.scope == "global":  # all objects are whole frames, and memory answers for all of them at a time
        floats += len(regions) * (4 * frame + padded) + model.value_dim * cells
    return 4 * floats
