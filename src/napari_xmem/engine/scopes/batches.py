"""Network calls on batches of equally large regions, one object each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine.scopes.regions import Region, RegionCells, cell_centres, corners, crop_batch, stack_grids
from napari_xmem.memory import add_position
from napari_xmem.memory.affinity import CHUNK_ELEMENTS
from napari_xmem.memory.store import PackedKeys
from napari_xmem.memory.together import read_together
from napari_xmem.memory.writing import add_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.schedule import FramePlan
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.memory.distractors import Contest
    from napari_xmem.model import XMem

__all__ = ["RegionBatch", "decode_regions", "memorise_regions", "read_regions"]


@dataclass(frozen=True, slots=True, eq=False)
class RegionBatch:
    """Objects whose regions have one size, and how to cut frame tensors to them.

    Attributes
    ----------
    tracked : sequence of TrackedObject
        ``N`` objects.
    regions : sequence of Region
        Their regions.
    stride_px : int
        Key stride.
    similarities : int
        Queries times memory elements compared at a time.
    """

    tracked: Sequence[TrackedObject]
    regions: Sequence[Region]
    stride_px: int
    similarities: int = CHUNK_ELEMENTS

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the key grid in each region."""
        return self.regions[0].height // self.stride_px, self.regions[0].width // self.stride_px

    def crop(self, tensor: Tensor, scale: int = 1) -> Tensor:
        """Cut a frame tensor ``(1, C, ...)`` of `scale` times the key resolution to ``(N, C, ...)``."""
        return crop_batch(tensor, self.regions, self.stride_px // scale)

    def crop_pixels(self, tensor: Tensor) -> Tensor:
        """Cut a frame tensor ``(1, C, H, W)`` of full resolution."""
        return crop_batch(tensor, self.regions, 1)

    def hidden(self, channels: int) -> Tensor | None:
        """Return sensory memory ``(N, Ch, h, w)``, zeros for objects that have none yet; None for 0 channels."""
        if not channels:
            return None
        states = [item.hidden for item in self.tracked]
        like = next((state for state in states if state is not None), torch.empty(0, dtype=torch.float32, device="cpu"))
        return stack_grids(states, channels, self.cells, like)  # channels last, as they were made

    def keep_hidden(self, hidden: Tensor | None) -> None:
        """Store new sensory memory ``(N, Ch, h, w)``."""
        if hidden is not None:
            for item, state in zip(self.tracked, hidden, strict=True):
                item.hidden = state

    def cell_centres(self) -> Tensor:
        """Centres ``(N, h w, 2)`` of the regions' key cells as y, x in pixels of the scaled frame."""
        corner = corners((region.y, region.x) for region in self.regions)
        return cell_centres(self.cells, self.stride_px) + corner[:, None]

    def with_positions(
        self, key: Tensor, selection: Tensor, centres_px: Sequence[tuple[float, float]], locality_px: float
    ) -> tuple[Tensor, Tensor]:
        """Add to keys and selections ``(N, Ck, n)`` where their cells lie relative to each object's centre."""
        if not locality_px:
            return key, selection
        position = self.cell_centres() - torch.tensor(centres_px, dtype=torch.float32, device="cpu")[:, None]
        return add_position(key.float(), selection.float(), position, locality_px)


def read_regions(
    network: XMem,
    encoded: EncodedFrame,
    tracked: Sequence[TrackedObject],
    regions: Sequence[Region],
    plan: FramePlan,
    frame: int,
    similarities: int,
    answers: dict[int, Tensor],
) -> None:
    """Read the memory of objects whose regions may be of any sizes, all in one go.

    What memory answers for each, ``(1, V, cells of its region)``, is put into `answers`, from where `decode_regions`
    takes it; objects that are there already are not read again.
    """
    rows = [row for row, item in enumerate(tracked) if item.object_id not in answers]
    if not rows:
        return
    tracked, regions = [tracked[row] for row in rows], [regions[row] for row in rows]
    cells = RegionCells.of(regions, encoded.key.shape[-1], network.config.stride_px)
    keys, selections = cells.take(encoded.key, encoded.selection)
    expected = [item.expected_px for item in tracked]
    keys, selections = _with_positions(keys, selections, cells, expected, network.config.locality_px)
    banks, counted = [item.bank for item in tracked], plan.counted
    for place, answer in read_together(
        banks, keys, selections, frame=frame, chunk_elements=similarities, count=counted, sizes=cells.counts
    ):
        answers[tracked[place].object_id] = answer


def _with_positions(
    key: Tensor, selection: Tensor, cells: RegionCells, centres_px: Sequence[tuple[float, float]], locality_px: float
) -> tuple[Tensor, Tensor]:
    """Add to keys and selections ``(N, Ck, most)`` where their cells lie relative to each object's centre."""
    if not locality_px:
        return key, selection
    position = torch.from_numpy(cells.centres() - np.array(centres_px, np.float32)[:, None])
    return add_position(key.float(), selection.float(), position, locality_px)


def decode_regions(
    network: XMem, encoded: EncodedFrame, batch: RegionBatch, plan: FramePlan, frame: int, answers: dict[int, Tensor]
) -> Tensor:
    """Read each object's memory and decode its region; updates sensory memory if the plan says so.

    What memory answered is kept in `answers` until it is decoded: a read counts usage, so it is not done again when
    the device runs out of memory and the call is repeated with fewer objects, nor for those that `read_regions` read.
    Nothing else changes before the end.

    Returns
    -------
    Tensor
        ``(N, h, w)`` float32, each object's probability by itself.
    """
    read_regions(network, encoded, batch.tracked, batch.regions, plan, frame, batch.similarities, answers)
    rows = torch.stack([answers[item.object_id][0].T for item in batch.tracked])
    readout = rows.unflatten(1, batch.cells).permute(0, 3, 1, 2)  # channels last, as convolutions want it
    hidden = batch.hidden(network.config.hidden_dim)
    hidden = None if hidden is None else hidden.to(readout.device)
    logits, hidden = network.decode(encoded.decoding.map(batch.crop), readout, hidden, update_hidden=plan.normal_update)
    probability = logits.sigmoid()
    if plan.normal_update:
        batch.keep_hidden(hidden)
    for item in batch.tracked:
        del answers[item.object_id]
    return probability


def memorise_regions(
    network: XMem,
    image: Tensor,
    encoded: EncodedFrame,
    batches: Sequence[RegionBatch],
    masks: Sequence[RegionMask],
    total: Tensor,
    plan: FramePlan,
    frame: int,
    permanent: set[int],
    done: set[int],
    contests: Mapping[int, Contest],
) -> None:
    """Encode what to remember of each object and add it to its memory; nothing is stored before all is computed.

    `image` is ``(1, C, H, W)``; `masks` are those of all batches, in their order; `total` ``(H, W)`` is the sum of all
    objects' probabilities; `permanent` are the objects whose mask was given on this frame; `contests` say how others
    fared against what looks like them. Objects join `done` as they
    are stored, and are not stored again when the device runs out of memory and the call is repeated with fewer objects.
    """
    if encoded.encoding is None:
        raise ValueError("The frame was encoded without the value encoder's share.")
    config, tracked = network.config, [item for batch in batches for item in batch.tracked]
    cells = RegionCells.of([mask.region for mask in masks], encoded.key.shape[-1], config.stride_px)
    key, shrinkage, selection = cells.take(encoded.key, encoded.shrinkage, encoded.selection)
    centres = [item.centre_px for item in tracked]
    key, selection = _with_positions(key, selection, cells, centres, config.locality_px)
    packed = PackedKeys.of(key, shrinkage[:, 0], selection, torch.from_numpy(cells.centres()).to(key.device))
    values, sensory, first = key.new_zeros(*cells.index.shape, config.value_dim, dtype=torch.float32), [], 0
    for batch in batches:
        rows = slice(first, first + len(batch.tracked))
        own = torch.stack([m.probability for m in masks[rows]]).to(image.device)
        others = (batch.crop_pixels(total[None, None])[:, 0].to(image.device) - own).clamp(min=0)
        hidden = batch.hidden(config.hidden_dim)
        hidden = None if hidden is None else hidden.to(image.device)
        value, hidden = network.encode_value(
            batch.crop_pixels(image), own, others, encoded.encoding.map(batch.crop), hidden, deep=plan.deep_update
        )
        values[rows, : math.prod(batch.cells)] = value.flatten(2).transpose(1, 2)
        sensory.append(hidden)
        first = rows.stop
    left = [row for row, item in enumerate(tracked) if item.object_id not in done]
    if len(left) < len(tracked):
        packed, values = packed[left], values[left]
    ids = [tracked[row].object_id for row in left]
    banks, lasting, sizes = [tracked[row].bank for row in left], [i in permanent for i in ids], cells.counts
    counts = [sizes[row] for row in left]
    for place in add_together(banks, frame, packed, values.mT, ids, lasting, counts, contests):
        done.add(ids[place])
    if plan.deep_update:
        for batch, hidden in zip(batches, sensory, strict=True):
            batch.keep_hidden(hidden)
