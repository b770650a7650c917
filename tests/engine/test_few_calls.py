"""What an accelerator does with few calls is what a CPU does one object after the other."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch

from napari_xmem import propagate
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.scopes.regions import Region, RegionCells, cell_centres, crop_batch
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.sample_data import simulated_nuclei


def test_labels_confidences_and_memories_are_the_same() -> None:
    """Over a consolidation of every memory, in float32."""
    frames, truth = simulated_nuclei(4, (96, 112), 3)
    memory = MemoryConfig(working_min_frames=2, working_max_frames=3)
    results = []
    for as_on in (nullcontext, as_on_accelerator):
        with as_on():
            results.append(propagate(frames, {0: truth[0]}, scope="local", precision="float32", memory=memory))
    cpu, accelerator = results
    ours, theirs = np.asarray(accelerator.labels), np.asarray(cpu.labels)
    for i in np.unique(truth[0])[1:]:
        both, any_of_them = ((ours == i) & (theirs == i)).sum(), ((ours == i) | (theirs == i)).sum()
        assert both >= 0.999 * any_of_them > 0, i
    np.testing.assert_allclose(accelerator.scores.confidence, cpu.scores.confidence, atol=1e-3)
    assert [snapshot.stores for snapshot in accelerator.memory] == [snapshot.stores for snapshot in cpu.memory]


def test_cells_of_regions_of_any_size_are_those_of_each_region() -> None:
    grid = torch.arange(2 * 12 * 15.0).reshape(1, 2, 12, 15)
    regions = [Region(16, 24, 32, 40), Region(0, 8, 96, 112), Region(56, 0, 8, 8)]
    cells = RegionCells.of(regions, columns=15, stride_px=8)
    taken, last = cells.take(grid, grid.contiguous(memory_format=torch.channels_last))
    assert torch.equal(taken, last) and cells.counts == (20, 168, 1)
    for row, (region, count) in enumerate(zip(regions, cells.counts, strict=True)):
        assert torch.equal(taken[row, :, :count], crop_batch(grid, [region], 8)[0].flatten(1))
        centres = cell_centres((region.height // 8, region.width // 8), 8) + torch.tensor([region.y, region.x])
        np.testing.assert_array_equal(cells.centres()[row, :count], centres)
