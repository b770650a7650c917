"""How much a run has to do: objects, pixels of their regions, memory elements; and the budget that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_xmem.engine.budget import Budget, bank_row_bytes, elements_per_object, fit_long_term
from napari_xmem.engine.local_scope import LocalScope
from napari_xmem.imaging import object_boxes

if TYPE_CHECKING:
    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.run import Run

__all__ = ["Workload"]

#: Buffers of memory banks grow in steps: they are up to this much larger than what they hold.
BANK_SLACK = 1.25


@dataclass(frozen=True, slots=True)
class Workload:
    """Size of a run.

    Attributes
    ----------
    frame_pixels, padded_pixels : int
        Pixels of the movie's frames, and of the scaled and padded ones.
    region_pixels : tuple of int
        Pixels each object is computed on (the padded frame for all in the global scope).
    mean_elements, most_elements : tuple of float, tuple of int
        Memory elements of each bank: mean over the run, and at most. One bank per object, or one in the global scope.
    bank_bytes : int
        Bytes of all banks at their largest.
    memory : MemoryConfig
        The settings, with long-term memory limited so that the budget is kept.
    budget : Budget
        How much is computed at a time.
    """

    frame_pixels: int
    padded_pixels: int
    region_pixels: tuple[int, ...]
    mean_elements: tuple[float, ...]
    most_elements: tuple[int, ...]
    bank_bytes: int
    memory: MemoryConfig
    budget: Budget

    @classmethod
    def of(cls, run: Run) -> Workload:
        """Size up a prepared run; a fresh budget each time, since a run may lower its limits."""
        model, memory = run.network.config, run.config.memory
        padded = math.prod(run.prepare.geometry.padded_shape)
        regions = _region_pixels(run)
        row = bank_row_bytes(model, 1 if run.scope == "local" else len(regions))
        masks = 4 * (3 * sum(regions) + 8 * padded)

        def grown(config: MemoryConfig) -> tuple[list[tuple[float, int]], int]:
            banks = regions if run.scope == "local" else regions[:1]
            growth = {n: elements_per_object(config, run.n_results, n // model.stride_px**2) for n in set(banks)}
            each = [growth[n] for n in banks]
            return each, int(BANK_SLACK * row * sum(most for _, most in each))

        elements, bank_bytes = grown(memory)
        asked, home = run.config.memory_budget_bytes, run.config.memory_device
        budget = Budget.plan(run.network, padded, bank_bytes, masks, asked, home)
        if bank_bytes > budget.banks:
            largest = max(regions) // model.stride_px**2
            memory = fit_long_term(memory, largest, row, budget.banks / (BANK_SLACK * len(elements)))
            elements, bank_bytes = grown(memory)
        return cls(
            frame_pixels=math.prod(run.source.frame_shape),
            padded_pixels=padded,
            region_pixels=tuple(regions),
            mean_elements=tuple(mean for mean, _ in elements),
            most_elements=tuple(most for _, most in elements),
            bank_bytes=bank_bytes,
            memory=memory,
            budget=budget,
        )


def _region_pixels(run: Run) -> list[int]:
    """Return the pixels of each object's region where it is first seeded; the frame's in the global scope."""
    geometry, found = run.prepare.geometry, dict[int, int]()
    reach = run.config.max_displacement_px
    scope = LocalScope(run.network, run.config.memory, None if reach is None else reach * geometry.scale)
    for labels in run.seeds.values():
        for object_id, (top, left, bottom, right) in object_boxes(labels).items():
            extent = ((bottom - top) * geometry.scale, (right - left) * geometry.scale)
            centre = ((top + bottom) / 2 * geometry.scale, (left + right) / 2 * geometry.scale)
            region = scope.region_for(centre, extent, geometry.padded_shape)
            found.setdefault(object_id, region.height * region.width)
    if run.scope == "global":
        return [math.prod(geometry.padded_shape)] * len(found)
    return list(found.values())
